"""A schedule that looks at a metric."""

from __future__ import annotations

import math
from typing import Any

from gpudl.optim.lr_scheduler.base import LRScheduler, checked, one_each, rates_of, write
from gpudl.optim.optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """The rate times a factor when a metric has got no better for more than `patience` epochs.

    Args:
        optimizer: whose rates are set.
        mode: "min" | "max": which way is better.
        factor: in [0, 1).
        patience: epochs without a better value that are let pass.
        threshold: by how much a value must be better than the best to count.
        threshold_mode: "rel": as a share of the best; "abs": as it is.
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: lower bound of the rate; or a list of one for each group.
        eps: a reduction by less than this is not made.
    Attributes:
        best: the best value; num_bad_epochs: how many since; cooldown_counter: epochs of cooldown left.
    Raises: ValueError for a setting out of range; RuntimeError from step() if groups were added to an optimizer whose
        lower bounds came as a list.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self.optimizer = checked(optimizer)
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be in [0, 1), got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.min_lrs = one_each("min_lr", optimizer, min_lr)
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.best = math.inf if mode == "min" else -math.inf
        self.last_epoch = self.num_bad_epochs = self.cooldown_counter = 0
        self._last_lr = rates_of(optimizer)

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Count an epoch and reduce the rates if it is time.

        Args:
            metrics: the metric of this epoch: a number, or a Tensor of one element. nan is no better than anything.
            epoch: its number; by default the next one.
        """
        value = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._remember()

    @property
    def in_cooldown(self) -> bool:
        """Whether the epoch is one of a cooldown."""
        return self.cooldown_counter > 0

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            bound = self.best * (1 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return value > bound if sign > 0 else value < bound

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"ReduceLROnPlateau: the optimizer has {len(groups)} parameter groups now, and min_lrs has "
                    f"{len(self.min_lrs)} values; add one to the attribute min_lrs for each new group"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, low in zip(groups, self.min_lrs):
            before = float(group["lr"])
            reduced = max(before * self.factor, low)
            if before - reduced > self.eps:
                write(group, "lr", reduced)
