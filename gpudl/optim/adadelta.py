"""Adadelta: steps as large as recent steps were, in units of recent gradients.

    v = rho v + (1 - rho) g^2;   d = g sqrt(a + eps) / sqrt(v + eps);   a = rho a + (1 - rho) d^2;   p = p - lr d

Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method", arXiv:1212.5701.
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

__all__ = ["Adadelta"]

_TEXT = step_text("adadelta")


@kernel
def adadelta_step_(
    p: Array, dp: Array, v: Array, a: Array, lr: float, rho: float, eps: float, weight_decay: float
) -> None:
    """One step in p and the averages v of g^2 and a of d^2, all of one shape."""
    xp = xp_of(p)
    g = decayed(dp, p, weight_decay)
    square = g * g
    square *= 1 - rho
    v *= rho
    v += square
    xp.add(v, eps, out=square)
    xp.sqrt(square, out=square)
    change = a + eps
    xp.sqrt(change, out=change)
    change /= square
    change *= g
    xp.multiply(change, change, out=square)
    square *= 1 - rho
    a *= rho
    a += square
    change *= lr
    p -= change


@adadelta_step_.cuda("float32", "float64", "float16", "bfloat16")
def adadelta_step_cuda_(
    p: Array, dp: Array, v: Array, a: Array, lr: float, rho: float, eps: float, weight_decay: float
) -> None:
    launch_step(_TEXT, dp, (p, v, a), lr, rho, 1 - rho, eps, weight_decay)


class Adadelta(Optimizer):
    """Adadelta.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: factor on the step, >= 0.
        rho: how fast the averages fade, in [0, 1].
        eps: under both roots, >= 0.
        weight_decay: added to the gradient times the parameter, >= 0.
        maximize: ascend instead.
        foreach, capturable, differentiable: PyTorch's choices between its implementations; accepted, and change
            nothing, but differentiable must be False.
    Raises: ValueError for a setting out of range; RuntimeError for a switch that cannot be taken.
    Source: Zeiler 2012, arXiv:1212.5701.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        implementation = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**settings, **implementation})

    def check(self, group: Group) -> None:
        refuse_unsupported("Adadelta", group)
        require_nonnegative("Adadelta", group, "lr", "eps", "weight_decay")
        if not 0 <= group["rho"] <= 1:
            raise ValueError(f"Adadelta: rho must be in [0, 1], got {group['rho']}")

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        lr, rho = float(group["lr"]), group["rho"]
        adadelta_step_(p, dp, state["square_avg"], state["acc_delta"], lr, rho, group["eps"], group["weight_decay"])
