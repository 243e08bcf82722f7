"""Adding up what goes to one place: the adjoint of reading by index, on bare arrays, for all operations that need it.

np.add.at takes about 2 ns for an element of a 1-d array and five times as long for one of a row, so on the CPU short
rows are added element by element, and long ones as rows, those for one place after another. The order of the additions
is fixed by the arguments: results are the same from run to run.
"""

from __future__ import annotations

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import OutOfRangeError
from gpudl.backend.kernel import kernel
from gpudl.ops.operands import narrowed, widened

_LONG = 48  # columns from which on whole rows are added at a time
_CHUNK = 32768  # elements whose places are computed at a time, so that they stay in the cache


@kernel
def add_rows_(out: Array, index: Array, rows: Array) -> None:
    """out[index[i]] += rows[i] for every i. out: (count, ...) contiguous; index: (k,) in range; rows: (k, ...)."""
    xp_of(out).add.at(out, index, rows)


@add_rows_.cpu("float32", "float64", "int64", "int32", "int16", "int8", "uint8")
def add_rows_cpu(out: Array, index: Array, rows: Array) -> None:
    columns = out.size // max(len(out), 1)
    if not columns or not len(index):
        return
    index = index.astype(np.int64, copy=False)
    if rows.dtype != out.dtype or not out.flags.c_contiguous:
        np.add.at(out, index, rows)
    elif columns == 1:
        np.add.at(out.reshape(-1), index, rows.reshape(-1))
    elif columns < _LONG:
        _add_elements(out.reshape(-1), index, rows.reshape(len(index), columns))
    else:
        _add_whole_rows(out.reshape(len(out), columns), index, rows.reshape(len(index), columns))


def _add_elements(out: Array, index: Array, rows: Array) -> None:
    count, columns = rows.shape
    step = max(_CHUNK // columns, 1)
    offsets, places = np.arange(columns), np.empty((step, columns), np.int64)
    for start in range(0, count, step):
        part = rows[start : start + step]
        here = places[: len(part)]
        np.multiply(index[start : start + step, None], columns, out=here)
        here += offsets
        np.add.at(out, here.reshape(-1), part.reshape(-1))


def _add_whole_rows(out: Array, index: Array, rows: Array) -> None:
    """In turn the first row for each place, the second, ...; the places with many rows sum theirs at once."""
    order, place = stable_order(index)
    start = np.flatnonzero(np.concatenate(([True], place[1:] != place[:-1])))
    end = np.append(start[1:], len(place))
    step = max(_CHUNK // rows.shape[1], 1)
    while len(start):
        if len(start) <= (end - start).max():
            for first, last in zip(start.tolist(), end.tolist()):
                for some in range(first, last, step):
                    out[place[first]] += rows[order[some : min(some + step, last)]].sum(axis=0, dtype=rows.dtype)
            return
        for some in range(0, len(start), step):
            now = start[some : some + step]
            out[place[now]] += rows[order[now]]
        start = start + 1
        left = start < end
        start, end = start[left], end[left]


def stable_order(index: Array) -> tuple[Array, Array]:
    """The order that sorts indices >= 0 and keeps equal ones as they stand, and the indices in that order. NumPy only.

    Sorting numbers with their position in the low bits is ten times faster than a stable argsort.
    """
    bits = len(index).bit_length()
    if len(index) and int(index.max()).bit_length() + bits > 63:
        order = np.argsort(index, kind="stable")
        return order, index[order]
    keys = (index.astype(np.int64) << bits) | np.arange(len(index))
    keys.sort()
    return keys & ((1 << bits) - 1), keys >> bits


def summed_rows(count: int, index: Array, rows: Array) -> Array:
    """(count, ...) of zeros with rows[i] added at index[i]; half floats are added in float32.

    Args:
        index: (k,) integers, 0 <= index < count.
        rows: (k, ...).
    """
    out = xp_of(rows).zeros((count, *rows.shape[1:]), widened(rows[:0]).dtype)
    add_rows_(out, index, widened(rows))
    return narrowed(out, rows.dtype)


@kernel
def check_indices(index: Array, low: int, high: int, name: str, dim: int | None) -> None:
    """Nothing here: to look at the indices would make a device wait for them."""


@check_indices.cpu("int64", "int32", "int16", "int8", "uint8")
def check_indices_cpu(index: Array, low: int, high: int, name: str, dim: int | None) -> None:
    if not index.size or (low <= index.min() and index.max() < high):
        return
    bad = index[(index < low) | (index >= high)]
    where = "the flattened tensor" if dim is None else f"dimension {dim}"
    raise OutOfRangeError(f"{name}: index {int(bad.flat[0])} is out of range for {where} of length {high}")


def from_front(index: Array, count: int) -> Array:
    """int64 indices with those below 0, which count from the end, as counted from the front."""
    wide = index.astype("int64")
    return wide + (wide < 0) * count
