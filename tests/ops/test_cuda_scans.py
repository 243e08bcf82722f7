"""Running products, extremes and log(sum(exp)) on a GPU, and their gradients, are those of PyTorch, in few launches."""

from functools import partial

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl.backend.device import to_host
from gpudl.backend.dtypes import dtype_of
from gpudl.ops.recurrence import recurrence_forward

RNG = np.random.default_rng(0)
DTYPES = ("float32", "float64", "float16", "bfloat16")
SCANS = {
    "cumprod": lambda lib, x, dim: lib.cumprod(x, dim),
    "logcumsumexp": lambda lib, x, dim: lib.logcumsumexp(x, dim),
    "cummax": lambda lib, x, dim: lib.cummax(x, dim)[0],
    "cummin": lambda lib, x, dim: lib.cummin(x, dim)[0],
}
# A warp, a block and several blocks a line; columns, and several blocks of them.
SHAPES = (((9, 33), 1), ((2, 513), 1), ((9000,), 0), ((40, 6), 0), ((290, 3), 0), ((2, 7, 5), 1), ((1, 4), 0))


def placed(place, x, dtype):
    return gpudl.tensor(x, dtype=dtype_of(dtype)).to(place).requires_grad_(True)


def host(tensor):
    return to_host(tensor.detach().array)


def numbers(name, shape, dtype):
    """What keeps a running product near 1, and no equal extremes, as both sides have it in the dtype."""
    x = RNG.uniform(0.97, 1.03, shape) if name == "cumprod" else RNG.normal(size=shape)
    return x.astype(dtype_of(dtype)).astype("float64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SCANS)
def test_values_and_gradients_are_those_of_torch(gpu, name, dtype):  # noqa: F811
    for shape, dim in SHAPES if dtype == "float32" else SHAPES[::3]:
        x = numbers(name, shape, dtype)
        if dtype in DTYPES[2:] and x.size > 1000 and name == "cumprod":
            continue  # half floats as the factors of thousands have no digits left
        ours, theirs = placed(gpu, x, dtype), torch.tensor(x, requires_grad=True)
        got, want = SCANS[name](gpudl, ours, dim), SCANS[name](torch, theirs, dim)
        weight = RNG.normal(size=shape).astype(dtype_of(dtype))
        got.backward(gpudl.tensor(weight).to(gpu))
        want.backward(torch.tensor(weight.astype("float64")))
        label, slack = f"{name} of {shape} along {dim} in {dtype}", 300 if dtype == "float32" else 30
        assert_close(host(got), want.detach().numpy().astype(got.dtype), label, slack)
        assert_close(host(ours.grad), theirs.grad.numpy().astype(got.dtype), f"{label}: gradient", slack)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_the_last_of_equal_extremes_counts(gpu, name, dtype):  # noqa: F811
    for shape, dim in (((9, 40), 1), ((2, 2100), 1), ((9000,), 0), ((300, 4), 0)):
        x = RNG.integers(0, 2 if dtype == "bool" else 9, shape).astype(dtype_of(dtype))
        got = getattr(gpudl, name)(gpudl.tensor(x).to(gpu), dim)
        want = getattr(torch, name)(torch.tensor(x.astype("float64")), dim)
        np.testing.assert_array_equal(host(got.values).astype("float64"), want.values.numpy())
        np.testing.assert_array_equal(host(got.indices), want.indices.numpy())


@pytest.mark.parametrize("zeros", [(), (0,), (7,), (3, 30), (39,)])
def test_products_have_right_gradients_at_zeros(gpu, zeros):  # noqa: F811
    x = RNG.uniform(0.8, 1.2, (2, 40))
    x[1, list(zeros)] = 0
    for dim in (0, 1):
        ours, theirs = placed(gpu, x, "float64"), torch.tensor(x, requires_grad=True)
        gpudl.cumprod(ours, dim).square().sum().backward()
        torch.cumprod(theirs, dim).square().sum().backward()
        assert_close(host(ours.grad), theirs.grad.numpy(), f"zeros at {zeros}", 10)


@pytest.mark.parametrize("name", ["logcumsumexp", "cummax", "cummin"])
def test_infinities_and_nan(gpu, name):  # noqa: F811
    for value in (np.inf, -np.inf, np.nan):
        for place in (0, 5, 600):
            rows = RNG.normal(size=(2, 700))
            rows[1, place] = value
            for x, dim in ((rows, 1), (rows.T.copy(), 0)):
                ours, theirs = placed(gpu, x, "float64"), torch.tensor(x, requires_grad=True)
                got, want = SCANS[name](gpudl, ours, dim), SCANS[name](torch, theirs, dim)
                assert_close(host(got), want.detach().numpy(), f"{name} of {value} at {place}", 10)
                if name == "logcumsumexp":  # whose gradient torch computes through logarithms
                    theirs = placed(gpudl.device("cpu"), x, "float64")
                    want = SCANS[name](gpudl, theirs, dim)
                got.sum().backward()
                want.sum().backward()
                dx = host(theirs.grad) if name == "logcumsumexp" else theirs.grad.numpy()
                assert_close(host(ours.grad), dx, f"{name} of {value} at {place}: gradient", 10)


def test_views_of_any_order(gpu):  # noqa: F811
    x = gpudl.tensor(RNG.uniform(0.9, 1.1, (5, 6, 41))).to(gpu)
    for view in (lambda x: x[:, 1], lambda x: x[..., 1:], lambda x: x.permute(2, 0, 1), lambda x: x[..., ::3]):
        for name, dim in (("cumprod", 0), ("cummax", 1), ("logcumsumexp", -1)):
            got, want = (SCANS[name](gpudl, each, dim) for each in (view(x), view(x.cpu())))
            assert_close(host(got), host(want), name, 10)


def test_what_precedes_the_first_element_has_no_part(gpu):  # noqa: F811
    for shape, dim in (((3, 5), 0), ((3, 5), 1), ((1, 600), 1)):
        for reverse in (False, True):
            a, b = np.full(shape, 0.5), RNG.normal(size=shape)
            np.moveaxis(a, dim, 0)[-1 if reverse else 0] = np.nan
            want = recurrence_forward(b, a, dim, reverse)
            got = recurrence_forward(*(gpudl.tensor(each).to(gpu).array for each in (b, a)), dim, reverse)
            assert_close(to_host(got), want, "h", 10)


def test_launches(gpu):  # noqa: F811
    for name, scan in SCANS.items():
        for shape, dim, count in (((9, 100), 1, 1), ((9, 100), 0, 1), ((2, 17000), 1, 2)):
            x = placed(gpu, numbers(name, shape, "float32"), "float32")
            dy = gpudl.ones(*shape, device=gpu)
            forward = launched(gpu, partial(scan, gpudl, x, dim))

            def step(scan=scan, x=x, dim=dim, dy=dy):
                x.grad = None
                scan(gpudl, x, dim).backward(dy)

            assert (forward, launched(gpu, step) - forward) == (count, count), f"{name} of {shape} along {dim}"
