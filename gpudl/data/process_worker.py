"""What a worker process of a DataLoader does."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import threading
import traceback
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import NamedTuple

from gpudl.backend.cuda import forbid
from gpudl.data.pool import Answer, Maker
from gpudl.data.shared_files import Outbox, Parcel, open_file, unpack_private
from gpudl.data.workers import Job, Progress, WorkerError, WorkerInfo, become, note
from gpudl.random import manual_seed

CONTROL = "control"
"""The name of the file with the control block."""

START = -1
"""In place of the number of a batch: an error came before the first one."""


class Setup(NamedTuple):
    """What a worker is told when it starts.

    Attributes:
        folder: of the shared files.
        worker, workers: its number, and how many there are.
        seed: of WorkerInfo.
        parcel: the recipe of batches, and worker_init_fn.
    """

    folder: str
    worker: int
    workers: int
    seed: int
    parcel: Parcel


class Order(NamedTuple):
    """A job, with what else a process has to know.

    Attributes:
        job: the job.
        seed: of the program, which gpudl.manual_seed may have set anew.
        freed: names of this worker's files that it may write again.
    """

    job: Job
    seed: int
    freed: list[str]


class Failure(NamedTuple):
    """An exception of another process.

    Attributes:
        pickled: None if it cannot be.
        name: its type and message.
        text: its traceback.
    """

    pickled: bytes | None
    name: str
    text: str

    def error(self) -> BaseException:
        """The exception, of its own type if that can be pickled, with its traceback there as text."""
        try:
            error = None if self.pickled is None else pickle.loads(self.pickled)
        except Exception:
            error = None
        if not isinstance(error, BaseException):
            error = WorkerError(f"DataLoader: a worker raised what cannot be pickled: {self.name}")
        note(error, f"In the worker process:\n{self.text}")
        return error


def failure(error: BaseException) -> Failure:
    """An exception as it can be sent."""
    name = traceback.format_exception_only(type(error), error)[0].strip()
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
    try:
        pickled = pickle.dumps(error)
        pickle.loads(pickled)
    except Exception:
        return Failure(None, name, text)
    return Failure(pickled, name, text)


def main(connection: Connection) -> None:
    """Make batches until told to stop, or the program is gone."""
    # Ctrl-C reaches every process of a terminal. It is the program that ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    forbid("this is a worker process of a DataLoader, which has NumPy only; give workers='thread', or data on the CPU")
    setup: Setup = pickle.loads(connection.recv_bytes())
    threading.Thread(target=_watch, args=(setup.folder,), daemon=True).start()
    control = memoryview(open_file(os.path.join(setup.folder, CONTROL))).cast("q")
    outbox = Outbox(setup.folder, str(setup.worker))
    try:
        recipe, init = unpack_private(setup.folder, setup.parcel)
        become(WorkerInfo(setup.worker, setup.workers, setup.seed, recipe.dataset), whole_process=True)
        maker = Maker(setup.worker, recipe, init, Progress(control, setup.worker))
    except BaseException as error:
        return _send(connection, Answer(setup.worker, 0, START, "error", failure(error)))
    seed = None
    while (order := _received(connection)) is not None:
        if order.seed != seed:
            seed = order.seed
            manual_seed(seed)
        outbox.freed(order.freed)
        answer = maker(order.job)
        if answer.kind == "batch":
            try:
                answer = answer._replace(value=outbox.pack(answer.value))
            except Exception as error:
                note(error, f"DataLoader: a batch of type {type(answer.value).__name__} must go to another process")
                answer = answer._replace(kind="error", value=error)
        if answer.kind == "error":
            answer = answer._replace(value=failure(answer.value))
        _send(connection, answer)
    return None


def _send(connection: Connection, answer: Answer) -> None:
    with contextlib.suppress(OSError):  # the program is gone, or wants no more, as the next order will say
        connection.send_bytes(pickle.dumps(answer))


def _received(connection: Connection) -> Order | None:
    """The next order; None if no more come."""
    try:
        return pickle.loads(connection.recv_bytes())  # type: ignore[no-any-return]
    except (EOFError, OSError):
        return None


def _watch(folder: str) -> None:
    """End the process, whatever the dataset does, and what it shares, when the program is gone."""
    program = parent_process()
    assert program is not None
    wait([program.sentinel])
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)
