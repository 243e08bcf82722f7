"""Bags of rows, triangles, classes as ones, Adafactor's step, and pairs of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.kernel_cases.case import Case, Program, numbers, of_arrays, torch_tensor

Call = Callable[..., Any]  # of gpudl or torch, its functional, and the arrays
TABLE, BAGS, LENGTH, FEATURES = 100_000, 16384, 32, 256
MATRIX = (8192, 8192)
CLASSES = 8192


def _index(library: Any, like: Any, count: int, shape: tuple[int, ...]) -> Any:
    """Numbers in [0, count), where `like` is, the same for both libraries."""
    return (library.tensor((abs(numbers(shape, 9)) * 1e6).astype("int64")) % count).to(like.device)


def _bags(mode: str) -> Call:
    kept: dict[Any, Any] = {}  # made once, outside of what is timed

    def call(library: Any, layers: Any, w: Any) -> Any:
        if library not in kept:
            kept[library] = _index(library, w, w.shape[0], (BAGS, LENGTH))
        return layers.embedding_bag(kept[library], w, mode=mode)

    return call


def _one_hot() -> Call:
    kept: dict[Any, Any] = {}

    def call(library: Any, layers: Any, x: Any) -> Any:
        if library not in kept:
            kept[library] = _index(library, x, CLASSES, (MATRIX[0],))
        return layers.one_hot(kept[library], CLASSES)

    return call


def _lower(library: Any, layers: Any, x: Any) -> Any:
    return library.tril(x)


def _larger(library: Any, layers: Any, x: Any, y: Any) -> Any:
    return library.maximum(x, y)


def _power(library: Any, layers: Any, x: Any, y: Any) -> Any:
    return x.abs() ** y


def _chosen(library: Any, layers: Any, x: Any, y: Any) -> Any:
    return library.where(x > y, x, y)


def _difference(library: Any, layers: Any, x: Any, y: Any) -> Any:
    return x - y


def _adafactor() -> Case:
    def program(library: Any, p: Any, g: Any) -> Program:
        leaf = library.nn.Parameter(p)
        leaf.grad = g
        return library.optim.Adafactor([leaf], lr=0.01).step  # type: ignore[no-any-return]

    def ours(place: Any) -> Program:
        import gpudl.nn
        import gpudl.optim

        return program(gpudl, *(gpudl.tensor(numbers(MATRIX, seed)).to(place) for seed in range(2)))

    def theirs(device: str) -> Program:
        import torch

        return program(torch, *(torch_tensor(device, numbers(MATRIX, seed)) for seed in range(2)))

    return Case(f"Adafactor step float32 {MATRIX}", ours, theirs, 4 * 5 * _SIZE)


_SIZE = MATRIX[0] * MATRIX[1]
_ROWS, _BAGS, _WHOLE = BAGS * LENGTH * FEATURES, BAGS * FEATURES, TABLE * FEATURES
# name, function, shapes, numbers moved forward and backward
_TABLE_OF_CASES: tuple[tuple[str, Call, tuple[tuple[int, ...], ...], int, int], ...] = (
    ("embedding_bag sum", _bags("sum"), ((TABLE, FEATURES),), _ROWS + _BAGS, _BAGS + _WHOLE),
    ("embedding_bag max", _bags("max"), ((TABLE, FEATURES),), _ROWS + 3 * _BAGS, 3 * _BAGS + _WHOLE),
    ("tril", _lower, (MATRIX,), 3 * _SIZE // 2, 3 * _SIZE // 2),
    ("maximum", _larger, (MATRIX, MATRIX), 3 * _SIZE, 5 * _SIZE),
    ("x - y, y of columns", _difference, (MATRIX, MATRIX[1:]), 2 * _SIZE, 2 * _SIZE),
    ("power of two arrays", _power, (MATRIX, MATRIX), 5 * _SIZE, 8 * _SIZE),
    ("where of two arrays", _chosen, (MATRIX, MATRIX), 5 * _SIZE, 13 * _SIZE // 4),
)
CASES = [
    *(
        of_arrays(name, call, shapes, backward, (forward, back)[backward])
        for name, call, shapes, forward, back in _TABLE_OF_CASES
        for backward in (False, True)
    ),
    of_arrays("one_hot", _one_hot(), ((1,),), False, 2 * MATRIX[0] * CLASSES),
    _adafactor(),
]
