"""Padding and resizing: what the op table does not say."""

import numpy as np
import pytest
from oracle import host, ours, theirs, torch

import gpudl
import gpudl.nn.functional as F

TF = torch.nn.functional


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("seed", range(12))
def test_padding_of_random_shapes(mode, seed, device):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 4))
    shape = tuple(int(n) for n in rng.integers(2, 6, count + int(rng.integers(1, 3))))
    pad = [int(rng.integers(-1 if mode == "replicate" else 0, shape[-1 - i // 2])) for i in range(2 * count)]
    x = rng.normal(size=shape)
    mine, other = ours(x, device, True), theirs(x, True)
    got, want = F.pad(mine, pad, mode), TF.pad(other, pad, mode)
    np.testing.assert_array_equal(host(got), host(want))
    weights = rng.normal(size=want.shape)
    (got * ours(weights, device)).sum().backward()
    (want * theirs(weights)).sum().backward()
    np.testing.assert_allclose(host(mine.grad), host(other.grad), 1e-12, 1e-12)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area", "bilinear", "bicubic"])
@pytest.mark.parametrize("seed", range(12))
def test_resizing_of_random_shapes(mode, seed, device):
    rng = np.random.default_rng(seed)
    shape, size = (1, 2, *map(int, rng.integers(1, 12, 2))), tuple(map(int, rng.integers(1, 16, 2)))
    x = rng.normal(size=shape).astype("float32")
    settings = {"align_corners": bool(seed % 2)} if mode.startswith("bi") else {}
    got = F.interpolate(ours(x, device), size, mode=mode, **settings)
    want = TF.interpolate(theirs(x), size, mode=mode, **settings)
    np.testing.assert_allclose(host(got), host(want), 1e-5, 1e-5)


def test_an_infinite_pixel_does_not_spread_beyond_its_taps(device):
    x = np.zeros((1, 1, 6), "float32")
    x[0, 0, 5] = np.inf
    y = host(F.interpolate(ours(x, device), 4, mode="area"))
    assert np.isfinite(y[0, 0, :3]).all() and np.isinf(y[0, 0, 3])


def test_padding_with_nothing_is_a_copy(device):
    x = gpudl.zeros(3, device=device)
    F.pad(x, [0, 0])[0] = 1.0
    assert host(x).sum() == 0


def test_errors_say_what_to_do(device):
    x = gpudl.zeros(1, 2, 3, device=device)
    with pytest.raises(gpudl.ShapeError, match=r"at most 2 elements .* length 3, got \(3, 0\)"):
        F.pad(x, [3, 0], "reflect")
    with pytest.raises(ValueError, match="takes no value"):
        F.pad(x, [1, 0], "reflect", 2.0)
    with pytest.raises(NotImplementedError, match="'linear' needs an input of 3 dimensions"):
        F.interpolate(x.unsqueeze(0), 3, mode="linear")
    with pytest.raises(gpudl.ShapeError, match="nothing may be empty"):
        F.interpolate(x[:, :0], 3)
    with pytest.raises(RuntimeError, match="one floating dtype"):
        F.grid_sample(gpudl.zeros(1, 1, 2, 2), gpudl.zeros(1, 1, 1, 2, dtype="float64"))


def test_second_gradient_of_grid_sample_is_that_of_differences(device):
    rng = np.random.default_rng(0)
    x, grid = (
        ours(rng.normal(size=(1, 2, 3, 4)), device, True),
        ours(rng.uniform(-0.9, 0.9, (1, 2, 2, 2)), device, True),
    )
    assert gpudl.autograd.gradgradcheck(lambda x, grid: F.grid_sample(x, grid), (x, grid))
