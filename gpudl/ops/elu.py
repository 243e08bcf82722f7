"""ELU: y = x for x > 0, alpha * (exp(x) - 1) below; scaled, for SELU, and with exp(x / alpha), for CELU.

ELU: Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289. SELU: Klambauer et al. 2017, arXiv:1706.02515. CELU:
Barron 2017, arXiv:1704.07483.
"""

from __future__ import annotations

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.activate import activated
from gpudl.ops.parts import in_parts

__all__ = ["elu"]


@kernel
def elu_forward(x: Array, depth: float, scale: float, rate: float) -> Array:
    """y = scale * x where x > 0, else depth * (exp(rate * x) - 1). x: any shape."""
    xp = xp_of(x)
    below = xp.minimum(x, 0)
    below *= rate
    below = xp.expm1(below)
    below *= depth
    return xp.where(x > 0, x * scale, below)


in_parts(elu_forward)


@kernel
def elu_backward(dy: Array, x: Array, depth: float, scale: float, rate: float) -> Array:
    """dx = dy * scale where x > 0, else dy * depth * rate * exp(rate * x)."""
    xp = xp_of(x)
    return xp.where(x <= 0, dy * (xp.exp(xp.clip(x, None, 0) * rate) * (depth * rate)), dy * scale)


in_parts(elu_backward)


class Elu(Primitive):
    __slots__ = ("settings",)
    settings: tuple[float, float, float]

    def forward(ctx, x: Array, depth: float, scale: float, rate: float) -> Array:
        ctx.settings = depth, scale, rate
        ctx.save(x)
        return elu_forward(x, depth, scale, rate)

    def backward(ctx, dy: Array) -> Array:
        return elu_backward(dy, *ctx.saved, *ctx.settings)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """The exponential linear unit, elementwise: input, or alpha * (exp(input) - 1) where that is negative.

    Args:
        input: any shape, floating point.
        alpha: minus the limit at -inf.
        inplace: write the result over the input, and return that.
    Returns: the input's shape and dtype.
    Raises: RuntimeError for integers, and for a leaf that requires grad in place.
    Gradient: dy where input > 0, else dy * alpha * exp(input).
    Source: Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289.
    """
    return activated(Elu, "elu", input, float(alpha), 1.0, 1.0, inplace=inplace)
