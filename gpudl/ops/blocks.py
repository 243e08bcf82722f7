"""Working through an array part by part, each small enough for the cache, in the CPU bodies of kernels."""

from __future__ import annotations

from collections.abc import Iterator

BLOCK = 1 << 15
"""Elements of a part. Three or four arrays of so many float32 stay in the cache of one core."""


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices that cut (rows, columns) into blocks of whole rows, of about BLOCK elements each."""
    step = max(1, BLOCK // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
