"""What lives in a device's memory and for what: counted when memory has run out, and never before."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gpudl.backend.arrays import Array

if TYPE_CHECKING:
    from gpudl.backend.device import Backend

Labeler = Callable[[Any], Iterator[tuple[str, Array]]]
"""From any object, the arrays that it holds as far as it knows what they are for, each with a word for that."""

_labelers: list[Labeler] = []
_UNKNOWN = "other arrays"
_LARGEST = 8


def register_labeler(labeler: Labeler) -> None:
    """Let the layers above say what their arrays are for. Of several words for one memory, the first one known counts:
    register what is more telling later."""
    _labelers.insert(0, labeler)


def report(backend: Backend, index: int) -> list[str]:
    """What lives on a device, as lines of text: the sums by purpose, and the largest tensors."""
    objects = gc.get_objects()
    blocks: dict[int, tuple[int, Array]] = {}  # address -> bytes, and the largest array that looks into them
    for array in objects:
        memory = _memory_of(array, backend)
        if memory is not None and memory.size and memory.device_id == index:
            before = blocks.get(memory.ptr)
            if before is None or array.nbytes > before[1].nbytes:
                blocks[memory.ptr] = memory.size, array
    words = _words(objects, backend)
    sums: dict[str, tuple[int, int]] = {}
    for address, (size, _) in blocks.items():
        word = words.get(address, _UNKNOWN)
        total, count = sums.get(word, (0, 0))
        sums[word] = total + size, count + 1
    if not sums:
        return []
    width = max(map(len, sums))
    lines = ["What lives there:"]
    for word, (total, count) in sorted(sums.items(), key=lambda entry: -entry[1][0]):
        lines.append(f"  {word:{width}}  {amount(total):>12}  in {count} {'piece' if count == 1 else 'pieces'}")
    lines.append("The largest:")
    largest = sorted(blocks.items(), key=lambda entry: -entry[1][0])[:_LARGEST]
    for address, (size, array) in largest:
        seen = "" if math.prod(array.shape) * array.itemsize * 2 > size else " (and more in the same memory)"
        lines.append(f"  {amount(size):>12}  {array.dtype} {array.shape}  {words.get(address, _UNKNOWN)}{seen}")
    return lines


def _memory_of(value: Any, backend: Backend) -> Any:
    """The memory behind a device's array; None for anything else, and for an array that is half made."""
    return value.data.mem if type(value) is backend.array_type and value.data is not None else None


def _words(objects: list[Any], backend: Backend) -> dict[int, str]:
    words: dict[int, str] = {}
    for labeler in _labelers:
        for each in objects:
            for word, array in labeler(each):
                memory = _memory_of(array, backend)
                if memory is not None:
                    words.setdefault(memory.ptr, word)
    return words


def amount(size: int) -> str:
    """A number of bytes for people: 1.50 GiB."""
    if size < 1024:
        return f"{size} bytes"
    value, unit = size / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if value >= 1024:
            value, unit = value / 1024, larger
    return f"{value:.2f} {unit}"
