"""Layers of recurrent networks over whole sequences; PyTorch's are cuDNN's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gpudl
from benchmarks.kernel_cases.case import Case, Program, numbers, torch_tensor
from gpudl import nn

TIME, BATCH, WIDTH = 35, 64, 512
GATES = {"LSTM": 4, "GRU": 3}


def _run(layer: Any, x: Any, grad: Callable[..., Any], enabled: Callable[[bool], Any], backward: bool) -> Program:
    inputs = list(layer.parameters())

    def program() -> Any:
        with enabled(backward):
            y = layer(x)[0]
            return grad([y], inputs, [y.detach()]) if backward else y

    return program


def _case(kind: str, backward: bool) -> Case:
    def ours(place: Any) -> Program:
        gpudl.manual_seed(0)
        layer = getattr(nn, kind)(WIDTH, WIDTH).to(place)
        x = gpudl.tensor(numbers((TIME, BATCH, WIDTH))).to(place)
        return _run(layer, x, gpudl.autograd.grad, gpudl.set_grad_enabled, backward)

    def theirs(device: str) -> Program:
        import torch

        layer = getattr(torch.nn, kind)(WIDTH, WIDTH).to(device)
        x = torch_tensor(device, numbers((TIME, BATCH, WIDTH)))
        return _run(layer, x, torch.autograd.grad, torch.set_grad_enabled, backward)

    count = TIME * BATCH * WIDTH
    products = 2 * count * 2 * GATES[kind] * WIDTH
    what = "forward and backward" if backward else "forward"
    return Case(
        f"{kind} {what} float32 ({TIME}, {BATCH}, {WIDTH})",
        ours,
        theirs,
        bytes=4 * count * (GATES[kind] + 5) * (2 if backward else 1),
        flops=products * (3 if backward else 1),
    )


CASES = [_case(kind, backward) for kind in GATES for backward in (False, True)]
