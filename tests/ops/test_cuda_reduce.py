"""Reductions on a GPU give what they give on the CPU, for every pattern of dimensions, size, dtype and memory order."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl.autograd.tensor import wrap
from gpudl.backend.device import to_host, transfer
from gpudl.backend.dtypes import dtype_of
from gpudl.backend.folds import axes_of, plan_of
from gpudl.ops.operands import sum_to_shape

DTYPES = ["float64", "float32", "float16", "bfloat16"]
RNG = np.random.default_rng(0)
INF, NAN = float("inf"), float("nan")

# Rows a lane, a warp, a block and several blocks each; columns narrow and wide; segments; a pattern that needs a copy.
SHAPES = (
    ((5,), 0), ((50, 3), 1), ((9, 100), 1), ((2, 1025), 1), ((17000,), 0), ((2, 33000), 1), ((700, 3), 0),
    ((600, 72), 0), ((3, 50, 8), 1), ((6, 3, 33), (0, 2)), ((40, 3, 700), (0, 2)), ((2, 3, 4, 3, 2), (0, 2, 4)),
    ((2, 30, 3, 5), (1, 3)),
)  # fmt: skip
FOLDS = {
    "sum": lambda lib, x, dim: lib.sum(x, dim),
    "mean": lambda lib, x, dim: lib.mean(x, dim, keepdim=True),
    "amax": lambda lib, x, dim: lib.amax(x, dim),
    "amin": lambda lib, x, dim: lib.amin(x, dim, keepdim=True),
    "var": lambda lib, x, dim: lib.var(x, dim),
    "std": lambda lib, x, dim: lib.std(x, dim, correction=0),
    "norm": lambda lib, x, dim: lib.norm(x, 2, dim),
    "norm of 3": lambda lib, x, dim: lib.norm(x, 3, dim),
    "norm of inf": lambda lib, x, dim: lib.norm(x, INF, dim),
    "logsumexp": lambda lib, x, dim: lib.logsumexp(x, dim),
}


def placed(place, x, dtype, grad=True):
    return gpudl.tensor(x, dtype=dtype_of(dtype)).to(place).requires_grad_(grad)


def host(tensor):
    return to_host(tensor.detach().array)


def numbers(shape, dtype="float64"):
    """Numbers that the dtype has, as float64, with equal ones among them."""
    x = RNG.uniform(-2, 2, shape)
    x.reshape(-1)[::7] = 1.5
    return x.astype(dtype_of(dtype)).astype("float64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FOLDS)
def test_values_and_gradients_are_those_of_torch(gpu, name, dtype):  # noqa: F811
    function = FOLDS[name]
    for shape, dim in {"float32": SHAPES, "float16": SHAPES[::2]}.get(dtype, SHAPES[::5]):
        x = numbers(shape, dtype)
        theirs, ours = torch.tensor(x, requires_grad=True), placed(gpu, x, dtype)
        want, got = function(torch, theirs, dim), function(gpudl, ours, dim)
        weight = RNG.uniform(0.5, 1.5, want.shape).astype(dtype_of(dtype))
        want.backward(torch.tensor(weight.astype("float64")))
        got.backward(gpudl.tensor(weight).to(gpu))
        label = f"{name} of {shape} over {dim} in {dtype}"
        assert_close(host(got), want.detach().numpy().astype(got.dtype), label, 4)
        assert_close(host(ours.grad), theirs.grad.numpy().astype(got.dtype), f"{label}: gradient", 4)


@pytest.mark.parametrize("name", ["sum", "amax", "std"])
def test_arrays_in_any_memory_order(gpu, name):  # noqa: F811
    function = FOLDS[name]
    there, x = numbers((6, 9, 40)), None
    views = (lambda x: x.permute(2, 0, 1), lambda x: x[:, 1:, 3:], lambda x: x[..., ::3], lambda x: x.transpose(0, 1))
    for view, dim in itertools.product(views, (0, 1, 2, (0, 2))):
        results = []
        for x in (placed(gpu, there, "float32"), placed("cpu", there, "float64")):
            y = function(gpudl, view(x), dim)
            (y * y).sum().backward()
            results.append((host(y), host(x.grad)))
        for got, want in zip(*results):
            assert_close(got, want.astype("float32"), f"{name} of a view over {dim}", 6)


@pytest.mark.parametrize("start", [0, 1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "int64", "bool"])
def test_memory_that_begins_anywhere(gpu, start, dtype):  # noqa: F811
    line = RNG.integers(-3, 4, 1300).astype(dtype)
    there = transfer(line, gpu)
    for rows, columns in ((1, 1296), (3, 400), (81, 16), (40, 5)):
        x, part = line[start : start + rows * columns], there[start : start + rows * columns]
        for dim in (0, 1):
            want = gpudl.sum(gpudl.tensor(x.reshape(rows, columns)), dim)
            got = gpudl.sum(wrap(part.reshape(rows, columns), None), dim)
            assert_close(host(got), host(want), f"sum of {rows, columns} from {start}", 4)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32", "int64", "uint8", "bool"])
def test_decisions_and_counts_are_exactly_those_of_the_cpu(gpu, dtype):  # noqa: F811
    for shape, dim in (((4, 9), 1), ((2, 3000), 1), ((300, 5), 0), ((64, 32), 0), ((1, 40000), 1), ((3, 7, 8), 1)):
        x = RNG.integers(0, 5, shape).astype(dtype_of(dtype))  # with many that are equal
        if dtype in ("float32", "float16"):
            x.reshape(-1)[5::11] = NAN
            x[..., -1] = -INF
        here, there = gpudl.tensor(x), gpudl.tensor(x).to(gpu)
        results = []
        for y in (here, there):
            found = [gpudl.any(y, dim), gpudl.all(y, dim), gpudl.count_nonzero(y, dim), gpudl.any(y), gpudl.all(y)]
            if dtype != "bool":
                found += [gpudl.argmax(y, dim), gpudl.argmin(y, dim, True), gpudl.argmax(y)]
                found += [*gpudl.max(y, dim), *gpudl.min(y, dim, keepdim=True), gpudl.amax(y), gpudl.amin(y)]
            if dtype not in ("float32", "float16", "bfloat16"):
                found += [gpudl.sum(y, dim), gpudl.sum(y), gpudl.prod(y, dim)]
            results.append(found)
        for number, (want, got) in enumerate(zip(*results)):
            assert got.dtype == want.dtype and got.shape == want.shape, (number, dtype)
            exact, ours = host(want).astype("float64"), host(got).astype("float64")
            np.testing.assert_array_equal(ours, exact, f"{number} {dtype}")


def test_gradients_of_products_and_chosen_elements(gpu):  # noqa: F811
    x = RNG.uniform(0.5, 1.5, (4, 30))
    x[1, 3] = x[2, 4] = x[2, 9] = 0
    for call in (lambda x: gpudl.prod(x, 1), lambda x: gpudl.max(x, 0).values, lambda x: gpudl.min(x, 1).values):
        grads = []
        for leaf in (placed(gpu, x, "float32"), placed("cpu", x, "float64")):
            y = call(leaf)
            (y * y).sum().backward()
            grads.append(host(leaf.grad))
        assert_close(grads[0], grads[1].astype("float32"), "gradient", 10)


def test_sums_lose_no_digits_and_are_the_same_in_every_run(gpu):  # noqa: F811
    for shape, dim in (((100003,), 0), ((2, 50001), 1), ((20001, 3), 0)):
        x = RNG.uniform(0, 1, shape).astype("float32") + np.float32(1000)
        there = transfer(x, gpu)
        wrapped = wrap(there, None)
        sums = [host(gpudl.sum(wrapped, dim)) for _ in range(2)]
        exact = x.astype("float64").sum(axis=dim)
        np.testing.assert_array_equal(*sums)
        np.testing.assert_allclose(sums[0], exact, rtol=1.2e-7)
        want = x.astype("float64").var(axis=dim)
        np.testing.assert_allclose(host(gpudl.var(wrapped, dim, correction=0)), want, rtol=1e-5)


def test_nan_infinite_and_huge_numbers(gpu):  # noqa: F811
    x = np.ones((7, 40), "float32")
    x[0, 3], x[1, 3], x[2, :2], x[3], x[4, 7], x[5] = INF, -INF, (INF, -INF), -INF, NAN, 3e38
    for name in FOLDS:
        for dim, turned in ((1, x), (0, x.T.copy())):
            here, there = (placed(place, turned, "float32", False) for place in ("cpu", gpu))
            got, want = host(FOLDS[name](gpudl, there, dim)), host(FOLDS[name](gpudl, here, dim))
            if name in ("var", "std"):  # of huge numbers the squares overflow here or there
                got, want = (np.delete(y.reshape(-1), 5) for y in (got, want))
            assert_close(got, want, name, 4)
    means = [host(gpudl.var_mean(placed(place, x[:5], "float32", False), 1)[1]) for place in (gpu, "cpu")]
    assert_close(*means, "mean beside a variance")


def test_empty_arrays(gpu):  # noqa: F811
    for shape, dim in (((0,), 0), ((3, 0), 1), ((0, 3), 0), ((0, 3), 1)):
        x = placed(gpu, np.zeros(shape), "float32", False)
        y = placed("cpu", np.zeros(shape), "float32", False)
        for name in ("sum", "mean", "var", "norm", "logsumexp"):
            assert_close(host(FOLDS[name](gpudl, x, dim)), host(FOLDS[name](gpudl, y, dim)), name)
        assert host(gpudl.all(x, dim)).tolist() == host(gpudl.all(y, dim)).tolist()


def test_how_many_kernels_are_started(gpu):  # noqa: F811
    for dtype in ("float32", "float16"):
        wide, tall = placed(gpu, numbers((64, 500)), dtype), placed(gpu, numbers((32, 64)), dtype)
        long = placed(gpu, numbers((40000,)), dtype)
        for name, function in FOLDS.items():
            assert launched(gpu, partial(function, gpudl, wide, 1)) == 1, name
            assert launched(gpu, partial(function, gpudl, tall, 0)) == 1, name
            assert launched(gpu, partial(function, gpudl, long, 0)) == 2, name
            if name not in ("sum", "mean"):  # whose gradients are only spread
                y = function(gpudl, wide, 1)
                dy = gpudl.ones_like(y)
                backward = partial(y.backward, dy, retain_graph=True)
                backward()
                wide.grad = None
                most = 2 if name == "norm of inf" and dtype == "float16" else 1  # which widens the norms
                assert launched(gpu, lambda: (setattr(wide, "grad", None), backward())) <= most, name  # noqa: B023
        for call in (gpudl.argmax, gpudl.any, gpudl.count_nonzero, gpudl.max):
            assert launched(gpu, partial(call, wide, 1)) <= 2, call
        assert launched(gpu, partial(sum_to_shape, wide.array, (500,))) == 1, dtype  # the gradient of a bias


def test_running_sums_of_every_length_and_order(gpu):  # noqa: F811
    for dtype, (shape, dim) in itertools.product(
        ("float32", "float16", "int64"), (((5,), 0), ((20000,), 0), ((3, 2500), 1), ((600, 5), 0), ((4, 6, 5), 1))
    ):
        x = numbers(shape) if dtype != "int64" else RNG.integers(-9, 9, shape)
        results = []
        for place in (gpu, "cpu"):
            leaf = placed(place, x, dtype, False)
            results.append([host(gpudl.cumsum(leaf, dim)), host(gpudl.cumsum(gpudl.flip(leaf, (dim,)), dim))])
            if dtype != "int64":
                leaf.requires_grad_(True)
                gpudl.cumsum(leaf, dim).backward(gpudl.tensor(np.full(shape, 0.5), dtype=leaf.dtype).to(place))
                results[-1] += [host(leaf.grad), host(gpudl.logcumsumexp(leaf, dim))]
        for got, want in zip(*results):
            assert_close(got, want, f"running sums of {shape} in {dtype}", 8)
    x = placed(gpu, numbers((3, 100)), "float16", False)
    assert launched(gpu, partial(gpudl.cumsum, x, 1)) == launched(gpu, partial(gpudl.cumsum, x, 0)) == 1


def test_dimensions_of_one_kind_are_one():
    for shape, dims in SHAPES:
        plan = plan_of(shape, axes_of(dims, len(shape)), 4, True)
        assert plan is None or plan.outputs * np.prod([shape[i] for i in axes_of(dims, len(shape))]) == np.prod(shape)
    assert plan_of((2, 3, 4), (1, 2), 4, True) == plan_of((2, 12), (1,), 4, True)
    assert plan_of((1 << 26,), (0,), 4, True).parts == 1024
