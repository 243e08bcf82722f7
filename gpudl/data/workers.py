"""What worker threads and worker processes have in common."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple


class WorkerInfo(NamedTuple):
    """The worker that makes samples.

    Attributes:
        id: its number, 0 <= id < num_workers.
        num_workers: how many there are.
        seed: a number that is another one for each worker, for random numbers of a library's own.
        dataset: the dataset, in this worker; threads all have the same one.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


class WorkerError(RuntimeError):
    """A worker of a DataLoader was killed, could not start, or took longer than `timeout`."""


class Stale(Exception):
    """The batch that is being made is not wanted any more."""


class _Here(threading.local):
    info: WorkerInfo | None = None


_here = _Here()
_process: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The worker that calls this, None outside of one. An IterableDataset asks for it to give each worker its part."""
    return _process if _here.info is None else _here.info


def become(info: WorkerInfo, *, whole_process: bool) -> None:
    """Make this thread a worker, or all threads of this process one."""
    global _process
    if whole_process:
        _process = info
    else:
        _here.info = info


class _Note(Exception):
    """Says more of the exception whose cause it is, where there are no notes: before Python 3.11."""


def note(error: BaseException, text: str) -> None:
    """Add a line to what is printed of an exception."""
    if hasattr(error, "add_note"):
        error.add_note(text)
    else:
        cause = _Note(text)
        cause.__cause__ = error.__cause__
        error.__cause__ = cause


class Job(NamedTuple):
    """A batch to make.

    Attributes:
        serial: number of the pass over the data, counted by the pool.
        number: of the batch in the pass, as it was given out.
        epoch, seed: of the draws.
        chunk: the indices.
        skip: do not make it, go past it.
    """

    serial: int
    number: int
    epoch: int
    seed: int
    chunk: Any
    skip: bool


# What a control block holds, in 64-bit numbers: the pass that is going on, then for each worker the number of the
# batch that it makes, and the place of the sample in it or what else it does.
IDLE, STARTING = -2, -3


class Progress:
    """Where a worker is, as all can see it; and whether what it does is still wanted.

    Args:
        control: the pool's block, memory that is shared with it.
        worker: number.
    """

    def __init__(self, control: memoryview, worker: int):
        self._control = control
        self._slot = 1 + 2 * worker
        self._serial = 0

    def start(self, job: Job) -> None:
        """A batch is begun."""
        self._serial = job.serial
        self._control[self._slot] = job.number

    def __call__(self, place: int) -> None:
        """A sample, or the collating, is begun. Raises: Stale if the batch is not wanted any more."""
        if self._control[0] != self._serial:
            raise Stale
        self._control[self._slot + 1] = place

    def idle(self) -> None:
        """The worker waits."""
        self._control[self._slot + 1] = IDLE
