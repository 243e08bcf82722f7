"""Medians until they are steady, in turn, by a clock that is told what to say."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from itertools import cycle

import numpy as np
import pytest

from gpudl.bench.library import Library
from gpudl.bench.timing import FEW, FULL, QUICK, Effort, Lap, Times, error_of, is_steady, ratio, spread, take


class Clock:
    """Time passes only as programs, waits and pauses take it."""

    def __init__(self) -> None:
        self.time, self.order, self.pauses = 100.0, [], []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds

    def program(self, name: str, seconds: Iterator[float]):
        def sample(number: int) -> Lap:
            self.order.append((name, number))
            took = number * next(seconds)
            self.time += took
            return Lap(took, took / 2, None)

        return sample

    def take(self, effort: Effort, pause: float = 0.0, **seconds: Sequence[float]) -> dict[str, Times]:
        samples = {name: self.program(name, cycle(values)) for name, values in seconds.items()}
        return take(samples, effort, pause=pause, now=self.now, sleep=self.sleep)


def test_a_steady_program_is_left_after_the_least_rounds() -> None:
    times = Clock().take(FULL, a=[0.02])["a"]
    assert times.runs == 1 and len(times.laps) == FULL.least and is_steady(times, FULL)
    assert times.wall == pytest.approx((0.02, 0.02, 0.02)) and times.host.median == pytest.approx(0.01)
    assert times.device is None


def test_a_noisy_program_is_measured_until_the_time_is_over() -> None:
    clock = Clock()
    times = clock.take(FULL, a=[0.01, 0.02, 0.03])["a"]
    assert not is_steady(times, FULL) and FULL.seconds <= sum(lap.wall for lap in times.laps) < FULL.seconds + 0.03
    assert times.wall.median == pytest.approx(0.02, rel=0.1)


def test_the_least_rounds_are_taken_beyond_the_time_but_not_beyond_patience() -> None:
    assert len(Clock().take(FULL, a=[0.1, 0.3])["a"].laps) == FULL.least
    assert len(Clock().take(FULL, a=[1.0, 5.0])["a"].laps) == FEW


def test_no_more_than_the_most_rounds_are_taken() -> None:
    assert len(Clock().take(FULL._replace(most=12, seconds=1e9, patience=1e9), a=[0.01, 0.05])["a"].laps) == 12


def test_noise_that_evens_out_ends_when_the_median_is_steady() -> None:
    times = Clock().take(FULL._replace(seconds=1e9), a=[0.0101, 0.0100, 0.0099])["a"]
    assert FULL.least <= len(times.laps) < 40 and is_steady(times, FULL)


@pytest.mark.parametrize("seconds", [1e-6, 7e-6, 1e-3])
def test_short_programs_are_run_often_in_a_sample(seconds: float) -> None:
    clock = Clock()
    times = clock.take(FULL, a=[seconds])["a"]
    assert times.runs * seconds == pytest.approx(FULL.sample, rel=0.1)
    assert times.wall.median == pytest.approx(seconds)
    assert {number for _, number in clock.order[-FULL.least :]} == {times.runs}


def test_quick_is_three_rounds() -> None:
    assert len(Clock().take(QUICK, a=[0.5, 0.1])["a"].laps) == 3


def test_programs_take_turns_and_turn_around_with_a_pause_before_each() -> None:
    clock = Clock()
    times = clock.take(QUICK._replace(sample=0.0), pause=0.25, a=[1.0], b=[2.0])
    assert "".join(name for name, _ in clock.order) == "ab" + "ab" + "abbaab"  # first runs, a lost round, three rounds
    assert clock.pauses == [0.25] * 6 and times["a"].wall.median == 1.0 and times["b"].wall.median == 2.0


def test_one_program_needs_no_pause() -> None:
    clock = Clock()
    clock.take(QUICK, pause=0.25, a=[1.0])
    assert clock.pauses == []


def test_both_programs_must_be_steady() -> None:
    times = Clock().take(FULL._replace(most=30, seconds=1e9), a=[0.01], b=[0.01, 0.09])
    assert len(times["a"].laps) == len(times["b"].laps) == 30


def test_the_ratio_is_of_rounds_so_that_what_slows_both_does_not_count() -> None:
    slow = [1.0, 9.0, 2.0, 30.0]
    mine = Times(1, [Lap(2.0 * each, 0.0, None) for each in slow])
    other = Times(1, [Lap(1.0 * each, 0.0, None) for each in slow])
    assert ratio(mine, other) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_spread_is_the_median_and_the_quartiles(count: int) -> None:
    values = np.random.default_rng(0).random(count)
    assert spread(values) == pytest.approx(np.percentile(values, [50, 25, 75]))


def test_the_error_of_a_median_is_the_notch_of_a_box_plot() -> None:
    assert error_of([1.0, 2.0, 3.0, 4.0]) == pytest.approx(1.57 * 1.5 / 2 / 2.5)
    assert error_of([3.0] * 5) == 0.0 and error_of([0.0] * 5) == 0.0


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_off_inside_and_as_before_afterwards(enabled: bool) -> None:
    seen = []

    def sample(number: int) -> Lap:
        seen.append(gc.isenabled())
        if len(seen) == 6:
            raise RuntimeError("stop")
        return Lap(1.0, 1.0, None)

    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(RuntimeError, match="stop"):
            take({"a": sample}, FULL._replace(sample=0.0))
        assert gc.isenabled() is enabled and seen[-4:] == [False] * 4
    finally:
        (gc.enable if before else gc.disable)()


def test_a_lap_waits_before_and_after_and_tells_the_host_from_the_device() -> None:
    clock, said = Clock(), []

    class Event:
        def record(self) -> None:
            said.append("mark")

        def elapsed_time(self, end: object) -> float:
            assert isinstance(end, Event) and end is not self
            return 40.0  # milliseconds

    def wait() -> None:
        said.append("wait")
        clock.time += 5.0

    def program() -> None:
        said.append("run")
        clock.time += 0.5

    lap = Library(None, None, wait, Event, now=clock.now).lap(program, 4)
    assert said == ["wait", "mark", *["run"] * 4, "mark", "wait"]
    assert lap == pytest.approx((7.0, 2.0, 0.04))
    assert Library(None, None, wait, lambda: None, now=clock.now).lap(program, 1).device is None
