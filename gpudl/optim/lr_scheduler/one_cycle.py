"""One cycle: up to a high rate and down to nearly nothing, once in a training."""

from __future__ import annotations

import math
from typing import Any

from gpudl.optim.lr_scheduler.base import checked, one_each
from gpudl.optim.lr_scheduler.cyclic import WithMomentum
from gpudl.optim.optimizer import Optimizer

__all__ = ["OneCycleLR"]


def annealed(start: float, end: float, way: float, strategy: str) -> float:
    """From start (way 0) to end (way 1), along half a cosine wave ("cos") or a straight line ("linear")."""
    share = (1 - math.cos(math.pi * way)) / 2 if strategy == "cos" else way
    return start + (end - start) * share


class OneCycleLR(WithMomentum):
    """From max_lr / div_factor up to max_lr, and down to that start / final_div_factor; batches are counted.

    Args:
        optimizer: whose rates are set.
        max_lr: the highest rate; or a list of one for each group.
        total_steps: batches of the whole training; or give epochs and steps_per_epoch.
        pct_start: share of them on the way up, in [0, 1].
        anneal_strategy: "cos" | "linear".
        cycle_momentum: move the momentum the other way, between max_momentum and base_momentum.
        base_momentum, max_momentum: its bounds; or lists of one for each group.
        div_factor: max_lr / the first rate.
        final_div_factor: the first rate / the last one.
        three_phase: down to the first rate as fast as up, then on to the last one.
        last_epoch: -1 to begin, else where to resume.
    Raises: ValueError for a setting out of range, no number of steps, an optimizer without momentum and betas, or
        from step() when all steps are used up.
    Source: Smith & Topin 2018, "Super-Convergence", arXiv:1708.07120.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
            for name, value in (("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
                if not isinstance(value, int) or value <= 0:
                    raise ValueError(f"OneCycleLR: {name} must be an int > 0, got {value!r}")
            total_steps = epochs * steps_per_epoch
        if not isinstance(total_steps, int) or total_steps <= 0:
            raise ValueError(f"OneCycleLR: total_steps must be an int > 0, got {total_steps!r}")
        if isinstance(pct_start, bool) or not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be in [0, 1], got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self.total_steps, self._strategy = total_steps, anneal_strategy
        # Last step of a phase, and what the rate and the momentum are then.
        up = (pct_start * total_steps - 1, "max_lr", "base_momentum")
        end = (total_steps - 1, "min_lr", "max_momentum")
        back = (2 * pct_start * total_steps - 2, "initial_lr", "max_momentum")
        self._phases = [up, back, end] if three_phase else [up, end]
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, one_each("max_lr", optimizer, max_lr)):
                group["initial_lr"], group["max_lr"] = top / div_factor, top
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self._begin_momentum(cycle_momentum, base_momentum, max_momentum, last_epoch != -1)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: step {self.last_epoch} of a schedule of {self.total_steps} steps")
        begin, rate, momentum = 0.0, "initial_lr", "max_momentum"
        for end, next_rate, next_momentum in self._phases:
            if self.last_epoch <= end:
                break
            if end < self.total_steps - 1:
                begin, rate, momentum = end, next_rate, next_momentum
        way = (self.last_epoch - begin) / (end - begin)
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            self._write_momentum(group, annealed(group[momentum], group[next_momentum], way, self._strategy))
        return [annealed(group[rate], group[next_rate], way, self._strategy) for group in self.optimizer.param_groups]
