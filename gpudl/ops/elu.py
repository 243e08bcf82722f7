"""ELU: y = x for x > 0, alpha * (exp(x) - 1) below; scaled, for SELU, and with exp(x / alpha), for CELU.

ELU: Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289. SELU: Klambauer et al. 2017, arXiv:1706.02515. CELU:
Barron 2017, arXiv:1704.07483.
"""

from __future__ import annotations

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.activate import activated
from gpudl.ops.maps import Map, cuda_maps
from gpudl.ops.parts import in_parts

__all__ = ["elu"]


@kernel
def elu_forward(x: Array, depth: float, scale: float, rate: float) -> Array:
    """y = scale * x where x > 0, else depth * (exp(rate * x) - 1). x: any shape."""
    xp = xp_of(x)
    y = xp.clip(x, 0, xp.inf) * scale  # half the time of maximum, in NumPy
    below = xp.clip(x, -xp.inf, 0)
    if rate < 0:  # above 0 the quotient below would lose digits
        return y + xp.expm1(below * rate) * depth
    # exp(u) - 1 = 2 * t / (1 - t), t = tanh(u / 2), which NumPy has as vector code, unlike expm1.
    below = xp.tanh(below * (rate / 2))
    y += below / (1 - below) * (2 * depth)
    return y


in_parts(elu_forward)


@kernel
def elu_backward(dy: Array, x: Array, depth: float, scale: float, rate: float) -> Array:
    """dx = dy * scale where x > 0, else dy * depth * rate * exp(rate * x)."""
    xp = xp_of(x)
    return xp.where(x <= 0, dy * (xp.exp(xp.clip(x, None, 0) * rate) * (depth * rate)), dy * scale)


def _elu_backward(dy: Array, x: Array, depth: float, scale: float, rate: float) -> Array:
    """The same without a branch: the exponential of min(x, 0), where nan counts as above 0, is 1 above."""
    slope = np.fmin(x, 0)
    slope *= rate
    slope = np.exp(slope)
    low = depth * rate
    slope *= low
    if scale != low:
        slope += np.multiply(~(x <= 0), scale - low, dtype=x.dtype)
    slope *= dy
    return slope


in_parts(elu_backward, _elu_backward)
cuda_maps("math/elu.cuh", elu_forward, elu_backward)


class Elu(Map):
    __slots__ = ()
    kernels = elu_forward, elu_backward


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """The exponential linear unit, elementwise: input, or alpha * (exp(input) - 1) where that is negative.

    Args:
        input: any shape, floating point.
        alpha: minus the limit at -inf.
        inplace: write the result over the input, and return that.
    Returns: the input's shape and dtype.
    Raises: RuntimeError for integers, and for a leaf that requires grad in place.
    Gradient: dy where input > 0, else dy * alpha * exp(input).
    Kernel: kernels/math/elu.cuh in kernels/cuda/map.cu, 16 bytes a thread.
    Source: Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289.
    """
    return activated(Elu, "elu", input, float(alpha), 1.0, 1.0, inplace=inplace)
