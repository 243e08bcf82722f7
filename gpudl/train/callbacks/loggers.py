"""Loggers: what every epoch came to, in files that other programs read."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpudl.train.callbacks.base import Callback
from gpudl.train.errors import WriteError
from gpudl.train.files import write_whole

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer


class _Log(Callback):
    """Base: a file of the history, written whole after each epoch, so that it is right after a resumption too.

    Args:
        path: the file; its folder is made.
    Raises: WriteError in training; what stood in the file before stays.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_epoch_end(self, trainer: Trainer) -> None:
        rows = [{"epoch": number, **logs} for number, logs in enumerate(trainer.history, 1)]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, self.text(rows).encode())
        except OSError as error:
            raise WriteError(self.path, error) from error

    def text(self, rows: list[dict[str, Any]]) -> str:
        """The file for these epochs; given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no text method")


class CSVLogger(_Log):
    """A table of the history: a row for each epoch, a column for each of the logs; empty where an epoch has none.

    Args:
        path: the file, such as "run/metrics.csv"; its folder is made.
    Raises: WriteError in training; what stood in the file before stays.
    """

    def text(self, rows: list[dict[str, Any]]) -> str:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        file = io.StringIO()
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return file.getvalue()


class JSONLinesLogger(_Log):
    """The history as JSON lines: an object for each epoch, with null for a number that is not finite.

    Args:
        path: the file, such as "run/metrics.jsonl"; its folder is made.
    Raises: WriteError in training; what stood in the file before stays.
    """

    def text(self, rows: list[dict[str, Any]]) -> str:
        return "".join(
            json.dumps({name: value if math.isfinite(value) else None for name, value in row.items()}) + "\n"
            for row in rows
        )


class LearningRateMonitor(Callback):
    """Keeps the learning rate of each parameter group, step by step or epoch by epoch.

    Args:
        interval: "epoch" | "step".
    Attributes:
        steps: the steps of the optimizer, or the epochs, from 1, at whose end a rate was read.
        rates: for each of them a list with the rate of each group.
    Raises: ValueError for another interval.
    """

    def __init__(self, interval: str = "epoch") -> None:
        if interval not in ("epoch", "step"):
            raise ValueError(f"LearningRateMonitor: interval must be 'epoch' or 'step', got {interval!r}")
        self.interval = interval
        self.steps: list[int] = []
        self.rates: list[list[float]] = []

    def on_fit_start(self, trainer: Trainer) -> None:
        self.steps, self.rates = [], []

    def on_step_end(self, trainer: Trainer) -> None:
        if self.interval == "step":
            self._read(trainer, trainer.step)

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.interval == "epoch":
            self._read(trainer, trainer.epoch)

    def _read(self, trainer: Trainer, step: int) -> None:
        self.steps.append(step)
        self.rates.append([float(group["lr"]) for group in trainer.optimizer.param_groups])

    def state_dict(self) -> dict[str, Any]:
        return {"steps": list(self.steps), "rates": [list(each) for each in self.rates]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps, self.rates = list(state_dict["steps"]), [list(each) for each in state_dict["rates"]]
