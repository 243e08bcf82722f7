"""Where a table does not reach: the derivatives of sinc at 0, the ends of lerp."""

import math

import numpy as np
from oracle import host, ours

import gpudl


def test_derivatives_of_sinc_at_zero_are_those_of_its_series(device):
    for dtype in ("float32", "float64"):
        x = ours(np.zeros(2, dtype), device, grad=True)
        y = gpudl.sinc(x)
        found = [host(y)]
        for _ in range(2):
            (y,) = gpudl.autograd.grad(
                [y], [x], [gpudl.ones(2, dtype=getattr(gpudl, dtype), device=device)], create_graph=True
            )
            found.append(host(y))
        np.testing.assert_allclose(found, [[1, 1], [0, 0], [-(math.pi**2) / 3] * 2], 1e-6, 1e-6)


def test_lerp_gives_each_end_exactly(device):
    x, y = (ours(np.random.default_rng(seed).normal(size=100).astype("float32"), device) for seed in (0, 1))
    np.testing.assert_array_equal(host(gpudl.lerp(x, y, gpudl.ones_like(x))), host(y))
    np.testing.assert_array_equal(host(gpudl.lerp(x, y, gpudl.zeros_like(x))), host(x))
