"""Adamax: Adam with the largest recent gradient in place of the root of the mean square.

    m = b1 m + (1 - b1) g;   u = max(b2 u, |g| + eps);   p = p - lr / (1 - b1^t) m / u

Kingma & Ba 2015, arXiv:1412.6980, section 7.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.optim.on_device import launch_step, step_text
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.pieces import decayed
from gpudl.optim.settings import Group, refuse_unsupported, require_betas, require_nonnegative

__all__ = ["Adamax"]

_TEXT = step_text("adamax")


@kernel
def adamax_step_(
    p: Array, dp: Array, m: Array, u: Array, rate: float, beta1: float, beta2: float, eps: float, weight_decay: float
) -> None:
    """One step in p, m and u, all of one shape; rate: lr / (1 - beta1^t)."""
    xp = xp_of(p)
    g = decayed(dp, p, weight_decay)
    m *= beta1
    m += (1 - beta1) * g
    u *= beta2
    size = abs(g)
    size += eps
    xp.maximum(u, size, out=u)
    xp.divide(m, u, out=size)
    size *= rate
    p -= size


@adamax_step_.cuda("float32", "float64", "float16", "bfloat16")
def adamax_step_cuda_(
    p: Array, dp: Array, m: Array, u: Array, rate: float, beta1: float, beta2: float, eps: float, weight_decay: float
) -> None:
    launch_step(_TEXT, dp, (p, m, u), rate, beta1, 1 - beta1, beta2, eps, weight_decay)


class Adamax(Optimizer):
    """Adamax.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: how fast the averages fade, both in [0, 1).
        eps: added to the size of each gradient, >= 0.
        weight_decay: added to the gradient times the parameter, >= 0.
        maximize: ascend instead.
        foreach, capturable, differentiable: PyTorch's choices between its implementations; accepted, and change
            nothing, but differentiable must be False.
    Raises: ValueError for a setting out of range; RuntimeError for a switch that cannot be taken.
    Source: Kingma & Ba 2015, arXiv:1412.6980.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        implementation = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**settings, **implementation})

    def check(self, group: Group) -> None:
        refuse_unsupported("Adamax", group)
        require_nonnegative("Adamax", group, "lr", "eps", "weight_decay")
        require_betas("Adamax", group)

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        beta1, beta2 = map(float, group["betas"])
        rate = float(group["lr"]) / (1 - beta1**step)
        adamax_step_(p, dp, state["exp_avg"], state["exp_inf"], rate, beta1, beta2, group["eps"], group["weight_decay"])
