"""The first of rows, rows in order, medians, and running products and extremes, with the gradients of these."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.kernel_cases.case import Case, Program, array, numbers, torch_tensor
from gpudl.backend.order import KTH, MEDIAN, put_along_, ranked_forward, sorted_forward
from gpudl.ops.cumulative import cumextreme_backward, cumextreme_forward
from gpudl.ops.logcumsumexp import logcumsumexp_backward
from gpudl.ops.prod import cumprod_backward, cumprod_forward

VOCABULARY = (512, 50257)
SHORT, LONG = (65536, 512), (1 << 24,)
SCAN = (8192, 4096)
SIZE = {"float32": 4, "float16": 2, "bfloat16": 2, "int64": 8}

Call = Callable[[Any], Any]


def _case(
    name: str, shape: tuple[int, ...], dtype: str, ours: Call, theirs: Call | None, passes: float = 1, more: int = 0
) -> Case:
    def our_program(place: Any) -> Program:
        x = array(place, numbers(shape), dtype)
        return lambda: ours(x)

    def their_program(device: str) -> Program:
        x = torch_tensor(device, numbers(shape), dtype)
        assert theirs is not None
        return lambda: theirs(x)

    bytes_moved = int(passes * math.prod(shape) * SIZE[dtype]) + more
    return Case(f"{name} {dtype} {shape}", our_program, None if theirs is None else their_program, bytes_moved)


def _first(k: int) -> Call:
    return lambda x: sorted_forward(x, k, True, True)


def _sorted(x: Any) -> Any:
    return sorted_forward(x, x.shape[-1], False, True)


def _orders(dtype: str) -> list[Case]:
    """Bytes: those of the input, and of the values and indices where they count."""
    return [
        _case("topk of 10", VOCABULARY, dtype, _first(10), lambda x: x.topk(10)),
        _case("topk of 1000", VOCABULARY, dtype, _first(1000), lambda x: x.topk(1000)),
        _case("topk of 50", LONG, dtype, _first(50), lambda x: x.topk(50)),
        _case("sort", SHORT, dtype, _sorted, lambda x: x.sort(stable=True), 2, 8 * math.prod(SHORT)),
        _case("sort", VOCABULARY, dtype, _sorted, lambda x: x.sort(stable=True), 2, 8 * math.prod(VOCABULARY)),
        _case("sort", LONG, dtype, _sorted, lambda x: x.sort(stable=True), 2, 8 * math.prod(LONG)),
        _case("median", SHORT, dtype, lambda x: ranked_forward(x, 0, MEDIAN), lambda x: x.median(1)),
        _case("kthvalue", VOCABULARY, dtype, lambda x: ranked_forward(x, 99, KTH), lambda x: x.kthvalue(100)),
    ]


def _scans(dtype: str) -> list[Case]:
    size, count = SIZE[dtype], math.prod(SCAN)
    return [
        _case("cumprod", SCAN, dtype, lambda x: cumprod_forward(x, 1, False), lambda x: x.cumprod(1), 2),
        _case("cumprod of columns", SCAN, dtype, lambda x: cumprod_forward(x, 0, False), lambda x: x.cumprod(0), 2),
        _case("cummax", SCAN, dtype, lambda x: cumextreme_forward(x, 1, True), lambda x: x.cummax(1), 2, 8 * count),
        _case("cumprod backward", SCAN, dtype, lambda x: cumprod_backward(x, x, x, 1, False), None, 4),
        _case("logcumsumexp backward", SCAN, dtype, lambda x: logcumsumexp_backward(x, x, x, 1, False), None, 4),
        _case("cummax backward", SCAN, dtype, _cummax_backward(), None, 2 + 8 / size),
    ]


def _cummax_backward() -> Call:
    def program(x: Any) -> Any:
        if kept[0] is None:
            kept[0] = cumextreme_forward(x, 1, True)[0]
        return cumextreme_backward(x, kept[0], 1)

    kept: list[Any] = [None]
    return program


def _put() -> Case:
    """The gradient of a sort: each element to where it came from."""

    def turns() -> np.ndarray[Any, Any]:
        return np.argsort(numbers(SHORT, 1), -1)

    def our_program(place: Any) -> Program:
        x, indices = array(place, numbers(SHORT)), array(place, turns())
        y = array(place, numbers(SHORT))
        return lambda: put_along_(y, x, indices, 1)

    def their_program(device: str) -> Program:
        x, indices, y = (torch_tensor(device, each) for each in (numbers(SHORT), turns(), numbers(SHORT)))
        return lambda: y.scatter_(1, indices, x)

    return Case(f"sort backward float32 {SHORT}", our_program, their_program, 16 * math.prod(SHORT))


CASES = [*(case for dtype in SIZE for case in _orders(dtype)), *(c for t in list(SIZE)[:3] for c in _scans(t)), _put()]
