"""Combining what goes to one place on a CUDA device, in one order whatever the threads do.

CuPy's add.at adds with atomics: floats add up differently from run to run, and there are no half floats. Here up to
FEW rows are compared with each other in one launch, more are sorted first; see kernels/cuda/accumulate.cu.
"""

from __future__ import annotations

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import FLOATS, MOST_BLOCKS, PACK_BYTES, THREADS, CudaText, dense
from gpudl.backend.dtypes import float32, int32, int64

_FILES = ("math/packs.cuh", "math/accumulate.cuh", "cuda/accumulate.cu")
_KEYS = CudaText(*_FILES, kernels=("combine_keys<{T}>",), dtypes=("int32", "int64"))
_BITS = ("int64", "int32", "int16", "int8")
_TEXTS = {
    name: CudaText(
        *_FILES,
        kernels=tuple(f"combine_{step}<{{T}}, {{A}}, {kind}>" for step in ("few", "parts", "places")),
        dtypes=dtypes,
    )
    for name, kind, dtypes in (
        ("add", "Add", (*FLOATS, *_BITS, "uint8")),
        ("maximum", "Maximum", (*FLOATS, *_BITS, "uint8")),
        ("minimum", "Minimum", (*FLOATS, *_BITS, "uint8")),
        ("put", "Last", _BITS),  # of any dtype
    )
}
FEW = 2048  # as in accumulate.cu
_PART = 32  # likewise
_INT32_BITS = 31


def combine_at(
    operation: str,
    out: Array,
    index: Array,
    rows: Array,
    *,
    fresh: bool = False,
    skipped: int = -1,
    divides: bool = False,
) -> None:
    """out[index[i]] = operation(out[index[i]], rows[i]) for every i, in place.

    The order is fixed by the arguments: the result is the same from run to run. Half floats are combined in float32,
    and rounded once.

    Args:
        operation: "add", "maximum" or "minimum", in which nan stays, or "put", for which the last row stays.
        out: (length, ...) CuPy array, by way of a copy unless in C order.
        index: (count,) integers, 0 <= index < length; others are left out.
        rows: (count, ...), cast to the dtype of out.
        fresh: what goes to a place is written over what is there, and not combined with it.
        skipped: an index that is left out, too; -1 for none.
        divides: what goes to a place is divided by how many rows that were.
    Raises: TypeError for another dtype.
    """
    columns = out.size // max(len(out), 1)
    count, length = len(index), len(out)
    if not columns or not count:
        return
    xp = xp_of(out)
    if not out.flags.c_contiguous:
        copy = dense(out)
        combine_at(operation, copy, index, rows, fresh=fresh, skipped=skipped, divides=divides)
        out[...] = copy
        return
    rows = dense(rows.astype(out.dtype, copy=False))
    if operation == "put":
        out, rows = (each.view(f"int{8 * each.itemsize}") for each in (out, rows))
        fresh = True
    elif out.dtype.kind == "b":  # a sum of bools is whether there is a True
        out, rows = out.view("uint8"), rows.view("uint8")
        operation = "maximum" if operation == "add" else operation
    if index.dtype != int64 and index.dtype != int32:
        index = index.astype(int64)
    index = dense(index)
    text, lanes = _TEXTS[operation], 1 if out.itemsize == 1 else PACK_BYTES // out.itemsize
    if out.dtype.name not in text.dtypes:
        raise TypeError(f"combine_at: cannot combine {out.dtype}; cast it first")
    in_packs = columns % lanes == 0 and not (out.data.ptr | rows.data.ptr) % PACK_BYTES
    packs = columns // lanes if in_packs else columns
    across = _across(packs)
    kind = text.kernels[0][len("combine_few") :]
    if count <= FEW:
        given = out, rows, index, index.dtype == int64
        text.launch(
            "combine_few" + kind, (count,), (across, THREADS // across), *given, count, columns, length, skipped,
            fresh, divides,
        )  # fmt: skip
        return
    keys, bits = sorted_keys(index, length, skipped)
    parts = -(-count // _PART)
    kept = xp.empty((parts, 2, columns), out.dtype if out.dtype.itemsize != 2 or out.dtype.kind == "i" else float32)
    wide = keys.dtype == int64
    down = THREADS // across
    grid = (-(-packs // across), min(-(-parts // down), 65535))
    numbers = count, columns, length, bits, fresh, divides
    text.launch("combine_parts" + kind, grid, (across, down), out, rows, keys, kept, wide, *numbers)
    across = _across(columns)
    grid = (-(-columns // across), min(parts, MOST_BLOCKS))
    text.launch("combine_places" + kind, grid, (across, THREADS // across), out, kept, keys, wide, *numbers)


def _across(columns: int) -> int:
    """How many threads side by side take columns: a power of two, a warp at most."""
    return min(1 << (columns - 1).bit_length(), 32)


def sorted_keys(index: Array, length: int, skipped: int) -> tuple[Array, int]:
    """(place, number of the row) of all rows in one integer each, sorted, and how many bits the numbers take.

    Sorting these gives the same in every run, is as good as stable, and in 32 bits takes half of the time.
    """
    count = len(index)
    bits = (count - 1).bit_length()
    narrow = bits + length.bit_length() <= _INT32_BITS
    keys = xp_of(index).empty(count, int32 if narrow else int64)
    grid = (min(-(-count // THREADS), MOST_BLOCKS),)
    numbers = index.dtype == int64, count, length, skipped, bits
    _KEYS.launch("combine_keys<{T}>", grid, (THREADS,), keys, index, *numbers)
    keys.sort()
    return keys, bits
