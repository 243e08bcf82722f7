"""Adafactor: Adam's division by the root mean square, of which only row and column means are kept.

    b = t^beta2_decay;   R = R + b (mean over columns of g^2 - R), C likewise over rows;   V = R C / mean(R)
    u = g / sqrt(V);   a = max(eps2, rms(p)) min(lr, 1 / sqrt(t));   p = p - a u / max(1, rms(u) / d)

Vectors and numbers keep V whole. Shazeer & Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory
Cost", arXiv:1804.04235; the step size as in PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.dtype_info import finfo
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.settings import Group, require_nonnegative
from gpudl.optim.stretch import Block

__all__ = ["Adafactor"]


@kernel
def adafactor_step_(
    p: Array,
    dp: Array,
    row: Array | None,
    column: Array | None,
    whole: Array | None,
    step: int,
    lr: float,
    beta2_decay: float,
    eps1: float,
    eps2: float,
    d: float,
    weight_decay: float,
) -> None:
    """Step number `step` (from 1) of one parameter; (*, rows, 1) and (*, 1, columns), or whole: p's shape."""
    xp = xp_of(p)
    share = step**beta2_decay
    rms = float(xp.sqrt((p * p).mean()))
    if weight_decay:
        p *= 1 - lr * weight_decay
    square = dp * dp
    if row is not None and column is not None:
        row += share * (square.mean(-1, keepdims=True) - row)
        column += share * (square.mean(-2, keepdims=True) - column)
        xp.multiply(row / xp.maximum(row.mean(-2, keepdims=True), eps1), column, out=square)
    else:
        whole += share * (square - whole)
        square[...] = whole
    xp.maximum(square, eps1 * eps1, out=square)
    xp.sqrt(square, out=square)
    change = xp.divide(dp, square, out=square)
    size = max(eps2, rms) * min(lr, 1 / math.sqrt(step))
    change *= size / max(1.0, float(xp.sqrt((change * change).mean())) / d)
    p -= change


class Adafactor(Optimizer):
    """Adafactor: next to no memory for matrices.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: largest learning rate, relative to the size of the parameter, >= 0.
        beta2_decay: power of the step in the weight of the newest gradient, <= 0.
        eps: (added under the root, or None for the dtype's epsilon; least size of a parameter), >= 0.
        d: largest root mean square of a step, >= 1.
        weight_decay: the parameters shrink by lr * weight_decay a step, >= 0.
        foreach: taken for PyTorch's sake.
        maximize: ascend instead.
    Raises: ValueError for a setting out of range.
    Source: Shazeer & Stern 2018, arXiv:1804.04235.
    """

    elementwise = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "foreach": foreach, "maximize": maximize})

    def check(self, group: Group) -> None:
        require_nonnegative("Adafactor", group, "lr", "weight_decay")
        eps1, eps2 = group["eps"]
        if not group["beta2_decay"] <= 0:
            raise ValueError(f"Adafactor: beta2_decay must be <= 0, got {group['beta2_decay']}")
        if not ((eps1 is None or eps1 >= 0) and eps2 >= 0):
            raise ValueError(f"Adafactor: eps must be >= 0, or None in the first place, got {group['eps']}")
        if not group["d"] >= 1:
            raise ValueError(f"Adafactor: d must be >= 1, got {group['d']}")

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float | Block]:
        if len(shape) < 2:
            return {"variance": 0.0}
        return {"row_var": Block((*shape[:-1], 1)), "col_var": Block((*shape[:-2], 1, shape[-1]))}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        if not p.size:
            return
        eps1, eps2 = group["eps"]
        adafactor_step_(
            p,
            dp,
            state.get("row_var"),
            state.get("col_var"),
            state.get("variance"),
            step,
            float(group["lr"]),
            group["beta2_decay"],
            finfo(p.dtype).eps if eps1 is None else eps1,
            eps2,
            group["d"],
            group["weight_decay"],
        )
