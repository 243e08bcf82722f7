"""Resizing, unfolding, pooling to the largest and sampling of grids on a GPU: one launch each, values as the CPU's."""

import itertools

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched  # noqa: F401
from test_cuda_rooms import INF, NAN, both, host, placed, reals
from tolerances import assert_close

import gpudl
from gpudl.nn import functional as F

DTYPES = ["float32", "float16", "bfloat16"]
SIZES = {
    "nearest": [((7,), 16), ((5, 6), (9, 4)), ((3, 4, 2), (5, 2, 7))],
    "nearest-exact": [((5, 6), (9, 4))],
    "linear": [((7,), 16)],
    "bilinear": [((5, 6), (13, 4)), ((1, 1), (3, 4)), ((40, 33), (20, 70))],
    "bicubic": [((5, 6), (13, 4))],
    "trilinear": [((3, 4, 2), (5, 2, 7))],
    "area": [((7, 9), (3, 4))],
}
RESIZED = [(mode, *each) for mode, sizes in SIZES.items() for each in sizes]


def each_way(place, function, *leaves):
    """The launches of a forward, and of a backward to all leaves."""
    y = function(*leaves)
    dy = gpudl.ones_like(y)
    back = launched(place, lambda: gpudl.autograd.grad(y, list(leaves), dy, retain_graph=True))
    return launched(place, lambda: function(*leaves)), back


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("mode", "size", "out"), RESIZED)
def test_resized_as_on_the_cpu(gpu, mode, size, out, dtype):  # noqa: F811
    for planes in ((2, 3), (1, 1)):
        x = reals((*planes, *size), "float64")
        both(lambda x: F.interpolate(x, size=out, mode=mode), [x], dtype, gpu, f"{mode} {size} to {out}", 20)


def test_other_rules_of_resizing(gpu):  # noqa: F811
    x = reals((2, 3, 9, 8), "float64")
    for settings in (
        {"size": (5, 17), "mode": "bilinear", "align_corners": True},
        {"size": (4, 3), "mode": "bilinear", "antialias": True},
        {"size": (4, 3), "mode": "bicubic", "antialias": True},
        {"scale_factor": (1.7, 0.6), "mode": "bicubic"},
        {"scale_factor": 2, "mode": "nearest"},
    ):
        both(lambda x, s=settings: F.interpolate(x, **s), [x], "float32", gpu, str(settings), 20)
    turned = placed(gpu, x.transpose(0, 1, 3, 2).copy(), "float32").transpose(2, 3)
    got, want = (F.interpolate(each, size=(4, 4), mode="bilinear") for each in (turned, gpudl.tensor(x)))
    assert_close(host(got), host(want).astype("float32"), "a view", 4)


@pytest.mark.parametrize(("mode", "size", "out"), RESIZED)
def test_resizing_is_one_launch_each_way(gpu, mode, size, out):  # noqa: F811
    x = placed(gpu, reals((2, 3, *size)), "float32")
    assert each_way(gpu, lambda x: F.interpolate(x, size=out, mode=mode), x) == (1, 1)


def test_infinite_elements_stay_out_of_taps_that_are_none(gpu):  # noqa: F811
    x = np.array([[[INF, 1, 2, NAN, 3, -INF, 4]]])
    for mode, out in (("area", 3), ("nearest", 5), ("linear", 5)):
        with np.errstate(all="ignore"):
            both(lambda x, m=mode, o=out: F.interpolate(x, size=o, mode=m), [x], "float32", gpu, mode)


UNFOLDS = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": (2, 3), "dilation": (2, 1), "stride": (1, 2)},
    {"kernel_size": 4, "stride": 4},
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("settings", UNFOLDS, ids=str)
def test_windows_as_columns_and_back(gpu, settings, dtype):  # noqa: F811
    for planes in ((2, 3), (1, 1), (0, 2)):
        x = reals((*planes, 8, 12), "float64")
        both(lambda x: F.unfold(x, **settings), [x], dtype, gpu, f"unfold {settings}")
        columns = reals(F.unfold(gpudl.tensor(x), **settings).shape, "float64")
        both(lambda c: F.fold(c, (8, 12), **settings), [columns], dtype, gpu, f"fold {settings}", 8)
    x = placed(gpu, reals((2, 3, 8, 12)), "float32")
    assert each_way(gpu, lambda x: F.unfold(x, **settings), x) == (1, 1)
    columns = F.unfold(x, **settings).detach().requires_grad_()
    assert each_way(gpu, lambda c: F.fold(c, (8, 12), **settings), columns) == (1, 1)


POOLS = [(F.adaptive_max_pool1d, (7,), 3), (F.adaptive_max_pool2d, (7, 5), (3, 4)), (F.adaptive_max_pool2d, (3, 3), 5)]
POOLS.append((F.adaptive_max_pool3d, (4, 5, 6), (3, 2, 4)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("function", "size", "out"), POOLS)
def test_adaptive_pooling_finds_the_cpu_s_elements_in_one_launch(gpu, function, size, out, dtype):  # noqa: F811
    hard = np.random.default_rng(0).choice([0.0, 1, INF, -INF, NAN], (2, 3, *size))
    for x in (reals((2, 3, *size), "float64"), hard):
        found = []
        for place, kind in ((gpu, dtype), ("cpu", dtype)):
            leaf = placed(place, x, kind)
            y, at = function(leaf, out, return_indices=True)
            y.backward(gpudl.ones_like(y))
            found.append([host(each).astype("float64") for each in (y, at, leaf.grad)])
        for got, want in zip(*found):
            np.testing.assert_array_equal(got, want)
    leaf = placed(gpu, reals((2, 3, *size)), "float32")
    assert each_way(gpu, lambda x: function(x, out), leaf) == (1, 1)


GRIDS = [
    (mode, padding, aligned, size)
    for mode, padding, aligned, size in itertools.product(
        ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True), ((5, 6), (3, 4, 2))
    )
    if mode != "bicubic" or len(size) == 2
]


@pytest.mark.parametrize(("mode", "padding", "aligned", "size"), GRIDS)
def test_sampling_a_grid_is_that_of_torch(gpu, mode, padding, aligned, size):  # noqa: F811
    dims = len(size)
    x, grid = reals((2, 3, *size)), reals((2, *(5, 4, 3)[:dims], dims), low=-1.7, high=1.7)
    ours = [placed(gpu, each, "float32") for each in (x, grid)]
    theirs = [torch.tensor(each, requires_grad=True) for each in (x, grid)]
    y = F.grid_sample(*ours, mode, padding, aligned)
    want = torch.nn.functional.grid_sample(*theirs, mode, padding, aligned)
    dy = reals(want.shape)
    y.backward(placed(gpu, dy, "float32", False))
    want.backward(torch.tensor(dy))
    assert_close(host(y), want.detach().numpy(), "y", 10)
    for mine, other, label in zip(ours, theirs, ("dx", "dgrid")):
        assert_close(host(mine.grad), other.grad.numpy(), label, 60)


def test_sampling_is_one_launch_and_the_same_in_every_run(gpu):  # noqa: F811
    # 9000 taps on 30 elements, far more of them on the corner than elsewhere.
    x, grid = placed(gpu, reals((2, 3, 3, 5)), "float32"), placed(gpu, reals((2, 25, 45, 2), low=-6, high=2), "float32")

    def sampled(x, grid):
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)

    assert each_way(gpu, sampled, x, grid)[0] == 1
    y, dy = sampled(x, grid), gpudl.tensor(reals((2, 3, 25, 45))).to(gpu)
    runs = [[host(each) for each in gpudl.autograd.grad(y, [x, grid], dy, retain_graph=True)] for _ in range(2)]
    for one, other in zip(*runs):
        assert one.tobytes() == other.tobytes()
    assert each_way(gpu, lambda g: sampled(x.detach(), g), grid) == (1, 1)
    there = [each.detach().to("cpu").double().requires_grad_() for each in (x, grid)]
    want = gpudl.autograd.grad(sampled(*there), there, dy.to("cpu").double())
    for got, exact in zip(runs[0], want):
        assert_close(got, host(exact).astype("float32"), "many at one place", 400)


def test_half_floats_and_places_that_are_none(gpu):  # noqa: F811
    x = reals((1, 2, 3, 4), "float64")
    grid = np.array([[[[0.25, -0.5], [-1, 1], [1, 1], [0, 0]]]])
    for dtype in ("float16", "bfloat16"):
        both(lambda x, g: F.grid_sample(x, g, align_corners=True), [x, grid], dtype, gpu, dtype, 8)
    far = np.array([[[[1e9, 0.0], [-30, -30], [2, 0.5]]]])
    for mode in ("bilinear", "nearest"):
        both(lambda x, g, m=mode: F.grid_sample(x, g, mode=m, align_corners=True), [x, far], "float32", gpu, mode, 8)


def test_second_gradients_are_those_of_the_cpu(gpu):  # noqa: F811
    x, grid = reals((1, 2, 3, 4), "float64"), reals((1, 2, 2, 2), "float64", -0.9, 0.9)
    found = []
    for place in (gpu, "cpu"):
        leaves = [placed(place, each, "float64") for each in (x, grid)]
        y = F.grid_sample(*leaves, align_corners=False)
        y = F.fold(F.unfold(F.interpolate(y * y, size=(5, 4), mode="bilinear"), 2), (5, 4), 2)
        y = F.adaptive_max_pool2d(y, (3, 3))
        first = gpudl.autograd.grad((y * y).sum(), leaves, create_graph=True)
        sum((each * each).sum() for each in first).backward()
        found.append([host(each.grad) for each in leaves])
    for got, want in zip(*found):
        assert_close(got, want, "second order", 100)
