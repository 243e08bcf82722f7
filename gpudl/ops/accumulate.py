"""Adding up what goes to one place: the adjoint of reading by index, on bare arrays, for all operations that need it.

np.add.at takes about 2 ns for an element of a 1-d array and five times as long for one of a row, so on the CPU short
rows are added element by element, and long ones as rows, those for one place after another. On CUDA devices the rows
are sorted by their place first. The order of the additions is fixed by the arguments: results are the same from run to
run.
"""

from __future__ import annotations

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.bounds import look
from gpudl.backend.cuda_text import MOST_BLOCKS, THREADS, CudaText, dense
from gpudl.backend.debug import debugging
from gpudl.backend.dtypes import int32, int64
from gpudl.backend.errors import OutOfRangeError
from gpudl.backend.kernel import kernel
from gpudl.backend.positions import positions_of
from gpudl.backend.scatter import combine_at
from gpudl.ops.operands import widened

_COUNTS = CudaText(
    "math/packs.cuh", "math/accumulate.cuh", "cuda/accumulate.cu", kernels=("count_places<{T}>",), dtypes=("int64",)
)
_LONG = 48  # columns from which on whole rows are added at a time
_CHUNK = 32768  # elements whose places are computed at a time, so that they stay in the cache


@kernel
def add_rows_(out: Array, index: Array, rows: Array) -> None:
    """out[index[i]] += rows[i] for every i. out: (count, ...) contiguous; index: (k,) in range; rows: (k, ...)."""
    if out.dtype.char in "eE":
        wide = widened(out)
        add_rows_(wide, index, widened(rows))
        out[...] = wide
    else:
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


@add_rows_.cuda("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
def add_rows_cuda(out: Array, index: Array, rows: Array) -> None:
    combine_at("add", out, index, rows)


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


@kernel
def add_weights_(out: Array, index: Array, weights: Array) -> None:
    """out[index[i]] += weights[i] for every i. out: (count,) float64; index: (k,) in range; weights: (k,) float64."""
    out += xp_of(out).bincount(index, weights, len(out))


@add_weights_.cuda("float64")
def add_weights_cuda(out: Array, index: Array, weights: Array) -> None:
    combine_at("add", out, index, weights)


@kernel
def count_(out: Array, index: Array) -> None:
    """out[i] += how often i stands in the index. out: (count,) int64; index: (k,) in range."""
    out += xp_of(out).bincount(index, minlength=len(out))


@count_.cuda("int64")
def count_cuda(out: Array, index: Array) -> None:  # whose bincount waits for the largest index
    index = dense(index if index.dtype in (int64, int32) else index.astype(int64))
    blocks = min(-(-len(index) // (4 * THREADS)), MOST_BLOCKS)
    _COUNTS.launch("count_places<{T}>", (blocks,), (THREADS,), out, index, index.dtype == int64, len(index), len(out))


@kernel
def write_runs_(out: Array, counts: Array) -> None:
    """0 counts[0] times, 1 counts[1] times, ... out: (total,) int64; counts: (k,) integers >= 0 with this sum."""
    xp = xp_of(out)
    out[...] = xp.repeat(xp.arange(len(counts)), counts.tolist())


@write_runs_.cuda("int64")
def write_runs_cuda(out: Array, counts: Array) -> None:  # whose repeat takes counts on the host, and copies for each
    xp = xp_of(out)
    out[...] = xp.searchsorted(xp.cumsum(counts), xp.arange(len(out)), side="right")


@kernel
def extreme_rows_(out: Array, index: Array, rows: Array, largest: bool) -> None:
    """out[index[i]] = max(out[index[i]], rows[i]) for every i, or min; nan stays. As add_rows_ else."""
    xp = xp_of(out)
    extreme = xp.maximum if largest else xp.minimum
    for i, place in enumerate(index.tolist()):
        out[place] = extreme(out[place], rows[i])


@extreme_rows_.cpu("float16", "bfloat16", "float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
def extreme_rows_cpu(out: Array, index: Array, rows: Array, largest: bool) -> None:
    (np.maximum if largest else np.minimum).at(out, index, rows)


@extreme_rows_.cuda("float16", "bfloat16", "float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
def extreme_rows_cuda(out: Array, index: Array, rows: Array, largest: bool) -> None:
    combine_at("maximum" if largest else "minimum", out, index, rows)


@kernel
def put_rows_(out: Array, index: Array, rows: Array) -> None:
    """out[index[i]] = rows[i] for every i; of several for one place the last stays. As add_rows_ else."""
    out[index] = rows


@put_rows_.cuda("float16", "bfloat16", "float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
def put_rows_cuda(out: Array, index: Array, rows: Array) -> None:
    combine_at("put", out, index, rows)


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


def sums_at(weights: Array, index: Array, count: int) -> Array:
    """(count,) float64: the sums of the weights (k,) whose index (k,) is 0, 1, ... count - 1."""
    out = xp_of(weights).zeros(count)
    add_weights_(out, index, weights.astype(out.dtype, copy=False))
    return out


def counts_at(index: Array, count: int) -> Array:
    """(count,) int64: how often 0, 1, ... count - 1 stand in an index (k,)."""
    out = xp_of(index).zeros(count, "int64")
    count_(out, index)
    return out


def runs_of(counts: Array, total: int) -> Array:
    """(total,) int64: 0 counts[0] times, 1 counts[1] times, ... for counts (k,) whose sum is the total."""
    out = xp_of(counts).empty(total, "int64")
    write_runs_(out, counts)
    return out


def summed_rows(count: int, index: Array, rows: Array) -> Array:
    """(count, ...) of zeros with rows[i] added at index[i]; half floats are added in float32.

    Args:
        index: (k,) integers, 0 <= index < count.
        rows: (k, ...).
    """
    return summed_to((count, *rows.shape[1:]), count, index, rows)


def summed_to(shape: tuple[int, ...], count: int, index: Array, rows: Array) -> Array:
    """summed_rows in another shape; no view, of which whoever keeps it would make a copy."""
    out = xp_of(rows).zeros(shape, rows.dtype)
    add_rows_(out.reshape((count, *rows.shape[1:])), index, rows)
    return out


@kernel
def check_indices(index: Array, low: int, high: int, name: str, dim: int | None) -> None:
    """Raise OutOfRangeError beyond [low, high). Nothing here: a device would wait; CUDA's do it in debug mode."""


@check_indices.cpu("int64", "int32", "int16", "int8", "uint8")
def check_indices_cpu(index: Array, low: int, high: int, name: str, dim: int | None) -> None:
    if not index.size or (low <= index.min() and index.max() < high):
        return
    bad = index[(index < low) | (index >= high)]
    raise _out_of_range(name, dim, high, int(bad[0]))


@check_indices.cuda("int64", "int32", "int16", "int8", "uint8")
def check_indices_cuda(index: Array, low: int, high: int, name: str, dim: int | None) -> None:
    if debugging():
        look(index, low, high, lambda bad: _out_of_range(name, dim, high, bad))


def _out_of_range(name: str, dim: int | None, high: int, bad: int) -> OutOfRangeError:
    where = "the flattened tensor" if dim is None else f"dimension {dim}"
    return OutOfRangeError(f"{name}: index {bad} is out of range for {where} of length {high}")


@kernel
def check_on_device(index: Array, low: int, high: int, name: str, dim: int | None) -> None:
    """check_indices for what NumPy itself looks at on the CPU."""


@check_on_device.cuda("int64", "int32", "int16", "int8", "uint8")
def check_on_device_cuda(index: Array, low: int, high: int, name: str, dim: int | None) -> None:
    check_indices(index, low, high, name, dim)


def from_front(index: Array, count: int) -> Array:
    """int64 indices with those below 0, which count from the end, as counted from the front."""
    if type(index) is not np.ndarray:
        return positions_of(index, (0,) * index.ndim, count)
    wide = index.astype("int64")
    return wide + (wide < 0) * count
