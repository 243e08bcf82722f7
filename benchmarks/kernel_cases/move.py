"""Moving memory: transposes, joins, padding, rows by number, and sums by place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.kernel_cases.case import Case, Program, array, numbers, torch_tensor
from gpudl.backend.join import joined
from gpudl.backend.pad import padded, rolled, unpadded
from gpudl.backend.strided_copy import converted, copied
from gpudl.backend.take_rows import taken
from gpudl.ops.accumulate import summed_rows
from gpudl.ops.embedding import embedding_backward

ROWS, COLUMNS = 8192, 4096
TABLE, TOKENS, FEATURES = 50304, 16384, 1024
IMAGES = (64, 64, 112, 112)
SIZE = {"float32": 4, "float16": 2, "bfloat16": 2}

Way = Callable[[Any], Any]


def _case(name: str, shape: tuple[int, ...], dtype: str, ours: Way, theirs: Way, moved: float = 2.0) -> Case:
    """A case of one array; `moved`: how many times its bytes are read or written."""

    def program(place: Any) -> Program:
        x = array(place, numbers(shape), dtype)
        return lambda: ours(x)

    def torch_program(device: str) -> Program:
        x = torch_tensor(device, numbers(shape), dtype)
        return lambda: theirs(x)

    return Case(
        f"{name} {dtype} {shape}", program, torch_program, int(moved * np.prod(shape, dtype=np.int64) * SIZE[dtype])
    )


def _copies() -> list[Case]:
    heads, square = (16, 1024, 32, 64), (ROWS, COLUMNS)
    found = []
    for dtype in SIZE:
        found += [
            _case("transpose", square, dtype, lambda x: copied(x.T), lambda x: x.t().contiguous()),
            _case(
                "heads to the front", heads, dtype, lambda x: copied(x.transpose(0, 2, 1, 3)),
                lambda x: x.permute(0, 2, 1, 3).contiguous(),
            ),
            _case(
                "channels to the end", IMAGES, dtype, lambda x: copied(x.transpose(0, 2, 3, 1)),
                lambda x: x.permute(0, 2, 3, 1).contiguous(),
            ),
            _case("columns 1 to 2049", square, dtype, lambda x: copied(x[:, 1:2049]), _torch_columns, moved=1.0),
        ]  # fmt: skip
    for dtype in ("float16", "bfloat16"):
        found += [
            Case(
                f"float32 to {dtype} ({ROWS}, {COLUMNS})",
                lambda place, dtype=dtype: _cast(place, "float32", dtype),
                lambda device, dtype=dtype: _torch_cast(device, "float32", dtype),
                ROWS * COLUMNS * 6,
            ),
            Case(
                f"{dtype} to float32 ({ROWS}, {COLUMNS})",
                lambda place, dtype=dtype: _cast(place, dtype, "float32"),
                lambda device, dtype=dtype: _torch_cast(device, dtype, "float32"),
                ROWS * COLUMNS * 6,
            ),
        ]
    return found


def _torch_columns(x: Any) -> Any:
    return x[:, 1:2049].contiguous()


def _cast(place: Any, before: str, after: str) -> Program:
    from gpudl.backend.dtypes import dtype_of

    x, dtype = array(place, numbers((ROWS, COLUMNS)), before), dtype_of(after)
    return lambda: converted(x, dtype)


def _torch_cast(device: str, before: str, after: str) -> Program:
    import torch

    x = torch_tensor(device, numbers((ROWS, COLUMNS)), before)
    return lambda: x.to(getattr(torch, after))


def _joins() -> list[Case]:
    square, edges = (ROWS, COLUMNS), ((0, 0), (0, 0), (3, 3), (3, 3))
    found = []
    for dtype in ("float32", "float16"):
        found += [
            _case("cat of 3 by columns", square, dtype, _join_three, _torch_join_three, moved=6.0),
            _case(
                "gradient of a slice", square, dtype,
                lambda x: joined(1, (COLUMNS, COLUMNS, COLUMNS), (None, x, None)),
                _torch_slice_gradient, moved=4.0,
            ),
            _case("roll", square, dtype, lambda x: rolled(x, (5,), (0,)), lambda x: x.roll(5, 0)),
            _case("zeros", IMAGES, dtype, lambda x: padded(x, edges, "constant", 0), _torch_pad("constant"), 2.1),
            _case("reflection", IMAGES, dtype, lambda x: padded(x, edges, "reflect", 0), _torch_pad("reflect"), 2.1),
            _case("its gradient", IMAGES, dtype, lambda x: unpadded(x, edges, "reflect"), _torch_unpad, 1.9),
        ]  # fmt: skip
    return found


def _join_three(x: Any) -> Any:
    return joined(1, (COLUMNS, COLUMNS, COLUMNS), (x, x, x))


def _torch_join_three(x: Any) -> Any:
    import torch

    return torch.cat([x, x, x], 1)


def _torch_slice_gradient(x: Any) -> Any:
    import torch

    return torch.ops.aten.slice_backward(x, [x.shape[0], 3 * x.shape[1]], 1, x.shape[1], 2 * x.shape[1], 1)


def _torch_pad(mode: str) -> Way:
    def program(x: Any) -> Any:
        import torch

        return torch.nn.functional.pad(x, (3, 3, 3, 3), mode)

    return program


def _torch_unpad(x: Any) -> Any:
    import torch

    inner = x[:, :, 3:-3, 3:-3]
    return torch.ops.aten.reflection_pad2d_backward(x, inner, [3, 3, 3, 3])


def _tokens(skewed: bool) -> np.ndarray[Any, Any]:
    """Numbers of rows: evenly, or as words are, few of them making up most of a text."""
    rng = np.random.default_rng(0)
    return np.minimum(rng.zipf(1.3, TOKENS) - 1, TABLE - 1) if skewed else rng.integers(0, TABLE, TOKENS)


def _tables() -> list[Case]:
    found = []
    for dtype, size in SIZE.items():

        def forward(place: Any, dtype: str = dtype) -> Program:
            w, index = array(place, numbers((TABLE, FEATURES)), dtype), array(place, _tokens(True))
            return lambda: taken(w, index)

        def torch_forward(device: str, dtype: str = dtype) -> Program:
            import torch

            w = torch_tensor(device, numbers((TABLE, FEATURES)), dtype)
            index = torch.from_numpy(_tokens(True)).to(device)
            return lambda: torch.nn.functional.embedding(index, w)

        found.append(
            Case(
                f"embedding forward {dtype} ({TOKENS}, {FEATURES})",
                forward,
                torch_forward,
                2 * TOKENS * FEATURES * size,
            )
        )
        for skewed in (False, True):

            def backward(place: Any, dtype: str = dtype, skewed: bool = skewed) -> Program:
                dy, index = array(place, numbers((TOKENS, FEATURES)), dtype), array(place, _tokens(skewed))
                return lambda: embedding_backward(dy, index, TABLE, -1, False)

            def torch_backward(device: str, dtype: str = dtype, skewed: bool = skewed) -> Program:
                import torch

                dy = torch_tensor(device, numbers((TOKENS, FEATURES)), dtype)
                index = torch.from_numpy(_tokens(skewed)).to(device)
                return lambda: torch.ops.aten.embedding_dense_backward(dy, index, TABLE, -1, False)

            which = "words" if skewed else "even"
            name = f"embedding backward, {which}, {dtype} ({TOKENS}, {FEATURES})"
            found.append(Case(name, backward, torch_backward, (TOKENS + TABLE) * FEATURES * size))
    return found


def _sums() -> Case:
    count, places = 1 << 22, 1 << 20

    def ours(place: Any) -> Program:
        rows, index = (array(place, x) for x in _elements(count, places))
        return lambda: summed_rows(places, index, rows)

    def theirs(device: str) -> Program:
        import torch

        rows, index = (torch.from_numpy(x).to(device) for x in _elements(count, places))
        return lambda: torch.zeros(places, device=device).index_add(0, index, rows)

    return Case(f"index_add of elements float32 ({count},)", ours, theirs, count * 12 + places * 4)


def _elements(count: int, places: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return numbers((count,)), np.random.default_rng(1).integers(0, places, count)


CASES = [*_copies(), *_joins(), *_tables(), _sums()]
