"""GELU."""

from __future__ import annotations

from typing import Any

from benchmarks.kernel_cases.case import Case, Program, array, numbers, torch_tensor
from gpudl.ops.gelu import gelu_backward, gelu_forward

ROWS, COLUMNS = 8192, 4096
SIZE = {"float32": 4, "float16": 2, "bfloat16": 2}


def _forward(dtype: str) -> Case:
    def ours(place: Any) -> Program:
        x = array(place, numbers((ROWS, COLUMNS)), dtype)
        return lambda: gelu_forward(x, False, False)

    def theirs(device: str) -> Program:
        import torch

        x = torch_tensor(device, numbers((ROWS, COLUMNS)), dtype)
        return lambda: torch.ops.aten.gelu(x)

    return Case(f"gelu forward {dtype} ({ROWS}, {COLUMNS})", ours, theirs, 2 * ROWS * COLUMNS * SIZE[dtype])


def _backward(dtype: str) -> Case:
    def ours(place: Any) -> Program:
        x = array(place, numbers((ROWS, COLUMNS)), dtype)
        return lambda: gelu_backward(x, x, None, False)

    def theirs(device: str) -> Program:
        import torch

        x = torch_tensor(device, numbers((ROWS, COLUMNS)), dtype)
        return lambda: torch.ops.aten.gelu_backward(x, x)

    return Case(f"gelu backward {dtype} ({ROWS}, {COLUMNS})", ours, theirs, 2 * ROWS * COLUMNS * SIZE[dtype])


CASES = [*(_forward(dtype) for dtype in SIZE), *(_backward(dtype) for dtype in SIZE)]
