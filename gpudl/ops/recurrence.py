"""Linear recurrences along one dimension, h[k] = b[k] + a[k] h[k-1]: the gradients of running products and sums.

The gradient of a recurrence is a recurrence from the other end, so whatever is written with one has gradients of any
order, and since nothing is divided, they are right at zeros too. On CUDA devices lines are done in pieces side by side:
Blelloch 1990, "Prefix sums and their applications", 1.4; see kernels/cuda/recurrence.cu.
"""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import THREADS, CudaText, dense
from gpudl.backend.kernel import kernel

__all__: list[str] = []

_BLOCKS = 264  # two for each multiprocessor of a large GPU
_WARP_LINE = 512  # elements up to which a warp goes over a line
_PART = 4096  # elements of a row that are worth a block of their own
_TALL = 128  # and of a column, a thread


class Recur:
    """Recurrences on CUDA devices by an Op of kernels/cuda/recurrence.cu."""

    def __init__(self, op: str):
        self.rows, self.columns = (f"recur_{how}<{{T}}, {{A}}, {op}>" for how in ("rows", "columns"))
        self.text = CudaText("math/numbers.cuh", "cuda/recurrence.cu", kernels=(self.rows, self.columns))

    def __call__(
        self, add: Array, one: Array | None, other: Array | None, indices: Array | None, dim: int, reverse: bool
    ) -> Array:
        """What Op makes of h along a dimension, in the shape and dtype of `add`, which the others have too."""
        add, *beside = (each if each is None else dense(each) for each in (add, one, other, indices))
        xp, length, inner = xp_of(add), add.shape[dim], math.prod(add.shape[dim + 1 :])
        y = xp.empty(add.shape, add.dtype)
        if not add.size:
            return y
        lines = add.size // length
        of_block = 1 if inner == 1 and length > _WARP_LINE else THREADS // 32 if inner == 1 else THREADS
        blocks = -(-lines // of_block)
        parts = max(min(_BLOCKS // blocks, length // (_PART if inner == 1 else _TALL)), 1)
        of_part = -(-length // parts)
        parts, left = -(-length // of_part), None
        block = (THREADS,) if inner > 1 else (THREADS // of_block, of_block)
        name, width = (self.rows, ()) if inner == 1 else (self.columns, (inner,))
        if parts > 1:
            left = xp.empty(2 * parts * lines, "float64" if add.dtype.itemsize == 8 else "float32")
        for leaves in (True, False) if parts > 1 else (False,):
            given = add, *beside, y, left, leaves, lines, length, *width, of_part, reverse
            self.text.launch(name, (blocks, parts), block, *given)
        return y


_RECUR = Recur("Given")


@kernel
def recurrence_forward(b: Array, a: Array, dim: int, reverse: bool) -> Array:
    """h[k] = b[k] + a[k] h[k-1] along dim, or h[k+1] if reverse; what stands at the beginning of a is not used."""
    h = b.copy()
    factors, line = a.swapaxes(0, dim), h.swapaxes(0, dim)
    count = len(line)
    for k in reversed(range(count - 1)) if reverse else range(1, count):
        line[k] += factors[k] * line[k + 1 if reverse else k - 1]
    return h


@recurrence_forward.cuda("float32", "float64", "float16", "bfloat16")
def recurrence_forward_cuda(b: Array, a: Array, dim: int, reverse: bool) -> Array:
    return _RECUR(b, a, None, None, dim, reverse)


class ShiftAlong(Primitive):
    """x moved one place along dim, up for 1 and down for -1; `filler` comes in at the end that becomes free."""

    __slots__ = ("dim", "step")
    dim: int
    step: int

    def forward(ctx, x: Array, dim: int, step: int, filler: float) -> Array:
        ctx.dim, ctx.step = dim, step
        return shifted(x, dim, step, filler)

    def backward(ctx, dy: Array) -> Array:
        return shifted(dy, ctx.dim, -ctx.step, 0.0)


def shifted(x: Array, dim: int, step: int, filler: float) -> Array:
    """ShiftAlong for a Tensor or an array."""
    if isinstance(x, Tensor):
        return ShiftAlong.apply(x, dim, step, filler)
    y = xp_of(x).full_like(x, filler)
    lines, moved = x.swapaxes(0, dim), y.swapaxes(0, dim)
    if step > 0:
        moved[1:] = lines[:-1]
    else:
        moved[:-1] = lines[1:]
    return y


class Recurrence(Primitive):
    """h[k] = b[k] + a[k] h[k-1] along dim, from the other end if `reverse`: closed under differentiation."""

    __slots__ = ("dim", "reverse")
    dim: int
    reverse: bool

    def forward(ctx, a: Array, b: Array, dim: int, reverse: bool) -> Array:
        ctx.dim, ctx.reverse = dim, reverse
        h = recurrence_forward(b, a, dim, reverse)
        ctx.save(a, h)
        return h

    def backward(ctx, dh: Array) -> tuple[Any, ...]:
        a, h = ctx.saved
        step = -1 if ctx.reverse else 1
        db = recurrence(shifted(a, ctx.dim, -step, 0.0), dh, ctx.dim, not ctx.reverse)
        return db * shifted(h, ctx.dim, step, 0.0), db


def recurrence(a: Array, b: Array, dim: int, reverse: bool) -> Array:
    """Recurrence for Tensors or arrays."""
    return Recurrence.apply(a, b, dim, reverse) if isinstance(b, Tensor) else recurrence_forward(b, a, dim, reverse)
