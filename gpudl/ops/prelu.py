"""Leaky rectifiers: y = x for x > 0, slope * x below, with a slope that is fixed, learned or random.

Fixed: Maas, Hannun, Ng 2013, "Rectifier nonlinearities improve neural network acoustic models". Learned: He et al.
2015, arXiv:1502.01852.
"""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.activate import activated
from gpudl.ops.operands import sum_to_shape
from gpudl.ops.parts import in_parts, kept, merged, scaled

__all__ = ["leaky_relu", "prelu"]


@kernel
def prelu_forward(x: Array, slope: Array) -> Array:
    """y = x where x > 0, else slope * x. slope: broadcasts to x."""
    return merged(x, x > 0, x * slope)


@kernel
def prelu_backward(dy: Array, x: Array, slope: Array) -> tuple[Array, Array]:
    """dx = dy where x > 0, else dy * slope; the gradient of each element's slope, dy * x where x <= 0, else 0."""
    above = x > 0
    return merged(dy, above, dy * slope), kept(dy * x, ~above)


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


class Prelu(Primitive):
    __slots__ = ("shape",)
    shape: tuple[int, ...]

    def forward(ctx, x: Array, slope: Array) -> Array:
        ctx.save(x, slope)
        return prelu_forward(x, slope)

    def backward(ctx, dy: Array) -> tuple[Any, Any]:
        x, slope = ctx.saved
        dx, dslope = prelu_backward(dy, x, slope)
        return dx, sum_to_shape(dslope, slope.shape) if ctx.edges[1] else None


class LeakyRelu(Primitive):
    __slots__ = ("slope",)
    slope: float

    def forward(ctx, x: Array, slope: float) -> Array:
        ctx.slope = slope
        ctx.save(x)
        return leaky_relu_forward(x, slope)

    def backward(ctx, dy: Array) -> Array:
        return leaky_relu_backward(dy, *ctx.saved, ctx.slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """The rectifier with learned slopes below 0, elementwise.

    Args:
        input: (rows, channels, ...) or any other shape, floating point.
        weight: (channels,), one slope for each channel, or a single one for all; the input's dtype.
    Returns: the input's shape and dtype.
    Raises: ShapeError (RuntimeError) unless the weights fit; RuntimeError for integers and mixed dtypes.
    Gradient: dy where input > 0, else dy * weight; for weight the sum of dy * input where input <= 0.
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
    if weight.ndim:
        aligned = (1, count, *(1,) * (input.ndim - 2)) if input.ndim > 1 and count != 1 else (count,)
        weight = weight.reshape(aligned if input.ndim else ())
    return activated(Prelu, "prelu", input, weight)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """The rectifier with a fixed slope below 0, elementwise.

    Args:
        input: any shape, floating point.
        negative_slope: the slope below 0.
        inplace: write the result over the input, and return that.
    Returns: the input's shape and dtype.
    Raises: RuntimeError for integers, and for a leaf that requires grad in place.
    Gradient: dy where input > 0, else dy * negative_slope.
    Source: Maas, Hannun, Ng 2013.
    """
    return activated(LeakyRelu, "leaky_relu", input, float(negative_slope), inplace=inplace)
