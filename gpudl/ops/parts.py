"""Elementwise bodies for the CPU that go through large arrays in parts, so that temporaries stay in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
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


def in_parts(kernel: Kernel) -> None:
    """Let the CPU run the reference of an elementwise kernel part by part, for float32 and float64.

    The kernel's result is one array like its first argument. Arguments of the first one's shape are cut into parts,
    all others are given to every part.
    """
    reference = kernel.reference

    def body(x: Array, *rest: Any) -> Array:
        if x.nbytes <= PART_BYTES:
            return reference(x, *rest)
        return filled(x, reference, *rest)

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


def _is_like(value: Any, x: Array) -> bool:
    return isinstance(value, np.ndarray) and value.shape == x.shape
