"""Leaky rectifiers: y = x for x > 0, slope * x below, with a slope that is fixed, learned or random.

Fixed: Maas, Hannun, Ng 2013, "Rectifier nonlinearities improve neural network acoustic models". Learned: He et al.
2015, arXiv:1502.01852.
"""

from __future__ import annotations

import math

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import THREADS, CudaText, dense, spread
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.activate import activated
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.operands import floating_only, sum_to_shape
from gpudl.ops.parts import in_parts, kept, merged, scaled

__all__ = ["leaky_relu", "prelu"]

_TEXT = CudaText(
    "math/numbers.cuh",
    "math/packs.cuh",
    "math/reduce.cuh",
    "math/prelu.cuh",
    "cuda/prelu.cu",
    kernels=(
        "prelu_forward", "prelu_backward", "prelu_backward_channels", "prelu_backward_columns", "prelu_total",
    ),
)  # fmt: skip
_MOST_CHANNELS = 65535  # in the second dimension of a grid


@kernel
def prelu_forward(x: Array, slope: Array) -> Array:
    """y = x where x > 0, else slope * x. slope: broadcasts to x."""
    return merged(x, x > 0, x * slope)


@prelu_forward.cuda("float32", "float64", "float16", "bfloat16")
def prelu_forward_cuda(x: Array, slope: Array) -> Array:
    layout = _channels(x.shape, slope.shape)
    if layout is None:
        return prelu_forward.reference(x, slope)
    x = dense(x)
    y = xp_of(x).empty(x.shape, x.dtype)
    _TEXT.launch("prelu_forward", *spread(x), x, dense(slope), y, x.size, *layout)
    return y


@kernel
def prelu_backward(dy: Array, x: Array, slope: Array, shape: tuple[int, ...] | None) -> tuple[Array, Array | None]:
    """dx = dy where x > 0, else dy * slope; and, of a shape if there is one, dslope, the sum of dy * x where x <= 0."""
    above = x > 0
    dx = merged(dy, above, dy * slope)
    return dx, None if shape is None else sum_to_shape(kept(dy * x, ~above), slope.shape).reshape(shape)


@prelu_backward.cuda("float32", "float64", "float16", "bfloat16")
def prelu_backward_cuda(dy: Array, x: Array, slope: Array, shape: tuple[int, ...] | None) -> tuple[Array, Array | None]:
    layout = _channels(x.shape, slope.shape)
    if layout is None or not x.size:
        return prelu_backward.reference(dy, x, slope, shape)  # type: ignore[no-any-return]
    xp, (channels, inner) = xp_of(dy), layout
    block: tuple[int, ...]
    sizes: tuple[int, ...]
    dx = xp.empty(dy.shape, dy.dtype)
    given = dense(dy), dense(x), dense(slope), dx
    if shape is None:
        _TEXT.launch("prelu_backward", *spread(dx), *given, dx.size, *layout)
        return dx, None
    dslope = xp.empty(shape, dx.dtype)
    if channels == 1 or (inner >= 32 and channels <= _MOST_CHANNELS):
        count = dx.size // channels
        lines = max(min(-(-1024 // channels), -(-count * dx.itemsize // (64 * THREADS))), 1)
        name, grid, block, sizes = "channels", (lines, channels), (THREADS,), (count, channels, inner)
        columns, inner = channels, 1
    else:
        columns = channels * inner
        rows, strips = dx.size // columns, -(-columns // 32)
        rows_of_block = -(-rows // (1 if strips >= 256 else max(min(rows // 128, -(-512 // strips)), 1)))
        lines = -(-rows // rows_of_block)
        name, grid, block, sizes = "columns", (strips, lines), (32, 8), (rows, columns, inner, rows_of_block)
    sums = xp.empty((lines, columns), float64 if dx.dtype == float64 else float32) if lines * inner > 1 else None
    _TEXT.launch(f"prelu_backward_{name}", grid, block, *given, dslope, sums, *sizes)
    if sums is not None:
        _TEXT.launch("prelu_total", (-(-channels // 8),), (32, 8), dslope, sums, lines, channels, inner)
    return dx, dslope


@kernel
def leaky_relu_forward(x: Array, slope: float) -> Array:
    """y = x where x > 0, else slope * x. x: any shape."""
    if 0 <= slope <= 1:
        return xp_of(x).maximum(x, x * slope)
    return scaled(x, x > 0, slope)


in_parts(leaky_relu_forward)


@kernel
def leaky_relu_backward(dy: Array, x: Array, slope: float) -> Array:
    """dx = dy where x > 0, else dy * slope."""
    return scaled(dy, x > 0, slope)


in_parts(leaky_relu_backward)
cuda_maps("math/prelu.cuh", leaky_relu_forward, leaky_relu_backward)


def _channels(shape: tuple[int, ...], slopes: tuple[int, ...]) -> tuple[int, int] | None:
    """How many slopes there are along a dimension, and how many elements follow each other that have the same.

    None for slopes that lie along several dimensions, but not all.
    """
    count = math.prod(slopes)
    if count == 1:
        return 1, math.prod(shape)
    if slopes == shape:
        return count, 1
    along = [dim for dim, length in enumerate(slopes) if length != 1]
    if len(slopes) != len(shape) or len(along) != 1 or count == 0:
        return None
    return count, math.prod(shape[along[0] + 1 :])


class Prelu(ReadsHalf):
    __slots__ = ("shape",)
    shape: tuple[int, ...]

    def forward(ctx, x: Array, slope: Array, shape: tuple[int, ...]) -> Array:
        ctx.shape = shape
        ctx.save(x, slope)
        return prelu_forward(x, slope.reshape(shape))

    def backward(ctx, dy: Array) -> tuple[Array, Array | None]:
        x, slope = ctx.saved
        shape = slope.shape if ctx.edges[1] else None
        return prelu_backward(dy, x, slope.reshape(ctx.shape), shape)  # type: ignore[no-any-return]


class LeakyRelu(Map):
    __slots__ = ()
    kernels = leaky_relu_forward, leaky_relu_backward


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """The rectifier with learned slopes below 0, elementwise.

    Args:
        input: (rows, channels, ...) or any other shape, floating point.
        weight: (channels,), one slope for each channel, or a single one for all; the input's dtype.
    Returns: the input's shape and dtype.
    Raises: ShapeError (RuntimeError) unless the weights fit; RuntimeError for integers and mixed dtypes.
    Gradient: dy where input > 0, else dy * weight; for weight the sum of dy * input where input <= 0.
    Kernel: kernels/cuda/prelu.cu with kernels/math/prelu.cuh; in backward a channel has one block or several.
    Source: He, Zhang, Ren, Sun 2015, arXiv:1502.01852.
    """
    if weight.ndim > 1:
        raise ShapeError(f"prelu: weight must be 0-d or 1-d, got shape {weight.shape}")
    count = weight.array.size
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim and count != 1 and (count != channels or not input.ndim):
        raise ShapeError(f"prelu: weight has {count} slopes for the {channels} channels of an input {input.shape}")
    if weight.dtype != input.dtype:
        raise RuntimeError(f"prelu: input is {input.dtype} and weight {weight.dtype}; cast one to the other's dtype")
    shape: tuple[int, ...] = weight.shape if input.ndim else ()
    if count != 1 and input.ndim > 1:
        shape = (1, count, *(1,) * (input.ndim - 2))
    return Prelu.apply(floating_only("prelu", input), weight, shape)  # type: ignore[no-any-return]


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """The rectifier with a fixed slope below 0, elementwise.

    Args:
        input: any shape, floating point.
        negative_slope: the slope below 0.
        inplace: write the result over the input, and return that.
    Returns: the input's shape and dtype.
    Raises: RuntimeError for integers, and for a leaf that requires grad in place.
    Gradient: dy where input > 0, else dy * negative_slope.
    Kernel: kernels/math/prelu.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Maas, Hannun, Ng 2013.
    """
    return activated(LeakyRelu, "leaky_relu", input, float(negative_slope), inplace=inplace)
