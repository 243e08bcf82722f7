"""Initial values of parameters: PyTorch's names, formulas and defaults, gpudl's random numbers.

Each function fills a tensor in place, unrecorded by autograd, and returns it. Random values are drawn on the host, so
that one seed gives the same bits on every device: from `generator`, or from gpudl.random.init_stream(), which depends
only on the seed and on how many tensors were initialized before.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import quiet
from gpudl.backend.device import transfer
from gpudl.backend.dtypes import float64
from gpudl.backend.errors import ShapeError
from gpudl.random import Stream, init_stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LINEAR = ("linear", *(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)))
_GAINS = {**dict.fromkeys(_LINEAR, 1.0), "sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Stream | None = None) -> Tensor:
    """Fill with numbers spread evenly over [a, b), or with `a` if both are equal.

    Args:
        tensor: floating point, any shape.
        a, b: finite, a <= b, in the range of the tensor's dtype.
        generator: draws from it in place of init_stream().
    Raises: TypeError unless the tensor is floating point; ValueError for a bad interval.
    """
    return _fill_uniform("uniform_", tensor, a, b, generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Stream | None = None) -> Tensor:
    """Fill with numbers of the normal distribution.

    Args:
        tensor: floating point, any shape.
        mean: of the distribution.
        std: standard deviation, >= 0.
        generator: draws from it in place of init_stream().
    Raises: TypeError unless the tensor is floating point; ValueError for a negative std, or one out of range.
    """
    return _fill_normal("normal_", tensor, mean, std, generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return _write(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _write(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return _write(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with 1 on the diagonal and 0 elsewhere.

    Raises: ShapeError unless the tensor has 2 dimensions.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: needs a tensor of 2 dimensions, got shape {tensor.shape}")
    return _write(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Stream | None = None,
) -> Tensor:
    """Fill with numbers of the normal distribution cut to [a, b]: those outside are drawn again.

    Where at most 0.3 of the distribution is inside, numbers spread evenly over [a, b] are drawn instead, and each is
    kept with a probability proportional to its density.

    Args:
        tensor: floating point, any shape.
        mean, std: of the distribution before it is cut; std > 0.
        a, b: the bounds, a <= b; absolute, not in units of std.
        generator: draws from it in place of init_stream().
    Raises: TypeError unless the tensor is floating point; ValueError for a bad interval or std.
    Warns: UserWarning if the mean is more than 2 std outside the bounds.
    """
    _require_floating("trunc_normal_", tensor)
    if not a <= b or not std > 0 or not math.isfinite(mean + std):
        raise ValueError(f"trunc_normal_: needs a <= b, std > 0 and numbers; got mean={mean}, std={std}, a={a}, b={b}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(f"trunc_normal_: the mean {mean} is more than 2 std outside [{a}, {b}]", stacklevel=2)
    stream = init_stream() if generator is None else generator
    inside = (math.erf((b - mean) / std / math.sqrt(2)) - math.erf((a - mean) / std / math.sqrt(2))) / 2
    likeliest = max(a, min(mean, b))
    peak = (likeliest - mean) / std
    if inside <= 0.3:
        # Beyond this the density is under 2**-60 of its peak; even numbers from so far out would hardly ever be kept.
        reach = std * math.sqrt(peak * peak + 84)
        a, b = max(a, mean - reach), min(b, mean + reach)
    values = np.empty(math.prod(tensor.shape), tensor.dtype)
    with quiet():
        low, high = (float(bound) for bound in np.array([a, b]).astype(tensor.dtype))
        if low >= high:
            return _write(tensor, likeliest)
        pending = np.arange(values.size)
        while pending.size:
            if inside > 0.3:
                drawn = stream.normal(pending.size, mean, std, tensor.dtype)
                kept = (drawn >= low) & (drawn <= high)
            else:
                drawn = stream.uniform(pending.size, low, high, tensor.dtype)
                distance = (drawn.astype(np.float64) - mean) / std
                kept = stream.uniform(pending.size, dtype=float64) < np.exp((peak * peak - distance * distance) / 2)
            values[pending[kept]] = drawn[kept]
            pending = pending[~kept]
    return _write(tensor, values.reshape(tensor.shape))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Stream | None = None) -> Tensor:
    """Fill evenly over [-bound, bound), bound = gain * sqrt(6 / (fan_in + fan_out)).

    Args:
        tensor: (fan_out, fan_in, *kernel), floating point.
        gain: >= 0; see calculate_gain.
        generator: draws from it in place of init_stream().
    Raises: ShapeError for fewer than 2 dimensions; TypeError unless the tensor is floating point.
    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return _fill_uniform("xavier_uniform_", tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Stream | None = None) -> Tensor:
    """Fill from the normal distribution of mean 0 and std = gain * sqrt(2 / (fan_in + fan_out)).

    Args, raises, source: as for xavier_uniform_.
    """
    return _fill_normal("xavier_normal_", tensor, 0.0, _xavier_std(tensor, gain), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Stream | None = None,
) -> Tensor:
    """Fill evenly over [-bound, bound), bound = gain * sqrt(3 / fan).

    Args:
        tensor: (fan_out, fan_in, *kernel), floating point; one without elements stays as it is.
        a: negative slope of the leaky_relu that follows; other nonlinearities do not use it.
        mode: "fan_in" keeps the variance of activations from layer to layer, "fan_out" that of gradients.
        nonlinearity: as for calculate_gain.
        generator: draws from it in place of init_stream().
    Raises: ShapeError for fewer than 2 dimensions; ValueError for an unknown mode or nonlinearity; TypeError unless
        the tensor is floating point.
    Warns: UserWarning if the tensor has no elements.
    Source: He, Zhang, Ren, Sun 2015, arXiv:1502.01852.
    """
    if 0 in tensor.shape:
        warnings.warn("kaiming_uniform_: the tensor has no elements to initialize", stacklevel=2)
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return _fill_uniform("kaiming_uniform_", tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Stream | None = None,
) -> Tensor:
    """Fill from the normal distribution of mean 0 and std = gain / sqrt(fan).

    Args, raises, warns, source: as for kaiming_uniform_.
    """
    if 0 in tensor.shape:
        warnings.warn("kaiming_normal_: the tensor has no elements to initialize", stacklevel=2)
        return tensor
    return _fill_normal("kaiming_normal_", tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Stream | None = None) -> Tensor:
    """Fill with a random (semi-)orthogonal matrix times `gain`; dimensions after the first count as columns.

    The smaller of rows and columns are orthonormal. Computed in float64, so that rounding to float32 hides most of what
    the QR decompositions of different machines differ in.

    Args:
        tensor: floating point, at least 2 dimensions; one without elements stays as it is.
        gain: the length of each row or column.
        generator: draws from it in place of init_stream().
    Raises: ShapeError for fewer than 2 dimensions; TypeError unless the tensor is floating point.
    Source: Saxe, McClelland, Ganguli 2013, arXiv:1312.6120; signs: Mezzadri 2007, arXiv:math-ph/0609050.
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: needs a tensor of 2 or more dimensions, got shape {tensor.shape}")
    _require_floating("orthogonal_", tensor)
    if 0 in tensor.shape:
        return tensor
    stream = init_stream() if generator is None else generator
    rows = tensor.shape[0]
    drawn = stream.normal((rows, math.prod(tensor.shape[1:])), dtype=float64)
    q, r = np.linalg.qr(drawn if drawn.shape[0] >= drawn.shape[1] else drawn.T)
    q *= np.where(np.diag(r) < 0, -gain, gain)
    return _write(tensor, (q if q.shape[0] == rows else q.T).reshape(tensor.shape))


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


def _xavier_std(tensor: Tensor, gain: float) -> float:
    # Fans that are both 0 belong to a tensor without elements, which is nothing to fail on.
    return gain * math.sqrt(2.0 / max(1, sum(_calculate_fan_in_and_fan_out(tensor))))


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    modes = ("fan_in", "fan_out")
    if mode.lower() not in modes:
        raise ValueError(f"kaiming initialization: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan = _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _require_floating(caller: str, tensor: Tensor) -> None:
    if tensor.dtype.kind not in "fV":
        raise TypeError(f"{caller}: needs a floating point tensor, got {tensor.dtype}")


def _fill_uniform(caller: str, tensor: Tensor, low: float, high: float, generator: Stream | None) -> Tensor:
    _require_floating(caller, tensor)
    stream = init_stream() if generator is None else generator
    return _write(tensor, low if low == high else stream.uniform(tensor.shape, low, high, tensor.dtype))


def _fill_normal(caller: str, tensor: Tensor, mean: float, std: float, generator: Stream | None) -> Tensor:
    _require_floating(caller, tensor)
    stream = init_stream() if generator is None else generator
    return _write(tensor, stream.normal(tensor.shape, mean, std, tensor.dtype))


def _write(tensor: Tensor, values: NDArray[Any] | float) -> Tensor:
    """Put values, which the host holds, into the tensor's memory, and count the change."""
    if isinstance(values, np.ndarray):
        values = transfer(values.astype(tensor.dtype, copy=False), tensor.device)
    tensor.array[...] = values
    if tensor._version is not None:
        tensor._version[0] += 1
    return tensor
