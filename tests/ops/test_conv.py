"""Convolution on many shapes at once, in parts, and within its memory."""

import itertools
import tracemalloc

import numpy as np
import pytest
from oracle import check_gradients, gradients, host, ours, theirs, torch
from tolerances import assert_close

import gpudl
import gpudl.nn.functional
from gpudl.ops import correlate


def example(rng, ndim, transposed):
    """Random arguments of a convolution that fit together: (arrays, settings)."""
    groups = int(rng.choice([1, 1, 2, 3]))
    channels, results = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    kernel, stride, dilation = (rng.integers(1, 4, ndim) for _ in range(3))
    padding = rng.integers(0, 4, ndim)
    size = np.maximum(rng.integers(1, 9, ndim), dilation * (kernel - 1) + 1 - 2 * padding)
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    if transposed:
        extra = np.minimum(rng.integers(0, 3, ndim), np.maximum(stride, dilation) - 1)
        settings["output_padding"] = extra
        out = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1
        settings["padding"] = np.where(out < 1, 0, padding)
    settings = {name: tuple(map(int, value)) for name, value in settings.items()} | {"groups": groups}
    size = tuple(map(int, size))
    w = (channels, results // groups) if transposed else (results, channels // groups)
    shapes = [(int(rng.integers(1, 4)), channels, *size), (*w, *map(int, kernel))]
    if rng.random() < 0.5:
        shapes.append((results,))
    return [rng.uniform(-1, 1, shape) for shape in shapes], settings


@pytest.mark.parametrize("part", [None, 2000], ids=["whole", "parts"])
@pytest.mark.parametrize("transposed", [False, True], ids=["conv", "transposed"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_random_shapes_and_settings(ndim, transposed, part, device, monkeypatch):
    if part:
        monkeypatch.setattr(correlate, "_PART", part)
        monkeypatch.setattr(correlate, "_COLUMNS", 5)
    name = f"conv_transpose{ndim}d" if transposed else f"conv{ndim}d"
    rng = np.random.default_rng(ndim)
    for number in range(60):
        arrays, settings = example(rng, ndim, transposed)
        mine, other = [ours(x, device, True) for x in arrays], [theirs(x, True) for x in arrays]
        got = getattr(gpudl.nn.functional, name)(*mine, **settings)
        want = getattr(torch.nn.functional, name)(*other, **settings)
        label = f"{number}: {[x.shape for x in arrays]} {settings}"
        assert_close(host(got), host(want), label)
        check_gradients(got, want, mine, other, label)


@pytest.mark.parametrize("settings", [{}, {"padding": 1}, {"stride": 2, "padding": 1}, {"groups": 2}], ids=str)
def test_nan_and_infinity_in_the_input_spread_as_far_as_a_window(settings, device):
    rng = np.random.default_rng(0)
    for bad in (np.nan, np.inf, -np.inf):
        x, w = rng.uniform(-1, 1, (2, 4, 6, 5)), rng.uniform(0.5, 1, (4, 4 // settings.get("groups", 1), 3, 3))
        x[1, 2, 3, 4] = bad
        got = gpudl.conv2d(ours(x, device), ours(w, device), **settings)
        assert_close(host(got), host(torch.conv2d(theirs(x), theirs(w), **settings)), f"{bad} {settings}")


@pytest.mark.parametrize("transposed", [False, True], ids=["conv", "transposed"])
def test_third_gradients_agree(transposed, device):
    rng = np.random.default_rng(1)
    name = "conv_transpose2d" if transposed else "conv2d"
    arrays = [rng.uniform(-1, 1, shape) for shape in ((2, 2, 5, 4), (2, 2, 3, 2))]
    leaves, others = [ours(x, device, True) for x in arrays], [theirs(x, True) for x in arrays]
    found = []
    for lib, given in ((gpudl, leaves), (torch, others)):
        y = getattr(lib.nn.functional, name)(*given, stride=2, padding=1)
        for power in (3, 2, 2):
            results = lib.autograd.grad([(y**power).sum()], given, create_graph=True)
            y = results[0] * 0.1 + results[1].sum()
        found.append(host(y))
    assert_close(found[0], found[1], name, slack=100)


PEAKS = [
    ("conv2d", (64, 32, 32, 32), (32, 32, 3, 3), {"padding": 1}),
    ("conv2d", (64, 32, 32, 32), (32, 32, 3, 3), {"padding": 1, "stride": 2}),
    ("conv2d", (64, 32, 32, 32), (32, 1, 3, 3), {"padding": 1, "groups": 32}),
    ("conv2d", (1, 8, 512, 512), (8, 8, 5, 5), {"padding": 2}),
    ("conv1d", (64, 32, 1024), (32, 32, 9), {"padding": 4}),
    ("conv3d", (8, 8, 16, 32, 32), (8, 8, 3, 3, 3), {"padding": 1}),
    ("conv_transpose2d", (64, 32, 16, 16), (32, 32, 4, 4), {"stride": 2}),
]


@pytest.mark.parametrize(("name", "x", "w", "settings"), PEAKS, ids=str)
def test_memory_stays_bounded(name, x, w, settings):
    """On the CPU. im2col of the batch would take kernel-size times the input, 18 MB and more; a part is 1 MB or so."""
    rng = np.random.default_rng(0)
    leaves = [ours(rng.uniform(-1, 1, shape).astype("float32"), "cpu", True) for shape in (x, w)]
    y = getattr(gpudl, name)(*leaves, **settings)
    seed = ours(rng.uniform(-1, 1, y.shape).astype("float32"), "cpu")
    tracemalloc.start()
    try:
        getattr(gpudl, name)(*leaves, **settings)
        _, forward = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        gradients(gpudl, [y], leaves, [seed])
        _, backward = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    results = sum(leaf.array.nbytes for leaf in leaves)
    assert forward - y.array.nbytes < 4e6, f"forward: {forward - y.array.nbytes} bytes beside the result"
    assert backward - results < 4e6, f"backward: {backward - results} bytes beside the results"


def test_the_layout_of_the_input_changes_nothing(device):
    rng = np.random.default_rng(0)
    x, w = rng.uniform(-1, 1, (6, 4, 9, 8)), rng.uniform(-1, 1, (8, 2, 3, 3))
    want = host(gpudl.conv2d(ours(x, device), ours(w, device), padding=1, groups=2))
    for order in itertools.permutations(range(4)):
        back = tuple(int(i) for i in np.argsort(order))
        moved = ours(np.ascontiguousarray(x.transpose(order)), device).permute(back)
        turned = ours(np.ascontiguousarray(w.transpose(order)), device).permute(back)
        np.testing.assert_allclose(host(gpudl.conv2d(moved, turned, padding=1, groups=2)), want, 1e-12, 1e-12)


def test_a_change_in_place_is_seen_by_backward(device):
    x, w = gpudl.ones(1, 1, 4, 4, device=device), gpudl.ones(1, 1, 2, 2, device=device, requires_grad=True)
    y = gpudl.conv2d(x, w)
    x.mul_(2)
    with pytest.raises(gpudl.GraphError, match="changed in place"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups": 2}, "expected \\(n, 6, \\*, \\*\\) for a weight of .* with groups=2, got "),
        ({"padding": "same", "stride": 2}, "padding='same' needs stride 1"),
        ({"dilation": 4}, r"windows of \(9, 9\) do not fit into an input of \(6, 5\)"),
        ({"stride": 0}, "stride must be at least 1, got 0"),
        ({"stride": (1, 1, 1)}, "stride must be one int or 2"),
    ],
)
def test_errors_say_what_to_do(settings, message, device):
    x, w = gpudl.zeros(2, 3, 6, 5, device=device), gpudl.zeros(4, 3, 3, 3, device=device)
    with pytest.raises(gpudl.ShapeError, match=f"^conv2d: .*{message}"):
        gpudl.conv2d(x, w, **settings)


def test_a_convolution_written_by_unfold_agrees(device):
    rng = np.random.default_rng(0)
    x, w = ours(rng.uniform(-1, 1, (2, 3, 7, 6)), device), ours(rng.uniform(-1, 1, (4, 3, 3, 2)), device)
    columns = gpudl.nn.functional.unfold(x, (3, 2), dilation=(2, 1), padding=(1, 0), stride=(1, 2))
    y = gpudl.conv2d(x, w, dilation=(2, 1), padding=(1, 0), stride=(1, 2))
    assert_close(host((w.reshape(4, -1) @ columns).reshape(y.shape)), host(y), "unfold")
