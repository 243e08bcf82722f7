"""TensorBoard: events that TensorBoard draws."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpudl.backend.device import to_host_later
from gpudl.train.callbacks.base import Callback
from gpudl.train.errors import WriteError

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer


class TensorBoard(Callback):
    """Writes the loss of single steps, and the logs and learning rates of each epoch, for TensorBoard.

    Scalars by their names, all against the steps of the optimizer: "batch/loss", "epoch/loss", "epoch/val_loss",
    "epoch/lr" and so on. Each training writes a file of its own, and TensorBoard drops what those before it had of
    later steps: all of them, unless it is resumed. The loss of a step is written when it has come from the device by
    itself: no step waits.

    Args:
        log_dir: the folder; look at it with `tensorboard --logdir log_dir`.
        every: after so many steps their loss is written; 0 for never.
    Raises: ImportError without the extra: pip install "gpudl[tensorboard]"; ValueError for a negative `every`;
        WriteError in training.
    """

    def __init__(self, log_dir: str | os.PathLike[str], every: int = 10) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 0:
            raise ValueError(f"TensorBoard: every must be an integer >= 0, got {every!r}")
        try:
            # By name, and here: TensorBoard ships no types, and is slow to import.
            self._writers = importlib.import_module("tensorboard.summary.writer.event_file_writer")
            self._events = importlib.import_module("tensorboard.compat.proto.event_pb2")
            self._summaries = importlib.import_module("tensorboard.compat.proto.summary_pb2")
        except ImportError as error:
            raise ImportError(f'TensorBoard needs its package: pip install "gpudl[tensorboard]" ({error})') from error
        self.log_dir, self.every = Path(log_dir), every
        self._writer: Any = None
        self._coming: list[tuple[int, float, Callable[[], Any]]] = []

    def on_fit_start(self, trainer: Trainer) -> None:
        self._coming = []
        with self._writing():
            self._writer = self._writers.EventFileWriter(str(self.log_dir))
        log = self._events.SessionLog(status=self._events.SessionLog.START)
        self._add(trainer.step + 1, time.time(), session_log=log)

    def on_step_end(self, trainer: Trainer) -> None:
        if self.every and trainer.step % self.every == 0 and trainer.loss_value is not None:
            self._coming.append((trainer.step, time.time(), to_host_later(trainer.loss_value.array)))
            self._write_what_came(wait=False)

    def on_epoch_end(self, trainer: Trainer) -> None:
        self._write_what_came(wait=True)  # the logs of the epoch have been waited for already
        rates = {f"lr_{place}": group["lr"] for place, group in enumerate(trainer.optimizer.param_groups)}
        for name, value in {**trainer.logs, **(rates if len(rates) > 1 else {})}.items():
            self._scalar(f"epoch/{name}", float(value), trainer.step, time.time())
        with self._writing():
            self._writer.flush()

    def on_fit_end(self, trainer: Trainer) -> None:
        self._close()

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        with contextlib.suppress(OSError):  # which may be the error, and would hide another
            if self._writer is not None:
                self._write_what_came(wait=False)
        with contextlib.suppress(OSError):
            self._close()

    def _write_what_came(self, wait: bool) -> None:
        """The losses of steps that have come, in their order."""
        while self._coming:
            step, when, later = self._coming[0]
            value = later()
            if value is None:
                if not wait:
                    return
                time.sleep(0.0001)
                continue
            self._coming.pop(0)
            self._scalar("batch/loss", float(value), step, when)

    def _scalar(self, name: str, value: float, step: int, when: float) -> None:
        entry = self._summaries.Summary.Value(tag=name, simple_value=value)
        self._add(step, when, summary=self._summaries.Summary(value=[entry]))

    def _add(self, step: int, when: float, **content: Any) -> None:
        with self._writing():
            self._writer.add_event(self._events.Event(wall_time=when, step=step, **content))

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with self._writing():
                writer.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WriteError(self.log_dir, error) from error
