"""Pooling of the sizes that convolutional networks have."""

from __future__ import annotations

from typing import Any

import gpudl
from benchmarks.kernel_cases.case import Case, Program, numbers, torch_tensor
from gpudl.nn import functional

# name -> (function, shape, arguments, windows along one side)
POOLS = {
    "max_pool2d 2x2": ("max_pool2d", (128, 64, 112, 112), (2,), 56),
    "max_pool2d 3x3, stride 2": ("max_pool2d", (128, 64, 112, 112), (3, 2, 1), 56),
    "avg_pool2d 2x2": ("avg_pool2d", (128, 64, 112, 112), (2,), 56),
}


def _case(name: str, backward: bool) -> Case:
    function, shape, arguments, side = POOLS[name]

    def ours(place: Any) -> Program:
        x = gpudl.tensor(numbers(shape)).to(place).requires_grad_(backward)
        pool = getattr(functional, function)
        if not backward:
            return lambda: pool(x, *arguments)
        with gpudl.enable_grad():
            y = pool(x, *arguments)
        return lambda: gpudl.autograd.grad([y], [x], [y.detach()], retain_graph=True)

    def theirs(device: str) -> Program:
        import torch

        x = torch_tensor(device, numbers(shape)).requires_grad_(backward)
        pool = getattr(torch.nn.functional, function)
        if not backward:
            return lambda: pool(x, *arguments)
        with torch.enable_grad():
            y = pool(x, *arguments)
        return lambda: torch.autograd.grad([y], [x], [y.detach()], retain_graph=True)

    planes = shape[0] * shape[1]
    moved = 4 * planes * (shape[2] * shape[3] + side * side)
    return Case(f"{name} {'backward' if backward else 'forward'} float32 {shape}", ours, theirs, moved)


CASES = [_case(name, backward) for name in POOLS for backward in (False, True)]
