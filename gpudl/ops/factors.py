"""The gradients of products, quotients and powers, each on a GPU in one launch, with the sum over what was broadcast.

    z = x * y:  dx = dz y,  dy = dz x           z = x / y:  dx = dz / y,  dy = -dz x / y**2

To write dz x only to sum it would move three times the memory.
"""

from __future__ import annotations

import math
from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, PACK_BYTES, THREADS, CudaText, dense, spread
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.kernel import kernel
from gpudl.backend.meeting import counter
from gpudl.ops.columns import Strips
from gpudl.ops.elementwise_loss import upstream
from gpudl.ops.maps import cuda_maps
from gpudl.ops.operands import sum_to_shape

Shape = tuple[int, ...]
Shapes = tuple[Shape, Shape] | None
Gradients = tuple[Any, Any]

_PRODUCT, _QUOTIENT, _INVERSE = "ProductSlopes", "QuotientSlopes", "InverseSlopes"
_KERNELS = ("pair_slopes", "column_slopes", "row_slopes")
_FILES = [f"math/{name}.cuh" for name in ("numbers", "packs", "reduce", "columns", "factors")]
_NAMES: dict[str, tuple[str, ...]] = {}
_TEXTS: dict[str, CudaText] = {}
_MOST_PARTS = 4096  # which the last block adds up
_LEAST_PART = 2048  # elements that a part of a sum has at least


def slope_forms(*forms: str, files: tuple[str, ...] = ()) -> None:
    """Make the texts of structs F of kernels/cuda/factors.cu, in math/factors.cuh or the files behind it."""
    for form in forms:  # a text for each, since a text is compiled as a whole
        _NAMES[form] = tuple(f"{name}<{{T}}, {{A}}, {form}>" for name in _KERNELS)
        kernels = (*_NAMES[form], "column_totals")
        _TEXTS[form] = CudaText(*_FILES, *files, "cuda/factors.cu", kernels=kernels)


slope_forms(_PRODUCT, _QUOTIENT, _INVERSE)


@kernel
def mul_backward(dz: Array, x: Any, y: Any, shapes: Shapes) -> Gradients:
    """dz y and dz x, without the one or the other where y or x is None, summed to the shapes, unless these are None."""
    return fitted_to(None if y is None else dz * y, None if x is None else dz * x, shapes)


@mul_backward.cuda("float32", "float64", "float16", "bfloat16")
def mul_backward_cuda(dz: Array, x: Any, y: Any, shapes: Shapes) -> Gradients:
    if dz.size and shapes is not None:
        if shapes[0] == dz.shape and x is not None:
            found = summed(_PRODUCT, dz, x, y, shapes[1], y is not None)
            return mul_backward.reference(dz, x, y, shapes) if found is None else found
        if shapes[1] == dz.shape and y is not None:
            found = summed(_PRODUCT, dz, y, x, shapes[0], x is not None)
            return mul_backward.reference(dz, x, y, shapes) if found is None else found[::-1]
    elif dz.size and type(x) is type(y) is type(dz) and x.flags.c_contiguous and y.flags.c_contiguous:
        return paired(_PRODUCT, dz, x, y)  # of others, to make both dense is slower than two products
    return mul_backward.reference(dz, x, y, shapes)  # type: ignore[no-any-return]


@kernel
def div_backward(dz: Array, x: Any, y: Any, shapes: Shapes, for_x: bool) -> Gradients:
    """dz / y, for x, and -dz x / y**2 unless x is None, summed to the shapes, unless these are None."""
    dx = dz / y
    return fitted_to(dx if for_x else None, None if x is None else -dx * x / y, shapes)


@div_backward.cuda("float32", "float64", "float16", "bfloat16")
def div_backward_cuda(dz: Array, x: Any, y: Any, shapes: Shapes, for_x: bool) -> Gradients:
    found = None
    if dz.size and type(y) is type(dz):
        if shapes is None:
            if for_x and type(x) is type(y):
                return paired(_QUOTIENT, dz, x, y)
        elif shapes[0] == dz.shape and x is not None:
            found = summed(_QUOTIENT, dz, x, y, shapes[1], for_x)
        elif shapes[1] == dz.shape and for_x:
            found = summed(_INVERSE, dz, y, x, shapes[0], x is not None)
            found = None if found is None else found[::-1]
    return div_backward.reference(dz, x, y, shapes, for_x) if found is None else found


@kernel
def power_backward(dz: Array, x: Array, exponent: float) -> Array:
    """The gradient of x**exponent: dz exponent x**(exponent - 1)."""
    return dz * exponent * x ** (exponent - 1) if exponent else dz * 0


cuda_maps("math/factors_power.cuh", power_backward)


def fitted_to(dx: Any, dy: Any, shapes: Shapes) -> Gradients:
    if shapes is None:
        return dx, dy
    return (
        None if dx is None else sum_to_shape(dx, shapes[0]),
        None if dy is None else sum_to_shape(dy, shapes[1]),
    )


def paired(form: str, dz: Array, x: Array, y: Array, wants: tuple[bool, bool] = (True, True)) -> Gradients:
    """The gradients that are wanted, for operands of dz's shape."""
    xp = xp_of(dz)
    dx, dy = (xp.empty(dz.shape, dz.dtype) if want else None for want in wants)
    up, each = upstream(dz)
    lead = next(each for each in (dx, dy) if each is not None)
    _TEXTS[form].launch(_NAMES[form][0], *spread(lead), up, dense(x), dense(y), dx, dy, lead.size, each)
    return dx, dy


def summed(form: str, dz: Array, big: Array, small: Any, shape: Shape, for_big: bool) -> Gradients | None:
    """The gradients of an operand of dz's shape, if wanted, and of one of another shape; None if it lies otherwise."""
    sizes = _layout(shape, dz.shape)
    if sizes is None:
        return None
    outer, kept, inner = sizes
    xp, text, (_, by_columns, by_rows) = xp_of(dz), _TEXTS[form], _NAMES[form]
    dsmall, dbig = xp.empty(shape, dz.dtype), xp.empty(dz.shape, dz.dtype) if for_big else None
    up, each = upstream(dz)
    given = up, dense(big), None if small is None else dense(small), dbig, dsmall
    if inner == 1:
        strips = Strips(dz, outer, kept)
        lengths = outer, kept, strips.rows_of_block, each
        text.launch(by_columns, strips.grid, strips.block, *given, strips.sums, *lengths)
        strips.finish(text, dsmall)
        return dbig, dsmall
    threads = THREADS if inner > 1024 else min(1 << (max(inner // 4, 1) - 1).bit_length(), 32)
    chunks, depth, pieces, span = _parts(outer, kept, inner)
    parts = chunks * pieces
    left = done = None
    if parts > 1:
        left, done = xp.empty(kept * parts, float64 if dz.dtype == float64 else float32), counter(dz)
    down = THREADS // threads
    grid = (min(-(-kept * parts // down), MOST_BLOCKS),)
    cuts = chunks, depth, pieces, span
    text.launch(by_rows, grid, (threads, down), *given, left, done, *sizes, *cuts, each)
    return dbig, dsmall


def _layout(shape: Shape, full: Shape) -> tuple[int, int, int] | None:
    """(outer, kept, inner), `full` seen as three dimensions of which a shape that broadcasts to it has the second."""
    runs: list[tuple[bool, int]] = []
    for length, have in zip(full, ((1,) * (len(full) - len(shape)) + shape)):
        if length == 1:
            continue
        kept = have != 1
        if runs and runs[-1][0] == kept:
            runs[-1] = kept, runs[-1][1] * length
        else:
            runs.append((kept, length))
    if not any(kept for kept, _ in runs):
        return 1, 1, math.prod(full)
    if sum(kept for kept, _ in runs) > 1:
        return None
    place = [kept for kept, _ in runs].index(True)
    before, behind = runs[:place], runs[place + 1 :]
    return before[0][1] if before else 1, runs[place][1], behind[0][1] if behind else 1


def _parts(outer: int, kept: int, inner: int) -> tuple[int, int, int, int]:
    """Into how many chunks of how many outer places, and pieces of how many inner ones, each sum is cut."""
    parts = max(min(_MOST_PARTS // kept, outer * inner // _LEAST_PART), 1)
    depth = -(-outer // min(parts, outer))
    chunks = -(-outer // depth)
    step = PACK_BYTES  # elements, so that pieces begin alike
    span = -(-inner // (step * min(max(parts // chunks, 1), -(-inner // _LEAST_PART)))) * step
    return chunks, depth, -(-inner // span), span
