"""Recorder: writes the run folder while a training goes on."""

from __future__ import annotations

import csv
import importlib
import io
import math
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

import gpudl
from gpudl.backend.device import to_host_later
from gpudl.data import default_collate
from gpudl.train.build import Parts
from gpudl.train.callbacks import Callback, CSVLogger, JSONLinesLogger
from gpudl.train.errors import WriteError
from gpudl.train.interrupt import uninterrupted
from gpudl.train.metrics import ConfusionMatrix
from gpudl.train.run_folder import EVALUATION, LOG, MANIFEST, METRICS, STEPS, RunFolder

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer

_MOST_STEPS = 2000
_MOST_CLASSES = 1000
_SHOWN_SAMPLES = 16
_SHOWN_SIDE = 64
_SECONDS = 1.0
"""Between two writings of what is not needed to go on."""
_FIRST_SECONDS = 3.0
_DRAWING_SHARE = 0.05
"""Of the time, at most, pictures and report are drawn, and not before the first seconds."""

Row = tuple[int, int, float, float]


class Recorder(Callback):
    """Keeps the files of a run: weights and logs after each epoch, the rest as often as it does not slow the training.

    Args:
        folder: made already.
        manifest: what it holds so far.
        parts: what is trained.
        reports: draw pictures and the report.
        flat: samples are images whose pixels stand in a row.
        quiet: do not say that pictures are left out.
    Attributes:
        done: the last epoch of which all is written.
        samples: seen in this epoch; the Trainer's training_step counts them.
    """

    def __init__(
        self, folder: RunFolder, manifest: dict[str, Any], parts: Parts, reports: bool, flat: bool, quiet: bool
    ):
        self.folder, self.manifest, self.quiet = folder, manifest, quiet
        self.done, self._start, self._trained = 0, 0.0, 0.0
        self._began, self._spent = time.perf_counter(), 0.0
        loader = parts.training
        self.samples = 0
        self._rows: list[Row] = []
        self._every = max(1, manifest["epochs"] * len(loader) // _MOST_STEPS)
        self._coming: list[tuple[int, int, float, Callable[[], Any]]] = []
        self._due = self._drawing_due = 0.0
        self._said, self._reports = False, reports
        self._confusion: ConfusionMatrix | None = None
        self._counted, self._matrix = False, None
        if parts.fit.labels and parts.fit.output.ndim == 2 and parts.fit.output.shape[1] <= _MOST_CLASSES:
            self._confusion = ConfusionMatrix("multiclass", num_classes=int(parts.fit.output.shape[1]))
        self._labels = parts.fit.labels
        self._tests = parts.validation is None
        shown = parts.test if parts.validation is None else parts.validation
        self._dataset, self._flat = shown.dataset, flat

    def on_fit_start(self, trainer: Trainer) -> None:
        path = self.folder.path  # known once the folder is made
        self._csv, self._jsonl = CSVLogger(path / METRICS), JSONLinesLogger(path / LOG)
        if self._confusion is not None:
            self._confusion.to(trainer.device)
        self._rows, self._coming = [], []
        self._began, self._spent = time.perf_counter(), self.manifest["seconds"] or 0.0
        self._due, self._drawing_due = time.perf_counter() + _SECONDS, time.perf_counter() + _FIRST_SECONDS

    def evaluating(self) -> None:
        """An evaluation begins: count classes anew."""
        if self._confusion is not None:
            self._confusion.reset()
        self._counted = False

    def evaluated(self, output: Any, target: Any) -> None:
        """Count, where the data has classes, which are taken for which in a batch."""
        if self._confusion is not None:
            self._confusion.update(output, target)
            self._counted = True

    def on_epoch_start(self, trainer: Trainer) -> None:
        self._start, self.samples = time.perf_counter(), 0
        self.evaluating()

    def on_step_end(self, trainer: Trainer) -> None:
        if trainer.step % self._every == 0 and trainer.loss_value is not None:
            rate = float(trainer.optimizer.param_groups[0]["lr"])
            self._coming.append((trainer.step, trainer.epoch, rate, to_host_later(trainer.loss_value.array)))
        self._trained = time.perf_counter()

    def on_epoch_end(self, trainer: Trainer) -> None:
        trainer.logs["seconds"] = time.perf_counter() - self._start
        trainer.logs["samples_per_second"] = self.samples / max(self._trained - self._start, 1e-9)
        if self._tests:
            logs = trainer.logs.items()
            self.manifest["scores"] = {name.removeprefix("val_"): value for name, value in logs if name[:4] == "val_"}
        self._write(trainer)
        if time.perf_counter() >= self._due:
            self._write_rest(trainer)
            self._due = time.perf_counter() + _SECONDS
        self._draw()

    def finish(self, trainer: Trainer, scores: dict[str, float], changed: bool) -> None:
        """Write what the training came to, with its scores on the test data, and draw all of it.

        Args:
            changed: whether the weights may be others than those of the last epoch.
        """
        self.manifest |= {"scores": scores, "status": "done", "error": None}
        if changed:
            self._write(trainer)
        self._write_rest(trainer)
        self._draw(always=True)

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        stopped = isinstance(error, KeyboardInterrupt)
        self.manifest |= {"status": "interrupted" if stopped else "failed", "error": str(error) or type(error).__name__}
        try:
            self._write_manifest()
            self._draw(always=True)
        except WriteError:
            return  # which may be the error, and would hide another

    def state_dict(self) -> dict[str, Any]:
        self._take_what_came()
        return {"steps": [list(row) for row in self._rows], "every": self._every}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._rows = [tuple(row) for row in state_dict["steps"]]
        self._every = state_dict["every"]

    def _write(self, trainer: Trainer) -> None:
        with uninterrupted():  # all of it is of one epoch
            self.folder.save_weights(trainer.model if trainer.ema is None else trainer.ema.module)
            self._jsonl.on_epoch_end(trainer)
            self._csv.on_epoch_end(trainer)
            self.done = trainer.epoch

    def _write_rest(self, trainer: Trainer) -> None:
        self._take_what_came()
        evaluation = self._evaluation(trainer)
        with uninterrupted():
            self.folder.write(STEPS, _table(self._rows))
            self.folder.write_json(EVALUATION, evaluation)
            self._write_manifest()

    def _write_manifest(self) -> None:
        ended = self.manifest["status"] != "running"
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        seconds = self._spent + time.perf_counter() - self._began
        self.manifest |= {"finished": now if ended else None, "seconds": seconds}
        self.folder.write_json(MANIFEST, self.manifest, indent=1)

    def _take_what_came(self) -> None:
        """Note the losses of steps. At the end of an epoch the device has been waited for already."""
        for step, epoch, rate, later in self._coming:
            while (value := later()) is None:
                time.sleep(0.0001)
            self._rows.append((step, epoch, float(value), rate))
        self._coming = []
        while len(self._rows) > _MOST_STEPS:
            self._rows, self._every = self._rows[1::2], self._every * 2

    def _evaluation(self, trainer: Trainer) -> dict[str, Any]:
        """The confusion matrix of the last evaluation, and predictions for samples that are the same each time."""
        if self._confusion is not None and self._counted:
            try:
                self._matrix = self._confusion.compute().cpu().numpy().astype(int).tolist()
            except ValueError:  # outputs are nan, which is no prediction
                self._matrix = None
        count = min(_SHOWN_SAMPLES, len(self._dataset))
        indices = [int(index) for index in np.linspace(0, len(self._dataset) - 1, count).round()]
        samples = [self._dataset[index] for index in indices]
        output = trainer.predict([default_collate(samples)])
        shown = [
            self._shown(index, sample, output[place]) for place, (index, sample) in enumerate(zip(indices, samples))
        ]
        return {"epoch": trainer.epoch, "confusion": self._matrix, "samples": shown}

    def _shown(self, index: int, sample: Any, output: gpudl.Tensor) -> dict[str, Any]:
        values = output.numpy().astype(np.float64)
        found: dict[str, Any] = {"index": index, "target": _plain(sample[-1]), "probability": None}
        if self._labels and values.ndim == 1:
            shares = np.exp(values - values.max())
            best = int(values.argmax())
            found |= {"predicted": best, "probability": float(shares[best] / shares.sum())}
        else:
            found["predicted"] = _plain(values) if values.size <= 16 else None
        return found | {"input": _small(np.asarray(_array(sample[0])), self._flat)}

    def _draw(self, always: bool = False) -> None:
        """Draw the pictures and the report, if it is time for that. What fails here must not end a training."""
        start = time.perf_counter()
        if not self._reports or (start < self._drawing_due and not always):
            return
        report = importlib.import_module("gpudl.train.report")  # where it is needed
        try:
            report.draw_plots([self.folder.path])
        except ImportError as error:
            self._say(f"plots/ is left out: {error}")
        except OSError as error:
            self._say(f"warning: plots/ could not be written: {error.strerror or error}")
        try:
            report.write_report(self.folder.path)
        except OSError as error:
            self._say(f"warning: report.html could not be written: {error.strerror or error}")
        took = time.perf_counter() - start
        self._drawing_due = start + took + took / _DRAWING_SHARE

    def _say(self, text: str) -> None:
        """Once."""
        if not self._said and not self.quiet:
            print(text, file=sys.stderr, flush=True)
        self._said = True


def _table(rows: list[Row]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("step", "epoch", "loss", "lr"))
    writer.writerows(rows)
    return file.getvalue().encode()


def _array(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, gpudl.Tensor) else value


def _plain(value: Any) -> Any:
    """A number, or a list of them; None for more than a few."""
    array = np.asarray(_array(value))
    if array.dtype.kind not in "biuf" or array.size > 16:
        return None
    return array.astype(float if array.dtype.kind == "f" else int).tolist()


def _small(values: np.ndarray[Any, Any], flat: bool) -> Any:
    """A picture (rows, columns) or (channels, rows, columns) of at most 64 x 64, or up to 64 features; else None."""
    if flat and values.ndim == 1:
        channels = next((count for count in (1, 3) if math.isqrt(values.size // count) ** 2 * count == values.size), 0)
        values = values.reshape(channels, math.isqrt(values.size // channels), -1) if channels else values
    picture = values.ndim == 2 or (values.ndim == 3 and values.shape[0] in (1, 3))
    if values.dtype.kind not in "biuf" or not (picture or (values.ndim == 1 and values.size <= 64)):
        return None
    if picture:
        stride = max(1, -(-max(values.shape[-2:]) // _SHOWN_SIDE))
        values = values[..., ::stride, ::stride]
    return np.round(values.astype(np.float64), 4).tolist()
