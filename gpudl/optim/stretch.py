"""Stretch: parameters that lie end to end in flat memory, with the state that an optimizer keeps for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.slots import Slot, flat
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array
from gpudl.backend.device import backend_of, device_of
from gpudl.backend.flat_memory import vector

State = dict[str, Any]


class Scalar(NamedTuple):
    """A buffer that is one number for each parameter: a 0-d float32 array on the host, as `step` is."""

    value: float = 0.0


class Block(NamedTuple):
    """A buffer with a shape of its own, of the parameter's dtype and device; not for elementwise optimizers."""

    shape: tuple[int, ...]
    value: float = 0.0


Buffer = float | Scalar | Block
COUNT = Scalar()
"""The buffer `step`."""


class Member:
    """A parameter of a stretch. It holds no array of the parameter: that would be a reference that keeps it in place.

    Attributes:
        parameter: the tensor.
        slot: its place in flat memory, or None.
        kept: name -> (Tensor in the state, its array), for the buffers that are where they belong.
    """

    __slots__ = ("_form", "kept", "parameter", "slot")

    def __init__(self, parameter: Tensor, slot: Slot | None):
        self.parameter = parameter
        self.slot = slot
        self.kept: dict[str, tuple[Tensor, Array]] = {}
        self._form = self._seen_form()

    def _seen_form(self) -> tuple[Any, ...]:
        array = self.parameter.array
        return array.shape, array.dtype, device_of(array)

    def is_in_place(self) -> bool:
        """True if the parameter is in its slot or, if it has none, looks as it did."""
        if self.slot is None:
            return self._seen_form() == self._form
        return self.parameter.array is self.slot.values

    def holds(self, state: State, buffers: Mapping[str, Buffer], counts: bool) -> bool:
        """True if the state has these buffers and all are where they belong."""
        kept = self.kept
        if len(kept) != len(buffers) + counts:
            return False
        for name in buffers:
            if name not in kept:
                return False
        for name, (tensor, array) in kept.items():
            if state.get(name) is not tensor or tensor.array is not array:
                return False
        return True


class Stretch:
    """Parameters end to end in flat memory, with their state likewise; or one parameter that lies elsewhere.

    Attributes:
        members: the parameters in order.
        steps: how often each was updated.
    """

    def __init__(self, members: Sequence[Member]):
        self.members = members
        self.steps = np.zeros(len(members), np.float32)
        self._starts = np.cumsum([0, *(member.parameter.array.size for member in members)]).tolist()
        self._flat: dict[str, Array] = {}  # buffers of all members
        self._numbers: dict[str, Array] = {}  # Scalars of all members
        first, last = members[0].slot, members[-1].slot
        if first is not None and last is not None:
            self._values = flat(first.values, last.values)
            self._gradients = flat(first.gradient, last.gradient)

    def prepare(self, number: int, state: State, buffers: Mapping[str, Buffer], counts: bool) -> None:
        """Make what a parameter's state does not have yet, and move here what lies elsewhere.

        Args:
            number: which of the members.
            state: its state, to be changed.
            buffers: name -> what it is at first.
            counts: whether the state has `step`.
        """
        member = self.members[number]
        if member.holds(state, buffers, counts):
            return
        if counts:
            buffers = {"step": COUNT, **buffers}
        else:  # only whether the buffers are new is known
            self.steps[number] = all(name in state for name in buffers)
        member.kept = {}
        for name, first in buffers.items():
            place = self._place(member, number, name, first)
            tensor = state.get(name)
            if not isinstance(tensor, Tensor):
                value = first.value if isinstance(first, (Scalar, Block)) else first
                place[...] = value if tensor is None else tensor
                tensor = state[name] = wrap(place, None)
            elif tensor.array is not place:
                if tensor.shape != place.shape:
                    raise ValueError(f"{name} in the state has shape {tensor.shape}, but must have {place.shape}")
                place[...] = tensor.to(device=device_of(place), dtype=place.dtype).array
                tensor.array = place
            member.kept[name] = tensor, place

    def _place(self, member: Member, number: int, name: str, first: Buffer) -> Array:
        """Where one buffer of a member belongs."""
        if isinstance(first, Scalar):
            whole = self.steps
            if name != "step":
                whole = self._numbers.setdefault(name, np.zeros(len(self.members), np.float32))
            return whole[number : number + 1].reshape(())
        p = member.parameter.array
        if isinstance(first, Block):
            return backend_of(p).full(first.shape, 0, p.dtype, device_of(p))
        if name not in self._flat:
            if member.slot is None:
                self._flat[name] = backend_of(p).full((self._starts[-1],), 0, p.dtype, device_of(p))
            else:
                self._flat[name] = vector(self._starts[-1], p.dtype, p)
                self._flat[name].fill(0)
        return self._flat[name][self._starts[number] : self._starts[number + 1]].reshape(p.shape)

    def alike(self, first: int, last: int) -> Iterable[tuple[int, int]]:
        """A range of members, cut into ranges with the same `step` and Scalars."""
        columns = [self.steps[first:last], *(numbers[first:last] for numbers in self._numbers.values())]
        if last - first == 1 or all((column == column[0]).all() for column in columns):
            return ((first, last),)
        rows = list(zip(*(column.tolist() for column in columns)))
        same = [list(range_) for _, range_ in groupby(range(len(rows)), key=rows.__getitem__)]
        return [(first + range_[0], first + range_[-1] + 1) for range_ in same]

    def cut(self, first: int, last: int) -> tuple[Array, Array, dict[str, Array]]:
        """Values, gradients and buffers of a range of members, flat."""
        start, stop = self._starts[first], self._starts[last]
        names = [name for name in self.members[first].kept if name in self._flat]
        buffers = {name: self._flat[name][start:stop] for name in names}
        return self._values[start:stop], self._gradients[start:stop], buffers

    def sizes(self, first: int, last: int) -> tuple[int, ...]:
        """The sizes of a range of members."""
        return tuple(stop - start for start, stop in pairwise(self._starts[first : last + 1]))

    def buffers(self, number: int) -> dict[str, Array]:
        """The buffers of one member, in their shapes, without Scalars."""
        kept = self.members[number].kept
        return {name: array for name, (_, array) in kept.items() if name != "step" and name not in self._numbers}

    def scalars(self, number: int) -> dict[str, Array]:
        """Copies of the Scalars of one member, without `step`."""
        kept = self.members[number].kept
        return {name: kept[name][1].copy() for name in self._numbers if name in kept}

    def count(self, first: int, last: int, step: int, scalars: Mapping[str, Array]) -> None:
        """Note that a range of members was updated, and what their Scalars are now."""
        self.steps[first:last] = step
        for name, number in scalars.items():
            self._numbers[name][first:last] = number
        for member in self.members[first:last]:
            if member.parameter._version is not None:
                member.parameter._version[0] += 1
