"""Matrix products of bare arrays, on which all others stand: by the BLAS that NumPy has, and by cuBLAS on the GPU.

Half floats are added up in float32 on the GPU; on the CPU they come as float32.
"""

from __future__ import annotations

import math

import numpy as np

from gpudl.backend import cublas
from gpudl.backend.arrays import Array
from gpudl.backend.dtypes import float64
from gpudl.backend.kernel import kernel

__all__: list[str] = []

_ndarray = np.ndarray

# From so many multiplications on, integers gain from BLAS, which knows floating point only.
_MANY = 1 << 13


@kernel
def product_(x: Array, y: Array, out: Array | None, alpha: float, beta: float) -> Array:
    """alpha * (x @ y), which beta * out is added to, and out receives, if it is given; not read where beta is 0."""
    z = x @ y
    if alpha != 1:
        z *= alpha
    if out is None:
        return z
    if beta == 0:
        out[...] = z
    else:
        if beta != 1:
            out *= beta
        out += z
    return out


@product_.cuda("float16", "bfloat16", "float32", "float64")
def product_cuda(x: Array, y: Array, out: Array | None, alpha: float, beta: float) -> Array:
    return cublas.gemm(x, y, out, alpha, beta)


def product(x: Array, y: Array) -> Array:
    """x @ y of arrays of one floating dtype, or of Tensors: product_ with nothing added."""
    if type(x) is not _ndarray:
        return product_(x, y, None, 1.0, 0.0)
    shape = x.shape
    if len(shape) <= 2:
        return x @ y
    # A batch of matrices times one matrix or vector is one product, not one for each.
    if y.ndim <= 2 and y.ndim and shape[-1] == y.shape[0] and x.flags.c_contiguous:
        flat = x.reshape((math.prod(shape[:-1]), shape[-1])) @ y
        return flat.reshape((*shape[:-1], *y.shape[1:]))
    return x @ y


def integer_product(x: Array, y: Array) -> Array:
    """x @ y for integers; on the CPU in float64 where all sums are exact there."""
    if type(x) is not _ndarray or not x.ndim or not y.ndim or x.size * (y.shape[-1] if y.ndim > 1 else 1) < _MANY:
        return _wrapping_product(x, y)
    # Python integers: the absolute value of the least int64 is none.
    largest = math.prod(max(-int(each.min()), int(each.max())) for each in (x, y))
    if largest * x.shape[-1] >= 1 << 53:
        return _wrapping_product(x, y)
    return (x.astype(float64) @ y.astype(float64)).astype("int64").astype(x.dtype)


def _wrapping_product(x: Array, y: Array) -> Array:
    """x @ y for integers that may overflow, which only those without a sign may in C++."""
    if x.dtype.kind != "i":
        return x @ y
    unsigned = f"u{x.dtype.itemsize}"
    return (x.view(unsigned) @ y.view(unsigned)).view(x.dtype)
