"""Progress on stderr: a bar where it is a terminal, else one plain line for each epoch."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterable
from typing import Any


class Progress:
    """What a run tells while it goes on.

    Args:
        epochs: how many there will be.
        quiet: say nothing.
    """

    def __init__(self, epochs: int, quiet: bool = False):
        self.epochs, self.quiet = epochs, quiet
        self._bar: Any = None
        self._warned = False

    def batches(self, loader: Any, epoch: int) -> Iterable[Any]:
        """The loader's batches, behind a bar on a terminal. It shows no loss: to read one would wait for the GPU."""
        if self.quiet or not sys.stderr.isatty():
            return loader  # type: ignore[no-any-return]
        # Imported only where there is a bar; by name, since tqdm ships no types.
        tqdm = importlib.import_module("tqdm").tqdm
        self._bar = tqdm(loader, f"epoch {epoch}/{self.epochs}", leave=False, file=sys.stderr, dynamic_ncols=True)
        return self._bar  # type: ignore[no-any-return]

    def close(self) -> None:
        """Take the bar away, so that what is printed next has its own line."""
        if self._bar is not None:
            self._bar.close()

    def say(self, text: str) -> None:
        """One line."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def epoch(self, record: dict[str, Any]) -> None:
        """The line for an epoch, from its record in the log."""
        self.say(
            f"epoch {record['epoch']:{len(str(self.epochs))}}/{self.epochs}"
            f"  train loss {record['train_loss']:.4f}  test loss {record['test_loss']:.4f}"
            f"  test accuracy {record['test_accuracy']:.4f}"
            f"  {record['seconds']:.2f} s  {record['samples_per_second']:.0f} samples/s"
        )
        if not self._warned and not math.isfinite(record["train_loss"]):
            self._warned = True
            self.say("the training loss is not finite any more; a smaller optimizer.lr may help")
