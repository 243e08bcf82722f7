"""Metric: what is known of a stream of batches, kept where the batches are."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from gpudl.autograd.primitive import check_devices
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import Device
from gpudl.backend.device import device as device_named
from gpudl.backend.dtypes import float64
from gpudl.backend.errors import ShapeError
from gpudl.ops.create import tensor
from gpudl.ops.shape import cat

Self = TypeVar("Self", bound="Metric")

_BATCHES = "batches."


class Metric:
    """Base of metrics: `update` with each batch, `compute` over all of them, `reset` before the next epoch.

    A metric of your own gives `update` (under `no_grad`) and `compute`, and keeps what it needs with `add` and
    `append`; saving, moving and resetting are done. Its state is on the device of the batches, and update never waits
    for that device; compute may.

    Args:
        name: what it is called in logs; by default the class's name in snake case.
    Attributes:
        name: see above.
        state: name -> Tensor, the sums so far; empty if there was no batch since the last reset.
        batches: name -> the Tensors appended so far.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or _snake(type(self).__name__)
        self.state: dict[str, Tensor] = {}
        self.batches: dict[str, list[Tensor]] = {}
        self._device: Device | None = None

    def update(self, output: Any, target: Any) -> None:
        """Take in a batch; to be given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no update method")

    def compute(self) -> Any:
        """The metric over all batches since the last reset; to be given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no compute method")

    def so_far(self) -> Tensor | None:
        """What compute would give, for a progress bar; None where that would wait for the device, or take long."""
        return None

    def reset(self) -> None:
        """Forget all batches."""
        self.state = {}
        self.batches = {}

    def add(self, name: str, value: Tensor) -> None:
        """Add a Tensor to a sum, which begins with it. Raises: ShapeError if the sum has another shape."""
        before = self.state.get(name)
        if before is not None:
            if before.shape != value.shape:
                raise ShapeError(
                    f"{self.name}: the batches so far gave {name} of shape {before.shape}, this one {value.shape}; "
                    "reset() between data of different shapes"
                )
            value = before + value
        self.state[name] = value

    def append(self, name: str, value: Tensor) -> None:
        """Keep a copy of a Tensor beside those of the batches before. Raises: ShapeError if it does not join them."""
        kept = self.batches.setdefault(name, [])
        if kept and kept[0].shape[1:] != value.shape[1:]:
            raise ShapeError(
                f"{self.name}: the batches so far gave {name} of shape (*, {kept[0].shape[1:]}), this one "
                f"{value.shape}; reset() between data of different shapes"
            )
        check_devices(self.name, (*kept[:1], value))
        kept.append(value.detach().clone())

    def joined(self, name: str) -> Tensor:
        """All that was appended under a name, as one Tensor."""
        kept = self.batches[name]
        if len(kept) > 1:
            kept[:] = [cat(kept)]
        return kept[0]

    def to(self: Self, device: str | Device) -> Self:
        """Move the state to a device, and whatever load_state_dict brings later."""
        self._device = device_named(device)
        self.state = {name: value.to(self._device) for name, value in self.state.items()}
        self.batches = {name: [each.to(self._device) for each in kept] for name, kept in self.batches.items()}
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """The state as Tensors by name, on their device; what was appended is joined. Empty before the first batch."""
        return {**self.state, **{_BATCHES + name: self.joined(name) for name in self.batches}}

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        """Go on from what state_dict gave. Raises: TypeError for what is no Tensor."""
        for name, value in state_dict.items():
            if not isinstance(value, Tensor):
                raise TypeError(f"{self.name}: {name!r} of a state_dict must be a Tensor, got {type(value).__name__}")
        self.reset()
        for name, value in state_dict.items():
            value = value.detach() if self._device is None else value.detach().to(self._device)
            if name.startswith(_BATCHES):
                self.batches[name.removeprefix(_BATCHES)] = [value]
            else:
                self.state[name] = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class Sums(Metric):
    """Base of metrics whose compute is a few operations on sums, and checks nothing."""

    def so_far(self) -> Tensor | None:
        return self.compute() if self.state else None


def undefined(beside: Sequence[Tensor] = ()) -> Tensor:
    """nan, what a metric of no samples is, on the device of these Tensors."""
    return tensor(math.nan, dtype=float64, device=beside[0].device if beside else None)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
