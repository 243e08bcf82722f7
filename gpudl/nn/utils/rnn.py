"""Sequences of different lengths: padded to one length, or packed step by step without padding.

sequences a b c | d | e f       padded a d e          packed  a e d  b f  c
                                       b 0 f                  batch_sizes 3, 2, 1: the longest sequence first
                                       c 0 0                  sorted_indices 0, 2, 1
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.ops.create import tensor
from gpudl.ops.index_along import index_copy, index_select
from gpudl.ops.shape import cat

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """A batch of sequences of different lengths, as recurrent layers take it; made by pack_padded_sequence and its kin.

    Args:
        data: (steps of all sequences, *): the first step of every sequence, then the second of those that have one,
            and so on, the longest sequence first.
        batch_sizes: (steps of the longest,) int64 on the CPU, how many sequences have each step. Data and batch_sizes
            may also be given as one pair.
        sorted_indices: (batch,) int64, the number that each sequence had before they were sorted; None if they were.
        unsorted_indices: (batch,) int64, the inverse permutation; by default computed.
    Raises: ValueError for batch sizes that are not on the CPU.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            data, batch_sizes = data
        if not isinstance(batch_sizes.array, np.ndarray):
            raise ValueError(f"PackedSequence: batch_sizes must be on the CPU, not on {batch_sizes.device}")
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Move or cast the data, arguments as Tensor.to, and move the indices along; itself if nothing changes."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        moved = (None if index is None else index.to(data.device) for index in self[2:])
        return type(self)(data, self.batch_sizes, *moved)

    def cpu(self) -> PackedSequence:
        """Move to the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = 0) -> PackedSequence:
        """Move to a CUDA device, given by its number or name. Raises: DeviceError if there is none."""
        return self.to(f"cuda:{device}" if isinstance(device, int) else device)

    def double(self) -> PackedSequence:
        """Cast the data to float64."""
        return self.to("float64")

    def float(self) -> PackedSequence:
        """Cast the data to float32."""
        return self.to("float32")

    def half(self) -> PackedSequence:
        """Cast the data to float16."""
        return self.to("float16")

    def long(self) -> PackedSequence:
        """Cast the data to int64."""
        return self.to("int64")

    def int(self) -> PackedSequence:
        """Cast the data to int32."""
        return self.to("int32")

    def short(self) -> PackedSequence:
        """Cast the data to int16."""
        return self.to("int16")

    def char(self) -> PackedSequence:
        """Cast the data to int8."""
        return self.to("int8")

    def byte(self) -> PackedSequence:
        """Cast the data to uint8."""
        return self.to("uint8")

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a CUDA device."""
        return bool(self.data.is_cuda)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation (n,) int64 that undoes another; None for None."""
    return None if permutation is None else permutation.argsort()


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Leave the padding of a batch out.

    Args:
        input: (time, batch, *).
        lengths: of each sequence, (batch,), 1 <= length <= time: a Tensor or a list.
        batch_first: the input is (batch, time, *).
        enforce_sorted: the lengths must not grow; False: the sequences are sorted, and pad_packed_sequence undoes it.
    Raises: ShapeError for an input of fewer than 2 dimensions, and for lengths that are out of range, too many or too
        few; RuntimeError for lengths that are not sorted.
    """
    if input.ndim < 2:
        raise ShapeError(f"pack_padded_sequence: expected input of 2 or more dimensions, got {input.shape}")
    long = _numbers(lengths)
    batch, time = input.shape[:2] if batch_first else input.shape[1::-1]
    if long.shape != (batch,):
        raise ShapeError(f"pack_padded_sequence: expected lengths of shape ({batch},), got {long.shape}")
    if not batch or long.min() < 1 or long.max() > time:
        raise ShapeError(f"pack_padded_sequence: expected lengths from 1 to {time}, got {long.tolist()}")
    order = np.argsort(-long, kind="stable")
    if enforce_sorted and np.any(long[:-1] < long[1:]):
        raise RuntimeError(
            f"pack_padded_sequence: expected lengths that do not grow, got {long.tolist()}; sort the sequences, "
            "or give enforce_sorted=False"
        )
    steps, place = _grid(long[order])
    number = order[place]
    rows = number * time + steps if batch_first else steps * batch + number
    data = index_select(input.reshape((batch * time, *input.shape[2:])), 0, tensor(rows, device=input.device))
    sizes = tensor(np.bincount(steps).astype(np.int64))
    return PackedSequence(data, sizes, None if enforce_sorted else tensor(order, device=input.device))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Undo pack_padded_sequence. Of sequences that were sorted by it, this waits for the device, which has their order.

    Args:
        batch_first: the result is (batch, time, *), else (time, batch, *).
        padding_value: what stands after the end of a sequence.
        total_length: the time of the result, by default that of the longest sequence.
    Returns: the batch in its order before it was packed, and the lengths, (batch,) int64 on the CPU.
    Raises: ValueError if total_length is under the length of the longest sequence.
    """
    sizes = _numbers(sequence.batch_sizes)
    time = len(sizes) if total_length is None else total_length
    if time < len(sizes):
        raise ValueError(
            f"pad_packed_sequence: expected a total_length of at least {len(sizes)}, the longest sequence, got {time}"
        )
    long = np.sum(sizes[:, None] > np.arange(sizes[0]), axis=0)
    steps, number = _grid(long)
    if sequence.sorted_indices is not None:
        order = _numbers(sequence.sorted_indices)
        number, long = order[number], long[np.argsort(order)]
    return _padded(sequence.data, steps, number, (time, len(long)), batch_first, padding_value), tensor(long)


def pad_sequence(
    sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Put sequences (length, *) beside each other, padded to the longest.

    Args:
        sequences: at least one, of one dtype and of one shape but for the length.
        batch_first: the result is (batch, time, *), else (time, batch, *).
        padding_value: what stands where a sequence has nothing.
        padding_side: "right", after its end, or "left", before its start.
    Raises: RuntimeError for no sequences, for something else than sequences, and for another side; ShapeError for
        shapes that differ.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: expected Tensors one after the other, got {type(sequences).__name__}")
    given = list(sequences)
    if not given:
        raise RuntimeError("pad_sequence: expected at least one sequence, got none")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: padding_side must be 'left' or 'right', got {padding_side!r}")
    rest = given[0].shape[1:]
    for each in given:
        if not each.ndim or each.shape[1:] != rest:
            raise ShapeError(f"pad_sequence: expected sequences of shape (length, *{rest}), got {each.shape}")
    long = np.array([len(each) for each in given])
    time = int(long.max())
    steps = np.concatenate([np.arange(each) + (time - each if padding_side == "left" else 0) for each in long])
    number = np.repeat(np.arange(len(given)), long)
    return _padded(cat(given), steps, number, (time, len(given)), batch_first, padding_value)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """Undo pad_sequence: a list of (length, *).

    Args:
        padded_sequences: (time, batch, *).
        lengths: of each sequence, (batch,): a Tensor or a list.
        batch_first: the input is (batch, time, *).
    Raises: ShapeError if there are not as many lengths as sequences.
    """
    long = _numbers(lengths)
    batch = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    if long.shape != batch.shape[:1]:
        raise ShapeError(f"unpad_sequence: expected lengths of shape ({batch.shape[0]},), got {long.shape}")
    return [batch[number, :length] for number, length in enumerate(long.tolist())]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (length, *); as pack_padded_sequence of pad_sequence."""
    return pack_padded_sequence(pad_sequence(sequences), [len(each) for each in sequences], False, enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undo pack_sequence: a list of (length, *)."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)


def _numbers(value: Any) -> NDArray[np.int64]:
    return np.asarray(value.tolist() if isinstance(value, Tensor) else value, np.int64)


def _grid(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each row of packed data its time step, and which of the sorted sequences it is of."""
    steps, places = np.nonzero(np.arange(lengths[0])[:, None] < lengths)
    return steps, places


def _padded(
    data: Tensor,
    steps: NDArray[np.int64],
    number: NDArray[np.int64],
    size: tuple[int, int],
    batch_first: bool,
    padding_value: float,
) -> Tensor:
    """Rows at their time step and sequence, (time, batch, *) or (batch, time, *), and a value elsewhere."""
    time, batch = size
    rows, shape = (number * time + steps, (batch, time)) if batch_first else (steps * batch + number, (time, batch))
    whole = data.new_full((time * batch, *data.shape[1:]), padding_value)
    return index_copy(whole, 0, tensor(rows, device=data.device), data).reshape((*shape, *data.shape[1:]))
