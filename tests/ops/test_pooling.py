"""Pooling on many shapes at once; ties, nan and empty results; memory; and random windows."""

import tracemalloc

import numpy as np
import pytest
from oracle import Raised, assert_same, check_gradients, gradients, host, ours, outcome, theirs, torch
from tolerances import assert_close

import gpudl
import gpudl.nn.functional
from gpudl.ops import pool_windows

F, T = gpudl.nn.functional, torch.nn.functional


def compare(name, arrays, device, label, **settings):
    """The op agrees with torch in value and gradient, or both refuse."""
    mine, other = [ours(x, device, True) for x in arrays], [theirs(x, True) for x in arrays]
    got = outcome(getattr(F, name), *mine, **settings)
    if isinstance(got, Raised) and "lies between" in str(got.error):
        return  # torch gives -inf, and a place outside of the input, with which its backward crashes
    want = outcome(getattr(T, name), *other, **settings)
    if isinstance(want, Raised) and name == "avg_pool3d" and "smaller than kernel size" in str(want.error):
        return  # torch's other poolings count the padding, too, before they refuse
    assert_same(got, want, label)
    check_gradients(got, want, mine, other, label)


def settings_of(rng, ndim, dilated):
    """Random arguments of a pooling, not all of which fit."""
    kernel = rng.integers(1, 5, ndim)
    settings = {
        "kernel_size": kernel,
        "stride": rng.integers(1, 5, ndim) if rng.random() < 0.7 else None,
        "padding": np.minimum(rng.integers(0, 3, ndim), kernel // 2),
    }
    if dilated:
        settings["dilation"] = rng.integers(1, 3, ndim)
    given = {key: None if each is None else tuple(map(int, each)) for key, each in settings.items()}
    return given | {"ceil_mode": bool(rng.random() < 0.5)}


@pytest.mark.parametrize("part", [None, 1], ids=["whole", "parts"])
@pytest.mark.parametrize("values", ["few", "distinct", "nan", "low"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_max_pool_of_random_shapes_and_settings(ndim, values, part, device, monkeypatch):
    if part:
        monkeypatch.setattr(pool_windows, "PART", part)
    rng = np.random.default_rng(ndim)
    for number in range(40):
        settings = settings_of(rng, ndim, True)
        x = rng.integers(0, 3, (2, 3, *rng.integers(1, 9, ndim))).astype("float64")
        if values == "distinct":
            x = np.asarray(rng.permutation(x.size).reshape(x.shape), "float64")
        elif values == "nan":
            x[rng.random(x.shape) < 0.1] = np.nan
        elif values == "low":
            x = np.where(x == 2, -np.inf, -np.inf if number % 2 else x)
        label = f"{number}: {x.shape} {settings}"
        for indices in (False, True):
            compare(f"max_pool{ndim}d", [x], device, f"{label} {indices}", **settings, return_indices=indices)


@pytest.mark.parametrize("part", [None, 1], ids=["whole", "parts"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_avg_pool_of_random_shapes_and_settings(ndim, part, device, monkeypatch):
    if part:
        monkeypatch.setattr(pool_windows, "PART", part)
    rng = np.random.default_rng(ndim)
    for number in range(60):
        settings = settings_of(rng, ndim, False) | {"count_include_pad": bool(number % 2)}
        if ndim > 1 and number % 3 == 0:
            settings["divisor_override"] = int(rng.integers(-3, 4))
        x = rng.uniform(-1, 1, (2, 3, *rng.integers(1, 9, ndim)))
        compare(f"avg_pool{ndim}d", [x], device, f"{number}: {x.shape} {settings}", **settings)


@pytest.mark.parametrize("name", ["adaptive_avg_pool", "adaptive_max_pool"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_adaptive_pools_of_random_shapes(ndim, name, device):
    rng = np.random.default_rng(ndim)
    for number in range(40):
        out = tuple(map(int, rng.integers(1, 9, ndim)))
        x = rng.integers(0, 3, (2, 3, *rng.integers(1, 9, ndim))).astype("float64")
        compare(f"{name}{ndim}d", [x], device, f"{number}: {x.shape} to {out}", output_size=out)
        if name == "adaptive_max_pool":
            x[rng.random(x.shape) < 0.1] = np.nan
            compare(f"{name}{ndim}d", [x], device, f"{number}: {x.shape}, {out}", output_size=out, return_indices=True)


@pytest.mark.parametrize("ndim", [2, 3])
def test_fractional_max_pool_of_random_shapes(ndim, device):
    rng = np.random.default_rng(ndim)
    for number in range(60):
        kernel, out = tuple(map(int, rng.integers(1, 4, ndim))), tuple(map(int, rng.integers(1, 5, ndim)))
        x = rng.integers(0, 9, (2, 3, *rng.integers(4, 12, ndim))).astype("float64")
        if number % 2:
            x[rng.random(x.shape) < 0.1] = np.nan
        samples = rng.random((2, 3, ndim))
        mine, other = ours(x, device, True), theirs(x, True)
        settings = {"kernel_size": kernel, "output_size": out, "return_indices": True}
        name = f"fractional_max_pool{ndim}d"
        got = outcome(getattr(F, name), mine, **settings, _random_samples=ours(samples, device))
        want = outcome(getattr(T, name), other, **settings, _random_samples=theirs(samples))
        assert_same(got, want, f"{number}: {x.shape} {settings}")
        check_gradients(got, want, [mine], [other], f"{number}: {x.shape} {settings}")


@pytest.mark.parametrize("ndim", [2, 3])
def test_windows_at_random_follow_the_seed(ndim, device):
    x = ours(np.random.default_rng(0).random((2, 3, *[16] * ndim)), device)
    found = []
    for seed in (0, 0, 1):
        gpudl.manual_seed(seed)
        found.append(host(getattr(F, f"fractional_max_pool{ndim}d")(x, 2, output_ratio=0.7)))
    assert found[0].shape == (2, 3, *[11] * ndim)
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()
    half = getattr(F, f"fractional_max_pool{ndim}d")(x.to(gpudl.float16), 2, output_ratio=0.7)
    assert half.dtype == gpudl.float16


@pytest.mark.parametrize("name", ["adaptive_avg_pool2d", "adaptive_max_pool2d"])
def test_no_windows_give_an_empty_result(name, device):
    for out in (0, (0, 2), (3, 0)):
        x = np.ones((2, 3, 5, 4))
        leaf = ours(x, device, True)
        got, want = getattr(F, name)(leaf, out), getattr(T, name)(theirs(x, True), out)
        assert_same(got, want, f"{name} {out}")
        got.sum().backward()
        np.testing.assert_array_equal(host(leaf.grad), np.zeros(x.shape))


def test_infinite_gradients_go_to_one_element(device):
    for settings in ((2,), (3, 1, 1), (4,)):
        x = ours(np.random.default_rng(0).random((1, 2, 4, 4)), device, True)
        y = F.max_pool2d(x, *settings)
        (dx,) = gradients(gpudl, [y], [x], [y.detach() * 0 + np.inf])
        assert not np.isnan(host(dx)).any()


def test_unpool_takes_an_output_size_with_batch_and_channels(device):
    x = np.random.default_rng(0).random((2, 3, 7, 5))
    y, at = F.max_pool2d(ours(x, device), 2, return_indices=True)
    whole = F.max_unpool2d(y, at, 2, output_size=x.shape)
    np.testing.assert_array_equal(host(whole), host(F.max_unpool2d(y, at, 2, output_size=[7, 5])))
    assert_close(host(F.max_pool2d(whole, 2)), host(y), "pooled again")
    with pytest.raises(RuntimeError, match="max_unpool2d: index 34 is out of range for an output of"):
        F.max_unpool2d(y, at * 0 + 34, 2)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("max_pool2d", {"kernel_size": 2}),
        ("max_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("avg_pool2d", {"kernel_size": 3, "stride": 1, "padding": 1}),
        ("adaptive_avg_pool2d", {"output_size": 1}),
    ],
)
def test_memory_stays_bounded(name, settings, device):
    x = ours(np.random.default_rng(0).random((64, 32, 32, 32), "float32"), device, True)
    y = getattr(F, name)(x, **settings)
    seed = y.detach() * 2
    tracemalloc.start()
    try:
        getattr(F, name)(x, **settings)
        _, forward = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        gradients(gpudl, [y], [x], [seed])
        _, backward = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert forward - y.array.nbytes < 2e6
    assert backward - x.array.nbytes < 2e6


def test_errors_say_what_to_do(device):
    x = gpudl.zeros(2, 3, 6, 5, device=device)
    for function, message in (
        (lambda: F.max_pool2d(x, 2, padding=2), r"padding \(2, 2\) must be at most half of kernel_size \(2, 2\)"),
        (lambda: F.max_pool2d(x[..., :1, :], 2, 1, 1, 2), "lies between elements .* make the dilation smaller"),
        (lambda: F.avg_pool2d(x, 9), r"windows of \(9, 9\) with dilation \(1, 1\) do not fit into .* \(6, 5\)"),
        (lambda: F.avg_pool2d(x, 2, divisor_override=0), "divisor_override must not be 0"),
        (lambda: F.max_pool2d(x[:, :, :0], 2), "only the batch may be empty"),
        (lambda: F.max_pool2d(x > 0, 2), "cast it to a floating dtype"),
        (lambda: F.max_pool2d(x[0, 0], 2), r"expected \(batch, channels, height, width\) or"),
        (
            lambda: F.fold(x[0], (4, 4), 2),
            r"has 9 windows of 4 elements a channel; expected \(batch, channels \* 4, 9\)",
        ),
    ):
        with pytest.raises(RuntimeError, match=message):
            function()
