"""Convolution gives on a GPU what it gives on the CPU, whichever of its ways a shape takes there."""

import numpy as np
import pytest
from on_gpu import gpu, launched  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl.backend.device import to_host, transfer
from gpudl.backend.dtypes import dtype_of
from gpudl.nn import functional as F
from gpudl.ops import convolve_columns, convolve_direct, convolve_parts
from gpudl.ops.conv_windows import conv_windows
from gpudl.ops.convolution import convolution_backward, convolution_forward

DTYPES = ["float64", "float32", "float16", "bfloat16"]
# What it is for; x, w; stride, padding, dilation, groups.
TILES = {
    "one element": ((1, 1, 1), (1, 1, 1), 1, 0, 1, 1),
    "one image of one channel": ((2, 1, 9, 11), (6, 1, 5, 5), 1, 2, 1, 1),
    "packs, and more pixels than a flat tile": ((5, 3, 8, 8), (10, 3, 3, 3), 1, 1, 1, 1),
    "rows above a flat tile": ((3, 5, 7, 6), (17, 5, 3, 2), 1, 1, 1, 1),
    "several broad tiles, slices of pixels": ((6, 17, 8, 8), (66, 17, 3, 1), 1, (1, 0), 1, 1),
    "phases": ((2, 18, 9, 8), (20, 18, 3, 3), 2, 1, 1, 1),
    "phases that no tap meets": ((2, 3, 9, 10), (4, 3, 1, 2), (3, 4), 0, 1, 1),
    "phases and dilation": ((2, 3, 15, 13), (4, 3, 3, 2), (4, 3), (3, 0), (2, 6), 1),
    "groups": ((2, 40, 6, 5), (34, 20, 3, 3), 1, 1, 1, 2),
    "padding beyond the windows": ((2, 3, 4, 5), (5, 3, 2, 2), 3, 3, 1, 1),
    "three dimensions": ((2, 3, 5, 6, 7), (4, 3, 3, 2, 3), (2, 1, 2), (1, 0, 2), (1, 2, 1), 1),
    "one dimension": ((3, 4, 40), (20, 4, 5), 2, 3, 3, 1),
}
THIN = {
    "3 taps high": ((2, 5, 9, 7), (5, 1, 3, 3), 1, 1, 1, 5),
    "5 taps high, wide rows": ((1, 2, 6, 70), (2, 1, 5, 3), 1, (2, 1), 1, 2),
    "7 taps high, in several passes": ((2, 3, 8, 9), (3, 1, 7, 7), 1, 3, 1, 3),
    "taps apart in a row": ((2, 3, 8, 9), (3, 1, 3, 3), (1, 2), 1, (1, 3), 3),
    "a stride": ((2, 4, 9, 8), (8, 1, 3, 3), 2, 1, 1, 4),
    "dilation": ((2, 4, 9, 8), (4, 1, 3, 3), 1, 2, 2, 4),
    "several channels a group": ((2, 6, 5, 6), (4, 3, 3, 2), (3, 1), 1, 1, 2),
    "one dimension, slices of lines": ((150, 3, 10), (6, 1, 4), 1, 2, 1, 3),
    "three dimensions": ((2, 2, 4, 5, 6), (2, 1, 3, 3, 2), (2, 1, 1), 1, (1, 1, 2), 2),
}
COLUMNS = {
    "packs": ((3, 4, 8, 8), (6, 4, 3, 3), 1, 1, 1, 1),
    "rows that are not aligned": ((3, 5, 7, 5), (7, 5, 3, 2), 1, 0, 1, 1),
    "phases": ((2, 3, 9, 8), (5, 3, 3, 2), (2, 3), 1, (2, 1), 1),
    "groups, and more rows than a block's": ((2, 40, 4, 6), (36, 20, 3, 3), 1, 1, 1, 2),
    "one tap": ((3, 6, 5, 7), (4, 6, 1, 1), 1, 0, 1, 1),
    "one tap and groups, packs": ((2, 6, 4, 4), (8, 3, 1, 1), 1, 0, 1, 2),
    "one tap with a stride": ((2, 6, 5, 4), (8, 6, 1, 1), 2, 0, 1, 1),
    "three dimensions": ((2, 2, 3, 5, 4), (3, 2, 2, 3, 2), (1, 2, 1), 1, 1, 1),
    "one dimension": ((3, 4, 30), (5, 4, 5), 2, 3, 3, 1),
}
RNG = np.random.default_rng(0)


def forced(monkeypatch, some_images=True):
    """Send small products to cuBLAS, some images at a time."""
    for name in ("_LEAST", "_TALL", "_MUCH", "_SOME"):
        monkeypatch.setattr(convolve_columns, name, 1)
    if some_images:
        monkeypatch.setattr(convolve_columns, "_parts", lambda x, images, *_: parts_of(images))


def parts_of(images):
    return [slice(0, images - 1), slice(images - 1, images)] if images > 1 else [slice(0, images)]


def reals(shape, dtype):
    """Numbers that the dtype holds, as float64."""
    return RNG.uniform(-1, 1, shape).astype(dtype_of(dtype)).astype("float64")


def check(gpu, case, dtype, label):  # noqa: F811
    """Values and all gradients, of the convolution and of the transposed one with the same windows, against the CPU."""
    x_shape, w_shape, stride, padding, dilation, groups = case
    windows = conv_windows("conv", x_shape, w_shape, stride, padding, dilation, groups)
    x, w, b = (reals(shape, dtype) for shape in (x_shape, w_shape, w_shape[:1]))
    dy, c = reals((x_shape[0], w_shape[0], *windows.out), dtype), reals(x_shape[1:2], dtype)
    for number, (kernel, args) in enumerate(
        (
            (convolution_forward, (x, w, b, windows, groups)),
            (convolution_forward, (x, w, None, windows, groups)),
            (convolution_backward, (dy, x, w, None, True, windows, groups)),
            (convolution_backward, (dy, None, w, c, False, windows, groups)),
        )
    ):
        want = kernel.reference(*args)
        there = [transfer(arg.astype(dtype_of(dtype)), gpu) if isinstance(arg, np.ndarray) else arg for arg in args]
        got, again = kernel(*there), kernel(*there)
        for each, other, exact in zip(*(y if isinstance(y, tuple) else (y,) for y in (got, again, want))):
            each = to_host(each)
            assert each.dtype == dtype_of(dtype)
            assert each.tobytes() == to_host(other).tobytes(), f"{label}, {number}: not the same in every run"
            assert_close(each, exact.astype(each.dtype), f"{label}, {number}: {kernel.name}", 10)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiles(gpu, dtype):  # noqa: F811
    for label, case in TILES.items():
        check(gpu, case, dtype, label)


@pytest.mark.parametrize("dtype", DTYPES)
def test_thin_groups(gpu, dtype):  # noqa: F811
    for label, case in THIN.items():
        assert convolve_direct.is_thin(np.empty(case[1]), case[-1])
        check(gpu, case, dtype, label)


@pytest.mark.parametrize("dtype", DTYPES)
def test_columns(gpu, dtype, monkeypatch):  # noqa: F811
    forced(monkeypatch)
    for label, case in COLUMNS.items():
        check(gpu, case, dtype, label)


def test_images_are_laid_out_within_the_bound(monkeypatch):
    windows = conv_windows("conv", (5, 3, 8, 8), (4, 3, 3, 3), 1, 1, 1, 1)
    monkeypatch.setattr(convolve_columns, "_BYTES", 1000)
    x = np.empty((5, 1))
    assert list(convolve_columns._parts(x, 5, 400, windows)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(convolve_columns._parts(x, 2, 4000, windows)) == [slice(0, 1), slice(1, 2)]
    assert list(convolve_columns._parts(x[:0], 0, 400, windows)) == []


def test_large_products_go_to_cublas(monkeypatch):
    windows = conv_windows("conv", (32, 64, 56, 56), (64, 64, 3, 3), 1, 1, 1, 1)
    one = conv_windows("conv", (32, 64, 56, 56), (64, 64, 1, 1), 1, 0, 1, 1)
    goes = convolve_columns.by_columns
    assert goes(dtype_of("float16"), 32, 64, 64, windows, 1) and not goes(dtype_of("float32"), 32, 64, 64, windows, 1)
    assert goes(dtype_of("float32"), 32, 512, 512, windows, 1) and goes(dtype_of("float32"), 32, 64, 64, one, 1)
    assert not goes(dtype_of("float16"), 32, 64, 3, one, 1) and not goes(dtype_of("float16"), 1, 64, 64, windows, 64)
    gpudl.set_float32_matmul_precision("high")
    try:
        assert goes(dtype_of("float32"), 32, 64, 64, windows, 1)
    finally:
        gpudl.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("way", ["tiles", "thin", "columns"])
def test_views_and_empty_batches(gpu, way, monkeypatch):  # noqa: F811
    if way == "columns":
        forced(monkeypatch, some_images=False)
    groups = 4 if way == "thin" else 1
    w_shape = (4, 4 // groups, 3, 3)
    for dtype in ("float32", "float16"):
        flat, of_w, of_dy = (reals((size,), dtype) for size in (2 * 4 * 64 + 3, 4 * 36, 2 * 4 * 64 + 3))
        given = [transfer(each.astype(dtype_of(dtype)), gpu) for each in (flat, of_w, of_dy)]
        for start in (0, 1, 3):
            part = slice(start, start + 512)
            views = [z.reshape(shape) for z, shape in ((flat[part], (2, 4, 8, 8)), (of_dy[part], (2, 4, 8, 8)))]
            there = [z.reshape(shape) for z, shape in ((given[0][part], (2, 4, 8, 8)), (given[2][part], (2, 4, 8, 8)))]
            w, w_there = (z[: w_shape[1] * 36].reshape(w_shape) for z in (of_w, given[1]))
            windows = conv_windows("conv", (2, 4, 8, 8), w_shape, 1, 1, 1, groups)
            if start == 3:  # channels last
                views, there = (
                    [z.reshape((2, 8, 8, 4)).transpose(0, 3, 1, 2) for z in both] for both in (views, there)
                )
            want = (
                convolution_forward.reference(views[0], w, None, windows, groups),
                *convolution_backward.reference(views[1], views[0], w, None, True, windows, groups),
            )
            got = (
                convolution_forward(there[0], w_there, None, windows, groups),
                *convolution_backward(there[1], there[0], w_there, None, True, windows, groups),
            )
            for each, exact in zip(got, want):
                assert_close(to_host(each), exact.astype(each.dtype), f"{way} {dtype} from {start}", 10)
    x = gpudl.zeros(0, 4, 8, 8, device=gpu).requires_grad_()
    w, b = (gpudl.ones(*shape, device=gpu).requires_grad_() for shape in (w_shape, (4,)))
    y = F.conv2d(x, w, b, groups=groups)
    y.sum().backward()
    assert y.shape == (0, 4, 6, 6) and x.grad.shape == x.shape
    assert not to_host(w.grad.array).any() and not to_host(b.grad.array).any()


@pytest.mark.parametrize("way", ["tiles", "thin", "columns"])
def test_infinity_and_nan_spread_as_far_as_a_window(gpu, way, monkeypatch):  # noqa: F811
    if way == "columns":
        forced(monkeypatch)
    groups = 4 if way == "thin" else 1
    x, w = reals((2, 4, 6, 7), "float32"), RNG.uniform(0.5, 1, (4, 4 // groups, 3, 3))
    windows = conv_windows("conv", x.shape, w.shape, 1, 1, 1, groups)
    for bad in (np.inf, -np.inf, np.nan, 3e38):
        x[1, 2, 3, 4] = bad
        args = [z.astype("float32") for z in (x, w)]
        want = convolution_forward(*args, None, windows, groups)
        got = convolution_forward(*(transfer(z, gpu) for z in args), None, windows, groups)
        assert_close(to_host(got), want, f"{way} {bad}", 10)
        (want,) = convolution_backward(args[0], None, args[1], None, False, windows, groups)
        there = [transfer(z, gpu) for z in args]
        (got,) = convolution_backward(there[0], None, there[1], None, False, windows, groups)
        assert_close(to_host(got), want, f"{way} transposed {bad}", 10)


# Forward, and with backward: dx, dw and the bias have one each, and one more where slices are added up. Products by
# cuBLAS are not counted: with columns there is one beside the launch of y, dx and dw each; with one tap, of y and dx.
LAUNCHES = {
    "tiles": ((4, 3, 12, 12), (6, 3, 5, 5), {"padding": 2}, 1, 1 + 1 + 2 + 1),
    "few pixels": ((1, 20, 5, 5), (18, 20, 3, 3), {"stride": 2}, 1, 1 + 3),
    "thin": ((2, 6, 8, 8), (6, 1, 3, 3), {"groups": 6}, 1, 1 + 3),
    "columns": ((2, 8, 8, 8), (8, 8, 3, 3), {"padding": 1}, 1, 1 + 3),
    "one tap": ((2, 8, 8, 8), (8, 8, 1, 1), {}, 1, 1 + 0 + 1 + 1),
}


@pytest.mark.parametrize("name", LAUNCHES)
def test_launches(gpu, name, monkeypatch):  # noqa: F811
    x_shape, w_shape, settings, forward, both = LAUNCHES[name]
    if name in ("columns", "one tap"):
        forced(monkeypatch, some_images=False)
    numbers = [reals(shape, "float32") for shape in (x_shape, w_shape, w_shape[:1])]
    leaves = [gpudl.tensor(each, dtype=gpudl.float32).to(gpu).requires_grad_() for each in numbers]
    up = gpudl.ones_like(F.conv2d(*leaves, **settings))
    assert launched(gpu, lambda: F.conv2d(*leaves, **settings)) == forward
    with gpudl.strict():
        found = launched(gpu, lambda: gpudl.autograd.grad([F.conv2d(*leaves, **settings)], leaves, [up]))
    assert found == both


def test_bias_gradients_of_many_pixels_take_two_launches(gpu):  # noqa: F811
    for shape in ((2, 3, 8191), (8200, 3, 1), (1, 2, 130, 130)):
        dy = transfer(reals(shape, "float32").astype("float32"), gpu)
        assert launched(gpu, convolve_parts.sum_channels, dy) == 2
        want = to_host(dy).sum(axis=(0, *range(2, len(shape))), dtype="float64")
        assert_close(to_host(convolve_parts.sum_channels(dy)), want.astype("float32"), f"{shape}", 40)


def test_what_kernels_cannot_count_goes_to_the_reference(gpu, monkeypatch):  # noqa: F811
    x, w = (transfer(reals(shape, "float32").astype("float32"), gpu) for shape in ((1, 1, 4), (1, 1, 2)))
    windows = conv_windows("conv", x.shape, w.shape, 1, 70_000, 1, 1)
    got = to_host(convolution_forward(x, w, None, windows, 1))
    assert got.shape == (1, 1, 140_003)
    np.testing.assert_array_equal(got != 0, np.isin(np.arange(140_003), np.arange(69_999, 70_004)).reshape(got.shape))
    assert convolve_parts.packed(windows)  # which would not hold so much


def test_gradients_of_gradients(gpu):  # noqa: F811
    outcomes = []
    numbers = [reals(shape, "float64") for shape in ((2, 4, 7, 6), (6, 2, 3, 3), (6,))]
    for place in (gpu, "cpu"):
        leaves = [gpudl.tensor(each).to(place).requires_grad_() for each in numbers]
        y = F.conv2d(*leaves, stride=2, padding=1, groups=2)
        first = gpudl.autograd.grad([(y * y).sum()], leaves, create_graph=True)
        sum((each * each).sum() for each in first).backward()
        outcomes.append([to_host(each.detach().array) for each in (*first, *(leaf.grad for leaf in leaves))])
    for got, want in zip(*outcomes):
        assert_close(got, want, "gradient of a gradient", 10)


def test_all_slices_are_added_up(gpu):  # noqa: F811
    slices = reals((37, 45), "float32")
    total = transfer(np.zeros(45, "float32"), gpu)
    convolve_parts.add_slices(total, transfer(slices.astype("float32"), gpu))
    assert_close(to_host(total), slices.sum(axis=0).astype("float32"), "sums of slices", 10)
