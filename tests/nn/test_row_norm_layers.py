"""Layers that normalize rows, groups and neighbors give PyTorch's outputs and gradients."""

import pytest
from twins import array, compare

ROWS = {
    "LayerNorm(4)": (lambda lib: lib.nn.LayerNorm(4), [(4,), (3, 4), (2, 3, 4), (0, 4)]),
    "LayerNorm(4, 0.1)": (lambda lib: lib.nn.LayerNorm(4, 0.1), [(3, 4)]),
    "LayerNorm((3, 4))": (lambda lib: lib.nn.LayerNorm((3, 4)), [(3, 4), (2, 3, 4), (2, 1, 3, 4)]),
    "LayerNorm([3, 4])": (lambda lib: lib.nn.LayerNorm([3, 4]), [(2, 3, 4)]),
    "LayerNorm not affine": (lambda lib: lib.nn.LayerNorm(4, elementwise_affine=False), [(2, 4)]),
    "LayerNorm without bias": (lambda lib: lib.nn.LayerNorm((3, 4), bias=False), [(2, 3, 4)]),
    "RMSNorm(4)": (lambda lib: lib.nn.RMSNorm(4), [(4,), (3, 4), (0, 4)]),
    "RMSNorm((3, 4), 0.1)": (lambda lib: lib.nn.RMSNorm((3, 4), 0.1), [(2, 3, 4)]),
    "RMSNorm not affine": (lambda lib: lib.nn.RMSNorm([4], elementwise_affine=False), [(2, 4)]),
    "GroupNorm(1, 6)": (lambda lib: lib.nn.GroupNorm(1, 6), [(2, 6), (2, 6, 3), (2, 6, 2, 3)]),
    "GroupNorm(3, 6)": (lambda lib: lib.nn.GroupNorm(3, 6, 0.1), [(2, 6), (1, 6, 2, 3)]),
    "GroupNorm(6, 6)": (lambda lib: lib.nn.GroupNorm(6, 6), [(2, 6, 3), (0, 6, 3)]),
    "GroupNorm not affine": (lambda lib: lib.nn.GroupNorm(3, 6, affine=False), [(2, 6, 3), (2, 9, 3)]),
    "GroupNorm without bias": (lambda lib: lib.nn.GroupNorm(3, 6, bias=False), [(2, 6, 3)]),
    "LocalResponseNorm(2)": (lambda lib: lib.nn.LocalResponseNorm(2), [(2, 5, 3), (2, 5, 2, 3), (1, 4, 1, 2, 3)]),
    "LocalResponseNorm(3, ...)": (lambda lib: lib.nn.LocalResponseNorm(3, 0.5, 0.6, 2.0), [(2, 5, 3, 2)]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name in ROWS for shape in ROWS[name][1]], ids=str)
def test_outputs_and_gradients(device, name, shape, dtype):
    compare(ROWS[name][0], array(*shape, dtype=dtype), device=device, dtype=dtype, slack=4, calls=1)
