"""Checkpoint: saves all that a training goes on from."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpudl.train.callbacks.base import Callback
from gpudl.train.checkpoint import checkpoints_in, save_checkpoint, step_of
from gpudl.train.errors import CheckpointError
from gpudl.train.means import monitored

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer


class Checkpoint(Callback):
    """Writes step-<number>.safetensors into a folder; `fit(resume="auto")` goes on from the newest that is whole.

    A training that went on from one ends with the same weights, bit for bit, as one that was never stopped. A file
    takes its place only when it is whole and on the disk. Where it cannot be written, as on a full disk, the training
    goes on, stderr says so, and the last good one stays. SIGINT and SIGTERM let fit save here before it leaves.

    Of random numbers, those of gpudl are saved. What draws from Python's or NumPy's own goes on with others.

    Args:
        folder: made if it is not there. One training has one.
        every_epochs, every_steps, every_minutes: when to save; None for never. At the end of an epoch, and after a
            step.
        monitor: name in the logs, such as "val_loss"; the checkpoints of the epochs where it was best are kept.
        mode: "min" | "max": which way is better.
        keep: how many of the best are kept.
        keep_last: how many of the newest are kept, at least 1; one more than that is there if the newest is damaged.
    Attributes:
        folder: the Path. best: [value, file name] of the best ones, the best first. failed: how often writing failed.
    Raises: ValueError for a setting out of range. CheckpointError when fit starts anew where there are checkpoints.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_epochs: int | None = 1,
        every_steps: int | None = None,
        every_minutes: float | None = None,
        monitor: str | None = None,
        mode: str = "min",
        keep: int = 1,
        keep_last: int = 2,
    ) -> None:
        intervals = {"every_epochs": every_epochs, "every_steps": every_steps, "every_minutes": every_minutes}
        for name, interval in intervals.items():
            if interval is not None and not interval > 0:
                raise ValueError(f"Checkpoint: {name} must be above 0 or None, got {interval!r}")
        if mode not in ("min", "max"):
            raise ValueError(f"Checkpoint: mode must be 'min' or 'max', got {mode!r}")
        if keep < 0 or keep_last < 1:
            raise ValueError(f"Checkpoint: keep must be >= 0 and keep_last >= 1, got {keep!r} and {keep_last!r}")
        self.folder = Path(folder)
        self.every_epochs, self.every_steps, self.every_minutes = every_epochs, every_steps, every_minutes
        self.monitor, self.mode, self.keep, self.keep_last = monitor, mode, keep, keep_last
        self.best: list[list[Any]] = []
        self.failed = 0
        self._saved_at = 0.0

    @property
    def best_path(self) -> Path | None:
        """The checkpoint with the best value; None if none was saved with one."""
        return self.folder / self.best[0][1] if self.best else None

    def on_fit_start(self, trainer: Trainer) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not trainer.resumed and checkpoints_in(self.folder):
            raise CheckpointError(
                self.folder,
                "there are checkpoints in it; fit(resume='auto') goes on from them, else choose another folder",
            )
        for left in self.folder.glob(".step-*.part"):  # of a process that was killed while it wrote
            left.unlink(missing_ok=True)
        self.best, self.failed, self._saved_at = [], 0, time.monotonic()

    def on_step_end(self, trainer: Trainer) -> None:
        due = self.every_steps is not None and trainer.step % self.every_steps == 0
        if due or (self.every_minutes is not None and time.monotonic() - self._saved_at >= 60 * self.every_minutes):
            self.save(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        before = self.best
        if self.monitor is not None and self.keep:
            value = monitored(trainer.logs, self.monitor, "Checkpoint")
            ranked = sorted([*self.best, [value, _name(trainer)]], key=lambda entry: self._rank(entry[0]))
            self.best = [entry for entry in ranked if entry[0] == entry[0]][: self.keep]
        is_best = any(name == _name(trainer) for _, name in self.best)
        due = self.every_epochs is not None and trainer.epoch % self.every_epochs == 0
        if (is_best or due) and self.save(trainer) is None:
            self.best = before

    def save(self, trainer: Trainer) -> Path | None:
        """Write a checkpoint now. Returns: its path, or None where it could not be written, which stderr says."""
        path = self.folder / _name(trainer)
        self._saved_at = time.monotonic()
        try:
            save_checkpoint(path, trainer.state_dict())
        except OSError as error:
            self.failed += 1
            last = next((f"; the last is {found}" for found in self._past(trainer)), "")
            problem = f"warning: {path}: cannot write the checkpoint: {error.strerror or error}"
            print(f"{problem}; the training goes on{last}", file=sys.stderr, flush=True)
            return None
        kept = {name for _, name in self.best}
        for old in self._past(trainer)[self.keep_last :]:
            if old.name not in kept:
                old.unlink(missing_ok=True)
        return path

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = [entry for entry in state_dict["best"] if (self.folder / entry[1]).exists()]

    def _past(self, trainer: Trainer) -> list[Path]:
        """The checkpoints up to this step, the newest first. Later ones are of a run that went further: damaged ones,
        or what this run will write again."""
        return [path for path in checkpoints_in(self.folder) if step_of(path) <= trainer.step]

    def _rank(self, value: float) -> float:
        return value if self.mode == "min" else -value


def _name(trainer: Trainer) -> str:
    return f"step-{trainer.step:08d}.safetensors"
