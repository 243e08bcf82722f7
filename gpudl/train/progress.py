"""Progress on stderr: a bar where somebody watches, else one plain line for each epoch."""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import to_host_later

_SECONDS = 0.5
"""Between two looks at the loss and the metrics."""

SoFar = Callable[[], Mapping[str, Tensor]]


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
        self._start = 0.0

    def batches(
        self, loader: Any, epoch: int, so_far: SoFar | None = None, total: int | None = None, done: int = 0
    ) -> Iterable[Any]:
        """The loader's batches, on a terminal or in a notebook behind a bar with the time that is left and the rate.

        Args:
            so_far: gives the loss and the metrics until now, 0-d Tensors by name. The bar shows them some steps later,
                when they have come from the device by themselves: it never waits.
            total: batches of the epoch, if that is known and is not the loader's length.
            done: how many of them were before.
        """
        self._start = time.monotonic()
        kind = None if self.quiet else _bar()
        if kind is None:
            return loader  # type: ignore[no-any-return]
        self.close()
        settings = {"total": total, "initial": done, "leave": False, "file": sys.stderr, "dynamic_ncols": True}
        self._bar = kind(loader, f"epoch {epoch}/{self.epochs}", **settings)
        return self._bar if so_far is None else _telling(self._bar, so_far)

    def close(self) -> None:
        """Take the bar away, so that what is printed next has its own line."""
        if self._bar is not None:
            self._bar.close()

    def say(self, text: str) -> None:
        """One line."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def line(self, epoch: int, logs: dict[str, float]) -> None:
        """The line for an epoch, of all its logs and the time since its first batch was asked for."""
        values = "  ".join(f"{name} {value:.4g}" for name, value in logs.items())
        seconds = time.monotonic() - self._start
        self.say(f"epoch {epoch:{len(str(self.epochs))}}/{self.epochs}  {values}  {seconds:.1f} s")
        if not self._warned and not math.isfinite(logs["loss"]):
            self._warned = True
            self.say("the training loss is not finite any more; a smaller learning rate may help")


def _bar() -> Any:
    """The kind of bar for where stderr goes; None for none."""
    notebook = "ipykernel" in sys.modules
    if not notebook and not sys.stderr.isatty():
        return None
    # Imported only where there is a bar; by name, since tqdm ships no types.
    widgets = notebook and importlib.util.find_spec("ipywidgets") is not None
    return importlib.import_module("tqdm.notebook" if widgets else "tqdm").tqdm


def _telling(bar: Any, so_far: SoFar) -> Iterator[Any]:
    """The batches of a bar that tells, now and then, what is known so far."""
    coming: dict[str, Callable[[], Any]] = {}
    due = time.monotonic() + _SECONDS
    for batch in bar:
        yield batch
        come = {name: value() for name, value in coming.items()}
        if come and all(value is not None for value in come.values()):
            bar.set_postfix_str("  ".join(f"{name} {float(value):.4g}" for name, value in come.items()), refresh=False)
            coming = {}
        if not coming and time.monotonic() >= due:
            coming = {name: to_host_later(value.array) for name, value in so_far().items()}
            due = time.monotonic() + _SECONDS
