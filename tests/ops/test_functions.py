"""Functions of one operand where a table does not reach: derivatives of sinc at 0."""

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
