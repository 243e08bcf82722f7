"""Stochastic gradient descent with momentum.

    g = dp + weight_decay p;   m = momentum m + (1 - dampening) g;   p = p - lr m   (Nesterov: p - lr (g + momentum m))

Robbins & Monro 1951; Polyak 1964; Nesterov 1983, in the form of Sutskever et al. 2013.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array
from gpudl.backend.kernel import kernel
from gpudl.optim.optimizer import Group, Optimizer, require_nonnegative


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


class SGD(Optimizer):
    """Stochastic gradient descent.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        momentum: >= 0; 0 for none.
        dampening: of the momentum, in [0, 1].
        weight_decay: added to the gradient times the parameter, >= 0.
        nesterov: look ahead; needs momentum and no dampening.
        maximize: ascend instead.
    Raises: ValueError for a setting out of range.
    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "nesterov": nesterov, "maximize": maximize})

    def check(self, group: Group) -> None:
        require_nonnegative("SGD", group, "lr", "momentum", "weight_decay")
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov needs momentum > 0 and dampening 0")

    def update(self, parameter: Tensor, gradient: Array, state: dict[str, Any], group: Group) -> None:
        if group["maximize"]:
            gradient = -gradient
        momentum, dampening, decay = group["momentum"], group["dampening"], group["weight_decay"]
        m = None
        if momentum:
            if "momentum_buffer" not in state:
                # The first gradient enters whole, not dampened, as in PyTorch.
                start = gradient + decay * parameter.array if decay else gradient
                state["momentum_buffer"] = wrap(start.copy(), None)
                lead = start + momentum * start if group["nesterov"] else start
                parameter.array -= group["lr"] * lead
                return
            m = state["momentum_buffer"].array
        sgd_step_(parameter.array, gradient, m, group["lr"], momentum, dampening, decay, group["nesterov"])
