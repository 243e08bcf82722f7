"""Running sums, products and extremes: precision, zeros, ties, infinities, and changes in place."""

import itertools

import numpy as np
import pytest
from oracle import torch
from tolerances import assert_close

import gpudl
from gpudl import GraphError
from gpudl.autograd import grad, gradcheck, gradgradcheck
from gpudl.ops.recurrence import recurrence


def leaf(values, device, dtype="float64"):
    return gpudl.tensor(np.array(values, dtype), device=device, requires_grad=True)


@pytest.mark.parametrize("length", [1, 31, 32, 63, 64, 65, 97, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cumsum_and_its_gradient_are_exact_to_rounding(length, dtype, device):
    rng = np.random.default_rng(length)
    near = 4 * np.finfo(dtype).eps if dtype == "float32" else 1e-14  # float32 is summed in float64
    for shape, dim in (((3, length), 1), ((length, 70), 0), ((2, length, 3), 1), ((length,), 0)):
        x = rng.uniform(0, 1, shape).astype(dtype)
        tensor = gpudl.tensor(x, device=device, requires_grad=True)
        y = tensor.cumsum(dim)
        exact = np.cumsum(x.astype(np.longdouble), dim)
        assert abs(y.detach().cpu().numpy() / exact - 1).max() < near
        dy = rng.uniform(0, 1, shape).astype(dtype)
        (dx,) = grad(y, tensor, gpudl.tensor(dy, device=device))
        exact = np.flip(np.cumsum(np.flip(dy.astype(np.longdouble), dim), dim), dim)
        assert abs(dx.cpu().numpy() / exact - 1).max() < near


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_cumsum_is_touched_by_an_infinity_only_from_there_on(value, device):
    for place in (0, 40, 100, 129):
        x = np.ones((2, 130), "float32")
        x[1, place] = value
        want = torch.tensor(x).cumsum(1).numpy()
        assert_close(gpudl.tensor(x, device=device).cumsum(1).cpu().numpy(), want, f"{value} at {place}")
        tensor = gpudl.ones(2, 130, device=device, requires_grad=True)
        (dx,) = grad(tensor.cumsum(1), tensor, gpudl.tensor(x, device=device))
        want = np.flip(np.cumsum(np.flip(x, 1), 1), 1)
        assert_close(dx.cpu().numpy(), want, f"gradient, {value} at {place}")


@pytest.mark.parametrize("zeros", [c for n in range(5) for c in itertools.combinations(range(4), n)])
def test_products_have_right_gradients_at_zeros_to_second_order(zeros, device):
    x = np.random.default_rng(1).uniform(0.5, 2, (2, 4, 2))
    x[0, list(zeros), 1] = 0
    for function in (
        lambda t: gpudl.prod(t, 1),
        lambda t: gpudl.prod(t[0, :, 1]),
        lambda t: gpudl.cumprod(t, 1),
        lambda t: gpudl.cumprod(t[0, :, 1], 0),
    ):
        gradcheck(function, [leaf(x, device)])
        gradgradcheck(function, [leaf(x, device)])


def test_third_derivative_of_a_product_at_zeros(device):
    x = leaf([0.0, 0.0, 0.0, 3.0], device)
    first = grad(x.prod(), x, create_graph=True)[0]
    second = grad(first[0], x, create_graph=True)[0]
    third = grad(second[1], x)[0]
    assert third.tolist() == [0, 0, 3, 0]


@pytest.mark.parametrize("reverse", [False, True])
def test_recurrence_has_gradients_of_its_own(reverse, device):
    rng = np.random.default_rng(8)
    a, b = (leaf(rng.uniform(-1, 1, (2, 5, 2)), device) for _ in range(2))
    h = recurrence(a, b, 1, reverse).detach().cpu().numpy()
    order = range(4, -1, -1) if reverse else range(5)
    want, before = np.zeros_like(h), np.zeros((2, 2))
    for k in order:
        want[:, k] = before = b.detach().cpu().numpy()[:, k] + a.detach().cpu().numpy()[:, k] * before
    np.testing.assert_allclose(h, want)
    gradcheck(lambda a, b: recurrence(a, b, 1, reverse), [a, b])
    gradgradcheck(lambda a, b: recurrence(a, b, 1, reverse), [a, b])


def test_long_cumprod_through_zeros_agrees_with_torch(device):
    rng = np.random.default_rng(3)
    x = rng.uniform(0.5, 1.5, (6, 40)) * (rng.random((6, 40)) > 0.05)
    weight = rng.uniform(-1, 1, x.shape)
    mine, other = leaf(x, device), torch.tensor(x, requires_grad=True)
    (dx,) = grad(mine.cumprod(1), mine, gpudl.tensor(weight, device=device))
    (want,) = torch.autograd.grad(other.cumprod(1), other, torch.tensor(weight))
    assert_close(dx.cpu().numpy(), want.cpu().numpy(), "gradient of cumprod")


def test_gradient_of_logcumsumexp_keeps_its_digits_in_float32(device):
    rng = np.random.default_rng(0)
    x, weight = rng.uniform(-8, 8, (5, 60)).astype("float32"), rng.uniform(-1, 1, (5, 60)).astype("float32")
    mine, other = leaf(x, device, "float32"), torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (dx,) = grad(mine.logcumsumexp(1), mine, gpudl.tensor(weight, device=device))
    (want,) = torch.autograd.grad(other.logcumsumexp(1), other, torch.tensor(weight).double())
    np.testing.assert_allclose(dx.cpu().numpy(), want.cpu().numpy(), rtol=2e-5, atol=2e-6)


def test_logcumsumexp_does_not_overflow_and_starts_from_nothing(device):
    x = gpudl.tensor([-np.inf, -np.inf, 1000.0, 1000.0, np.inf, 0.0], device=device)
    want = [-np.inf, -np.inf, 1000.0, 1000 + np.log(2), np.inf, np.inf]
    np.testing.assert_allclose(x.logcumsumexp(0).cpu().numpy(), want, rtol=1e-6)


@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_running_extremes_name_the_last_of_equals_and_stay_nan(name, device):
    rng = np.random.default_rng(5)
    x = rng.integers(0, 4, (20, 33)).astype("float32")
    x[3, 10] = x[3, 12] = x[7, 0] = np.nan
    for dim in (0, 1):
        want = getattr(torch.tensor(x), name)(dim)
        got = getattr(gpudl.tensor(x, device=device), name)(dim)
        assert type(got)._fields == ("values", "indices")
        assert_close(got.values.cpu().numpy(), want.values.cpu().numpy(), f"{name} values, dim {dim}")
        assert_close(got.indices.cpu().numpy(), want.indices.cpu().numpy(), f"{name} indices, dim {dim}")


@pytest.mark.parametrize("name", ["cumsum_", "cumprod_"])
def test_a_change_in_place_is_seen_by_backward(name, device):
    x = leaf([1.0, 2.0, 3.0], device)
    y = x * 1
    square = y * y
    assert getattr(y, name)(0) is y
    with pytest.raises(GraphError, match="changed in place"):
        square.sum().backward()
    with pytest.raises(RuntimeError, match=f"{name}: a leaf"):
        getattr(x, name)(0)
    z = x * 2
    getattr(z, name)(0)
    (dx,) = grad(z.sum(), x)
    other = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    twin = other * 2
    getattr(twin, name)(0)
    assert dx.tolist() == torch.autograd.grad(twin.sum(), other)[0].tolist()


def test_indices_that_backward_needs_may_not_be_changed_before_it(device):
    x = leaf([[3.0, 1.0, 2.0]], device)
    for operation in (lambda t: t.cummax(1), lambda t: t.median(1), lambda t: t.mode(1), lambda t: t.sort(1)):
        values, indices = operation(x)
        indices.zero_()
        with pytest.raises(GraphError, match="changed in place"):
            values.sum().backward()


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"])
def test_errors_name_the_operation_and_the_fix(name, device):
    x = gpudl.ones(2, 3, device=device)
    with pytest.raises(TypeError, match=f"{name}: give the dimension"):
        getattr(gpudl, name)(x)
    with pytest.raises(IndexError, match=f"{name}: dim 2 is out of range for a 2-d tensor; use -2 to 1"):
        getattr(gpudl, name)(x, 2)
