"""A library on a device. gpudl and PyTorch have the same names, so one program measures both."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from typing import Any

import gpudl
from gpudl.backend.clocks import timed_event
from gpudl.backend.device import synchronize
from gpudl.bench.case import Part
from gpudl.bench.timing import Lap, Sample

_OCCUPIED = 4096
"""Rows and columns of a product that keeps a device busy: some milliseconds."""
_DOUBLED, _QUEUED = 7, 3
"""How often the number of products is doubled, and the runs behind each number of them."""


class Library:
    """Where cases are made and run.

    Args:
        lib: the package, gpudl or torch.
        place: its device.
        wait: returns when the device has done all it was given.
        event: makes an event with the device's time, or None.
        within: a context in which the device is the current one.
        now: the host's clock, in seconds.
    """

    def __init__(
        self,
        lib: Any,
        place: Any,
        wait: Callable[[], object],
        event: Callable[[], Any],
        within: Callable[[], AbstractContextManager[Any]] = nullcontext,
        now: Callable[[], float] = time.perf_counter,
    ):
        self.lib, self.place, self.wait, self._event, self._within, self._now = lib, place, wait, event, within, now

    def lap(self, program: Callable[[], object], number: int) -> Lap:
        """Run a program so many times, nothing else being under way."""
        with self._within():
            begin, end = self._event(), self._event()
            self.wait()
            start = self._now()
            if begin is not None:
                begin.record()
            for _ in itertools.repeat(None, number):
                program()
            if end is not None:
                end.record()
            returned = self._now()
            self.wait()
            done = self._now()
            device = None if begin is None else begin.elapsed_time(end) / 1000
        return Lap(done - start, returned - start, device)

    def sample(self, part: Part) -> Sample:
        """What runs a part so many times."""
        if not part.says:
            return partial(self.lap, part.program)

        program: Any = part.program

        def sample(number: int) -> Lap:
            seconds = sum(float(program()) for _ in range(number))
            return Lap(seconds, seconds, None)

        return sample

    def busy(self, program: Callable[[], object]) -> float | None:
        """Seconds for which the device works for one run, by its own clock, without any wait for the host.

        For that it is given so much to do first that all of the run is in its queue before the run begins. None without
        a clock, or where that cannot be: the program waits for the device, or asks for more than a queue holds.
        """
        if self._event() is None:
            return None
        with self._within(), self.lib.no_grad():
            matrix = self.lib.full((_OCCUPIED, _OCCUPIED), 1.0 / _OCCUPIED, device=self.place)
        for doubled in range(_DOUBLED):
            found = [self._queued(program, matrix, 2**doubled) for _ in range(_QUEUED)]
            known = [seconds for seconds in found if seconds is not None]
            if known:
                return statistics.median(known)
        return None

    def _queued(self, program: Callable[[], object], matrix: Any, before: int) -> float | None:
        """Seconds of one run behind so many products of the matrix; None if those ended before all was in the queue."""
        with self._within():
            begin, end = self._event(), self._event()
            self.wait()
            with self.lib.no_grad():
                for _ in range(before):
                    self.lib.matmul(matrix, matrix)
            begin.record()
            program()
            end.record()
            in_time = not begin.query()
            self.wait()
            return begin.elapsed_time(end) / 1000 if in_time else None

    def counts(self, program: Callable[[], object]) -> dict[str, int]:
        """What one run asks an emulated device for. The counts of a first run, which uploads tables, do not count."""
        from gpudl.sim import counting

        program()
        self.wait()
        with counting() as found:
            program()
        return asdict(found)


def gpudl_on(place: gpudl.Device) -> Library:
    """gpudl on a device that can be used here."""
    for wing in ("nn.functional", "optim", "models"):
        importlib.import_module(f"gpudl.{wing}")

    def within() -> AbstractContextManager[Any]:
        return nullcontext() if place.index is None else gpudl.cuda.device(place)

    return Library(gpudl, place, lambda: synchronize(place), lambda: timed_event(place), within)


@contextlib.contextmanager
def seeded(lib: Any, seed: int) -> Iterator[None]:
    """The random numbers of a library, gpudl or torch, begin at a seed; afterwards they go on as if none were drawn."""
    state = lib.get_rng_state()
    lib.manual_seed(seed)
    try:
        yield
    finally:
        lib.set_rng_state(state)
