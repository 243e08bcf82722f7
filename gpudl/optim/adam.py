"""Adam: steps scaled by running averages of the gradient and of its square.

    m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2;   p = p - lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps)

Kingma & Ba 2015, arXiv:1412.6980; AdamW, which shrinks p itself instead of adding weight_decay p to g:
Loshchilov & Hutter 2019, arXiv:1711.05101; amsgrad: Reddi et al. 2018, arXiv:1904.09237.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.optim.optimizer import Group, Optimizer, require_betas, require_nonnegative
from gpudl.optim.pieces import pieces, scalars

__all__ = ["Adam", "AdamW"]


@kernel
def adam_step_(
    p: Array,
    dp: Array,
    m: Array,
    v: Array,
    highest: Array | None,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    """Step number `step` (from 1), in p, m, v and, for amsgrad, highest. All arrays: p's shape."""
    g = dp
    if weight_decay and decoupled:
        p *= 1 - lr * weight_decay
    elif weight_decay:
        g = dp + weight_decay * p
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * (g * g)
    second = v
    if highest is not None:
        xp_of(v).maximum(highest, v, out=highest)
        second = highest
    scale = lr / (1 - beta1**step)
    p -= scale * (m / (xp_of(v).sqrt(second) / math.sqrt(1 - beta2**step) + eps))


@adam_step_.cpu("float32", "float64")
def adam_step_cpu_(
    p: Array,
    dp: Array,
    m: Array,
    v: Array,
    highest: Array | None,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    # p -= scale m / (sqrt(v) + eps') with sqrt(1 - b2^t) moved into scale and eps' saves a pass.
    root = math.sqrt(1 - beta2**step)
    rate = lr * root / (1 - beta1**step)
    small, scale, keep1, add1, keep2, add2 = scalars(p.dtype, eps * root, rate, beta1, 1 - beta1, beta2, 1 - beta2)
    for q, g, a, b, high in pieces(p, dp, m, v, highest):
        s = np.empty_like(q)
        if weight_decay and decoupled:
            q *= 1 - lr * weight_decay
        elif weight_decay:
            decayed = q * weight_decay
            decayed += g
            g = decayed
        a *= keep1
        a += np.multiply(g, add1, out=s)
        np.multiply(g, g, out=s)
        s *= add2
        b *= keep2
        b += s
        if high is not None:
            b = np.maximum(high, b, out=high)
        np.sqrt(b, out=s)
        s += small
        np.divide(a, s, out=s)
        s *= scale
        q -= s


class Adam(Optimizer):
    """Adam, with weight decay as an addition to the gradient.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: how fast the averages of g and g^2 fade, both in [0, 1).
        eps: added to the denominator, >= 0.
        weight_decay: >= 0.
        amsgrad: divide by the largest average of g^2 so far.
        maximize: ascend instead.
        decoupled_weight_decay: decay as AdamW does.
    Raises: ValueError for a setting out of range.
    Source: Kingma & Ba 2015, arXiv:1412.6980.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        switches = {"amsgrad": amsgrad, "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, {**settings, **switches})

    def check(self, group: Group) -> None:
        require_nonnegative(type(self).__name__, group, "lr", "eps", "weight_decay")
        require_betas(type(self).__name__, group)

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        return dict.fromkeys(("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if group["amsgrad"] else 2], 0.0)

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        beta1, beta2 = group["betas"]
        adam_step_(
            p,
            dp,
            state["exp_avg"],
            state["exp_avg_sq"],
            state.get("max_exp_avg_sq"),
            step,
            float(group["lr"]),
            float(beta1),
            float(beta2),
            group["eps"],
            group["weight_decay"],
            group["decoupled_weight_decay"],
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: the parameters shrink by lr * weight_decay a step, the gradient stays.

    Arguments as Adam, weight_decay by default 0.01. Source: Loshchilov & Hutter 2019, arXiv:1711.05101.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:  # also from the state of an Adam
            group["decoupled_weight_decay"] = True
