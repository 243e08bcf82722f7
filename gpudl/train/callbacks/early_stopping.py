"""EarlyStopping: ends a training that gets no better."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gpudl.autograd.tensor import Tensor
from gpudl.train.callbacks.base import Callback
from gpudl.train.means import monitored

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer


class EarlyStopping(Callback):
    """Ends the training when a value of the logs has got no better for some epochs.

    Args:
        monitor: name in the logs; None: "val_loss", without validation "loss".
        min_delta: by how much a value must be better than the best to count, >= 0.
        patience: epochs without a better value, at least 1, after which the training ends. nan is never better.
        mode: "min" | "max": which way is better.
        restore_best: end with the weights and buffers of the best epoch, averaged ones included. They are kept on the
            CPU, and in checkpoints.
    Attributes:
        best: the best value; inf or -inf before there is one. best_epoch: its epoch, 0 before.
        waited: epochs since. stopped_epoch: the epoch after which this ended the training; None if it has not.
    Raises: ValueError for a setting out of range; KeyError in training for a name that the logs do not have.
    """

    def __init__(
        self,
        monitor: str | None = None,
        min_delta: float = 0.0,
        patience: int = 3,
        mode: str = "min",
        restore_best: bool = False,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"EarlyStopping: mode must be 'min' or 'max', got {mode!r}")
        if not min_delta >= 0 or patience < 1:
            found = f"{min_delta!r} and {patience!r}"
            raise ValueError(f"EarlyStopping: min_delta must be >= 0 and patience >= 1, got {found}")
        self.monitor, self.min_delta, self.patience, self.mode = monitor, min_delta, patience, mode
        self.restore_best = restore_best
        self._start()

    def _start(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_epoch = self.waited = 0
        self.stopped_epoch: int | None = None
        self._weights: dict[str, dict[str, Tensor]] = {}

    def on_fit_start(self, trainer: Trainer) -> None:
        self._start()

    def on_epoch_end(self, trainer: Trainer) -> None:
        value = monitored(trainer.logs, self.monitor, "EarlyStopping")
        if (self.best - value if self.mode == "min" else value - self.best) > self.min_delta:
            self.best, self.best_epoch, self.waited = value, trainer.epoch, 0
            if self.restore_best:
                self._weights = {name: _on_host(module) for name, module in _modules(trainer)}
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.stopped_epoch = trainer.epoch
            trainer.should_stop = True

    def on_fit_end(self, trainer: Trainer) -> None:
        for name, module in _modules(trainer):
            if name in self._weights:
                module.load_state_dict(self._weights[name])

    def state_dict(self) -> dict[str, Any]:
        names = ("best", "best_epoch", "waited", "stopped_epoch")
        return {**{name: getattr(self, name) for name in names}, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, value in state_dict.items():
            setattr(self, "_weights" if name == "weights" else name, value)


def _modules(trainer: Trainer) -> list[tuple[str, Any]]:
    """What has weights to come back to."""
    return [("model", trainer.model), *([] if trainer.ema is None else [("ema", trainer.ema)])]


def _on_host(module: Any) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in module.state_dict().items()}
