"""Workers of a DataLoader that are processes: spawned, never forked, so that CUDA in the program does not matter."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import shutil
import signal
import time
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from gpudl.data.fetch import Recipe
from gpudl.data.pool import Answer, Pool
from gpudl.data.process_worker import CONTROL, START, Order, Setup, main
from gpudl.data.shared_files import Inbox, Outbox, make_folder, new_file
from gpudl.data.workers import STARTING, Job, WorkerError, note
from gpudl.random import initial_seed

_LOOK = 1.0  # seconds after which a pool that waits looks whether all are alive
_PATIENCE = 5.0  # seconds for which a pool that is closed waits for its processes, before it kills them


class ProcessPool(Pool):
    """Processes, each at a pipe of its own: one that is killed leaves no lock behind.

    Args:
        recipe: what they make; it is pickled.
        count: how many.
        seed: of WorkerInfo.
        init: called in each with its number; None for nothing.
    Raises: what pickling raises, with a note.
    """

    def __init__(self, recipe: Recipe, count: int, seed: int, init: Callable[[int], Any] | None):
        folder = make_folder()
        connections: list[Any] = []
        processes: list[Any] = []
        control = memoryview(new_file(os.path.join(folder, CONTROL), 8 * (1 + 2 * count))).cast("q")
        super().__init__(count, control)
        self._stopping = weakref.finalize(self, _stop, control, connections, processes, folder)
        self._inboxes = [Inbox(folder) for _ in range(count)]
        self._connections, self._processes = connections, processes
        try:
            parcel = Outbox(folder, "dataset").pack((recipe, init))
        except Exception as error:
            self.close()
            fix = "define functions and classes at the top of a module, or give workers='thread'"
            note(error, f"DataLoader: the dataset, collate_fn and worker_init_fn are pickled for processes; {fix}")
            raise
        spawning = multiprocessing.get_context("spawn")
        for worker in range(count):
            mine, its = spawning.Pipe()
            process = spawning.Process(target=main, args=(its,), name=f"DataLoader worker {worker}", daemon=True)
            process.start()
            its.close()  # so that the end of the process is the end of the pipe
            connections.append(mine)
            processes.append(process)
            self._write(worker, Setup(folder, worker, count, (seed + worker) % 2**64, parcel))

    def _write(self, worker: int, message: Any) -> None:
        with contextlib.suppress(OSError):  # it is dead, which is told when its answers are read
            self._connections[worker].send_bytes(pickle.dumps(message))

    def _send(self, worker: int, job: Job) -> None:
        self._write(worker, Order(job, initial_seed(), self._inboxes[worker].freed()))

    def _receive(self, timeout: float | None) -> list[Answer]:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _LOOK if end is None else min(_LOOK, max(0.0, end - time.monotonic()))
            answers = []
            readable = wait(self._connections, left)
            for worker, connection in enumerate(self._connections):
                if connection in readable:
                    answers += self._read(worker, connection)
            if answers:
                return answers
            # A process is dead without the end of its pipe being seen if a child of its own holds the pipe.
            for worker, process in enumerate(self._processes):
                if process.exitcode is not None:
                    self._mourn(worker)
            if left < _LOOK:
                return answers

    def _read(self, worker: int, connection: Connection) -> list[Answer]:
        found = []
        try:
            while connection.poll():
                found.append(connection.recv_bytes())
        except (EOFError, OSError):
            if not found:
                self._mourn(worker)
        return [self._opened(pickle.loads(each)) for each in found]

    def _opened(self, answer: Answer) -> Answer:
        if answer.kind == "batch":
            return answer._replace(value=self._inboxes[answer.worker].unpack(answer.value))
        if answer.kind == "error":
            answer = answer._replace(value=answer.value.error())
            if answer.number == START:
                self.broken = True
                note(answer.value, f"DataLoader: {self._name(answer.worker)} could not unpickle what it was given")
                raise answer.value
        return answer

    def _mourn(self, worker: int) -> None:
        """Raise the error for a worker that has ended by itself."""
        self.broken = True
        process = self._processes[worker]
        process.join(_PATIENCE)
        code = process.exitcode
        if code == 1 and self._control[2 + 2 * worker] == STARTING:
            hint = (
                "what it printed says why. A script that uses workers='process' must start its work under "
                "if __name__ == '__main__':, since each process imports it"
            )
        elif code == -getattr(signal, "SIGKILL", 0):
            hint = "often the system does that when memory runs out: use fewer workers, or smaller batches"
        else:
            hint = "what it printed may say why; with num_workers=0 it happens in the program itself"
        raise WorkerError(f"DataLoader: {self._doing_at_the_end(worker, code)}; {hint}")

    def _doing_at_the_end(self, worker: int, code: int | None) -> str:
        ended = f"ended with exit code {code}"
        if code is not None and code < 0:
            try:
                ended = f"was killed by {signal.Signals(-code).name}"
            except ValueError:
                ended = f"was killed by signal {-code}"
        return f"{self.where(worker)}, {ended}"

    def _name(self, worker: int) -> str:
        return f"worker {worker} (process {self._processes[worker].pid})"


def _stop(
    control: memoryview, connections: list[Connection], processes: list[Any], folder: str, kill: bool = False
) -> None:
    """End the processes: those that do not come out of the dataset in time are killed."""
    control[0] = -1
    if not kill:
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.send_bytes(pickle.dumps(None))
    for connection in connections:
        connection.close()  # so that none waits to give an answer that nobody reads
    for worker, process in enumerate(processes):
        if control[2 + 2 * worker] == STARTING:
            process.terminate()  # there is nothing yet that it could leave half done
    end = time.monotonic() + (0 if kill else _PATIENCE)
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
        if process.is_alive():
            process.kill()
    for process in processes:
        process.join(_PATIENCE)
    shutil.rmtree(folder, ignore_errors=True)
