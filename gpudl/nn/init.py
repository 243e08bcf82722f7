"""Initial values of parameters: PyTorch's names, formulas and defaults, gpudl's random numbers.

Each function fills a tensor in place, unrecorded by autograd, and returns it. Random values have the same bits on every
device for one seed: they are drawn from `generator`, or from gpudl.random.init_stream(), which depends only on the seed
and on how many tensors were initialized before.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import float64
from gpudl.backend.errors import ShapeError
from gpudl.nn.fans import _calculate_correct_fan as _calculate_correct_fan
from gpudl.nn.fans import _calculate_fan_in_and_fan_out as _calculate_fan_in_and_fan_out
from gpudl.nn.fans import calculate_gain as calculate_gain
from gpudl.nn.fans import kaiming_std, xavier_std
from gpudl.nn.fill import fill_normal, fill_truncated, fill_uniform, require_floating, skipped, stream_of, write
from gpudl.random import Stream

__all__ = [
    "calculate_gain", "constant", "constant_", "dirac", "dirac_", "eye", "eye_", "kaiming_normal",
    "kaiming_normal_", "kaiming_uniform", "kaiming_uniform_", "normal", "normal_", "ones_", "orthogonal",
    "orthogonal_", "sparse", "sparse_", "trunc_normal_", "uniform", "uniform_", "xavier_normal", "xavier_normal_",
    "xavier_uniform", "xavier_uniform_", "zeros_",
]  # fmt: skip

_P = ParamSpec("_P")


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Stream | None = None) -> Tensor:
    """Fill with numbers spread evenly over [a, b), or with `a` if both are equal.

    Args:
        tensor: floating point, any shape.
        a, b: finite, a <= b, in the range of the tensor's dtype.
        generator: draws from it in place of init_stream().
    Raises: TypeError unless the tensor is floating point; ValueError for a bad interval.
    """
    return fill_uniform("uniform_", tensor, a, b, generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Stream | None = None) -> Tensor:
    """Fill with numbers of the normal distribution.

    Args:
        tensor: floating point, any shape.
        mean: of the distribution.
        std: standard deviation, >= 0.
        generator: draws from it in place of init_stream().
    Raises: TypeError unless the tensor is floating point; ValueError for a negative std, or one out of range.
    """
    return fill_normal("normal_", tensor, mean, std, generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return write(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return write(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return write(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with 1 on the diagonal and 0 elsewhere.

    Raises: ShapeError unless the tensor has 2 dimensions.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: needs a tensor of 2 dimensions, got shape {tensor.shape}")
    return write(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill the weight of a convolution with 1 at the middle of the kernel from channel i to channel i, 0 elsewhere.

    As many channels as there are on both sides pass through such a convolution unchanged, in each group.

    Args:
        tensor: (out_channels, in_channels / groups, *kernel) with 1 to 3 kernel dimensions.
        groups: of the convolution; a divisor of out_channels.
    Raises: ShapeError for other shapes, and groups that do not divide them.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_: needs a tensor of 3, 4 or 5 dimensions, got shape {tensor.shape}")
    if groups < 1 or tensor.shape[0] % groups:
        raise ShapeError(f"dirac_: groups={groups} does not divide the {tensor.shape[0]} channels of {tensor.shape}")
    values = np.zeros(tensor.shape, np.int8)
    if values.size:
        of_groups = values.reshape(groups, -1, *tensor.shape[1:])
        channels = np.arange(min(of_groups.shape[1:3]))
        place: tuple[Any, ...] = (slice(None), channels, channels, *(length // 2 for length in tensor.shape[2:]))
        of_groups[place] = 1
    return write(tensor, values)


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
    require_floating("trunc_normal_", tensor)
    if not a <= b or not std > 0 or not math.isfinite(mean + std):
        raise ValueError(f"trunc_normal_: needs a <= b, std > 0 and numbers; got mean={mean}, std={std}, a={a}, b={b}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(f"trunc_normal_: the mean {mean} is more than 2 std outside [{a}, {b}]", stacklevel=2)
    return fill_truncated(tensor, mean, std, a, b, generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Stream | None = None) -> Tensor:
    """Fill evenly over [-bound, bound), bound = gain * sqrt(6 / (fan_in + fan_out)).

    Args:
        tensor: (fan_out, fan_in, *kernel), floating point.
        gain: >= 0; see calculate_gain.
        generator: draws from it in place of init_stream().
    Raises: ShapeError for fewer than 2 dimensions; TypeError unless the tensor is floating point.
    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """
    bound = math.sqrt(3.0) * xavier_std(tensor, gain)
    return fill_uniform("xavier_uniform_", tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Stream | None = None) -> Tensor:
    """Fill from the normal distribution of mean 0 and std = gain * sqrt(2 / (fan_in + fan_out)).

    Args, raises, source: as for xavier_uniform_.
    """
    return fill_normal("xavier_normal_", tensor, 0.0, xavier_std(tensor, gain), generator)


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
    bound = math.sqrt(3.0) * kaiming_std(tensor, a, mode, nonlinearity)
    return fill_uniform("kaiming_uniform_", tensor, -bound, bound, generator)


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
    return fill_normal("kaiming_normal_", tensor, 0.0, kaiming_std(tensor, a, mode, nonlinearity), generator)


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
    require_floating("orthogonal_", tensor)
    if 0 in tensor.shape or skipped():
        return tensor
    stream = stream_of(generator)
    rows = tensor.shape[0]
    drawn = stream.normal((rows, math.prod(tensor.shape[1:])), dtype=float64)
    q, r = np.linalg.qr(drawn if drawn.shape[0] >= drawn.shape[1] else drawn.T)
    q *= np.where(np.diag(r) < 0, -gain, gain)
    return write(tensor, (q if q.shape[0] == rows else q.T).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Stream | None = None) -> Tensor:
    """Fill a matrix from the normal distribution of mean 0, and as many elements of each column with 0.

    Args:
        tensor: (rows, columns), floating point.
        sparsity: share of zeros, in [0, 1]: ceil(sparsity * rows) of each column, at random.
        std: standard deviation of the others, >= 0.
        generator: draws from it in place of init_stream().
    Raises: ShapeError unless the tensor has 2 dimensions; TypeError unless it is floating point; ValueError for a
        sparsity out of range or a negative std.
    Source: Martens 2010, "Deep learning via Hessian-free optimization".
    """
    if tensor.ndim != 2:
        raise ShapeError(f"sparse_: needs a tensor of 2 dimensions, got shape {tensor.shape}")
    require_floating("sparse_", tensor)
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity must be in [0, 1], got {sparsity}")
    if skipped():
        return tensor
    stream = stream_of(generator)
    values = stream.normal(tensor.shape, 0.0, std, tensor.dtype)
    order = stream.words(values.size).reshape(values.shape).argsort(axis=0, kind="stable")
    np.put_along_axis(values, order[: math.ceil(sparsity * len(order))], 0, axis=0)
    return write(tensor, values)


def _deprecated(function: Callable[_P, Tensor]) -> Callable[_P, Tensor]:
    """The name without underscore, as it was before PyTorch 0.4."""
    new = function.__name__
    old = new.removesuffix("_")

    @functools.wraps(function)
    def warned(*args: _P.args, **kwargs: _P.kwargs) -> Tensor:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    warned.__name__ = warned.__qualname__ = old
    warned.__doc__ = f"Deprecated: {new}."
    return warned


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
