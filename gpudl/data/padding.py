"""Batches of sequences of different lengths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import brought, device_of, guarded
from gpudl.backend.errors import ShapeError
from gpudl.data.collate import check_alike, collate, refuse


class Padded(NamedTuple):
    """Sequences side by side, filled up to the length of the longest.

    Attributes:
        values: (count, longest, ...), or (longest, count, ...).
        lengths: (count,) int64, on the CPU.
        mask: (count, longest) bool, True where values are; None where it was not asked for.
    """

    values: Tensor
    lengths: Tensor
    mask: Tensor | None


def pad_collate(
    batch: Sequence[Any],
    *,
    padding_value: float = 0.0,
    batch_first: bool = True,
    padding_side: Literal["right", "left"] = "right",
    mask: bool = False,
    fields: Iterable[Any] | None = None,
) -> Any:
    """As default_collate, but arrays that differ in their first length are filled up; they become a Padded.

        DataLoader(dataset, 32, collate_fn=functools.partial(pad_collate, mask=True, fields=["tokens"]))

    Args:
        batch: the samples, one or more, alike in structure.
        padding_value: what they are filled up with.
        batch_first: the batch is the first dimension of values, time the second; else the other way around.
        padding_side: where it is put.
        mask: make a mask too.
        fields: positions or keys of a sample whose arrays are sequences; None: all arrays of one dimension or more are.
    Raises: as default_collate; ShapeError if sequences differ in more than their length; ValueError for another side.
    """
    if padding_side not in ("right", "left"):
        raise ValueError(f"pad_collate: padding_side must be 'right' or 'left', got {padding_side!r}")
    chosen = None if fields is None else tuple(f"[{field!r}]" for field in fields)

    def pad(arrays: list[Array], indices: Sequence[Any], place: str) -> Any:
        if arrays[0].ndim == 0 or (chosen is not None and not place.startswith(chosen)):
            return None
        for array, index in zip(arrays, indices, strict=True):
            if array.ndim == 0 or array.shape[1:] != arrays[0].shape[1:]:
                shapes = f"sample {index} has shape {array.shape}, {indices[0]} has {arrays[0].shape}"
                refuse(ShapeError, place, f"{shapes}; only the first length may differ")
        arrays = check_alike(arrays, indices, place)
        lengths = np.array([len(array) for array in arrays], np.int64)
        with guarded(arrays[0]):
            xp = xp_of(arrays[0])
            values = xp.full((len(arrays), max(lengths), *arrays[0].shape[1:]), padding_value, arrays[0].dtype)
            for row, array in zip(values, arrays, strict=True):
                start = 0 if padding_side == "right" else len(row) - len(array)
                row[start : start + len(array)] = array
            if not batch_first:
                values = xp.ascontiguousarray(values.swapaxes(0, 1))
        made = None
        if mask:
            steps = np.arange(max(lengths))
            steps = steps[::-1] if padding_side == "left" else steps
            made = wrap(brought(steps < lengths[:, None], device_of(values)), None)
        return Padded(wrap(values, None), wrap(lengths, None), made)

    return collate(batch, range(len(batch)), join=pad)
