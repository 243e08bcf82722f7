"""Cyclic rates, and momentum that goes the other way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from gpudl.optim.lr_scheduler.base import LRScheduler, checked, copied, function_state, one_each, write
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.settings import Group

__all__ = ["CyclicLR"]

MODES = ("triangular", "triangular2", "exp_range")


class WithMomentum(LRScheduler):
    """Base of schedules that also move the momentum, or the first beta of optimizers that have betas.

    Attributes:
        cycle_momentum: whether they do.
    """

    def _begin_momentum(self, cycle_momentum: bool, base: Any, top: Any, resumed: bool) -> None:
        """Take the bounds down in the groups, and start at the top."""
        self.cycle_momentum = cycle_momentum
        if not cycle_momentum:
            return
        defaults = self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                f"{type(self).__name__}: {type(self.optimizer).__name__} has neither momentum nor betas; give "
                "cycle_momentum=False"
            )
        self.use_beta1 = "betas" in defaults
        self.base_momentums = one_each("base_momentum", self.optimizer, base)
        self.max_momentums = one_each("max_momentum", self.optimizer, top)
        if not resumed:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                self._write_momentum(group, high)
                group["base_momentum"], group["max_momentum"] = low, high

    def _write_momentum(self, group: Group, momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(WithMomentum):
    """Up from base_lr to max_lr and down again in straight lines, over and over; batches are counted.

    The height of a cycle is max_lr - base_lr times a scale: 1 ("triangular"), half of the last cycle's
    ("triangular2"), or gamma^batches ("exp_range").

    Args:
        optimizer: whose rates are set.
        base_lr, max_lr: the bounds; or lists of one for each group.
        step_size_up: batches on the way up, > 0.
        step_size_down: on the way down; None for as many.
        mode: "triangular" | "triangular2" | "exp_range".
        gamma: for "exp_range".
        scale_fn: in place of a mode: a function of the cycle's number, from 1, or of the batches.
        scale_mode: "cycle" | "iterations": what scale_fn is a function of.
        cycle_momentum: move the momentum the other way, between max_momentum and base_momentum.
        base_momentum, max_momentum: its bounds; or lists of one for each group.
        last_epoch: -1 to begin, else where to resume.
    Raises: ValueError for a mode that is not there, step sizes out of range, lists of another length, or an optimizer
        without momentum and betas.
    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked(optimizer)
        if scale_fn is None and mode not in MODES:
            raise ValueError(f"CyclicLR: mode must be one of {', '.join(MODES)}, got {mode!r}")
        if scale_mode not in ("cycle", "iterations"):
            raise ValueError(f"CyclicLR: scale_mode must be 'cycle' or 'iterations', got {scale_mode!r}")
        down = step_size_up if step_size_down is None else step_size_down
        if step_size_up <= 0 or down <= 0:
            raise ValueError(f"CyclicLR: step sizes must be > 0, got {step_size_up} up and {down} down")
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn else "iterations" if mode == "exp_range" else "cycle"
        lows = one_each("base_lr", optimizer, base_lr)
        self.max_lrs = one_each("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, low in zip(optimizer.param_groups, lows):
                write(group, "lr", low)
        self._begin_momentum(cycle_momentum, base_momentum, max_momentum, last_epoch != -1)
        for group, low in zip(optimizer.param_groups, lows):
            group.setdefault("initial_lr", copied(low))
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def scale_fn(self, x: float) -> float:
        """The factor on the height in cycle x, or after x batches."""
        if self._scale_fn_custom is not None:
            return float(self._scale_fn_custom(x))
        if self.mode == "exp_range":
            return float(self.gamma**x)
        return 0.5 ** (x - 1) if self.mode == "triangular2" else 1.0

    def get_lr(self) -> list[Any]:
        turns = self.last_epoch / self.total_size
        cycle = math.floor(1 + turns)
        way = 1 + turns - cycle
        height = way / self.step_ratio if way <= self.step_ratio else (way - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                self._write_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_scale_fn_custom": function_state(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_scale_fn_custom"})
        if state_dict["_scale_fn_custom"] is not None:
            self._scale_fn_custom.__dict__.update(state_dict["_scale_fn_custom"])
