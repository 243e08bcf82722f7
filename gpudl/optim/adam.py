"""Adam: steps scaled by running averages of the gradient and of its square.

    m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2;   p = p - lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps)

Kingma & Ba 2015, arXiv:1412.6980; AdamW, which shrinks p itself instead of adding weight_decay p to g:
Loshchilov & Hutter 2019, arXiv:1711.05101; amsgrad: Reddi et al. 2018, arXiv:1904.09237.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.optim.optimizer import Group, Optimizer, require_nonnegative

# Elements updated at a time on a CPU: the five arrays of a chunk stay in the cache between the passes over them.
_CHUNK = 1 << 14


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
    arrays = (p, dp, m, v)
    if highest is not None or not all(x.flags.c_contiguous for x in arrays):
        adam_step_.reference(p, dp, m, v, highest, step, lr, beta1, beta2, eps, weight_decay, decoupled)
        return
    # p -= scale m / (sqrt(v) + eps') with sqrt(1 - b2^t) moved into scale and eps' saves a pass.
    root = math.sqrt(1 - beta2**step)
    scale, eps = lr * root / (1 - beta1**step), eps * root
    flat = [x.reshape(-1) for x in arrays]
    length = min(p.size, _CHUNK)
    first, second = np.empty(length, p.dtype), np.empty(length, p.dtype)
    for start in range(0, p.size, _CHUNK):
        q, g, a, b = (x[start : start + _CHUNK] for x in flat)
        s, r = first[: q.size], second[: q.size]
        if weight_decay and decoupled:
            q *= 1 - lr * weight_decay
        elif weight_decay:
            np.multiply(q, weight_decay, out=r)
            r += g
            g = r
        np.multiply(g, g, out=s)
        s *= 1 - beta2
        b *= beta2
        b += s
        np.multiply(g, 1 - beta1, out=s)
        a *= beta1
        a += s
        np.sqrt(b, out=s)
        s += eps
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
    Raises: ValueError for a setting out of range.
    Source: Kingma & Ba 2015, arXiv:1412.6980.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "amsgrad": amsgrad, "maximize": maximize})

    def check(self, group: Group) -> None:
        require_nonnegative(type(self).__name__, group, "lr", "eps", "weight_decay")
        for beta in group["betas"]:
            if not 0 <= beta < 1:
                raise ValueError(f"{type(self).__name__}: betas must be in [0, 1), got {group['betas']}")

    def update(self, parameter: Tensor, gradient: Array, state: dict[str, Any], group: Group) -> None:
        p = parameter.array
        if not state:
            zeros_like = xp_of(p).zeros_like
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = wrap(zeros_like(p), None), wrap(zeros_like(p), None)
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = wrap(zeros_like(p), None)
        state["step"] += 1
        highest = state["max_exp_avg_sq"].array if group["amsgrad"] else None
        adam_step_(
            p,
            -gradient if group["maximize"] else gradient,
            state["exp_avg"].array,
            state["exp_avg_sq"].array,
            highest,
            int(state["step"]),
            group["lr"],
            *group["betas"],
            group["eps"],
            group["weight_decay"],
            self.decoupled,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: the parameters shrink by lr * weight_decay a step, the gradient stays.

    Arguments as Adam, weight_decay by default 0.01. Source: Loshchilov & Hutter 2019, arXiv:1711.05101.
    """

    decoupled = True

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
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
