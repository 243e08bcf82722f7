"""Lion: steps of one size, in the direction of the sign of a running average.

    u = sign(b1 m + (1 - b1) g);   p = p - lr (u + weight_decay p);   m = b2 m + (1 - b2) g

Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", arXiv:2302.06675.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.optim.on_device import launch_step, step_text
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.settings import Group, require_betas, require_nonnegative

__all__ = ["Lion"]

_TEXT = step_text("lion")


@kernel
def lion_step_(p: Array, dp: Array, m: Array, lr: float, beta1: float, beta2: float, weight_decay: float) -> None:
    """One step in p and m, all of one shape."""
    change = m * beta1
    change += (1 - beta1) * dp
    xp_of(p).sign(change, out=change)
    change *= lr
    if weight_decay:
        p *= 1 - lr * weight_decay
    p -= change
    m *= beta2
    m += (1 - beta2) * dp


@lion_step_.cuda("float32", "float64", "float16", "bfloat16")
def lion_step_cuda_(p: Array, dp: Array, m: Array, lr: float, beta1: float, beta2: float, weight_decay: float) -> None:
    launch_step(_TEXT, dp, (p, m), lr, beta1, 1 - beta1, beta2, 1 - beta2, 1 - lr * weight_decay)


class Lion(Optimizer):
    """Lion, with half of Adam's state. Its steps are larger: take lr 3 to 10 times smaller, weight_decay larger.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: how far every element moves in a step, >= 0.
        betas: of the direction, and of the average that is kept; both in [0, 1).
        weight_decay: the parameters shrink by lr * weight_decay a step, >= 0.
        maximize: ascend instead.
    Raises: ValueError for a setting out of range.
    Source: Chen et al. 2023, arXiv:2302.06675.
    """

    counts = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize})

    def check(self, group: Group) -> None:
        require_nonnegative("Lion", group, "lr", "weight_decay")
        require_betas("Lion", group)

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        return {"exp_avg": 0.0}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        lion_step_(p, dp, state["exp_avg"], float(group["lr"]), *map(float, group["betas"]), group["weight_decay"])
