"""Reductions of arrays where the obvious call is slow, inexact, or not there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_FEW = 64  # rows up to which NumPy's way is as good


def blocked_sum(x: np.ndarray[Any, Any], axis: Any, keepdims: bool) -> Any:
    """x.sum(axis, keepdims=keepdims) of a NumPy array: over n rows about sqrt(n) long rows, then their sqrt(n) parts.

    NumPy adds pairwise only along the memory's last dimension. Over others it adds row to row, so that the rounding
    error grows with the number of rows, and if the rows are short most of the time goes into starting over at each.
    """
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    places = sorted(each % x.ndim for each in axes)
    first, count = (places[0], len(places)) if places else (0, 0)
    rows = math.prod(x.shape[first : first + count])
    if rows <= _FEW or places[-1] != first + count - 1 or places[-1] == x.ndim - 1 or not x.flags.c_contiguous:
        return x.sum(axis=axis, keepdims=keepdims)
    before, after = math.prod(x.shape[:first]), math.prod(x.shape[first + count :])
    block = 1 << (rows.bit_length() // 2)
    whole = rows // block * block
    lines = x.reshape(before, rows, after)
    y = lines[:, :whole].reshape(before, rows // block, block * after).sum(axis=1)
    y = y.reshape(before, block, after).sum(axis=1)
    if whole < rows:
        y += lines[:, whole:].sum(axis=1)
    kept = (1,) * count if keepdims else ()
    return y.reshape(*x.shape[:first], *kept, *x.shape[first + count :])


def running_by_doubling(larger: Any, x: Any, axis: int) -> Any:
    """Running extremes in log2(n) steps, after each of which every element knows twice as many. Hillis & Steele 1986.

    Args:
        larger: maximum or minimum of the array's namespace.
        x: an array, not 0-d.
    """
    y = x.copy()
    before = (slice(None),) * axis
    step = 1
    while step < x.shape[axis]:
        later, earlier = (*before, slice(step, None)), (*before, slice(None, -step))
        y[later] = larger(y[later], y[earlier])
        step *= 2
    return y
