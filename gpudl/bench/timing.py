"""Times that can be trusted: medians with quartiles, of as many samples as it takes until the median is steady.

A sample runs a program often enough to outweigh the clock. Programs that are compared take their samples in turn, in
an order that turns around from round to round, so that whatever slows one round slows all of them, and their ratio is
the median of the ratios within the rounds.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple


class Lap(NamedTuple):
    """What a number of runs took, in seconds.

    Attributes:
        wall: from the first call until all work was done.
        host: until the last call had returned; the device may still have been at work.
        device: by the device's own clock, from the begin of its work to the end; None for one without a clock.
    """

    wall: float
    host: float
    device: float | None


Sample = Callable[[int], Lap]
"""Runs a program so many times."""


class Spread(NamedTuple):
    """The median of some numbers, and the quartiles around it."""

    median: float
    low: float
    high: float


class Effort(NamedTuple):
    """How much is done for one figure.

    Attributes:
        sample: seconds that a sample should take at least; the number of runs in it is found for that. 0: one run.
        least, most: rounds.
        seconds: after which no further round is begun, once there are `least`.
        patience: seconds after which FEW rounds are enough.
        steady: relative error of the median at which it is steady.
    """

    sample: float
    least: int
    most: int
    seconds: float
    patience: float
    steady: float


FEW = 3
FULL = Effort(sample=0.005, least=9, most=200, seconds=0.5, patience=3.0, steady=0.01)
QUICK = Effort(sample=0.001, least=FEW, most=FEW, seconds=0.0, patience=0.0, steady=0.01)


def alone(effort: Effort) -> Effort:
    """The effort for programs that each take a process: one run in a sample, and no more rounds than needed."""
    return effort._replace(sample=0.0, least=min(effort.least, 5))


@dataclass
class Times:
    """The samples of one program.

    Attributes:
        runs: how many runs a sample has.
        laps: what each sample took, of one run.
    """

    runs: int
    laps: list[Lap] = field(default_factory=list)

    @property
    def wall(self) -> Spread:
        """Seconds of a run."""
        return spread(lap.wall for lap in self.laps)

    @property
    def host(self) -> Spread:
        """Seconds in which the host was busy with a run."""
        return spread(lap.host for lap in self.laps)

    @property
    def device(self) -> Spread | None:
        """Seconds by the device's clock; None without one."""
        known = [lap.device for lap in self.laps if lap.device is not None]
        return spread(known) if known else None


def spread(values: Iterable[float]) -> Spread:
    """The median and quartiles of one number or more."""
    known = list(values)
    low, median, high = statistics.quantiles(known, n=4, method="inclusive") if len(known) > 1 else known * 3
    return Spread(median, low, high)


def error_of(values: Iterable[float]) -> float:
    """The relative error of a median: half the notch of a box plot (McGill, Tukey and Larsen 1978) over the median."""
    known = list(values)
    median, low, high = spread(known)
    return 1.57 * (high - low) / len(known) ** 0.5 / median if median > 0 else 0.0


def ratio(mine: Times, other: Times) -> Spread:
    """How much longer mine takes than the other, of samples that were taken in turn; below 1 mine is the faster."""
    return spread(a.wall / b.wall for a, b in zip(mine.laps, other.laps, strict=True) if b.wall > 0)


def take(
    samples: Mapping[str, Sample],
    effort: Effort,
    *,
    pause: float = 0.0,
    now: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Times]:
    """Measure one program, or several in turn.

    Args:
        samples: name -> program.
        effort: how long.
        pause: seconds before each sample of several, where threads of the one before may still be spinning.
        now, sleep: the clock.
    Returns: name -> its samples; as many of each.
    """
    found = {name: Times(_runs(sample, effort.sample)) for name, sample in samples.items()}
    order = list(samples)
    with _without_collector():
        for name in order:
            samples[name](found[name].runs)  # the first one after others finds cold caches
        begin = now()
        for taken in range(effort.most):
            passed = now() - begin
            if taken >= (effort.least if passed < effort.patience else FEW) and (
                passed >= effort.seconds or all(is_steady(times, effort) for times in found.values())
            ):
                break
            for name in order:
                if len(order) > 1 and pause:
                    sleep(pause)
                times = found[name]
                times.laps.append(_divided(samples[name](times.runs), times.runs))
            order.reverse()
    return found


def is_steady(times: Times, effort: Effort) -> bool:
    """Whether more samples would hardly move the median."""
    return len(times.laps) > 1 and error_of(lap.wall for lap in times.laps) <= effort.steady


def _runs(sample: Sample, seconds: float) -> int:
    """How many runs take so long, and one at least; found after a first run, which may compile."""
    number = 1
    sample(1)
    if not seconds:
        return 1
    while (took := sample(number).wall) < seconds / 4:
        number *= 2
    return max(1, round(number * seconds / took))


def _divided(lap: Lap, runs: int) -> Lap:
    return Lap(lap.wall / runs, lap.host / runs, None if lap.device is None else lap.device / runs)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Python's search for cycles would fall into single samples, as in timeit."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
