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

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.optim.on_device import launch_step, step_text
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.pieces import scalars, scratch
from gpudl.optim.settings import Group, refuse_unsupported, require_betas, require_nonnegative

__all__ = ["Adam", "AdamW"]

_TEXT = step_text("adam")


def take_in(g: Array, m: Array, v: Array, beta1: float, beta2: float) -> Array:
    """Let the running averages m of the gradient and v of its square take in g; gives an array to be written over."""
    m *= beta1
    m += (1 - beta1) * g
    square = g * g
    square *= 1 - beta2
    v *= beta2
    v += square
    return square


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
    take_in(g, m, v, beta1, beta2)
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
    s = scratch(p)
    g = dp
    if weight_decay and decoupled:
        p *= 1 - lr * weight_decay
    elif weight_decay:
        g = p * weight_decay
        g += dp
    m *= keep1
    m += np.multiply(g, add1, out=s)
    np.multiply(g, g, out=s)
    s *= add2
    v *= keep2
    v += s
    if highest is not None:
        v = np.maximum(highest, v, out=highest)
    np.sqrt(v, out=s)
    s += small
    np.divide(m, s, out=s)
    s *= scale
    p -= s


@adam_step_.cuda("float32", "float64", "float16", "bfloat16")
def adam_step_cuda_(
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
    root = math.sqrt(1 - beta2**step)
    rate = lr * root / (1 - beta1**step)
    shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    averages = beta1, 1 - beta1, beta2, 1 - beta2
    launch_step(_TEXT, dp, (p, m, v, highest), rate, eps * root, *averages, shrink, decay)


class Adam(Optimizer):
    """Adam, with weight decay as an addition to the gradient.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0; a number, or a Tensor of one element, which is read at each step.
        betas: how fast the averages of g and g^2 fade, both in [0, 1).
        eps: added to the denominator, >= 0.
        weight_decay: >= 0.
        amsgrad: divide by the largest average of g^2 so far.
        maximize: ascend instead.
        decoupled_weight_decay: decay as AdamW does.
        foreach, fused, capturable: PyTorch's choices between its implementations; accepted, and change nothing.
        differentiable: must be False.
    Raises: ValueError for a setting out of range; RuntimeError for a switch that cannot be taken.
    Source: Kingma & Ba 2015, arXiv:1412.6980.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        betas = tuple(beta.item() if isinstance(beta, Tensor) else beta for beta in betas)  # type: ignore[assignment]
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        switches = {"maximize": maximize, "foreach": foreach, "capturable": capturable}
        switches |= {"differentiable": differentiable, "fused": fused}
        super().__init__(params, {**settings, **switches, "decoupled_weight_decay": decoupled_weight_decay})

    def check(self, group: Group) -> None:
        refuse_unsupported(type(self).__name__, group)
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
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        switches = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused}
        decoupled = {"maximize": maximize, "decoupled_weight_decay": True}
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **switches, **decoupled)  # type: ignore[arg-type]

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:  # also from the state of an Adam
            group["decoupled_weight_decay"] = True
