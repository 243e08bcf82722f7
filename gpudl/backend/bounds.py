"""Whether indices are in range, looked at on a CUDA device without waiting for it: what debug mode does."""

from __future__ import annotations

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense, one_each
from gpudl.backend.debug import Blame, noted, noting
from gpudl.backend.device import backend_of, guarded
from gpudl.backend.dtypes import int64
from gpudl.backend.kernel import kernel
from gpudl.backend.meeting import counter

INDICES = ("int64", "int32", "int16", "int8", "uint8")

_TEXT = CudaText("cuda/bounds.cu", kernels=("note_outside<{T}>",), dtypes=INDICES)


@kernel
def note_outside_(index: Array, record: Array, number: int, low: int, high: int, ignored: int | None) -> None:
    """record, (3,) int64, is number and the first index that is not in [low, high) nor `ignored`, if record[0] is 0."""
    xp, flat = xp_of(index), index.reshape(-1)
    is_outside = (flat < low) | (flat >= high)
    if ignored is not None:
        is_outside &= flat != ignored
    is_news = is_outside.any() & (record[0] == 0)
    record[1] = xp.where(is_news, flat[is_outside.argmax()], record[1])
    record[0] = xp.where(is_news, number, record[0])


@note_outside_.cuda(*INDICES)
def note_outside_cuda_(index: Array, record: Array, number: int, low: int, high: int, ignored: int | None) -> None:
    settings = index.size, number, low, high, ignored is not None, ignored or 0
    _TEXT.launch("note_outside<{T}>", *one_each(index.size), dense(index), record, counter(index), *settings)


def look(index: Array, low: int, high: int, blame: Blame, ignored: int | None = None) -> None:
    """Note on the device whether an index is not in [low, high), for debug.report to raise.

    Args:
        index: integers on a CUDA device.
        low, high: the bounds.
        blame: from the first index out of range, the error.
        ignored: an index that is right though it is out of range, or None.
    """
    if not index.size:
        return
    xp = backend_of(index).namespace
    with guarded(index):
        stream = xp.cuda.get_current_stream()
        key = backend_of(index).type, index.data.device_id, stream.ptr
        number, record = noting(blame, key, lambda: xp.zeros(3, int64))
        note_outside_(index, record, number, low, high, ignored)
    noted()
