"""Dropout: y = x keep / (1 - p), where keep is 0 with probability p and else 1. Srivastava et al. 2014.

The mask is saved as bools. It comes from a stream of random bits that depends on the seed and on how many there were
before, never on the device; see gpudl.ops.random_bits.
"""

from __future__ import annotations

import numpy as np

from gpudl.autograd.inplace import assign
from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.kernel import kernel
from gpudl.ops.blocks import BLOCK
from gpudl.ops.random_bits import kept, placed
from gpudl.random import sampling_stream

__all__ = ["dropout"]


@kernel
def dropout_forward(x: Array, keep: Array, scale: float) -> Array:
    """y = x * keep * scale; nan where x is infinite and dropped. keep: bool, broadcasts to the shape of x."""
    return x * (keep.astype(x.dtype) * x.dtype.type(scale))


@dropout_forward.cpu("float32", "float64")
def dropout_forward_cpu(x: Array, keep: Array, scale: float) -> Array:
    if keep.shape != x.shape or not x.flags.c_contiguous or not keep.flags.c_contiguous:
        return dropout_forward.reference(x, keep, scale)
    y = np.empty(x.shape, x.dtype)
    flat, mask, out = x.reshape(-1), keep.reshape(-1), y.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        part = slice(start, start + BLOCK)
        out[part] = mask[part]
        out[part] *= x.dtype.type(scale)
        out[part] *= flat[part]
    return y


@kernel
def dropout_backward(dy: Array, keep: Array, scale: float) -> Array:
    """dx = dy * keep * scale."""
    return dy * (keep.astype(dy.dtype) * scale)


@dropout_backward.cpu("float32", "float64")
def dropout_backward_cpu(dy: Array, keep: Array, scale: float) -> Array:
    return dropout_forward(dy, keep, scale)


class Dropout(Primitive):
    __slots__ = ("scale",)
    scale: float

    def forward(ctx, x: Array, keep: Array, scale: float) -> Array:
        ctx.scale = scale
        ctx.save(keep)
        return dropout_forward(x, keep, scale)

    def backward(ctx, dy: Array) -> Array:
        (keep,) = ctx.saved
        return dropout_backward(dy, keep, ctx.scale)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element 0 with probability p, and else divided by 1 - p, so that its mean stays.

    Args:
        input: floating, any shape.
        p: the probability of 0, in [0, 1], exact to 2**-33.
        training: False: the input comes back as it is.
        inplace: write the result over the input.
    Returns: the input's shape and dtype; the input itself where there is nothing to drop.
    Raises: ValueError for p out of range; RuntimeError for integers and bools.
    Gradient: dy / (1 - p) where the element was kept, else 0.
    Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, "Dropout: a simple way to prevent neural
        networks from overfitting".
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be in [0, 1], got {p}")
    if not training or not p or not input.array.size:
        return input
    if input.dtype.kind not in "fV":
        raise RuntimeError(f"dropout: the input is {input.dtype}; cast it to a floating dtype first")
    keep = kept(sampling_stream(), input.array.size, p).reshape(input.shape)
    result: Tensor = Dropout.apply(input, placed(keep, input.array), 1 / (1 - p) if p < 1 else 0.0)
    return assign(input, result, "dropout") if inplace else result
