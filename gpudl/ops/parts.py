"""Elementwise bodies for the CPU that go through large arrays in parts, so that temporaries stay in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.kernel import Kernel

PART_BYTES = 1 << 17
"""How much of each array is worked on at a time: a few such parts fit into a core's second-level cache."""


def parts(x: Array) -> Iterator[slice]:
    """The slices that cut a flat array into parts."""
    step = PART_BYTES // x.dtype.itemsize
    return (slice(start, start + step) for start in range(0, x.size, step))


def rows_in_part(x: Array) -> int:
    """How many rows of (rows, columns) are worked on at a time."""
    row_bytes: int = x.shape[1] * x.dtype.itemsize
    return max(2 * PART_BYTES // max(row_bytes, 1), 1)


def flat(x: Array) -> Array:
    """The elements in order, 1-d; a view where that is possible."""
    return np.ascontiguousarray(x).reshape(-1)


def in_parts(kernel: Kernel, function: Callable[..., Array] | None = None) -> None:
    """Let the CPU run an elementwise kernel part by part, for float32 and float64: its reference, or another function.

    The kernel's result is one array like its first argument. Arguments of the first one's shape are cut into parts,
    all others are given to every part.
    """
    worker = function or kernel.reference

    def body(x: Array, *rest: Any) -> Array:
        if x.nbytes <= PART_BYTES:
            return worker(x, *rest)
        return filled(x, worker, *rest)

    body.__name__ = f"{kernel.name}_in_parts"
    kernel.cpu("float32", "float64")(body)


def filled(x: Array, function: Callable[..., Array], *rest: Any) -> Array:
    """function(x, *rest), part by part."""
    y = np.empty(x.shape, x.dtype)
    out = y.reshape(-1)
    given = [(flat(each), True) if _is_like(each, x) else (each, False) for each in (x, *rest)]
    for part in parts(out):
        out[part] = function(*(each[part] if is_cut else each for each, is_cut in given))
    return y


# The integers of a dtype's size. Masks of bits have no branch to guess, as np.where has: where elements lie on either
# side by chance, they take a fifth of its time. And unlike products with 0 and 1 they turn no inf into nan.
_BITS: dict[Any, np.dtype[Any]] = {float32: np.dtype(np.int32), float64: np.dtype(np.int64)}


def kept(x: Array, mask: Array) -> Array:
    """x where the mask holds, else 0; arrays of one shape, or Tensors."""
    bits = _BITS.get(x.dtype) if type(x) is np.ndarray else None
    if bits is None:
        return xp_of(x).where(mask, x, x.dtype.type(0))  # NumPy makes float64 of bfloat16 and a Python number
    return (x.view(bits) & _spread(mask, bits)).view(x.dtype)


def merged(x: Array, mask: Array, y: Array) -> Array:
    """x where the mask holds, else y; arrays of one dtype, or Tensors."""
    bits = _BITS.get(x.dtype) if type(x) is np.ndarray else None
    if bits is None:
        return xp_of(x).where(mask, x, y)
    other = y.view(bits)
    chosen = x.view(bits) ^ other
    chosen &= _spread(mask, bits)
    chosen ^= other
    return chosen.view(x.dtype)


def scaled(x: Array, mask: Array, factor: float) -> Array:
    """x where the mask holds, else x * factor; arrays of one shape, or Tensors."""
    bits = _BITS.get(x.dtype) if type(x) is np.ndarray and x.ndim else None
    if bits is None:
        return xp_of(x).where(mask, x, x * factor)
    one, other = np.array([[1], [factor]], x.dtype).view(bits)
    factors = _spread(mask, bits)
    factors &= one ^ other
    factors ^= other
    y: Array = factors.view(x.dtype)
    y *= x
    return y


def _spread(mask: Array, bits: Any) -> Array:
    """All bits set where the mask holds, else none."""
    return np.negative(mask.view(np.int8)).astype(bits)


def _is_like(value: Any, x: Array) -> bool:
    return isinstance(value, np.ndarray) and value.shape == x.shape
