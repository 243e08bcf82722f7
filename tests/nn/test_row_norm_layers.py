"""Layers that normalize rows, groups and neighbors give PyTorch's outputs; the arguments of all norms are checked."""

import pytest
from twins import array, compare, torch

import gpudl
from gpudl import nn

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


ARGUMENTS = [
    (lambda lib: lib.nn.BatchNorm1d(3.0), TypeError, "BatchNorm1d: num_features must be an int, got 3.0"),
    (lambda lib: lib.nn.InstanceNorm2d(-1, affine=True), gpudl.ShapeError, "InstanceNorm2d: num_features must be >= 0"),
    (lambda lib: lib.nn.LayerNorm(-1), gpudl.ShapeError, "LayerNorm: normalized_shape must be >= 0, got -1"),
    (lambda lib: lib.nn.LayerNorm(2.5), TypeError, "LayerNorm: normalized_shape must be an int, got 2.5"),
    (lambda lib: lib.nn.RMSNorm((2, "a")), TypeError, "RMSNorm: normalized_shape must be an int, got 'a'"),
    (lambda lib: lib.nn.GroupNorm(4, 6), ValueError, "num_channels 6 must be divisible by num_groups 4"),
]


@pytest.mark.parametrize(("make", "error", "message"), ARGUMENTS)
def test_arguments_are_checked(make, error, message):
    with pytest.raises(error, match=message):
        make(gpudl)
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        make(torch)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.LayerNorm(()), r"LayerNorm: normalized_shape must have at least one dimension, got \(\)"),
        (lambda: nn.GroupNorm(0, 6), "GroupNorm: num_groups must be >= 1, got 0"),
        (lambda: nn.LocalResponseNorm(0), "LocalResponseNorm: size must be >= 1, got 0"),
    ],
)
def test_arguments_that_torch_refuses_later_or_otherwise(make, message):
    with pytest.raises(gpudl.ShapeError, match=message):
        make()
