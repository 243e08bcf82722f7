"""The gradients of differences, of powers of two arrays, and of what takes one of two, each on a GPU in one launch."""

from __future__ import annotations

from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense, spread
from gpudl.backend.kernel import Kernel, kernel
from gpudl.ops.elementwise_loss import upstream
from gpudl.ops.factors import Gradients, Shapes, fitted_to, paired, slope_forms, summed
from gpudl.ops.parts import kept

_FORMS = {
    "maximum": ("MaximumSlopes",) * 2,  # for an operand x that the other broadcasts to, and for such a y
    "minimum": ("MinimumSlopes",) * 2,
    "fmax": ("FmaxSlopes", "Swapped<FmaxSlopes>"),
    "fmin": ("FminSlopes", "Swapped<FminSlopes>"),
    "pow": ("PowSlopes", "Swapped<PowSlopes>"),
    "sub": ("DifferenceSlopes", "Swapped<DifferenceSlopes>"),
}
slope_forms(*dict.fromkeys(form for both in _FORMS.values() for form in both), files=("math/choices.cuh",))
_SPLIT = CudaText("math/packs.cuh", "cuda/choices.cu", kernels=("split_by_condition",))
_FLOATS = "float32", "float64", "float16", "bfloat16"


@kernel
def difference_backward(dz: Array, shapes: Shapes, for_x: bool) -> Gradients:
    """dz, for x, and -dz, summed to the shapes, unless these are None."""
    return fitted_to(dz if for_x else None, -dz, shapes)


@difference_backward.cuda(*_FLOATS)
def difference_backward_cuda(dz: Array, shapes: Shapes, for_x: bool) -> Gradients:
    found = None
    if dz.size and shapes is not None:
        if shapes[0] == dz.shape:
            found = summed(_FORMS["sub"][0], dz, dz, None, shapes[1], False)
            found = None if found is None else (dz if for_x else None, found[1])
        elif shapes[1] == dz.shape and for_x:
            found = summed(_FORMS["sub"][1], dz, dz, None, shapes[0], True)
            found = None if found is None else found[::-1]
    return difference_backward.reference(dz, shapes, for_x) if found is None else found


@kernel
def pow_backward(dz: Array, x: Array, y: Array, shapes: Shapes, wants: tuple[bool, bool]) -> Gradients:
    """dz y x**(y - 1) and dz x**y log(x), those that are wanted, summed to the shapes, unless these are None."""
    xp = xp_of(y)
    dx = dy = None
    if wants[0]:
        dx = dz * xp.where(y == 0, 0 * y, y * x ** (y - 1))
    if wants[1]:
        # The derivative x**y log(x) is 0, not nan, in the limit x -> 0 with y >= 0.
        zero = (y >= 0) & (x == 0)
        safe = xp.where(zero, xp.ones_like(y), x)
        dy = dz * xp.where(zero, xp.zeros_like(y), safe**y * xp.log(safe))
    return fitted_to(dx, dy, shapes)


@pow_backward.cuda(*_FLOATS)
def pow_backward_cuda(dz: Array, x: Array, y: Array, shapes: Shapes, wants: tuple[bool, bool]) -> Gradients:
    return _both("pow", pow_backward, dz, x, y, shapes, wants, (wants,))


@kernel
def choice_backward(dz: Array, x: Array, y: Array, shapes: Shapes, rule: str) -> Gradients:
    """dz to the one that "maximum", "minimum", "fmax" or "fmin" takes, summed to the shapes, unless these are None."""
    # Where both are equal, or one is nan, the first two give half of it, or all, to each; the others, to x, or to the
    # one that is no nan.
    if rule in ("maximum", "minimum"):
        less, more = (x < y, x > y) if rule == "maximum" else (x > y, x < y)
        xp, zero = xp_of(x), dz.dtype.type(0)
        both = xp.where(x == y, dz * 0.5, dz)
        return fitted_to(xp.where(less, zero, both), xp.where(more, zero, both), shapes)
    first = ((x >= y) if rule == "fmax" else (x <= y)) | (y != y)
    return fitted_to(kept(dz, first), kept(dz, ~first), shapes)


@choice_backward.cuda(*_FLOATS)
def choice_backward_cuda(dz: Array, x: Array, y: Array, shapes: Shapes, rule: str) -> Gradients:
    return _both(rule, choice_backward, dz, x, y, shapes, (True, True), (rule,))


def _both(
    rule: str, op: Kernel, dz: Array, x: Any, y: Any, shapes: Shapes, wants: tuple[bool, bool], rest: tuple[Any, ...]
) -> Gradients:
    found = None
    if dz.size and any(wants):
        if shapes is None:
            if x.shape == y.shape == dz.shape:
                found = paired(_FORMS[rule][0], dz, x, y, wants)
        elif shapes[0] == dz.shape:
            found = summed(_FORMS[rule][0], dz, x, y, shapes[1], wants[0])
        elif shapes[1] == dz.shape:
            found = summed(_FORMS[rule][1], dz, y, x, shapes[0], wants[1])
            found = None if found is None else found[::-1]
    if found is None:
        return op.reference(dz, x, y, shapes, *rest)  # type: ignore[no-any-return]
    return found[0] if wants[0] else None, found[1] if wants[1] else None


@kernel
def where_backward(dz: Array, condition: Array, wants: tuple[bool, bool]) -> Gradients:
    """dz where the condition holds and 0 elsewhere, for the first; the other way round for the second."""
    xp, zero = xp_of(condition), dz.dtype.type(0)  # no array of zeros: one launch each
    dx = xp.where(condition, dz, zero) if wants[0] else None
    dy = xp.where(condition, zero, dz) if wants[1] else None
    return dx, dy


@where_backward.cuda(*_FLOATS)
def where_backward_cuda(dz: Array, condition: Array, wants: tuple[bool, bool]) -> Gradients:
    if not all(wants) or not dz.size or condition.shape != dz.shape:
        return where_backward.reference(dz, condition, wants)  # type: ignore[no-any-return]
    xp = xp_of(dz)
    dx, dy = xp.empty(dz.shape, dz.dtype), xp.empty(dz.shape, dz.dtype)
    up, each = upstream(dz)
    _SPLIT.launch("split_by_condition", *spread(dx), up, dense(condition), dx, dy, dx.size, each)
    return dx, dy
