"""Schedules that follow half a cosine wave."""

from __future__ import annotations

import math
from typing import Any

from gpudl.optim.lr_scheduler.base import LRScheduler
from gpudl.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """Down to eta_min in T_max epochs along half a cosine wave, and up again in as many, if one goes on.

    eta_min + (base_lr - eta_min) (1 + cos(pi epoch / T_max)) / 2

    Args:
        optimizer: whose rates are set.
        T_max: epochs from the top to the bottom, >= 1.
        eta_min: the lowest rate.
        last_epoch: -1 to begin, else where to resume.
    Raises: ValueError if T_max is under 1.
    Source: Loshchilov & Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", arXiv:1608.03983.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max must be >= 1, got {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any, base_lr: Any) -> Any:
        if self._is_initial:
            return lr
        if self._step_count == 1 and self.last_epoch > 0:
            return self._closed_lr(base_lr)
        before = self._height(self.last_epoch - 1)
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # before is 0: up from the bottom
            return lr + (base_lr - self.eta_min) * self._height(self.T_max + 1)
        return self.eta_min + (lr - self.eta_min) * (self._height(self.last_epoch) / before)

    def _closed_lr(self, base_lr: Any) -> Any:
        return self.eta_min + (base_lr - self.eta_min) * self._height(self.last_epoch)

    def _height(self, epoch: int) -> float:
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2


class CosineAnnealingWarmRestarts(LRScheduler):
    """Down to eta_min along half a cosine wave, and from the top again: after T_0 epochs, and each time T_mult as many.

    Args:
        optimizer: whose rates are set.
        T_0: epochs until the first restart, >= 1.
        T_mult: factor on the epochs until each further one, >= 1.
        eta_min: the lowest rate.
        last_epoch: -1 to begin, else where to resume.
    Attributes:
        T_i: epochs between the last restart and the next; T_cur: since the last one.
    Raises: ValueError for a setting out of range, or a T that is no int.
    Source: Loshchilov & Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", arXiv:1608.03983.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"CosineAnnealingWarmRestarts: {name} must be an int >= 1, got {value!r}")
        if not isinstance(eta_min, (int, float)):
            raise ValueError(f"CosineAnnealingWarmRestarts: eta_min must be a number, got {eta_min!r}")
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min = T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: Any, base_lr: Any) -> Any:
        return self.eta_min + (base_lr - self.eta_min) * (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2

    def step(self, epoch: float | None = None) -> None:
        """Set the rates of the next epoch, or of any: a fraction too, such as epoch + batch / batches.

        Raises: ValueError if the epoch is negative.
        """
        super().step(epoch)  # type: ignore[arg-type]

    def _update_lr(self, epoch: float | None = None) -> None:
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            while self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: epoch must be >= 0, got {epoch}")
        else:
            self.T_cur, self.T_i = epoch, self.T_0
            while self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        super()._update_lr(math.floor(epoch))
