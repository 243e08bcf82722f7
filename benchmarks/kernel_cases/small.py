"""What takes several small steps in one: products that broadcast, clamp, soft targets, resizing, windows, grids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.kernel_cases.case import Case, of_arrays

Call = Callable[..., Any]  # of gpudl or torch, its functional, and the arrays
IMAGES, ROWS, CLASSES = (64, 64, 112, 112), 16384, 4096
FIELD = (32, 64, 128, 128)


def _one(name: str, call: Call, shapes: tuple[tuple[int, ...], ...], backward: bool, moved: int) -> Case:
    """A function of arrays, the first of which, or all for `x * y`, get gradients backward."""
    return of_arrays(name, call, shapes, backward, moved, None if name.startswith(("x", "grid")) else 1)


def _product(library: Any, layers: Any, x: Any, y: Any) -> Any:
    return x * y


def _quotient(library: Any, layers: Any, x: Any, y: Any) -> Any:
    return x / y


def _clamp(library: Any, layers: Any, x: Any) -> Any:
    return library.clamp(x, -1.0, 1.0)


def _square(library: Any, layers: Any, x: Any) -> Any:
    return x**2


def _soft_targets(library: Any, layers: Any, x: Any, p: Any) -> Any:
    return layers.cross_entropy(x, p.detach())


def _twice(library: Any, layers: Any, x: Any) -> Any:
    return layers.interpolate(x, scale_factor=2, mode="bilinear")


def _nearest(library: Any, layers: Any, x: Any) -> Any:
    return layers.interpolate(x, scale_factor=2, mode="nearest")


def _windows(library: Any, layers: Any, x: Any) -> Any:
    return layers.unfold(x, 3, padding=1)


def _largest(library: Any, layers: Any, x: Any) -> Any:
    return layers.adaptive_max_pool2d(x, (50, 50))


def _sampled(library: Any, layers: Any, x: Any, grid: Any) -> Any:
    return layers.grid_sample(x, grid, align_corners=False)


_IMAGES = IMAGES[0] * IMAGES[1] * IMAGES[2] * IMAGES[3]
_TABLE = ROWS * CLASSES
_FIELD = FIELD[0] * FIELD[1] * FIELD[2] * FIELD[3]
_GRID = (FIELD[0], *FIELD[2:], 2)
# name, function, shapes, numbers moved forward and backward
_TABLE_OF_CASES: tuple[tuple[str, Call, tuple[tuple[int, ...], ...], int, int], ...] = (
    ("x * y, y of channels", _product, (IMAGES, (IMAGES[1], 1, 1)), 2 * _IMAGES, 3 * _IMAGES),
    ("x * y, y of planes", _product, (IMAGES, (*IMAGES[:2], 1, 1)), 2 * _IMAGES, 3 * _IMAGES),
    ("x * y, y of columns", _product, ((ROWS, CLASSES), (CLASSES,)), 2 * _TABLE, 3 * _TABLE),
    ("x * y, y one number", _product, (IMAGES, ()), 2 * _IMAGES, 3 * _IMAGES),
    ("x * y", _product, (IMAGES, IMAGES), 3 * _IMAGES, 5 * _IMAGES),
    ("x / y, y of rows", _quotient, ((ROWS, CLASSES), (ROWS, 1)), 2 * _TABLE, 3 * _TABLE),
    ("clamp", _clamp, (IMAGES,), 2 * _IMAGES, 3 * _IMAGES),
    ("square", _square, (IMAGES,), 2 * _IMAGES, 3 * _IMAGES),
    ("cross_entropy of probabilities", _soft_targets, ((ROWS, CLASSES), (ROWS, CLASSES)), 2 * _TABLE, 3 * _TABLE),
    ("interpolate bilinear 2x", _twice, (FIELD,), 5 * _FIELD, 5 * _FIELD),
    ("interpolate nearest 2x", _nearest, (FIELD,), 5 * _FIELD, 5 * _FIELD),
    ("unfold 3x3", _windows, (FIELD,), 10 * _FIELD, 10 * _FIELD),
    ("adaptive_max_pool2d to 50x50", _largest, (FIELD,), _FIELD, _FIELD),
    ("grid_sample", _sampled, (FIELD, _GRID), 2 * _FIELD, 3 * _FIELD),
)
CASES = [
    _one(name, call, shapes, backward, (forward, back)[backward])
    for name, call, shapes, forward, back in _TABLE_OF_CASES
    for backward in (False, True)
]
