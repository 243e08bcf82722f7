"""What a run folder holds, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ABOUT_EPOCHS = ("epoch", "lr", "seconds", "samples_per_second")  # what a line of the log has beside losses and metrics

Points = list[tuple[float, float | None]]

_LOWER = {
    "bce", "bpc", "bpd", "cer", "deviance", "distance", "divergence", "error", "fid", "hamming", "hinge", "kl", "loss",
    "mae", "mape", "mse", "nll", "perplexity", "ppl", "regret", "rmse", "rmsle", "smape", "wer",
}  # fmt: skip
_HIGHER = {
    "acc", "accuracy", "ap", "auc", "auprc", "auroc", "bleu", "correlation", "dice", "f1", "fbeta", "iou", "jaccard",
    "kappa", "map", "matthews", "mcc", "pearson", "precision", "psnr", "r2", "recall", "return", "reward", "rouge",
    "score", "sensitivity", "similarity", "spearman", "specificity", "ssim", "top", "variance",
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One sample of the data that the model was tested on.

    Attributes:
        index: its place in the data; None where not recorded.
        target: a class, a number or numbers; None if there is none.
        predicted: likewise.
        probability: of the predicted class; None if there is none.
        input: an array (rows, columns), (channels, rows, columns) or (features,); a text; None if not recorded.
    """

    index: int | None
    target: Any
    predicted: Any
    probability: float | None
    input: np.ndarray[Any, Any] | str | None

    @property
    def right(self) -> bool | None:
        """Whether the class is the right one; None where the target is no class."""
        both = (self.target, self.predicted)
        return self.target == self.predicted if all(isinstance(value, int) for value in both) else None


@dataclass(frozen=True)
class RunRecord:
    """What a run folder holds.

    Attributes:
        path: the folder.
        manifest: manifest.json; the first line of the log in folders that have none; empty if there is neither.
        config: config.toml as it stands; "" if it is absent.
        tables: the same, parsed; empty if it cannot be.
        epochs: the records of log.jsonl, in order, one for each epoch. A number that was not finite is None.
        steps: the columns of steps.csv; empty if it is absent.
        evaluated: the epoch that evaluation.json is of.
        confusion: (classes, classes) counts, the true class down, the predicted one across; None if there is none.
        samples: some predictions.
        files: names in the folder (of checkpoints and plots too), with their sizes in bytes.
        notes: what could not be read.
    """

    path: Path
    manifest: Mapping[str, Any] = field(default_factory=dict)
    config: str = ""
    tables: Mapping[str, Any] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    steps: dict[str, list[float | None]] = field(default_factory=dict)
    evaluated: int | None = None
    confusion: np.ndarray[Any, Any] | None = None
    samples: list[Sample] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the run; that of the folder where none was recorded."""
        return str(self.manifest.get("name") or self.path.absolute().name)

    @property
    def status(self) -> str:
        """ "running", "done", "interrupted", "failed"; "unknown" where it was not recorded."""
        status = self.manifest.get("status")
        return status if status in ("running", "done", "interrupted", "failed") else "unknown"

    @property
    def asked(self) -> int:
        """The number of epochs that was asked for; 0 where it was not recorded."""
        count = self.manifest.get("epochs")
        return count if type(count) is int and 0 < count < 2**53 else 0

    @property
    def held_out(self) -> str:
        """What the names with "val_" are measured on: "validation" data; "test" data where a run has no other."""
        return "test" if self.manifest.get("validation_samples", 0) is None else "validation"

    @property
    def scores(self) -> dict[str, float | None]:
        """The last scores on the test data, by the names of the metrics; empty if there are none yet."""
        scores = self.manifest.get("scores")
        return {name: finite(value) for name, value in scores.items()} if isinstance(scores, dict) else {}

    @property
    def classes(self) -> list[str] | None:
        """The names of the classes, if there are any."""
        names = self.manifest.get("classes")
        return [str(name) for name in names] if isinstance(names, list) and names else None

    def class_name(self, index: int) -> str:
        """The name of a class; its number where it has none."""
        return self.classes[index] if self.classes and 0 <= index < len(self.classes) else str(index)

    @property
    def metrics(self) -> list[str]:
        """The losses and metrics, losses first, without those that only add "val_" to another."""
        names: dict[str, None] = {}
        for record in self.epochs:
            names.update(dict.fromkeys(key.removeprefix("val_") for key in record if key not in ABOUT_EPOCHS))
        return sorted(names, key=lambda name: (name != "loss", "loss" not in name))

    def points(self, name: str) -> Points:
        """(epoch, value) for the epochs that have one; None for a value that was not finite."""
        return [(record["epoch"], record[name]) for record in self.epochs if name in record]

    def last(self, name: str) -> float | None:
        """The value after the last epoch that has one."""
        points = self.points(name)
        return points[-1][1] if points else None

    def best(self, name: str) -> tuple[float, float] | None:
        """(epoch, value) of the best value, the first of equals; None if there is none, or its name tells no better."""
        lower = lower_is_better(name)
        known = [(epoch, value) for epoch, value in self.points(name) if value is not None]
        if lower is None or not known:
            return None
        return min(known, key=lambda point: point[1] if lower else -point[1])


def finite(value: Any) -> Any:
    """The number itself; None if it is none, or none that can be drawn: beyond 1e300 the arithmetic overflows."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and -1e300 < value < 1e300 else None


def lower_is_better(name: str) -> bool | None:
    """Whether a metric is better when smaller, by the words in its name; None if they do not tell."""
    words = name.lower().replace("-", "_").replace("/", "_").replace(" ", "_").split("_")
    if any(word in _LOWER or word.endswith(("loss", "error")) for word in words):
        return True
    return False if any(word in _HIGHER or word.endswith(("accuracy", "score")) for word in words) else None
