"""Reductions of rows, of columns, of channels and of everything, their gradients, and running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.kernel_cases.case import Case, Program, array, numbers, torch_tensor
from gpudl.backend.folds import TOTAL
from gpudl.ops.cumsum import cumsum_forward
from gpudl.ops.extreme import extreme_forward, place_forward
from gpudl.ops.logsumexp import logsumexp_backward, logsumexp_forward
from gpudl.ops.norm import norm_forward
from gpudl.ops.variance import variance_forward

ROWS, COLUMNS = 8192, 4096
IMAGES = (64, 256, 56, 56)
SIZE = {"float32": 4, "float16": 2, "bfloat16": 2}

Call = Callable[[Any], Any]


def _case(name: str, shape: tuple[int, ...], dtype: str, ours: Call, theirs: Call, passes: float = 1) -> Case:
    count = SIZE[dtype]
    for length in shape:
        count *= length

    def our_program(place: Any) -> Program:
        x = array(place, numbers(shape), dtype)
        return lambda: ours(x)

    def their_program(device: str) -> Program:
        x = torch_tensor(device, numbers(shape), dtype)
        return lambda: theirs(x)

    return Case(f"{name} {dtype} {shape}", our_program, their_program, int(passes * count))


def _largest(x: Any) -> Any:
    return extreme_forward(x, (1,), False, True, False)


def _cases(dtype: str) -> list[Case]:
    shape = ROWS, COLUMNS
    return [
        _case("sum of rows", shape, dtype, lambda x: TOTAL(x, 1, False, x.dtype, q=1), lambda x: x.sum(1)),
        _case("sum of columns", shape, dtype, lambda x: TOTAL(x, 0, False, x.dtype, q=1), lambda x: x.sum(0)),
        _case("sum of all", shape, dtype, lambda x: TOTAL(x, None, False, x.dtype, q=1), lambda x: x.sum()),
        _case(
            "sum of channels",
            IMAGES,
            dtype,
            lambda x: TOTAL(x, (0, 2, 3), False, x.dtype, q=1),
            lambda x: x.sum((0, 2, 3)),
        ),
        _case("amax of rows", shape, dtype, _largest, lambda x: x.amax(1)),
        _case("max and index of rows", shape, dtype, lambda x: place_forward(x, 1, True), lambda x: x.max(1)),
        _case(
            "variance of rows",
            shape,
            dtype,
            lambda x: variance_forward(x, (1,), False, COLUMNS, COLUMNS - 1, False, False),
            lambda x: x.var(1),
        ),
        _case(
            "variance of channels",
            IMAGES,
            dtype,
            lambda x: variance_forward(x, (0, 2, 3), False, 64 * 56 * 56, 64 * 56 * 56 - 1, False, False),
            lambda x: x.var((0, 2, 3)),
        ),
        _case("norm of rows", shape, dtype, lambda x: norm_forward(x, 2.0, (1,), False, False), lambda x: x.norm(2, 1)),
        _case(
            "logsumexp of rows",
            shape,
            dtype,
            lambda x: logsumexp_forward(x, (1,), False, False),
            lambda x: x.logsumexp(1),
        ),
        _case(
            "logsumexp backward",
            shape,
            dtype,
            lambda x: logsumexp_backward(x[:, :1], x, x[:, :1], (1,)),
            lambda x: x[:, :1] * (x - x[:, :1]).exp(),
            2,
        ),
        _case("running sums of rows", shape, dtype, lambda x: cumsum_forward(x, 1, False), lambda x: x.cumsum(1), 2),
        _case("running sums of columns", shape, dtype, lambda x: cumsum_forward(x, 0, False), lambda x: x.cumsum(0), 2),
    ]


CASES = [case for dtype in SIZE for case in _cases(dtype)]
