"""What fit calls while it trains."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["Callback", "EarlyStopping", "LambdaCallback", "LearningRateScheduler"]

Logs = dict[str, float]


class Callback:
    """Base: override what you need. `logs` has the loss and the metrics by their names.

    Attributes:
        model: the model that is trained. Set model.stop_training to end after this epoch.
    """

    model: Any

    def on_train_begin(self) -> None:
        """Before the first epoch."""

    def on_train_end(self) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After an epoch, counted from 0, and its validation."""


class LambdaCallback(Callback):
    """Functions in place of methods, by their names: on_epoch_end=lambda epoch, logs: ....

    Raises: TypeError for a name that is none of these.
    """

    def __init__(self, **functions: Any) -> None:
        for name, function in functions.items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                raise TypeError(f"LambdaCallback: there is no {name!r}")
            setattr(self, name, function)


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch.

    Args:
        schedule: function of (epoch from 0, present rate), gives the rate.
    """

    def __init__(self, schedule: Any) -> None:
        self.schedule = schedule

    def on_epoch_begin(self, epoch: int) -> None:
        for group in self.model.optimizer.param_groups:
            group["lr"] = float(self.schedule(epoch, float(group["lr"])))


class EarlyStopping(Callback):
    """Ends the training when a value has got no better.

    Args:
        monitor: name in the logs.
        min_delta: by how much a value must be better than the best to count, >= 0.
        patience: epochs without a better value that are let pass.
        mode: "min" | "max" | "auto": which way is better; auto: up for names that end in acc or accuracy.
        restore_best_weights: end with the weights of the best epoch.
    Raises: ValueError for a mode that is not there; KeyError in training for a name that the logs do not have.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        mode: str = "auto",
        restore_best_weights: bool = False,
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"EarlyStopping: mode must be 'auto', 'min' or 'max', got {mode!r}")
        self.monitor, self.min_delta, self.patience = monitor, abs(min_delta), patience
        up = mode == "max" or (mode == "auto" and monitor.endswith(("acc", "accuracy")))
        self.sign = 1 if up else -1
        self.restore_best_weights = restore_best_weights

    def on_train_begin(self) -> None:
        self.best, self.waited, self.stopped_epoch = -math.inf, 0, 0
        self.weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.monitor not in logs:
            raise KeyError(f"EarlyStopping: {self.monitor!r} is not among {', '.join(logs)}")
        value = self.sign * logs[self.monitor]
        if value > self.best + self.min_delta:
            self.best, self.waited = value, 0
            if self.restore_best_weights:
                self.weights = self.model.get_weights()
            return
        self.waited += 1
        if self.waited >= max(self.patience, 1):
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self) -> None:
        if self.weights is not None:
            self.model.set_weights(self.weights)
