"""A GPU sorts, ranks and chooses as the CPU does, ties, nan and all, and as PyTorch's stable sort does."""

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched  # noqa: F401

import gpudl
from gpudl.backend.device import to_host, transfer
from gpudl.backend.dtypes import dtype_of
from gpudl.backend.order import KTH, MEDIAN, NANMEDIAN, ranked_forward, sorted_forward

RNG = np.random.default_rng(0)
FLOATS = ("float32", "float64", "float16", "bfloat16")
DTYPES = (*FLOATS, "int64", "int32", "int16", "int8", "uint8", "bool")
SPECIALS = (0.0, np.nan, -0.0, np.inf, -np.nan, -np.inf, 1e-7, -1e-7)

# Several rows in a block, one in a block, all sizes of items; the first few of a row, of parts of it; digit by digit.
SHAPES = (((1, 1), 1), ((77, 1), 1), ((33, 2), 2), ((300, 7), 3), ((3, 64), 64), ((2, 513), 513), ((2, 1025), 900))
PICKED = (((3, 1030), 1), ((2, 5003), 40), ((1, 33333), 17), ((2, 4999), 1024))


def lines(shape, dtype):
    """Numbers of a dtype with many equal ones among them, and all that floats have besides."""
    if dtype == "bool":
        return RNG.integers(0, 2, shape).astype(bool)
    if dtype not in FLOATS:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        x = RNG.integers(max(low, -20), 20, shape).astype(dtype)
        x.reshape(-1)[::5], x.reshape(-1)[::7] = low, high
        return x
    x = np.round(RNG.normal(size=shape) * 8) / 4
    holes = RNG.random(shape) < 0.2
    x[holes] = RNG.choice(SPECIALS, shape)[holes]
    return x.astype(dtype_of(dtype))


def assert_agree(place, kernel, x, *args, label=""):
    """Whether a kernel gives the same indices and bits on the device and on the CPU."""
    want, got = kernel(x, *args), kernel(transfer(x, place), *args)
    assert got[0] is not None, label
    for one, other in zip(got, want, strict=True):
        assert (one is None) == (other is None), label
        if one is not None:
            one = to_host(one)
            assert (one.dtype, one.shape) == (other.dtype, other.shape), label
            assert np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes(), label


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_are_in_the_order_of_the_cpu(gpu, dtype):  # noqa: F811
    digits = [((2, 4300), 4300), ((1, 9000), 2500)] if dtype in ("float32", "float16", "int64", "int8") else []
    for shape, k in (*SHAPES, *PICKED, *digits):
        x = lines(shape, dtype)
        for descending in (False, True):
            label = f"{dtype} {shape} {k} {descending}"
            assert_agree(gpu, sorted_forward, x, k, descending, True, label=label)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ranks_are_those_of_the_cpu(gpu, dtype):  # noqa: F811
    for shape in ((1, 1), (300, 7), (3, 1000), (2, 4097)):
        x = lines(shape, dtype)
        for how, rank in ((KTH, 0), (KTH, shape[1] - 1), (MEDIAN, 0), (NANMEDIAN, 0)):
            assert_agree(gpu, ranked_forward, x, rank, how, label=f"{dtype} {shape} {how} {rank}")


def test_few_long_rows_are_ranked_by_sorting_them(gpu):  # noqa: F811
    x = lines((66000,), "float16")
    for how in (KTH, MEDIAN, NANMEDIAN):
        assert_agree(gpu, ranked_forward, x, 30000, how)
        assert_agree(gpu, ranked_forward, np.nan_to_num(x), 30000, how)
        assert_agree(gpu, ranked_forward, np.full_like(x, np.nan), 30000, how)


@pytest.mark.parametrize("k", [1, 600, 1500, 2048])
def test_the_first_of_rows_in_any_order_beforehand(gpu, k):  # noqa: F811
    up = np.arange(9000, dtype="float32")
    for x in (up, up[::-1], np.zeros_like(up), np.full_like(up, np.nan), up % 7, np.where(up < 8999, np.nan, up)):
        for descending in (False, True):
            assert_agree(gpu, sorted_forward, x[None], k, descending, True)
            assert_agree(gpu, sorted_forward, np.tile(x, 2)[None].astype("float64"), min(k, 1024), descending, True)


def test_views_of_any_alignment_and_order(gpu):  # noqa: F811
    x = lines((4, 3, 1203), "float32")
    for view in (
        lambda x: x[0, 1:],
        lambda x: x[:, 0],
        lambda x: x[..., 1:],
        lambda x: x[..., ::-3],
        lambda x: x[0, 0],
    ):
        assert_agree(gpu, sorted_forward, view(x), 5, True, True)
    there = transfer(lines((2, 40001), "float16").reshape(-1), gpu)
    for start in (1, 2, 3, 5):  # rows that begin anywhere
        row = there[start : start + 40001]
        got, want = sorted_forward(row, 9, False, True), sorted_forward(to_host(row), 9, False, True)
        np.testing.assert_array_equal(to_host(got[0]), want[0])


def placed(place, x, dtype="float32"):
    return gpudl.tensor(x, dtype=dtype_of(dtype)).to(place).requires_grad_(True)


CALLS = {
    "sort": lambda lib, x, dim: (
        lib.sort(x, dim, True) if lib is gpudl else torch.sort(x, dim=dim, descending=True, stable=True)
    ),
    "topk": lambda lib, x, dim: lib.topk(x, 3, dim),
    "smallest": lambda lib, x, dim: lib.topk(x, 3, dim, largest=False),
    "kthvalue": lambda lib, x, dim: lib.kthvalue(x, 4, dim, keepdim=True),
    "median": lambda lib, x, dim: lib.median(x, dim),
    "nanmedian": lambda lib, x, dim: lib.nanmedian(x, dim),
    "mode": lambda lib, x, dim: lib.mode(x, dim),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", CALLS)
def test_values_indices_and_gradients_are_those_of_torch(gpu, name, dtype):  # noqa: F811
    for shape, dim in (((6, 5, 7), 0), ((6, 5, 7), 1), ((4, 90), -1), ((1030, 2), 0)):
        x = RNG.permutation(np.arange(np.prod(shape)) - 70.0).reshape(shape)
        if dtype == "bfloat16" and x.size > 256:
            continue
        ours, theirs = placed(gpu, x, dtype), torch.tensor(x, requires_grad=True)
        got, want = CALLS[name](gpudl, ours, dim), CALLS[name](torch, theirs, dim)
        weight = RNG.integers(-9, 9, want.values.shape).astype("float64")
        got.values.backward(gpudl.tensor(weight, dtype=dtype_of(dtype)).to(gpu))
        want.values.backward(torch.tensor(weight))
        for one, other in ((got.values, want.values), (got.indices, want.indices), (ours.grad, theirs.grad)):
            np.testing.assert_array_equal(to_host(one.detach().array).astype("float64"), other.detach().numpy())


def test_indices_changed_before_backward_are_told(gpu):  # noqa: F811
    x = placed(gpu, [3.0, 1.0, 2.0])
    values, indices = gpudl.topk(x, 2)
    indices.zero_()
    with pytest.raises(RuntimeError, match="changed in place"):
        values.sum().backward()


def test_second_gradients(gpu):  # noqa: F811
    x = placed(gpu, RNG.permutation(12.0 * np.arange(12)).reshape(3, 4) / 40, "float64")
    for call in (lambda x: gpudl.sort(x, 0).values ** 3, lambda x: gpudl.topk(x, 2).values ** 3):
        assert gpudl.autograd.gradgradcheck(call, [x])


def test_quantiles_and_distinct_elements(gpu):  # noqa: F811
    x = np.round(RNG.normal(size=(5, 700)) * 4) / 4
    x[1, 3] = np.nan
    for name in ("quantile", "nanquantile"):
        got = getattr(gpudl, name)(placed(gpu, x, "float64"), 0.3, 1)
        want = getattr(torch, name)(torch.tensor(x), 0.3, 1)
        np.testing.assert_allclose(to_host(got.detach().array), want.numpy(), 1e-12)
    got = gpudl.unique(gpudl.tensor(np.nan_to_num(x)).to(gpu), return_inverse=True, return_counts=True)
    want = torch.unique(torch.tensor(np.nan_to_num(x)), return_inverse=True, return_counts=True)
    for one, other in zip(got, want):
        np.testing.assert_array_equal(to_host(one.array), other.numpy())


def test_launches(gpu):  # noqa: F811
    def of(name, shape, *args, dtype="float32", **named):
        x = gpudl.tensor(lines(shape, dtype)).to(gpu)
        return launched(gpu, lambda: getattr(gpudl, name)(x, *args, **named))

    assert of("sort", (50, 100)) == 1
    assert of("argsort", (3, 4096), descending=True) == 1
    assert of("sort", (2, 4097)) == 12  # three for each byte
    assert of("sort", (2, 4097), dtype="float16") == 6
    assert of("topk", (70, 5000), 5) == 1
    assert of("topk", (2, 40000), 5) == 2
    assert of("topk", (20, 1000), 900) == 1
    assert of("kthvalue", (9, 5000), 700) == 1
    assert of("median", (9, 100), 1) == 1
    assert of("nanmedian", (9, 5000), 1) == 1

    x = placed(gpu, lines((9, 400), "float32"))
    dy = gpudl.ones(9, 400).to(gpu)

    def step(k):
        x.grad = None
        gpudl.topk(x, k).values.backward(dy[:, :k].contiguous() if k < 400 else dy)

    assert launched(gpu, step, 400) == 2


def test_nothing_to_sort(gpu):  # noqa: F811
    for shape in ((0, 3), (3, 0), (0,)):
        x = gpudl.zeros(shape, device=gpu, requires_grad=True)
        values, indices = gpudl.sort(x)
        assert values.shape == indices.shape == shape
        values.sum().backward()
        assert x.grad.shape == shape
        assert gpudl.topk(x, 0).values.shape == (*shape[:-1], 0)
    one = gpudl.tensor(3.0).to(gpu)
    assert [each.item() for each in (*gpudl.sort(one), *gpudl.topk(one, 1), *gpudl.median(one, 0))] == [3, 0] * 3
