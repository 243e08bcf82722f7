"""How the CPU bodies of optimizer steps go over memory: a piece at a time, each small enough to stay in the cache."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.dtypes import DType
from gpudl.backend.kernel import Kernel

PIECE = 1 << 15
"""Elements. A step makes about ten passes over five arrays: 640 KB of float32 fit the second-level cache of current
CPUs, and the time for the calls is small beside that for the elements."""


def pieces(*arrays: Array | None) -> Iterable[tuple[Any, ...]]:
    """Arrays of one shape, cut alike: flat pieces of at most PIECE elements, in order.

    Arrays that are small, or that do not lie in C order without gaps, come whole and in their shape. None, for an
    array that a step does not need, stays None.
    """
    size = arrays[0].size  # type: ignore[union-attr]
    if size <= PIECE or not all(x is None or x.flags.c_contiguous for x in arrays):
        return (arrays,)
    flat = [None if x is None else x.reshape(-1) for x in arrays]
    return (tuple([None if x is None else x[start : start + PIECE] for x in flat]) for start in range(0, size, PIECE))


def scalars(dtype: DType, *numbers: float) -> list[np.ndarray[Any, Any]]:
    """Numbers as 0-d arrays, which NumPy multiplies an array by in half the time it takes for Python floats."""
    return [np.array(number, dtype) for number in numbers]


def in_pieces(step: Kernel, count: int) -> None:
    """Let the CPU run a step's reference a piece at a time, for float32 and float64.

    Args:
        step: a kernel that changes its arguments and returns nothing.
        count: how many of its first arguments are arrays, or None.
    """

    def body(*args: Any) -> None:
        for piece in pieces(*args[:count]):
            step.reference(*piece, *args[count:])

    body.__name__ = f"{step.name}_in_pieces"
    step.cpu("float32", "float64")(body)
