"""A chart before it is drawn: its values, axes and words."""

from __future__ import annotations

from dataclasses import dataclass

from gpudl.train.report.numbers import Axis

KINDS = {
    "baseline": "Against the baseline",
    "share": "Share of the limit",
    "torch": "Against PyTorch",
    "speed-up": "Speed-up",
    "crossover": "Crossover",
    "launches": "Launches",
    "memory": "Peak of memory",
}
"""What charts show, in the order in which they come."""

Piece = tuple[float, float, str]
"""Of a bar: from, to, and its look: "solid" or "hatched"."""


@dataclass(frozen=True)
class Bar:
    """A row of a chart.

    Attributes:
        group: under whose heading it stands; "" for none.
        label, part: what was measured.
        hint: its sizes, and what else helps.
        pieces: what is drawn, in values of the axis.
        text: its value.
        whisker: the quartiles of its end; None where there are none.
    """

    group: str
    label: str
    part: str
    hint: str
    pieces: tuple[Piece, ...]
    text: str
    whisker: tuple[float, float] | None = None


@dataclass(frozen=True)
class Chart:
    """What all charts have.

    Attributes:
        kind: of KINDS.
        subject: of what, such as the device.
        said: how it is read.
        across: what the axis along x is of, with its unit.
        along: that axis.
    """

    kind: str
    subject: str
    said: str
    across: str
    along: Axis

    @property
    def title(self) -> str:
        """Kind and subject."""
        return f"{KINDS[self.kind]}: {self.subject}"


@dataclass(frozen=True)
class BarChart(Chart):
    """Bars along one axis.

    Attributes:
        key: look -> what it stands for.
        mark: a value that is drawn as a line over all bars: the limit, or as fast as the other; None for none.
        bars: one or more.
        mean: the geometric mean of ratios; None for other values.
    """

    key: dict[str, str]
    mark: float | None
    bars: tuple[Bar, ...]
    mean: float | None = None

    @property
    def looks(self) -> set[str]:
        """Those that can be seen."""
        return {look for bar in self.bars for start, end, look in bar.pieces if end > start}


@dataclass(frozen=True)
class CurveChart(Chart):
    """Samples a second over batch sizes, both logarithmic; a curve for each device.

    Attributes:
        upward, up: what the axis along y is of, and that axis.
        curves: device -> (batch size, samples a second), batch sizes rising.
        crossing: from which batch on which device is the faster; "" if none is.
    """

    upward: str
    up: Axis
    curves: dict[str, list[tuple[float, float]]]
    crossing: str
