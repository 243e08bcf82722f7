"""Where the parameters of an optimizer lie: end to end in flat memory, as far as they can.

Parameters are moved into slots (gpudl.autograd.slots) if nobody else can see their memory. Those that share it, that
are frozen, or whose arrays are neither NumPy's nor CuPy's stay where they are, and are a stretch of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gpudl.autograd.slots import Slot, slots
from gpudl.autograd.tensor import Leaf, Tensor
from gpudl.backend.device import device_of
from gpudl.backend.flat_memory import can_be_flat, is_alone, memory_of, others
from gpudl.optim.stretch import Member, Stretch


class Layout:
    """The parameters of a group, each in one stretch.

    A layout stops being right when a parameter gets other memory, as Module.to gives it, or when one can be moved that
    could not before; then a new one is made.

    Attributes:
        stretches: all of them.
    """

    def __init__(self, parameters: Sequence[Tensor]):
        _move(parameters)
        self._members = [Member(parameter, _slot_of(parameter)) for parameter in parameters]
        placed: list[tuple[Member, Slot]] = [(member, member.slot) for member in self._members if member.slot]
        seen: dict[int, int] = {}
        for _, slot in placed:
            seen.setdefault(id(slot.memory), len(seen))
        placed.sort(key=lambda pair: (seen[id(pair[1].memory)], pair[1].start, pair[1].stop))
        runs: list[list[Member]] = []
        before: Slot | None = None
        for member, slot in placed:
            if before is not None and before.memory is slot.memory and before.stop == slot.start:
                runs[-1].append(member)
            else:
                runs.append([member])
            before = slot
        self.stretches = [Stretch(run) for run in [*runs, *([member] for member in self._members if not member.slot)]]

    def is_right(self, parameters: Sequence[Tensor]) -> bool:
        """True if these are the parameters, and all are where they were and should be."""
        if len(parameters) != len(self._members):
            return False
        for member, parameter in zip(self._members, parameters):
            slot, node = member.slot, parameter._node
            if member.parameter is not parameter:
                return False
            if not member.is_in_place() and (slot is None or not _put_back(parameter, slot)):
                return False
            if type(node) is Leaf and node.slot is not slot:
                node.slot = slot  # frozen in between, or put back
            if slot is None and _is_movable(parameter):
                return False
        return True


def _slot_of(parameter: Tensor) -> Slot | None:
    """The slot in which a parameter lies."""
    node = parameter._node
    slot = node.slot if type(node) is Leaf else None
    return slot if slot is not None and slot.values is parameter.array else None


def _is_movable(parameter: Tensor) -> bool:
    """True for a leaf whose memory can be flat and can be seen through it, and its slot, only."""
    if type(parameter._node) is not Leaf or not can_be_flat(parameter.array):
        return False
    if memory_of(parameter.array) is not None:
        return others(parameter, "array") <= 1
    return is_alone(parameter, "array")


def _move(parameters: Iterable[Tensor]) -> None:
    """Give slots in new memory, one for each dtype and device, to all that can be moved, unless all of these have."""
    movable: dict[Any, list[Tensor]] = {}
    for parameter in parameters:
        if _is_movable(parameter):
            movable.setdefault((parameter.array.dtype, device_of(parameter.array)), []).append(parameter)
    for (dtype, _), tensors in movable.items():
        if any(_slot_of(tensor) is None for tensor in tensors):
            for tensor, slot in zip(tensors, slots([tensor.shape for tensor in tensors], dtype, tensors[0].array)):
                _fill(tensor, slot)


def _fill(parameter: Tensor, slot: Slot) -> None:
    slot.values[...] = parameter.array
    parameter.array = slot.values
    assert isinstance(parameter._node, Leaf)
    parameter._node.slot = slot


def _put_back(parameter: Tensor, slot: Slot) -> bool:
    """Copy what was assigned to `parameter.data` into its slot again; False if somebody sees either of the two."""
    if not _is_movable(parameter) or memory_of(parameter.array) is not None or others(slot, "values"):
        return False
    if parameter.array.dtype != slot.values.dtype or parameter.shape != slot.values.shape:
        return False
    if device_of(parameter.array) is not device_of(slot.values):
        return False
    _fill(parameter, slot)
    return True
