"""Stochastic gradient descent with momentum.

    g = dp + weight_decay p;   m = momentum m + (1 - dampening) g;   p = p - lr m   (Nesterov: p - lr (g + momentum m))

The first step does not dampen, m = g, as in PyTorch. Robbins & Monro 1951; Polyak 1964; Nesterov 1983, in the form of
Sutskever et al. 2013.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.kernel import kernel
from gpudl.optim.on_device import launch_step, step_text
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.pieces import scalars, scratch
from gpudl.optim.settings import Group, refuse_unsupported, require_nonnegative

__all__ = ["SGD"]

_TEXT = step_text("sgd")


@kernel
def sgd_step_(
    p: Array,
    dp: Array,
    m: Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """One step, in p and the momentum buffer m (None without momentum). All arrays: p's shape."""
    g = dp + weight_decay * p if weight_decay else dp
    if m is not None:
        m *= momentum
        m += (1 - dampening) * g
        g = g + momentum * m if nesterov else m
    p -= lr * g


@sgd_step_.cpu("float32", "float64")
def sgd_step_cpu_(
    p: Array,
    dp: Array,
    m: Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    rate, keep = scalars(p.dtype, lr, momentum)
    s = scratch(p)
    g = dp
    if weight_decay:
        g = p * weight_decay
        g += dp
    if m is not None:
        m *= keep
        m += np.multiply(g, 1 - dampening, out=s) if dampening else g
        if nesterov:
            ahead = m * keep
            ahead += g
            g = ahead
        else:
            g = m
    p -= np.multiply(g, rate, out=s)


@sgd_step_.cuda("float32", "float64", "float16", "bfloat16")
def sgd_step_cuda_(
    p: Array,
    dp: Array,
    m: Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    rates = lr, momentum, 1 - dampening, weight_decay
    launch_step(_TEXT, dp, (p, m), *rates, bool(nesterov))


class SGD(Optimizer):
    """Stochastic gradient descent.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0; a number, or a Tensor of one element, which is read at each step.
        momentum: >= 0; 0 for none.
        dampening: of the momentum, in [0, 1].
        weight_decay: added to the gradient times the parameter, >= 0.
        nesterov: look ahead; needs momentum and no dampening.
        maximize: ascend instead.
        foreach, fused: PyTorch's choices between its implementations; accepted, and change nothing.
        differentiable: must be False.
    Raises: ValueError for a setting out of range; RuntimeError for a switch that cannot be taken.
    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
    """

    counts = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        switches = {"foreach": foreach, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**settings, "nesterov": nesterov, "maximize": maximize, **switches})

    def check(self, group: Group) -> None:
        refuse_unsupported("SGD", group)
        require_nonnegative("SGD", group, "lr", "momentum", "weight_decay")
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov needs momentum > 0 and dampening 0")

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        return {"momentum_buffer": 0.0} if group["momentum"] else {}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        sgd_step_(
            p,
            dp,
            state.get("momentum_buffer"),
            float(group["lr"]),
            group["momentum"],
            group["dampening"] if step > 1 else 0,  # the first gradient enters the momentum whole
            float(group["weight_decay"]),
            group["nesterov"],
        )
