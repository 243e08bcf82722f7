"""Rprop: a step size for each element, longer while its gradient keeps its sign, shorter when it turns.

    s = clip(s * (up if g g_before > 0, down if g g_before < 0, else 1), low, high);   p = p - sign(g) s

where g counts as 0, also for the next step, when it has turned. For whole batches, not for noisy ones.

Riedmiller & Braun 1993, "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP Algorithm".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.optim.on_device import launch_step, step_text
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.settings import Group, refuse_unsupported, require_nonnegative

__all__ = ["Rprop"]

_TEXT = step_text("rprop")


@kernel
def rprop_step_(
    p: Array, dp: Array, before: Array, size: Array, down: float, up: float, low: float, high: float
) -> None:
    """One step in p, the gradient before and the step sizes, all of one shape."""
    xp = xp_of(p)
    product = dp * before
    turned = product < 0
    size *= xp.where(turned, p.dtype.type(down), xp.where(product > 0, p.dtype.type(up), p.dtype.type(1)))
    xp.clip(size, low, high, out=size)
    before[...] = xp.where(turned, p.dtype.type(0), dp)
    p -= xp.sign(before) * size


@rprop_step_.cuda("float32", "float64", "float16", "bfloat16")
def rprop_step_cuda_(
    p: Array, dp: Array, before: Array, size: Array, down: float, up: float, low: float, high: float
) -> None:
    launch_step(_TEXT, dp, (p, before, size), down, up, low, high)


class Rprop(Optimizer):
    """Resilient backpropagation.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: the step sizes at first, >= 0.
        etas: factors on a step size whose gradient turned, in (0, 1), and on one whose gradient did not, > 1.
        step_sizes: bounds of the step sizes.
        maximize: ascend instead.
        foreach, capturable, differentiable: PyTorch's choices between its implementations; accepted, and change
            nothing, but differentiable must be False.
    Raises: ValueError for a setting out of range; RuntimeError for a switch that cannot be taken.
    Source: Riedmiller & Braun 1993.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        implementation = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**settings, **implementation})

    def check(self, group: Group) -> None:
        refuse_unsupported("Rprop", group)
        require_nonnegative("Rprop", group, "lr")
        down, up = group["etas"]
        if not 0 < down < 1 < up:
            raise ValueError(f"Rprop: etas must be one number in (0, 1) and one above 1, got {group['etas']}")

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float]:
        return {"prev": 0.0, "step_size": float(group["lr"])}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        rprop_step_(p, dp, state["prev"], state["step_size"], *group["etas"], *group["step_sizes"])
