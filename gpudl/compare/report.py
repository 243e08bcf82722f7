"""What a comparison found."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gpudl.compare.implicit import Implicit
from gpudl.compare.measure import Difference
from gpudl.compare.place import Place
from gpudl.compare.tolerances import loss_tolerance


@dataclass(frozen=True)
class OpRow:
    """One operation in one direction, run on each device on the same inputs; or the steps of an optimizer.

    Attributes:
        op: its name; the optimizer's.
        direction: "forward", "backward" or "step".
        layer: path of the layer that called it; "" for the model itself, "loss" for the loss. Of a step, the parameter
            that is farthest, as in "head.weight", or that part of its state, as in "head.weight (exp_avg)".
        where: file and line of the user's call; None where there is no user's code between the layers.
        family: of gpudl.compare.tolerances; what is allowed depends on it.
        dtype: the coarsest floating dtype among its inputs.
        differences: by device, from the float64 reference.
        notes: by device, why there is no difference; of the reference too, by "float64".
        seconds: by device, the median time of a call, where it was asked for.
    """

    op: str
    direction: str
    layer: str
    where: Place | None
    family: str
    dtype: str
    differences: dict[str, Difference]
    notes: dict[str, str]
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "op": self.op,
            "direction": self.direction,
            "layer": self.layer,
            "file": None if self.where is None else self.where[0],
            "line": None if self.where is None else self.where[1],
            "family": self.family,
            "dtype": self.dtype,
            "devices": {name: {**each.to_dict(), "departs": each.departs} for name, each in self.differences.items()},
            "not_compared": self.notes,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class LayerRow:
    """One layer, in a run of the whole model on each device: with what all layers before it have added.

    Attributes:
        path: its name in the model; "" for the model itself, "loss" for the loss.
        type: its class.
        forward: by device, how far its results are from those of the model in float64.
        backward: the same of the gradients of its results and of its own parameters; without devices that had none.
    """

    path: str
    type: str
    forward: dict[str, Difference]
    backward: dict[str, Difference]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        both = {"forward": self.forward, "backward": self.backward}
        plain = {name: {device: _plain(each) for device, each in found.items()} for name, found in both.items()}
        return {"path": self.path, "type": self.type, **plain}


@dataclass(frozen=True)
class Curves:
    """The losses of the first steps of a training.

    Attributes:
        losses: by device, before each step.
        tolerance: how far they may be apart, as a share of the larger; None for what gpudl/PARITY.md publishes.
        dtype: of the weights; what is published depends on it.
    """

    losses: dict[str, tuple[float, ...]]
    tolerance: float | None = None
    dtype: str = "float32"

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(next(iter(self.losses.values())))

    @property
    def share(self) -> str:
        """Of what the losses may be apart by a share."""
        return "1 + the loss" if self.tolerance is None else "the larger"

    def allowed(self, step: int) -> float:
        """How far the losses before a step, counted from 1, may be apart."""
        return loss_tolerance(self.dtype, step) if self.tolerance is None else self.tolerance

    def apart(self, step: int) -> float:
        """How far the losses before a step, counted from 1, are apart: the largest share, of what `share` says."""
        first, *others = (losses[step - 1] for losses in self.losses.values())
        sizes = [1 + abs(first) if self.tolerance is None else max(abs(first), abs(other)) for other in others]
        return max((_apart(first, other, size) for other, size in zip(others, sizes)), default=0.0)

    @property
    def parted(self) -> int | None:
        """The first step, counted from 1, before which the losses are too far apart; None if they never are."""
        return next((step for step in range(1, self.steps + 1) if self.apart(step) > self.allowed(step)), None)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "losses": {name: list(losses) for name, losses in self.losses.items()},
            "tolerance": self.tolerance,
            "allowed": [self.allowed(step) for step in range(1, self.steps + 1)],
            "parted": self.parted,
        }


@dataclass(frozen=True)
class Comparison:
    """What compare_devices found. Its str is the report.

    Attributes:
        name: of the model.
        devices: which were compared.
        batch: the first length of the first input; None without one.
        seed: of all random numbers.
        tolerance: a factor on what operations are allowed.
        ops: a row for each operation and direction, in the order in which they ran.
        layers: a row for each layer, in the order of their first calls.
        no_layers: why there are no differences of layers; None where there are.
        curves: None where no steps were asked for.
        implicit: by device, what gpudl.strict would forbid: in the steps, or in the one batch where there are none.
        counts: by emulated device, what forward and backward of the batch asked of it: launches, copies, and so on.
        notes: what took no part, a sentence each.
    """

    name: str
    devices: tuple[str, ...]
    batch: int | None
    seed: int
    tolerance: float
    ops: tuple[OpRow, ...]
    layers: tuple[LayerRow, ...]
    no_layers: str | None
    curves: Curves | None
    implicit: dict[str, tuple[Implicit, ...]]
    counts: dict[str, dict[str, int]]
    notes: tuple[str, ...] = ()

    def departures(self) -> Iterator[tuple[OpRow, str]]:
        """The rows of operations that depart, and on which device, in the order in which they ran."""
        for row in self.ops:
            for device, found in row.differences.items():
                if found.departs:
                    yield row, device

    @property
    def first_departure(self) -> tuple[OpRow, str] | None:
        """The first operation that departs, and on which device; None if none does."""
        return next(self.departures(), None)

    @property
    def agrees(self) -> bool:
        """Whether no operation departs and the losses stay together."""
        return self.first_departure is None and (self.curves is None or self.curves.parted is None)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values; `format` counts up when their meaning changes."""
        first = self.first_departure
        return {
            "format": 1,
            "name": self.name,
            "devices": list(self.devices),
            "batch": self.batch,
            "seed": self.seed,
            "tolerance": self.tolerance,
            "agrees": self.agrees,
            "first_departure": None if first is None else {"device": first[1], **first[0].to_dict()},
            "ops": [row.to_dict() for row in self.ops],
            "layers": [row.to_dict() for row in self.layers],
            "no_layers": self.no_layers,
            "curves": None if self.curves is None else self.curves.to_dict(),
            "implicit": {name: [each.to_dict() for each in found] for name, found in self.implicit.items()},
            "counts": self.counts,
            "notes": list(self.notes),
        }

    def text(self, every: bool = False) -> str:
        """The report.

        Args:
            every: with a row for each operation and step, not only for the farthest of each name and those that depart.
        """
        from gpudl.compare.table import text_of

        return text_of(self, every)

    def markdown(self, every: bool = False) -> str:
        """The report as Markdown; `every` as for text."""
        from gpudl.compare.table import markdown_of

        return markdown_of(self, every)

    def html(self) -> str:
        """The report as one page that needs nothing else: with charts, and a row for each operation."""
        from gpudl.compare.html import html_of

        return html_of(self)

    def __str__(self) -> str:
        return self.text()


def _plain(found: Difference) -> dict[str, Any]:
    return {name: value for name, value in found.to_dict().items() if name != "excess"}


def _apart(one: float, other: float, size: float) -> float:
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0.0
    apart = abs(one - other) / size
    return apart if math.isfinite(apart) else math.inf
