"""What fit returns, and what it tells while it goes on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any


class History:
    """What fit returns.

    Attributes:
        epoch: numbers of the epochs, from 0. history: name -> value of each epoch ("loss", metrics, "val_...").
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def add(self, epoch: int, logs: dict[str, float]) -> None:
        """Take down an epoch."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)


class Report:
    """Progress on stderr."""

    def __init__(self, verbose: str | int, first: int, last: int) -> None:
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f"verbose must be 'auto', 0, 1 or 2, got {verbose!r}")
        self.lines, self.last, self.bar = verbose in (1, 2), last, None
        if verbose == "auto" and sys.stderr.isatty():
            self.bar = importlib.import_module("tqdm").tqdm(total=last - first, file=sys.stderr, dynamic_ncols=True)

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """Tell of an epoch."""
        text = "  ".join(f"{name} {value:.4g}" for name, value in logs.items())
        if self.bar is not None:
            self.bar.set_postfix_str(text)
            self.bar.update()
        elif self.lines:
            print(f"epoch {epoch + 1}/{self.last}  {text}", file=sys.stderr, flush=True)

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines whose columns stand below each other."""
    widths = [max(map(len, column)) + 2 for column in zip(*rows)]
    return ["".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
