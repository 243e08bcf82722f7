"""gpudl.func beside torch.func: the same functions of the same tensors."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ops"))

from oracle import flat, host, ours, theirs, torch

import gpudl
from gpudl import func

X = np.random.default_rng(0).normal(size=(3,))
A = np.random.default_rng(1).normal(size=(4, 3))


def vector(lib):
    return lambda x, a: lib.tanh(a @ x) * x.sum()


def check(got, want):
    got, want = flat(got), flat(want)
    assert len(got) == len(want)
    for mine, other in zip(got, want):
        assert mine.requires_grad == other.requires_grad
        assert mine.shape == tuple(other.shape)
        np.testing.assert_allclose(host(mine), host(other), 1e-10, 1e-12)


def both(run, device):
    """run(library, its func, make a tensor) for both libraries, compared."""
    mine = run(gpudl, func, lambda x: ours(x, device))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of what it deprecates and uses itself
        want = run(torch, torch.func, theirs)
    check(mine, want)


@pytest.mark.parametrize("argnums", [0, 1, -1, (0, 1), (1,)])
def test_grad(argnums, device):
    both(lambda lib, f, t: f.grad(lambda x, a: vector(lib)(x, a).sum(), argnums)(t(X), t(A)), device)


def test_grad_of_grad_of_grad(device):
    def cube(lib, f, t):
        return f.grad(f.grad(f.grad(lambda x: (x * x * x * x).sum())))(t(np.array(1.5)))

    both(cube, device)


def test_grad_uses_what_an_outer_grad_differentiates(device):
    def product(lib, f, t):
        y = t(np.array(2.0))
        return f.grad(lambda x: f.grad(lambda z: x * x * z * z)(y))(t(np.array(3.0)))

    both(product, device)


def test_grad_and_value_and_aux(device):
    both(lambda lib, f, t: f.grad_and_value(lambda x: (lib.tanh(x) * x).sum())(t(X)), device)
    run = lambda lib, f, t: f.grad(lambda x: ((x * x).sum(), x * 2), has_aux=True)(t(X))  # noqa: E731
    both(run, device)
    both(lambda lib, f, t: f.grad_and_value(lambda x: ((x * x).sum(), x * 2), has_aux=True)(t(X)), device)


def test_nested_arguments(device):
    def run(lib, f, t):
        found = f.grad(lambda p: (p["w"] @ p["b"][0]).sum())({"w": t(A), "b": (t(X),)})
        return found["w"], found["b"][0]

    both(run, device)


def test_vjp(device):
    def run(lib, f, t):
        y, back = f.vjp(vector(lib), t(X), t(A))
        return y, back(t(np.arange(4.0))), back(t(np.ones(4)))

    both(run, device)


def test_vjp_of_several_results_with_aux(device):
    def run(lib, f, t):
        y, back, aux = f.vjp(lambda x: ((x * 2, x.sum()), x * 3), t(X), has_aux=True)
        return y, back((t(X), t(np.array(2.0)))), aux

    both(run, device)


def test_jvp(device):
    both(lambda lib, f, t: f.jvp(vector(lib), (t(X), t(A)), (t(X[::-1].copy()), t(A * 2))), device)
    both(lambda lib, f, t: f.jvp(lambda x: (x * x, x.sum()), (t(X),), (t(np.ones(3)),)), device)


@pytest.mark.parametrize("name", ["jacrev", "jacfwd"])
def test_jacobians(name, device):
    both(lambda lib, f, t: getattr(f, name)(vector(lib))(t(X), t(A)), device)
    both(lambda lib, f, t: getattr(f, name)(vector(lib), argnums=(0, 1))(t(X), t(A)), device)
    both(lambda lib, f, t: getattr(f, name)(lambda x: (x * x, x.sum()))(t(X)), device)
    both(lambda lib, f, t: getattr(f, name)(lambda x: (x * x, x * 3), has_aux=True)(t(X)), device)
    both(lambda lib, f, t: getattr(f, name)(lambda x: x * 2)(t(np.array(3.0))), device)


def test_hessian(device):
    both(lambda lib, f, t: f.hessian(lambda x: (lib.tanh(x) * x.sum()).sum())(t(X)), device)
    both(lambda lib, f, t: f.hessian(lambda x, a: vector(lib)(x, a).sum(), (0, 1))(t(X), t(A)), device)


def test_gradient_through_a_derivative(device):
    x = ours(X, device, grad=True)
    penalty = (func.grad(lambda x: (x * x * x).sum())(x) ** 2).sum()
    penalty.backward()
    np.testing.assert_allclose(host(x.grad), 36 * X**3, 1e-12)


def test_what_does_not_matter_has_a_zero_gradient(device):
    got = func.grad(lambda x, y: (x * x).sum(), (0, 1))(ours(X, device), ours(X, device))
    np.testing.assert_array_equal(host(got[1]), 0)
    np.testing.assert_array_equal(host(func.grad(lambda x: ours(X, device).sum())(ours(X, device))), 0)


@pytest.mark.parametrize(("in_dims", "out_dims"), [((0, None), 0), ((0, None), -1), ((0, None), 1)])
def test_vmap(in_dims, out_dims, device):
    batch = np.random.default_rng(2).normal(size=(5, 3))
    both(lambda lib, f, t: f.vmap(vector(lib), in_dims, out_dims)(t(batch), t(A)), device)


def test_vmap_along_another_dimension_and_of_nests(device):
    batch = np.random.default_rng(2).normal(size=(3, 5))
    both(lambda lib, f, t: f.vmap(vector(lib), (1, None))(t(batch), t(A)), device)
    both(lambda lib, f, t: f.vmap(lambda p: (p["x"] * 2, p["x"].sum()), ({"x": 1},))({"x": t(batch)}), device)
    both(lambda lib, f, t: f.vmap(lambda x: (x * 2, x.sum()), out_dims=(1, 0))(t(batch)), device)


def test_vmap_of_grad_gives_gradients_of_each_example(device):
    batch = np.random.default_rng(2).normal(size=(5, 3))
    both(lambda lib, f, t: f.vmap(f.grad(lambda x: (lib.tanh(x) ** 2).sum()))(t(batch)), device)


def test_randomness_in_vmap(device):
    x = gpudl.zeros(4, 3, device=device)
    noisy = lambda row: row + gpudl.rand(3, device=device)  # noqa: E731
    with pytest.raises(RuntimeError, match="randomness="):
        func.vmap(noisy)(x)
    same = host(func.vmap(noisy, randomness="same")(x))
    assert (same == same[0]).all()
    assert len({row.tobytes() for row in host(func.vmap(noisy, randomness="different")(x))}) == 4


def test_errors_name_what_is_wrong(device):
    x = ours(X, device)
    for call, error, match in (
        (lambda: func.grad(lambda x: x)(x), RuntimeError, r"0-d Tensor, got shape \(3,\)"),
        (lambda: func.grad(lambda x: 1.0)(x), TypeError, "got float"),
        (lambda: func.grad(lambda x: x.sum(), 1)(x), RuntimeError, "out of range for 1 arguments"),
        (lambda: func.grad(lambda x: x.sum())(3.0), TypeError, "got float"),
        (lambda: func.grad(lambda x: x.sum())(x.long()), RuntimeError, "only floating point"),
        (lambda: func.vjp(lambda x: x, x)[1](x[:2]), gpudl.ShapeError, r"shape \(3,\), got \(2,\)"),
        (lambda: func.jvp(lambda x: x, (x,), (x[:1],)), gpudl.ShapeError, r"shape \(3,\), got \(1,\)"),
        (lambda: func.jvp(lambda x: x, x, x), TypeError, "must be tuples"),
        (lambda: func.vmap(lambda x: x)(x.sum()), ValueError, "cannot go along dimension 0"),
        (lambda: func.vmap(lambda x, y: x)(x, x[:2]), ValueError, r"lengths \[2, 3\] differ"),
        (lambda: func.vmap(lambda x: x, in_dims=None)(x), ValueError, "no argument"),
        (lambda: func.vmap(lambda x: 1.0)(x), ValueError, "must return Tensors"),
        (lambda: func.vmap(lambda x: x, randomness="maybe"), ValueError, "randomness"),
    ):
        with pytest.raises(error, match=match):
            call()
