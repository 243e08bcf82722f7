"""What standard deviation initial values need, by how many inputs and outputs a layer has, and what follows it."""

from __future__ import annotations

import math

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError

_LINEAR = ("linear", *(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)))
_GAINS = {**dict.fromkeys(_LINEAR, 1.0), "sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that makes up for what a nonlinearity does to the standard deviation.

    1 for linear, conv1d to conv3d, conv_transpose1d to conv_transpose3d and sigmoid; 5/3 for tanh; sqrt(2) for relu;
    sqrt(2 / (1 + param**2)) for leaky_relu; 3/4 for selu.

    Args:
        nonlinearity: one of these names.
        param: negative slope of leaky_relu, 0.01 if not given; not used by the others.
    Raises: ValueError for another name, or a slope that is no number.
    """
    if nonlinearity in _GAINS:
        return _GAINS[nonlinearity]
    if nonlinearity != "leaky_relu":
        raise ValueError(f"unknown nonlinearity {nonlinearity!r}; gains are known of leaky_relu, {', '.join(_GAINS)}")
    slope = 0.01 if param is None else param
    if isinstance(slope, bool) or not isinstance(slope, (int, float)):
        raise ValueError(f"calculate_gain: the negative slope of leaky_relu must be a number, got {param!r}")
    return math.sqrt(2.0 / (1 + slope**2))


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs make an output, and how many outputs an input makes: shape[1] and shape[0], times the kernel."""
    if tensor.ndim < 2:
        raise ShapeError(f"fan in and fan out need a tensor of 2 or more dimensions, got shape {tensor.shape}")
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


def xavier_std(tensor: Tensor, gain: float) -> float:
    """The standard deviation of Xavier initialization: gain * sqrt(2 / (fan_in + fan_out))."""
    # Fans that are both 0 belong to a tensor without elements, which is nothing to fail on.
    return gain * math.sqrt(2.0 / max(1, sum(_calculate_fan_in_and_fan_out(tensor))))


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    modes = ("fan_in", "fan_out")
    if mode.lower() not in modes:
        raise ValueError(f"kaiming initialization: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]


def kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """The standard deviation of Kaiming initialization: gain / sqrt(fan)."""
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
