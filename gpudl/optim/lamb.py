"""LAMB: Adam's step, scaled for each parameter by the ratio of the parameter's norm to the step's.

    m, v as in Adam, m' = m / (1 - b1^t), v' = v / (1 - b2^t);   u = m' / (sqrt(v') + eps) + weight_decay p

    p = p - lr phi u,   phi = ||p|| / ||u||, or 1 where one of the norms is 0

You et al. 2020, "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", arXiv:1904.00962.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.optim.adam import take_in
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.settings import Group, require_betas, require_nonnegative

__all__ = ["LAMB"]


@kernel
def lamb_step_(
    p: Array,
    dp: Array,
    m: Array,
    v: Array,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    """Step number `step` (from 1) of one parameter, in p, m and v, all of one shape. Waits for no device."""
    xp = xp_of(p)
    root = take_in(dp, m, v, beta1, beta2)
    xp.divide(v, 1 - beta2**step, out=root)
    xp.sqrt(root, out=root)
    root += eps
    change = m / (1 - beta1**step)
    change /= root
    if weight_decay:
        change += weight_decay * p
    size, length = (xp.sqrt((x * x).sum()) for x in (p, change))
    known = (size > 0) & (length > 0)
    ratio = xp.where(known, size, 1) / xp.where(known, length, 1)
    change *= (lr * ratio).astype(p.dtype)
    p -= change


class LAMB(Optimizer):
    """LAMB, for large batches.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: how fast the averages of g and g^2 fade, both in [0, 1).
        eps: added to the denominator, >= 0.
        weight_decay: added to the step times the parameter, >= 0.
        maximize: ascend instead.
    Raises: ValueError for a setting out of range.
    Source: You et al. 2020, arXiv:1904.00962.
    """

    elementwise = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, settings)

    def check(self, group: Group) -> None:
        require_nonnegative("LAMB", group, "lr", "eps", "weight_decay")
        require_betas("LAMB", group)

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        lr, betas = float(group["lr"]), map(float, group["betas"])
        lamb_step_(p, dp, state["exp_avg"], state["exp_avg_sq"], step, lr, *betas, group["eps"], group["weight_decay"])
