"""NAdam: Adam with Nesterov's momentum, whose strength mu grows with the step t.

    mu_t = b1 (1 - 0.96^(t momentum_decay) / 2);   M_t = mu_1 ... mu_t;   m and v as in Adam
    d = sqrt(v / (1 - b2^t)) + eps;   p = p - lr ((1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_(t+1)) m) / d

Dozat 2016, "Incorporating Nesterov Momentum into Adam".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.optim.adam import take_in
from gpudl.optim.on_device import launch_step, step_text
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.pieces import decayed
from gpudl.optim.settings import Group, refuse_unsupported, require_betas, require_nonnegative
from gpudl.optim.stretch import Scalar

__all__ = ["NAdam"]

_TEXT = step_text("nadam")


@kernel
def nadam_step_(
    p: Array,
    dp: Array,
    m: Array,
    v: Array,
    now: float,
    ahead: float,
    correction: float,
    shrink: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    """One step in p, m and v, all of one shape; now, ahead: factors of g and m; p shrinks by the factor 1 - shrink."""
    if shrink:
        p *= 1 - shrink
    g = decayed(dp, p, weight_decay)
    root = take_in(g, m, v, beta1, beta2)
    xp_of(p).divide(v, correction, out=root)
    xp_of(p).sqrt(root, out=root)
    root += eps
    change = now * g
    change += ahead * m
    change /= root
    p -= change


@nadam_step_.cuda("float32", "float64", "float16", "bfloat16")
def nadam_step_cuda_(
    p: Array,
    dp: Array,
    m: Array,
    v: Array,
    now: float,
    ahead: float,
    correction: float,
    shrink: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    averages = beta1, 1 - beta1, beta2, 1 - beta2
    launch_step(_TEXT, dp, (p, m, v), now, ahead, correction, 1 - shrink, *averages, eps, weight_decay)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: how fast the averages fade, both in [0, 1).
        eps: added to the denominator, >= 0.
        weight_decay: >= 0.
        momentum_decay: how fast the momentum grows to its full strength, >= 0.
        decoupled_weight_decay: shrink the parameters by lr * weight_decay, as AdamW, instead of adding to the gradient.
        maximize: ascend instead.
        foreach, capturable, differentiable: PyTorch's choices between its implementations; accepted, and change
            nothing, but differentiable must be False.
    Raises: ValueError for a setting out of range; RuntimeError for a switch that cannot be taken.
    Source: Dozat 2016, "Incorporating Nesterov Momentum into Adam".
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        switches = {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay}
        implementation = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**settings, "momentum_decay": momentum_decay, **switches, **implementation})

    def check(self, group: Group) -> None:
        refuse_unsupported("NAdam", group)
        require_nonnegative("NAdam", group, "lr", "eps", "weight_decay", "momentum_decay")
        require_betas("NAdam", group)

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float | Scalar]:
        return {"mu_product": Scalar(1.0), "exp_avg": 0.0, "exp_avg_sq": 0.0}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        beta1, beta2 = map(float, group["betas"])
        lr, decay, decoupled = float(group["lr"]), group["weight_decay"], group["decoupled_weight_decay"]
        mu, after = (beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1))
        state["mu_product"] *= mu
        product = float(state["mu_product"])
        nadam_step_(
            p,
            dp,
            state["exp_avg"],
            state["exp_avg_sq"],
            lr * (1 - mu) / (1 - product),
            lr * after / (1 - product * after),
            1 - beta2**step,
            lr * decay if decoupled else 0.0,
            beta1,
            beta2,
            group["eps"],
            0.0 if decoupled else decay,
        )
