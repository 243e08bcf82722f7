"""Histograms: how the weights and their gradients are distributed, epoch after epoch."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.dtypes import float64, int64
from gpudl.ops.accumulate import counts_at
from gpudl.ops.elementwise import where
from gpudl.ops.shape import cat, stack
from gpudl.train.callbacks.base import Callback
from gpudl.train.errors import WriteError
from gpudl.train.files import write_whole

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer

_FILE = "histograms.jsonl"


class Histograms(Callback):
    """Counts the weights, and the gradients that the last step left, in bins of one width from least to largest.

    They are counted on the device, and read once for all parameters.

    Args:
        folder: where histograms.jsonl is written, a line for each parameter and kind:
            {"epoch", "step", "name", "kind": "weight" | "gradient", "low", "high", "counts", "not_finite"}, with low
            and high null if no number is finite. A resumed training goes on where it was. None for no file.
        bins: how many.
        every: after so many epochs.
        gradients: count gradients too.
    Attributes:
        latest: the lines of the last time, as dicts.
    Raises: ValueError for bins or every below 1; WriteError in training.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        bins: int = 64,
        every: int = 1,
        gradients: bool = True,
    ) -> None:
        for what, number in (("bins", bins), ("every", every)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ValueError(f"Histograms: {what} must be an integer >= 1, got {number!r}")
        self.path = None if folder is None else Path(folder) / _FILE
        self.bins, self.every, self.gradients = bins, every, gradients
        self.latest: list[dict[str, Any]] = []

    def on_fit_start(self, trainer: Trainer) -> None:
        if self.path is None:
            return
        done = len(trainer.history)  # none but in a resumed training
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
            write_whole(self.path, b"".join(line for line in lines if _is_of(line, done)))
        except OSError as error:
            raise WriteError(self.path, error) from error

    def on_epoch_end(self, trainer: Trainer) -> None:
        if trainer.epoch % self.every:
            return
        found: list[tuple[str, str, Tensor]] = []
        for name, parameter in trainer.model.named_parameters():
            for kind, values in (("weight", parameter), ("gradient", parameter.grad if self.gradients else None)):
                if values is not None and values.numel():
                    found.append((name, kind, _counted(values, self.bins)))
        place = {"epoch": trainer.epoch, "step": trainer.step}
        rows = stack([row for _, _, row in found]).cpu().tolist() if found else []
        self.latest = [
            {**place, "name": name, "kind": kind, **_described(row)} for (name, kind, _), row in zip(found, rows)
        ]
        if self.path is not None:
            try:
                with open(self.path, "a", encoding="utf-8") as file:
                    file.writelines(json.dumps(line) + "\n" for line in self.latest)
            except OSError as error:
                raise WriteError(self.path, error) from error


@no_grad()
def _counted(values: Tensor, bins: int) -> Tensor:
    """(bins + 3,) float64: the least and the largest finite number, how many are in each bin, how many not finite."""
    x = values.detach().reshape(-1).double()
    finite = x.isfinite()
    low, high = where(finite, x, math.inf).min(), where(finite, x, -math.inf).max()
    width = where(high > low, high - low, 1.0)
    share = where(finite, x - low, 0.0) / width
    bin = where(finite, (share * bins).to(int64).clamp(0, bins - 1), bins)
    return cat([stack([low, high]), wrap(counts_at(bin.array, bins + 1), None).to(float64)])


def _described(row: list[float]) -> dict[str, Any]:
    low, high, *counts = row
    some = low <= high
    return {
        "low": low if some else None,
        "high": high if some else None,
        "counts": [int(count) for count in counts[:-1]],
        "not_finite": int(counts[-1]),
    }


def _is_of(line: bytes, done: int) -> bool:
    """Whether a line is whole, and of one of the first epochs."""
    try:
        return bool(json.loads(line)["epoch"] <= done)
    except (ValueError, KeyError, TypeError):
        return False
