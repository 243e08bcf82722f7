"""How the steps of elementwise optimizers run on a CUDA device: one launch for all that lies end to end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpudl.backend.arrays import Array
from gpudl.backend.cuda_text import CudaText, dense, spread


def step_text(name: str) -> CudaText:
    """The CUDA text of an optimizer: kernels/cuda/<name>.cu with the kernel <name>_step."""
    return CudaText("math/numbers.cuh", "math/packs.cuh", "math/step.cuh", f"cuda/{name}.cu", kernels=(f"{name}_step",))


def launch_step(text: CudaText, dp: Array, changed: Sequence[Array | None], *settings: Any) -> None:
    """Start a step.

    Args:
        text: of step_text.
        dp: the gradient.
        changed: the parameter and its state, in the kernel's order; those not in C order go by way of copies.
        settings: the kernel's further arguments: bools, and numbers, of whatever type.
    """
    first, *state = given = [None if x is None else dense(x) for x in changed]
    assert first is not None
    numbers = [x if type(x) is bool else float(x) for x in settings]
    text.launch(text.kernels[0], *spread(first), first, dense(dp), *state, first.size, *numbers)
    for x, copy in zip(changed, given):
        if x is not None and x is not copy:
            x[...] = copy
