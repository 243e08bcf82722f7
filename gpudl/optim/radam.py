"""RAdam: Adam that divides by the root of v only once enough gradients were seen to know it.

    rho_inf = 2 / (1 - b2) - 1;   rho = rho_inf - 2 t b2^t / (1 - b2^t);   m and v as in Adam, m' = m / (1 - b1^t)

    rho > 5:  p = p - lr r m' sqrt(1 - b2^t) / (sqrt(v) + eps),
              r^2 = (rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho)
    else:     p = p - lr m'

Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond", arXiv:1908.03265.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.optim.adam import take_in
from gpudl.optim.on_device import launch_step, step_text
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.pieces import decayed
from gpudl.optim.settings import Group, refuse_unsupported, require_betas, require_nonnegative

__all__ = ["RAdam"]

_TEXT = step_text("radam")


@kernel
def radam_step_(
    p: Array,
    dp: Array,
    m: Array,
    v: Array,
    rate: float,
    rectified: bool,
    shrink: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    """One step in p, m and v, all of one shape; rate: of all that is one number; p shrinks by the factor 1 - shrink."""
    if shrink:
        p *= 1 - shrink
    g = decayed(dp, p, weight_decay)
    change = take_in(g, m, v, beta1, beta2)
    if rectified:
        root = xp_of(p).sqrt(v, out=change)
        root += eps
        change = xp_of(p).divide(m, root, out=root)
        change *= rate
    else:
        change = m * rate
    p -= change


@radam_step_.cuda("float32", "float64", "float16", "bfloat16")
def radam_step_cuda_(
    p: Array,
    dp: Array,
    m: Array,
    v: Array,
    rate: float,
    rectified: bool,
    shrink: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    averages = beta1, 1 - beta1, beta2, 1 - beta2
    launch_step(_TEXT, dp, (p, m, v), rate, bool(rectified), 1 - shrink, *averages, eps, weight_decay)


class RAdam(Optimizer):
    """Rectified Adam.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: how fast the averages fade, both in [0, 1).
        eps: added to the denominator, >= 0.
        weight_decay: >= 0.
        decoupled_weight_decay: shrink the parameters by lr * weight_decay, as AdamW, instead of adding to the gradient.
        maximize: ascend instead.
        foreach, capturable, differentiable: PyTorch's choices between its implementations; accepted, and change
            nothing, but differentiable must be False.
    Raises: ValueError for a setting out of range; RuntimeError for a switch that cannot be taken.
    Source: Liu et al. 2020, arXiv:1908.03265.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        implementation = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(
            params,
            {**settings, "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay, **implementation},
        )

    def check(self, group: Group) -> None:
        refuse_unsupported("RAdam", group)
        require_nonnegative("RAdam", group, "lr", "eps", "weight_decay")
        require_betas("RAdam", group)

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        beta1, beta2 = map(float, group["betas"])
        lr, decay, decoupled = float(group["lr"]), group["weight_decay"], group["decoupled_weight_decay"]
        correction = 1 - beta2**step
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / correction
        rate = lr / (1 - beta1**step)
        if length > 5:
            rectifier = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            rate *= math.sqrt(rectifier * correction)
        radam_step_(
            p,
            dp,
            state["exp_avg"],
            state["exp_avg_sq"],
            rate,
            length > 5,
            lr * decay if decoupled else 0.0,
            beta1,
            beta2,
            group["eps"],
            0.0 if decoupled else decay,
        )
