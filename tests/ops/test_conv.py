"""Convolution on many shapes at once, in parts, and within its memory."""

import numpy as np
import pytest
from oracle import check_gradients, host, ours, theirs, torch
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
