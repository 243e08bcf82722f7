"""RMSprop: steps divided by the root of the mean squared gradient.

    v = alpha v + (1 - alpha) g^2;   d = sqrt(v) + eps;   p = p - lr g / d

    centered: c = alpha c + (1 - alpha) g, d = sqrt(v - c^2) + eps;   momentum: m = momentum m + g / d, p = p - lr m

Tieleman & Hinton 2012, lecture 6e of "Neural Networks for Machine Learning"; centered: Graves 2013, arXiv:1308.0850.
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

__all__ = ["RMSprop"]

_TEXT = step_text("rmsprop")


@kernel
def rmsprop_step_(
    p: Array,
    dp: Array,
    v: Array,
    center: Array | None,
    m: Array | None,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """One step in p, v, center (None: not centered) and m (None: no momentum), all of one shape."""
    xp = xp_of(p)
    g = decayed(dp, p, weight_decay)
    root = g * g
    root *= 1 - alpha
    v *= alpha
    v += root
    if center is None:
        xp.sqrt(v, out=root)
    else:
        center += (1 - alpha) * (g - center)
        xp.multiply(center, center, out=root)
        xp.subtract(v, root, out=root)
        xp.sqrt(root, out=root)
    root += eps
    change = xp.divide(g, root, out=root)
    if m is not None:
        m *= momentum
        m += change
        xp.multiply(m, lr, out=change)
    else:
        change *= lr
    p -= change


@rmsprop_step_.cuda("float32", "float64", "float16", "bfloat16")
def rmsprop_step_cuda_(
    p: Array,
    dp: Array,
    v: Array,
    center: Array | None,
    m: Array | None,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
) -> None:
    launch_step(_TEXT, dp, (p, v, center, m), lr, alpha, 1 - alpha, eps, momentum, weight_decay)


class RMSprop(Optimizer):
    """RMSprop.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        alpha: how fast the mean square fades, >= 0.
        eps: added to the denominator, >= 0.
        weight_decay: added to the gradient times the parameter, >= 0.
        momentum: of the steps, >= 0; 0 for none.
        centered: divide by the standard deviation.
        maximize: ascend instead.
        foreach, capturable, differentiable: PyTorch's choices between its implementations; accepted, and change
            nothing, but differentiable must be False.
    Raises: ValueError for a setting out of range; RuntimeError for a switch that cannot be taken.
    Source: Tieleman & Hinton 2012; Graves 2013, arXiv:1308.0850.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        implementation = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**settings, "centered": centered, "maximize": maximize, **implementation})

    def check(self, group: Group) -> None:
        refuse_unsupported("RMSprop", group)
        require_nonnegative("RMSprop", group, "lr", "alpha", "eps", "weight_decay", "momentum")

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        wanted = {"square_avg": True, "momentum_buffer": group["momentum"] > 0, "grad_avg": group["centered"]}
        return {name: 0.0 for name, is_wanted in wanted.items() if is_wanted}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        rmsprop_step_(
            p,
            dp,
            state["square_avg"],
            state.get("grad_avg"),
            state.get("momentum_buffer"),
            float(group["lr"]),
            group["alpha"],
            group["eps"],
            group["momentum"],
            group["weight_decay"],
        )
