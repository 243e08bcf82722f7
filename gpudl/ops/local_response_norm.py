"""Local response normalization: each element divided by what its neighbors in the channels are, one power below.

    y = x d**-beta,      d = k + alpha / size * (sum of x**2 over the window of a channel)
    dx = dy d**-beta - (2 alpha beta / size) x * (sum of dy x d**-(beta + 1) over the windows that see the channel)

The window of channel c goes from c - size // 2 to c + (size - 1) // 2. Krizhevsky, Sutskever & Hinton 2012, "ImageNet
classification with deep convolutional neural networks", section 3.3.
"""

from __future__ import annotations

import math

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import PACK_BYTES, THREADS, CudaText, dense
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.gemm import product
from gpudl.ops.norm_checks import check_floating
from gpudl.ops.operands import counting, narrowed, widened

__all__ = ["local_response_norm"]

_TEXT = CudaText(
    "math/numbers.cuh",
    "math/packs.cuh",
    "math/local_response_norm.cuh",
    "cuda/local_response_norm.cu",
    kernels=("local_response_norm_forward", "local_response_norm_backward"),
)
_RINGS = 128  # threads of the backward kernel, and
_LARGEST_RING = 16  # how many channels each can keep
_MOST_SAMPLES = 65535  # of blocks, which share out the rest


@kernel
def local_response_norm_forward(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """y. x: (samples, channels, places)."""
    wide = widened(x)
    return narrowed(wide * _divisor(wide, size, alpha, k) ** -beta, x.dtype)


@local_response_norm_forward.cpu("float32", "float64")
def local_response_norm_forward_cpu(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    y = np.empty(x.shape, x.dtype)
    for one, out in zip(x, y):  # sample by sample, in the cache
        d = _summed(one * one, size // 2, (size - 1) // 2)
        d *= x.dtype.type(alpha / size)
        d += x.dtype.type(k)
        np.multiply(one, _power(d, beta), out=out)
    return y


@local_response_norm_forward.cuda("float32", "float64", "float16", "bfloat16")
def local_response_norm_forward_cuda(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    if not x.size:
        return local_response_norm_forward.reference(x, size, alpha, beta, k)
    x = dense(x)
    y = xp_of(x).empty(x.shape, x.dtype)
    samples, channels, places = x.shape
    lanes = PACK_BYTES // x.itemsize
    packed = places % lanes == 0 and x.data.ptr % PACK_BYTES == 0 and y.data.ptr % PACK_BYTES == 0
    packs, across = places // lanes if packed else places, 1
    while across < packs and across < THREADS:
        across *= 2
    block = across, THREADS // across
    grid = -(-packs // across), -(-channels // block[1]), min(samples, _MOST_SAMPLES)
    settings = packed, alpha / size, float(beta), float(k)
    _TEXT.launch("local_response_norm_forward", grid, block, x, y, *x.shape, size, *settings)
    return y


@kernel
def local_response_norm_backward(dy: Array, x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """dx."""
    wide, dwide = widened(x), widened(dy)
    d = _divisor(wide, size, alpha, k)
    power = d**-beta
    seen = product(_window(wide, size).swapaxes(0, 1), dwide * wide * power / d)
    return narrowed(dwide * power - wide * seen * (2 * alpha * beta / size), x.dtype)


@local_response_norm_backward.cpu("float32", "float64")
def local_response_norm_backward_cpu(dy: Array, x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    dx = np.empty(x.shape, x.dtype)
    for one, done, out in zip(x, dy, dx):
        d = _summed(one * one, size // 2, (size - 1) // 2)
        d *= x.dtype.type(alpha / size)
        d += x.dtype.type(k)
        np.multiply(done, _power(d, beta), out=out)
        np.divide(out, d, out=d)
        d *= one
        seen = _summed(d, (size - 1) // 2, size // 2)
        seen *= one
        seen *= x.dtype.type(2 * alpha * beta / size)
        out -= seen
    return dx


@local_response_norm_backward.cuda("float32", "float64", "float16", "bfloat16")
def local_response_norm_backward_cuda(dy: Array, x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    if not x.size or size > _LARGEST_RING:
        return local_response_norm_backward.reference(dy, x, size, alpha, beta, k)
    dy, x = dense(dy), dense(x)
    dx = xp_of(x).empty(x.shape, x.dtype)
    samples, channels, places = x.shape
    across, down = -(-places // _RINGS), min(samples, _MOST_SAMPLES)
    # Channels are shared out where there are few places; each share begins with `size` channels that others have too.
    shares = max(min(-(-1024 // (across * down)), channels // (4 * size)), 1)
    share = -(-channels // shares)
    settings = size, share, alpha / size, float(beta), float(k), 2 * alpha * beta / size
    grid = across, -(-channels // share), down
    _TEXT.launch("local_response_norm_backward", grid, (_RINGS,), dy, x, dx, *x.shape, *settings)
    return dx


def _divisor(x: Array, size: int, alpha: float, k: float) -> Array:
    return product(_window(x, size), x * x) * (alpha / size) + k


def _window(x: Array, size: int) -> Array:
    """(channels, channels), 1 where the channel of the column is in the window of that of the row."""
    place = counting(x, x.shape[1])
    apart = place[None, :] - place[:, None]
    return ((apart >= -(size // 2)) & (apart <= (size - 1) // 2)).astype(x.dtype)


def _summed(x: Array, before: int, after: int) -> Array:
    """The sums of each channel of (channels, places) with so many before and after it."""
    total = x.copy()
    for step in range(1, min(before, len(x) - 1) + 1):
        total[step:] += x[:-step]
    for step in range(1, min(after, len(x) - 1) + 1):
        total[:-step] += x[step:]
    return total


def _power(d: Array, beta: float) -> Array:
    """d**-beta. Roots are several times faster than powers, and 0.75 is what everybody takes."""
    if beta == 0.75:
        root = np.sqrt(d)
        root *= np.sqrt(root)
        return np.divide(1, root, out=root)
    return d**-beta


class LocalResponseNorm(ReadsHalf):
    __slots__ = ("planes", "settings")
    planes: tuple[int, int, int]
    settings: tuple[int, float, float, float]

    def forward(ctx, x: Array, planes: tuple[int, int, int], settings: tuple[int, float, float, float]) -> Array:
        ctx.planes, ctx.settings = planes, settings
        ctx.save(x)
        return local_response_norm_forward(x.reshape(planes), *settings).reshape(x.shape)

    def backward(ctx, dy: Array) -> Array:
        (x,) = ctx.saved
        dx = local_response_norm_backward(dy.reshape(ctx.planes), x.reshape(ctx.planes), *ctx.settings)
        return dx.reshape(x.shape)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """input / (k + alpha * mean of input**2 over `size` neighboring channels)**beta; missing channels count as 0.

    Args:
        input: (samples, channels, ...) floating, at least three dimensions.
        size: channels of a window, at least 1.
        alpha, beta, k: as above.
    Returns: the input's shape and dtype.
    Raises: ShapeError for fewer dimensions; RuntimeError for a size below 1, and for integers and bools.
    Gradient: dy / d**beta, less what the element adds to the divisors d of its neighbors.
    Kernel: kernels/cuda/local_response_norm.cu and kernels/math/local_response_norm.cuh.
    Source: Krizhevsky, Sutskever & Hinton 2012, section 3.3.
    """
    if input.ndim < 3:
        raise ShapeError(
            f"local_response_norm: expected (samples, channels, ...) of 3 dimensions or more, got {input.shape}"
        )
    if not input.array.size:
        return input
    if size < 1:
        raise RuntimeError(f"local_response_norm: size must be at least 1, got {size}")
    check_floating("local_response_norm", input)
    planes = (*input.shape[:2], math.prod(input.shape[2:]))
    settings = (size, float(alpha), float(beta), float(k))
    return LocalResponseNorm.apply(input, planes, settings)  # type: ignore[no-any-return]
