"""Pooling on a GPU: one launch each way, for every geometry, and nan, infinities and ties as on the CPU."""

import numpy as np
import pytest
from on_gpu import gpu, launched  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl.backend.device import to_host
from gpudl.backend.dtypes import dtype_of
from gpudl.nn import functional as F

DTYPES = ["float64", "float32", "float16", "bfloat16"]
# function, spatial size, settings
POOLS = {
    "max1d": (F.max_pool1d, (9,), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "max2d": (F.max_pool2d, (7, 6), {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "ceil_mode": True}),
    "max2d apart": (F.max_pool2d, (8, 8), {"kernel_size": 2, "stride": 3}),
    "max2d dilated": (F.max_pool2d, (9, 8), {"kernel_size": 2, "stride": 2, "dilation": 3, "padding": 1}),
    "max2d many taps": (F.max_pool2d, (17, 18), {"kernel_size": 17, "stride": 1, "padding": 2}),
    "max3d": (F.max_pool3d, (4, 5, 6), {"kernel_size": 2, "stride": (1, 2, 2), "padding": 1}),
    "avg1d": (F.avg_pool1d, (9,), {"kernel_size": 4, "stride": 2, "padding": 2}),
    "avg2d": (F.avg_pool2d, (7, 6), {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    "avg2d divisor": (F.avg_pool2d, (5, 40), {"kernel_size": 2, "ceil_mode": True, "divisor_override": 3}),
    "avg3d": (F.avg_pool3d, (4, 5, 6), {"kernel_size": (2, 3, 2), "stride": 1, "padding": (1, 1, 0)}),
    "adaptive": (F.adaptive_avg_pool1d, (7,), {"output_size": 3}),
    "global": (F.avg_pool2d, (9, 8), {"kernel_size": (9, 8)}),
    "small global": (F.avg_pool2d, (4, 4), {"kernel_size": 4}),
}
ONE_LAUNCH = [name for name in POOLS if name != "global"]


def both(function, x, dtype, gpu, **settings):  # noqa: F811
    """Result and gradient on the GPU in a dtype, and on the CPU in float64 for the same numbers."""
    found = []
    for place, kind in ((gpu, dtype), ("cpu", "float64")):
        leaf = gpudl.tensor(x.astype(dtype_of(dtype)).astype("float64"), dtype=dtype_of(kind)).to(place)
        leaf.requires_grad_()
        y = function(leaf, **settings)
        weights = np.random.default_rng(1).integers(-3, 4, y.shape).astype("float64")
        y.backward(gpudl.tensor(weights, dtype=y.dtype).to(place))
        found.append([to_host(y.detach().array), to_host(leaf.grad.array)])
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", POOLS)
def test_pools_give_what_the_cpu_gives(gpu, name, dtype):  # noqa: F811
    function, size, settings = POOLS[name]
    for planes in ((2, 3), (1, 1), (0, 2)):
        x = np.random.default_rng(0).standard_normal((*planes, *size))
        for got, want in zip(*both(function, x, dtype, gpu, **settings)):
            assert got.dtype == dtype_of(dtype)
            assert_close(got, want.astype(got.dtype), f"{name} {planes}", slack=4)


@pytest.mark.parametrize("name", ["max2d", "max2d dilated", "max3d"])
def test_ties_nan_and_infinities_choose_the_cpu_s_element(gpu, name):  # noqa: F811
    function, size, settings = POOLS[name]
    x = np.random.default_rng(3).choice([0.0, 1.0, -np.inf, np.inf, np.nan], (3, 4, *size))
    x[0, 0] = -np.inf
    x[0, 1] = 1
    for got, want in zip(*both(function, x, "float32", gpu, **settings)):
        np.testing.assert_array_equal(got, want.astype("float32"))
    places = [
        to_host(function(gpudl.tensor(x).to(place), **settings, return_indices=True)[1].array) for place in (gpu, "cpu")
    ]
    np.testing.assert_array_equal(*places)
    assert places[0].dtype == np.int64


def test_views_are_pooled_as_what_they_show(gpu):  # noqa: F811
    x = gpudl.tensor(np.random.default_rng(0).standard_normal((3, 6, 2, 9)))
    for view in (lambda t: t.transpose(1, 2), lambda t: t[:, :, :, 1:], lambda t: t[1:, ::2]):
        for function in (F.max_pool2d, F.avg_pool2d):
            got, want = (to_host(function(view(x.to(place)), 2).array) for place in (gpu, "cpu"))
            np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("name", ONE_LAUNCH)
def test_a_pooling_is_one_launch_each_way(gpu, name):  # noqa: F811
    function, size, settings = POOLS[name]
    x = gpudl.ones(2, 3, *size, device=gpu)
    assert launched(gpu, lambda: function(x, **settings)) == 1
    leaf = x.detach().requires_grad_()
    dy = gpudl.ones_like(function(leaf, **settings))
    assert launched(gpu, lambda: gpudl.autograd.grad(function(leaf, **settings), leaf, dy)) == 2


def test_gradients_of_gradients_are_those_of_the_cpu(gpu):  # noqa: F811
    found = []
    for place in (gpu, "cpu"):
        x = gpudl.tensor(np.random.default_rng(0).standard_normal((2, 2, 6, 6))).to(place).requires_grad_()
        y = F.avg_pool2d(F.max_pool2d(x * x, 2), 2)
        (dx,) = gpudl.autograd.grad(y.sum(), x, create_graph=True)
        found.append(to_host(gpudl.autograd.grad((dx * dx).sum(), x)[0].array))
    np.testing.assert_allclose(*found, rtol=1e-12)
