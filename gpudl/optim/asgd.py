"""Averaged stochastic gradient descent: SGD whose weights are averaged from step t0 on.

    p = (1 - lambd eta) p - eta g;   a = a + mu (p - a);   eta = lr / (1 + lambd lr t)^alpha,  mu = 1 / max(1, t - t0)

Polyak & Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging"; the form of Bottou 2010.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpudl.backend.arrays import Array
from gpudl.backend.kernel import kernel
from gpudl.optim.on_device import launch_step, step_text
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.pieces import decayed
from gpudl.optim.settings import Group, refuse_unsupported, require_nonnegative
from gpudl.optim.stretch import Scalar

__all__ = ["ASGD"]

_TEXT = step_text("asgd")


@kernel
def asgd_step_(p: Array, dp: Array, average: Array, eta: float, mu: float, lambd: float, weight_decay: float) -> None:
    """One step in p and the average, all of one shape."""
    g = decayed(dp, p, weight_decay)
    p *= 1 - lambd * eta
    p -= eta * g
    if mu == 1:
        average[...] = p
    else:
        away = p - average
        away *= mu
        average += away


@asgd_step_.cuda("float32", "float64", "float16", "bfloat16")
def asgd_step_cuda_(
    p: Array, dp: Array, average: Array, eta: float, mu: float, lambd: float, weight_decay: float
) -> None:
    launch_step(_TEXT, dp, (p, average), eta, mu, mu == 1, 1 - lambd * eta, weight_decay)


class ASGD(Optimizer):
    """Averaged stochastic gradient descent; the average is in the state, under "ax".

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate at first, >= 0.
        lambd: how fast the parameters shrink and the rate falls.
        alpha: power of the rate's fall.
        t0: step at which the average begins.
        weight_decay: added to the gradient times the parameter, >= 0.
        maximize: ascend instead.
        foreach, capturable, differentiable: PyTorch's choices between its implementations; accepted, and change
            nothing, but differentiable must be False.
    Raises: ValueError for a setting out of range; RuntimeError for a switch that cannot be taken.
    Source: Polyak & Juditsky 1992.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        settings = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
        implementation = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**settings, "maximize": maximize, **implementation})

    def check(self, group: Group) -> None:
        refuse_unsupported("ASGD", group)
        require_nonnegative("ASGD", group, "lr", "weight_decay")

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float | Scalar]:
        return {"eta": Scalar(float(group["lr"])), "mu": Scalar(1.0), "ax": 0.0}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        eta, mu, lambd = state["eta"], state["mu"], group["lambd"]
        asgd_step_(p, dp, state["ax"], float(eta), float(mu), lambd, group["weight_decay"])
        lr = float(group["lr"])
        eta[...] = lr / (1 + lambd * lr * step) ** group["alpha"]
        mu[...] = 1 / max(1, step - group["t0"])
