"""Systems and factorizations where a table does not reach: singular matrices, large systems, errors, third order."""

import math

import numpy as np
import pytest
from oracle import assert_same, host, outcome, theirs, torch
from tolerances import assert_close

import gpudl
import gpudl.linalg
from gpudl.autograd import gradcheck, gradgradcheck
from gpudl.backend.arrays import xp_of

rng = np.random.default_rng


def tensor(x, device, grad=True):
    return gpudl.tensor(np.asarray(x, float), device=device, requires_grad=grad)


def test_the_namespace_of_tensors_has_linalg():
    assert xp_of(gpudl.ones(2, 2)).linalg is gpudl.linalg
    assert issubclass(gpudl.linalg.LinAlgError, RuntimeError)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_large_triangular_systems(upper, unit, device):
    a = rng(0).uniform(-1, 1, (150, 150)) / 20 + np.eye(150)
    a[(np.tril if upper else np.triu)(np.ones((150, 150)), -1 if upper else 1) > 0] = np.nan  # must not be read
    if unit:
        a[np.diag_indices(150)] = np.nan
    b = rng(1).uniform(-1, 1, (150, 4))
    clean = np.nan_to_num(a)
    np.fill_diagonal(clean, 1 if unit else a.diagonal())
    x = host(gpudl.linalg.solve_triangular(tensor(a, device), tensor(b, device), upper=upper, unitriangular=unit))
    assert_close(clean @ x, b, "residual", 10)


@pytest.mark.parametrize("upper", [True, False])
def test_cholesky_solve_reads_one_triangle_and_has_a_gradient_there(upper, device):
    cut = np.triu if upper else np.tril
    factor, b = cut(rng(0).uniform(1, 2, (3, 3))), rng(1).uniform(-1, 1, (3, 2))
    for call, inputs in (
        (lambda lib, f, b: lib.cholesky_solve(b, f, upper), (factor, b)),
        (lambda lib, f: lib.cholesky_inverse(f, upper), (factor,)),
    ):
        mine, other = [tensor(x, device) for x in inputs], [theirs(x, True) for x in inputs]
        got, want = call(gpudl, *mine), call(torch, *other)
        assert_same(got, want, "values", 10)
        got.sum().backward()
        want.sum().backward()
        np.testing.assert_allclose(host(mine[0].grad), cut(host(other[0].grad)), 1e-9)
        filled = tensor(np.where(factor == 0, 5.0, factor), device)
        np.testing.assert_allclose(host(call(gpudl, filled, *mine[1:])), host(got), 1e-12)
        gradcheck(lambda *xs, call=call: call(gpudl, *xs), [filled, *mine[1:]])


def adjugate(x):
    """The matrix of cofactors, by minors."""
    y = np.empty_like(x)
    for i, j in np.ndindex(x.shape):
        y[i, j] = (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(x, i, 0), j, 1))
    return y


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_gradient_of_the_determinant_of_singular_matrices(rank, device):
    a = rng(0).uniform(-1, 1, (4, rank)) @ rng(1).uniform(-1, 1, (rank, 4))
    regular = rng(2).uniform(-1, 1, (4, 4))
    x = tensor(np.stack([a, regular]), device)
    gpudl.linalg.det(x).sum().backward()
    np.testing.assert_allclose(host(x.grad), np.stack([adjugate(a), adjugate(regular)]), 1e-9, 1e-12)
    if rank == 3:
        gradcheck(gpudl.linalg.det, [x.detach().requires_grad_()])
        gradgradcheck(gpudl.linalg.det, [x.detach().requires_grad_()])


def test_gradient_of_the_determinant_of_nan_is_nan(device):
    x = tensor(np.stack([np.full((2, 2), np.nan), np.eye(2)]), device)
    gpudl.linalg.det(x).sum().backward()
    assert np.isnan(host(x.grad)[0]).all()
    np.testing.assert_allclose(host(x.grad)[1], np.eye(2))


def test_gradient_of_singular_values_that_are_equal(device):
    x = tensor(np.eye(3) * 2, device)
    gpudl.linalg.svd(x).S.sum().backward()
    np.testing.assert_allclose(host(x.grad), np.eye(3), atol=1e-12)
    x = tensor(np.eye(3) * 2, device)
    gpudl.linalg.eigh(x).eigenvalues.sum().backward()
    np.testing.assert_allclose(host(x.grad), np.eye(3), atol=1e-12)


def test_info_says_which_pivot_and_which_minor(device):
    x = rng(0).uniform(-1, 1, (4, 5, 5))
    x[1, :, 2] = 0
    x[3, :, 4] = 0
    for name in ("inv_ex", "cholesky_ex"):
        y = x if name == "inv_ex" else x @ x.transpose(0, 2, 1)
        if name == "cholesky_ex":
            y[2, 3, 3] = -1
        got, want = getattr(gpudl.linalg, name)(tensor(y, device)), getattr(torch.linalg, name)(theirs(y))
        np.testing.assert_array_equal(host(got.info)[[0, 2]], host(want.info)[[0, 2]])
        assert host(got.info).dtype == np.int32
        if name == "inv_ex":
            np.testing.assert_array_equal(host(got.info), host(want.info))
            np.testing.assert_allclose(host(got.inverse)[[0, 2]], host(want.inverse)[[0, 2]], 1e-9)
            assert np.isinf(host(got.inverse)[1]).all()


FAILING = {
    "linalg.inv": lambda x: gpudl.linalg.inv(x),
    "linalg.solve": lambda x: gpudl.linalg.solve(x, gpudl.ones(2, 1, dtype=gpudl.float64, device=x.device)),
    "linalg.cholesky": lambda x: gpudl.linalg.cholesky(x),
    "linalg.svd": lambda x: gpudl.linalg.svd(x / x),
    "linalg.svdvals": lambda x: gpudl.linalg.svdvals((x / x).detach()),
    "linalg.pinv": lambda x: gpudl.linalg.pinv(x / x),
}


@pytest.mark.parametrize("name", FAILING)
def test_errors_say_which_matrix(name, device):
    x = np.stack([np.eye(2) + 0.5] * 3)
    x[2] = 0
    with pytest.raises(gpudl.linalg.LinAlgError, match=f"^{name}: matrix 2 of the batch"):
        FAILING[name](tensor(x, device))
    with pytest.raises(gpudl.linalg.LinAlgError, match=f"^{name}: the matrix"):
        FAILING[name](tensor(x[2], device))


def test_pseudoinverse_of_infinities_is_nan(device):
    assert np.isnan(host(gpudl.linalg.pinv(tensor([[math.inf, 1], [1, 2]], device)))).any()


SQUARE = ("inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh", "matrix_exp", "inv_ex", "cholesky_ex")


@pytest.mark.parametrize("name", SQUARE)
def test_matrices_that_are_not_square_are_named(name, device):
    function = getattr(gpudl.linalg, name)
    with pytest.raises(gpudl.ShapeError, match=rf"{name}.*square.*\(2, 3\)"):
        function(gpudl.ones(2, 3, device=device))
    with pytest.raises(RuntimeError, match=rf"{name}.*int64"):
        function(gpudl.ones(2, 2, dtype=gpudl.int64, device=device))


@pytest.mark.parametrize("name", [*SQUARE, "svd", "svdvals", "qr", "pinv", "matrix_rank"])
@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 2, 2)])
def test_empty_matrices(name, shape, device):
    got = outcome(getattr(gpudl.linalg, name), gpudl.ones(shape, device=device))
    assert_same(got, outcome(getattr(torch.linalg, name), torch.ones(shape)), f"{name} {shape}")


def test_gradients_that_do_not_exist_are_refused(device):
    x = tensor(np.ones((4, 2)), device)
    with pytest.raises(RuntimeError, match="reduced"):
        gpudl.linalg.qr(x, "r").R.sum().backward()
    with pytest.raises(RuntimeError, match="complete"):
        gpudl.linalg.qr(x, "complete").R.sum().backward()


@pytest.mark.parametrize("scale", [1e-8, 0.01, 0.2, 0.9, 2.0, 5.0, 50.0, 700.0])
def test_exponential_of_rotations_and_of_a_batch_of_all_sizes(scale, device):
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    batch = np.stack([turn * scale, turn * 0, turn * 3])
    got = host(gpudl.matrix_exp(tensor(batch, device)))
    for angle, y in zip((scale, 0.0, 3.0), got):
        want = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        np.testing.assert_allclose(y, want, 0, 1e-13 * max(1, scale))


def test_exponential_of_what_is_not_finite(device):
    x = np.stack([np.eye(2), np.full((2, 2), np.inf), np.full((2, 2), np.nan)])
    got = host(gpudl.matrix_exp(tensor(x, device)))
    np.testing.assert_allclose(got[0], np.eye(2) * math.e)
    assert np.isnan(got[1:]).all()


@pytest.mark.parametrize("name", ["svd", "eigh", "qr", "cholesky", "solve", "inv", "pinv", "det", "matrix_exp"])
def test_third_gradients(name, device):
    a = rng(0).uniform(-1, 1, (2, 3, 3))
    a = a @ a.transpose(0, 2, 1) + np.diag([1.0, 2.0, 4.0])

    def run(lib, x):
        y = x if name not in ("eigh", "cholesky") else (x + x.mT) / 2
        parts = getattr(lib.linalg, name)(y, y * y) if name == "solve" else getattr(lib.linalg, name)(y * 0.3)
        parts = [parts] if not isinstance(parts, tuple) else parts
        total = sum(
            (part * part * part).sum() if name != "svd" and name != "eigh" else abs(part).sum() for part in parts
        )
        for _ in range(2):
            (slope,) = lib.autograd.grad(total, [x], create_graph=True)
            total = (slope * slope).sum()
        (slope,) = lib.autograd.grad(total, [x])
        return slope

    got, want = run(gpudl, tensor(a, device)), run(torch, theirs(a, True))
    np.testing.assert_allclose(host(got), host(want), 1e-6, 1e-6 * abs(host(want)).max())
