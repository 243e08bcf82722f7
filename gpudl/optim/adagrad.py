"""Adagrad: steps divided by the root of the sum of all squared gradients.

    s = s + g^2;   p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)

Duchi, Hazan & Singer 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.optim.on_device import launch_step, step_text
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.pieces import decayed
from gpudl.optim.settings import Group, refuse_unsupported, require_nonnegative

__all__ = ["Adagrad"]

_TEXT = step_text("adagrad")


@kernel
def adagrad_step_(p: Array, dp: Array, total: Array, rate: float, eps: float, weight_decay: float) -> None:
    """One step in p and the sum of squares, all of one shape; rate: the decayed learning rate."""
    g = decayed(dp, p, weight_decay)
    change = g * g
    total += change
    xp_of(p).sqrt(total, out=change)
    change += eps
    xp_of(p).divide(g, change, out=change)
    change *= rate
    p -= change


@adagrad_step_.cuda("float32", "float64", "float16", "bfloat16")
def adagrad_step_cuda_(p: Array, dp: Array, total: Array, rate: float, eps: float, weight_decay: float) -> None:
    launch_step(_TEXT, dp, (p, total), rate, eps, weight_decay)


class Adagrad(Optimizer):
    """Adagrad.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        lr_decay: how fast it falls, >= 0.
        weight_decay: added to the gradient times the parameter, >= 0.
        initial_accumulator_value: of the sum of squares, >= 0.
        eps: added to the denominator, >= 0.
        maximize: ascend instead.
        foreach, fused, differentiable: PyTorch's choices between its implementations; accepted, and change
            nothing, but differentiable must be False.
    Raises: ValueError for a setting out of range; RuntimeError for a switch that cannot be taken.
    Source: Duchi, Hazan & Singer 2011.
    """

    eager = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        settings = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        implementation = {"foreach": foreach, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**settings, "initial_accumulator_value": initial_accumulator_value, **implementation})

    def check(self, group: Group) -> None:
        refuse_unsupported("Adagrad", group)
        settings = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
        require_nonnegative("Adagrad", group, *settings)

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        return {"sum": group["initial_accumulator_value"]}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        rate = float(group["lr"]) / (1 + (step - 1) * group["lr_decay"])
        adagrad_step_(p, dp, state["sum"], rate, group["eps"], group["weight_decay"])
