"""Workers that make batches: what threads and processes have in common."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from gpudl.data.fetch import COLLATING, END, Fetcher, Recipe, listed
from gpudl.data.workers import IDLE, STARTING, Job, Progress, Stale

Kind = Literal["batch", "end", "skipped", "stale", "error"]


class Answer(NamedTuple):
    """What became of a job: its batch, or the exception."""

    worker: int
    serial: int
    number: int
    kind: Kind
    value: Any


class Maker:
    """What a worker does, thread or process: makes the batch of one job after the other.

    Args:
        worker: its number.
        recipe: of the batches.
        init: called with the number before the first job; None for nothing.
        progress: where it says what it is at.
    """

    def __init__(self, worker: int, recipe: Recipe, init: Callable[[int], Any] | None, progress: Progress):
        self._worker, self._recipe, self._init, self._progress = worker, recipe, init, progress
        self._fetcher: Fetcher | None = None
        self._serial = 0

    def __call__(self, job: Job) -> Answer:
        """The batch of a job. No exception leaves this."""
        kind: Kind = "batch"
        value: Any = None
        try:
            if self._init is not None:
                self._init(self._worker)
                self._init = None
            if job.serial != self._serial:
                self._fetcher = self._recipe.fetcher(job.epoch, job.seed, self._progress)
                self._serial = job.serial
            self._progress.start(job)
            assert self._fetcher is not None
            value = self._fetcher.make(job.chunk, job.skip)
            if value is END:
                kind, value = "end", None
            elif job.skip:
                kind = "skipped"
        except Stale:
            kind = "stale"
        except BaseException as error:
            kind, value = "error", error
        self._progress.idle()
        return Answer(self._worker, job.serial, job.number, kind, value)


class Pool:
    """Workers, and the jobs that they have.

    Args:
        count: how many.
        control: the block in which they say where they are; see Progress.
    Attributes:
        loads: for each worker, how many jobs it has.
        broken: a worker is dead or stuck, so that the pool can only be closed.
    """

    loads: list[int]
    broken: bool

    def __init__(self, count: int, control: memoryview):
        self.count = count
        self.loads = [0] * count
        self.broken = False
        self._control = control
        self._serial = 0
        self._given: dict[int, tuple[int, Job]] = {}  # number -> worker and job
        for worker in range(count):
            control[2 + 2 * worker] = STARTING
        self._stopping: weakref.finalize[..., Any] | None = None

    def begin(self) -> None:
        """Start a pass over the data. What is left of the one before is not wanted any more."""
        self._serial += 1
        self._control[0] = self._serial
        self._given.clear()

    def abandon(self) -> None:
        """End the pass; workers leave the batches that they are at."""
        self._control[0] = -1
        self._given.clear()

    def give(self, worker: int, number: int, epoch: int, seed: int, chunk: Any, skip: bool) -> None:
        """A job for a worker; `number` counts them in this pass."""
        job = Job(self._serial, number, epoch, seed, chunk, skip)
        self._given[number] = worker, job
        self.loads[worker] += 1
        self._send(worker, job)

    def collect(self, timeout: float | None) -> list[Answer]:
        """Answers that have come, at least one unless `timeout` seconds go by before; None for any time.

        Raises: WorkerError if a worker has died; what a process raised where it could not start.
        """
        answers = self._receive(timeout)
        for answer in answers:
            self.loads[answer.worker] -= 1
            if answer.serial == self._serial:
                self._given.pop(answer.number, None)
        return [answer for answer in answers if answer.serial == self._serial and answer.kind != "stale"]

    def holder(self, number: int) -> int:
        """The worker that has a job, or one that has other work to end before it can be given out."""
        return self._given[number][0] if number in self._given else self.loads.index(max(self.loads))

    def where(self, worker: int) -> str:
        """A worker by its name, and what it is at."""
        return f"{self._name(worker)}, {self._doing(worker)}"

    def _doing(self, worker: int) -> str:
        number, place = self._control[1 + 2 * worker], self._control[2 + 2 * worker]
        if place == STARTING:
            return "which has not started yet"
        _, job = self._given.get(number, (worker, None))
        if place == IDLE or job is None:
            return "which is at no sample"
        if job.chunk is None:
            return f"which makes sample {place}" if place != COLLATING else f"which collates batch {number}"
        if place == COLLATING:
            return f"which makes or collates a batch of the samples {listed(job.chunk)}"
        return f"which makes sample {job.chunk[place] if hasattr(job.chunk, '__getitem__') else job.chunk!r}"

    def close(self) -> None:
        """Stop the workers; those of a broken pool without waiting for what they are at."""
        stopping, self._stopping = self._stopping, None
        if stopping is not None:
            found = stopping.detach()
            if found is not None:
                found[1](*found[2], kill=self.broken)

    def _send(self, worker: int, job: Job) -> None:
        """Hand a job to a worker."""
        raise NotImplementedError(f"{type(self).__name__} has no _send method")

    def _receive(self, timeout: float | None) -> list[Answer]:
        """What came from the workers, after so many seconds at most; None: wait."""
        raise NotImplementedError(f"{type(self).__name__} has no _receive method")

    def _name(self, worker: int) -> str:
        """What messages call a worker."""
        raise NotImplementedError(f"{type(self).__name__} has no _name method")
