"""What follows a Linear in one kernel: bias and activation, bias, dropout and residual; and random fills."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.kernel_cases.case import Case, Program, array, numbers, torch_tensor
from gpudl.backend.device import device, require
from gpudl.backend.dtypes import dtype_of
from gpudl.ops.bias_act import bias_act_backward, bias_act_forward
from gpudl.ops.dropout import dropout_backward, dropout_forward
from gpudl.ops.linear import add_bias_
from gpudl.ops.random_bits import Drop
from gpudl.ops.random_fill import fill
from gpudl.random import Stream

ROWS, COLUMNS = 8192, 4096
SIZE = {"float32": 4, "float16": 2, "bfloat16": 2}
DROP = Drop((1, 2), (0, 0, 0), 0.1, 1 / 0.9)


def _inputs(place: Any, dtype: str) -> tuple[Any, Any]:
    return array(place, numbers((ROWS, COLUMNS)), dtype), array(place, numbers((COLUMNS,), 1), dtype)


def _torch_inputs(device: str, dtype: str) -> tuple[Any, Any]:
    return torch_tensor(device, numbers((ROWS, COLUMNS)), dtype), torch_tensor(device, numbers((COLUMNS,), 1), dtype)


def _torch_act(act: str) -> Any:
    import torch

    return {"relu": torch.relu, "silu": torch.nn.functional.silu, "gelu": torch.nn.functional.gelu}[act]


def _act_forward(act: str, dtype: str) -> Case:
    def ours(place: Any) -> Program:
        x, b = _inputs(place, dtype)
        return lambda: bias_act_forward(x, b, act, False)[0]

    def theirs(device: str) -> Program:
        x, b = _torch_inputs(device, dtype)
        function = _torch_act(act)
        return lambda: function(x + b)

    return Case(f"bias and {act} forward {dtype} ({ROWS}, {COLUMNS})", ours, theirs, 2 * ROWS * COLUMNS * SIZE[dtype])


def _act_backward(act: str, dtype: str) -> Case:
    def ours(place: Any) -> Program:
        x, b = _inputs(place, dtype)
        return lambda: bias_act_backward(x, x, b, None, act)

    def theirs(device: str) -> Program:
        import torch

        x, b = _torch_inputs(device, dtype)
        aten = torch.ops.aten
        if act == "relu":
            dx = lambda: aten.threshold_backward(x, x, 0)  # noqa: E731
        else:
            backward = aten.silu_backward if act == "silu" else aten.gelu_backward
            dx = lambda: backward(x, x + b)  # noqa: E731

        def both() -> Any:
            made = dx()
            return made, made.sum(0)

        return both

    # dy and x are read as one array here, but are two.
    return Case(f"bias and {act} backward {dtype} ({ROWS}, {COLUMNS})", ours, theirs, 2 * ROWS * COLUMNS * SIZE[dtype])


def _bias(dtype: str) -> Case:
    def ours(place: Any) -> Program:
        x, b = _inputs(place, dtype)

        def added() -> Any:
            add_bias_(x, b)
            return x

        return added

    def theirs(device: str) -> Program:
        x, b = _torch_inputs(device, dtype)
        return lambda: x.add_(b)

    return Case(f"bias added {dtype} ({ROWS}, {COLUMNS})", ours, theirs, 2 * ROWS * COLUMNS * SIZE[dtype])


def _drop_forward(dtype: str, dropped: bool) -> Case:
    def ours(place: Any) -> Program:
        x, b = _inputs(place, dtype)
        residual = x.copy()
        return lambda: dropout_forward(x, b, residual, DROP if dropped else None)[0]

    def theirs(device: str) -> Program:
        import torch

        x, b = _torch_inputs(device, dtype)
        residual = x.clone()
        return lambda: residual + torch.nn.functional.dropout(x + b, DROP.p if dropped else 0.0)

    name = "bias, dropout, residual" if dropped else "bias and residual"
    moved = ROWS * COLUMNS * (3 * SIZE[dtype] + (1 / 8 if dropped else 0))
    return Case(f"{name} forward {dtype} ({ROWS}, {COLUMNS})", ours, theirs, int(moved))


def _drop_backward(dtype: str, with_bias: bool) -> Case:
    def ours(place: Any) -> Program:
        x, _ = _inputs(place, dtype)
        bits = array(place, np.resize(np.arange(251, dtype="uint8"), ROWS * COLUMNS // 8))
        return lambda: dropout_backward(x, bits, DROP, with_bias)

    def theirs(device: str) -> Program:
        import torch

        x, _ = _torch_inputs(device, dtype)
        kept = np.unpackbits(np.resize(np.arange(251, dtype="uint8"), ROWS * COLUMNS // 8), bitorder="little")
        mask = torch_tensor(device, kept.astype(bool).reshape(ROWS, COLUMNS))

        def both() -> Any:
            dx = torch.ops.aten.native_dropout_backward(x, mask, DROP.scale)
            return dx, dx.sum(0) if with_bias else None

        return both

    name = "dropout with bias" if with_bias else "dropout"
    moved = ROWS * COLUMNS * (2 * SIZE[dtype] + 1 / 8)
    return Case(f"{name} backward {dtype} ({ROWS}, {COLUMNS})", ours, theirs, int(moved))


def _fill(law: str, settings: tuple[Any, ...], dtype: str, itemsize: int) -> Case:
    def ours(place: Any) -> Program:
        where = device(place)
        out = require(where).empty((ROWS, COLUMNS), dtype_of(dtype), where)

        def filled() -> Any:
            fill(out, Stream((1, 2)), law, *settings)
            return out

        return filled

    def theirs(device: str) -> Program:
        import torch

        out = torch.empty((ROWS, COLUMNS), device=device, dtype=getattr(torch, dtype))
        name = {"uniform": "uniform_", "normal": "normal_", "integers": "random_", "exponential": "exponential_"}[law]
        method = getattr(out, name)
        return lambda: method(*settings)

    return Case(f"random {law} {dtype} ({ROWS}, {COLUMNS})", ours, theirs, ROWS * COLUMNS * itemsize)


CASES = [
    *(_bias(dtype) for dtype in ("float32", "bfloat16")),
    *(_act_forward(act, dtype) for act in ("relu", "silu", "gelu") for dtype in ("float32", "bfloat16")),
    *(_act_backward(act, dtype) for act in ("relu", "silu", "gelu") for dtype in ("float32", "bfloat16")),
    *(_drop_forward(dtype, dropped) for dropped in (True, False) for dtype in ("float32", "bfloat16")),
    *(_drop_backward(dtype, with_bias) for with_bias in (True, False) for dtype in ("float32", "bfloat16")),
    _fill("uniform", (0.0, 1.0), "float32", 4),
    _fill("uniform", (0.0, 1.0), "bfloat16", 2),
    _fill("normal", (0.0, 1.0), "float32", 4),
    _fill("integers", (0, 1000), "int64", 8),
    _fill("exponential", (1.0,), "float32", 4),
]
