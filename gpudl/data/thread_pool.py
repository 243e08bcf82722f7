"""Workers of a DataLoader that are threads: they share the dataset, and run beside each other in NumPy and in I/O."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from gpudl.data.fetch import Recipe
from gpudl.data.pool import Answer, Maker, Pool
from gpudl.data.workers import Job, Progress, WorkerInfo, become

_PATIENCE = 5.0  # seconds for which a pool that is closed waits for its threads to come out of the dataset

_Jobs = queue.SimpleQueue[Job | None]
_Answers = queue.SimpleQueue[Answer]


class ThreadPool(Pool):
    """Threads, each with a queue of its own.

    Args:
        recipe: what they make.
        count: how many.
        seed: of WorkerInfo.
        init: called in each with its number; None for nothing.
    """

    def __init__(self, recipe: Recipe, count: int, seed: int, init: Callable[[int], Any] | None):
        control = memoryview(bytearray(8 * (1 + 2 * count))).cast("q")
        super().__init__(count, control)
        self._queues: list[_Jobs] = [queue.SimpleQueue() for _ in range(count)]
        self._answers: _Answers = queue.SimpleQueue()
        threads = []
        for worker, jobs in enumerate(self._queues):
            info = WorkerInfo(worker, count, (seed + worker) % 2**64, recipe.dataset)
            maker = Maker(worker, recipe, init, Progress(control, worker))
            # Daemons, as a thread that never comes out of the dataset must not keep the program from its end.
            threads.append(threading.Thread(target=_work, args=(info, maker, jobs, self._answers), daemon=True))
            threads[-1].name = f"DataLoader worker {worker}"
        self._stopping = weakref.finalize(self, _stop, control, self._queues, threads)
        for thread in threads:
            thread.start()

    def _send(self, worker: int, job: Job) -> None:
        self._queues[worker].put(job)

    def _receive(self, timeout: float | None) -> list[Answer]:
        found: list[Answer] = []
        try:
            if timeout is None or timeout > 0:
                found.append(self._answers.get(timeout=timeout))
            while True:
                found.append(self._answers.get_nowait())
        except queue.Empty:
            return found

    def _name(self, worker: int) -> str:
        return f"worker {worker} (a thread)"


def _work(info: WorkerInfo, maker: Maker, jobs: _Jobs, answers: _Answers) -> None:
    """What a thread does. It does not know the pool, which is closed when nobody knows it any more."""
    become(info, whole_process=False)
    while (job := jobs.get()) is not None:
        answers.put(maker(job))


def _stop(control: memoryview, queues: list[_Jobs], threads: list[threading.Thread], kill: bool = False) -> None:
    control[0] = -1
    for jobs in queues:
        jobs.put(None)
    end = time.monotonic() + (0 if kill else _PATIENCE)
    for thread in threads:
        if thread.ident is not None and thread is not threading.current_thread():
            thread.join(max(0.0, end - time.monotonic()))
