"""Losses of single elements: what their kernels share, on the CPU and in CUDA, and the Primitive over these.

A loss has an input x and a target t, perhaps a third array v, and perhaps weights w, which are factors on the losses
and have no gradient here. x, t and v have one dtype and one shape, but v and w may broadcast where they have no
gradient.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from gpudl.autograd.primitive import Primitive, as_array
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import PACK_BYTES, THREADS, CudaText, Shape, dense, spread
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import Kernel
from gpudl.backend.meeting import counter
from gpudl.ops.operands import broadcast, narrowed, total, widened

_WARP_ROW = 1024  # elements up to which a warp goes over a row
_FEW_ROUNDS = 8  # over rows that one block has done before several could have met
_MOST_SUMS = 1024  # of blocks, which the last one adds up
_ALONE = 1 << 16  # bytes of an array up to which one block is done before several could have met


def combined(losses: Array, w: Array | None, reduction: str) -> Array:
    """What is asked for of losses, times their weights: a reference's last step."""
    if w is None:
        if reduction == "none":
            return losses
        added = widened(losses).sum()
        return narrowed(added if reduction == "sum" else added / added.dtype.type(losses.size), losses.dtype)
    losses = losses * w
    if reduction == "none":
        return losses
    added = total(widened(losses), None)
    return narrowed(added if reduction == "sum" else added / added.dtype.type(losses.size), losses.dtype)


def of_elements(dy: Array, x: Array, w: Array | None, reduction: str) -> Array:
    """The gradient of the elements' losses, of x's shape or a 0-d one: a reference's first step backward."""
    if reduction == "mean":
        dy = dy / max(x.size if not isinstance(x, Tensor) else x.array.size, 1)
    return dy if w is None else dy * w


class LossText:
    """The CUDA text of one loss: forward with its sum or mean, and backward, in one launch each.

    Args:
        file: in kernels/, with the loss's functor; see kernels/cuda/elementwise_loss.cu.
        functor: its name.
    """

    def __init__(self, file: str, functor: str):
        self.names = tuple(f"loss_{way}<{{T}}, {{A}}, {functor}>" for way in ("forward", "backward"))
        shared = "math/numbers.cuh", "math/packs.cuh", "math/reduce.cuh"
        self.text = CudaText(*shared, file, "cuda/elementwise_loss.cu", kernels=self.names)

    def forward(
        self, x: Array, t: Array, v: Array | None, w: Array | None, reduction: str, a: float = 0.0, b: float = 0.0
    ) -> Array:
        """The loss; a and b are the settings that the functor gets."""
        xp, sums = xp_of(x), reduction != "none"
        (v, v_period), (w, w_period) = _repeated(v, x), _repeated(w, x)
        loss = xp.empty(() if sums else x.shape, x.dtype)
        grid, block = meeting_grid(x) if sums else spread(x)
        divisor = float(x.size) if reduction == "mean" else 1.0
        settings = x.size, v_period, w_period, sums, divisor, a, b
        self.text.launch(self.names[0], grid, block, dense(x), dense(t), v, w, loss, *meeting_place(x, grid), *settings)
        return loss

    def backward(
        self,
        dy: Array,
        x: Array,
        t: Array,
        v: Array | None,
        w: Array | None,
        wants: tuple[bool, ...],
        reduction: str,
        a: float = 0.0,
        b: float = 0.0,
    ) -> tuple[Array | None, ...]:
        """The gradients of x, t and v, of those that are wanted."""
        xp = xp_of(x)
        (v, v_period), (w, w_period) = _repeated(v, x), _repeated(w, x)
        gradients = [xp.empty(x.shape, x.dtype) if wanted else None for wanted in (*wants, False, False)[:3]]
        dy, each = upstream(dy)
        divisor = float(max(x.size, 1)) if reduction == "mean" else 1.0
        settings = x.size, v_period, w_period, each, divisor, a, b
        given = dy, dense(x), dense(t), v, w
        self.text.launch(self.names[1], *spread(x), *given, *gradients, *settings)
        return tuple(gradients[: len(wants)])


def _repeated(v: Array | None, x: Array) -> tuple[Array | None, int]:
    """An operand that broadcasts to x as the kernels take it, with its period; see Repeated there."""
    if v is None or v.shape == x.shape:
        return None if v is None else dense(v), 0
    shape = v.shape
    while shape[:1] == (1,):
        shape = shape[1:]
    if v.size and shape == x.shape[x.ndim - len(shape) :]:
        return dense(v), v.size
    return dense(broadcast(v, x.shape)), 0


def meeting_grid(x: Array) -> tuple[Shape, Shape]:
    """The grid and block of a sum over all elements: one block if they are few, no more than meet quickly else."""
    if x.nbytes <= _ALONE:
        return (1,), (2 * THREADS,)
    return (min(-(-x.nbytes // (THREADS * PACK_BYTES)), _MOST_SUMS),), (THREADS,)


def upstream(dy: Array) -> tuple[Array, bool]:
    """A gradient as the kernels take it, and whether it has one for each loss: else one is spread over all."""
    if dy.size and not any(dy.strides):
        return dy[(slice(0, 1),) * dy.ndim], False
    return dense(dy), dy.ndim > 0


def group_grid(x: Array, meets: bool = False) -> tuple[Shape, Shape]:
    """The grid and block of a kernel over rows that a few threads, a warp or a block each go over; see group_join.

    Args:
        x: (rows, columns).
        meets: whether the blocks must meet in the end, so that few rows are worth having in one block.
    """
    rows, columns = x.shape
    if columns > _WARP_ROW:
        return (min(rows, _MOST_SUMS),), (THREADS, 1)
    threads = min(1 << (max(columns // 4, 1) - 1).bit_length(), 32)
    if meets and rows * threads <= _FEW_ROUNDS * 2 * THREADS:
        return (1,), (threads, 2 * THREADS // threads)
    return (min(-(-rows // (THREADS // threads)), _MOST_SUMS),), (threads, THREADS // threads)


def meeting_place(x: Array, grid: Shape, numbers: int = 1) -> tuple[Array | None, Array | None]:
    """Where the blocks of a sum leave theirs, some numbers each, and their counter; for one block None."""
    if grid[0] == 1:
        return None, None
    return xp_of(x).empty(numbers * grid[0], float64 if x.dtype == float64 else float32), counter(x)


class Pointwise(ReadsHalf):
    """Base of losses of single elements: apply(x, t, [v,] w, reduction, *settings); a subclass names its kernels.

    Attributes:
        kernels: forward and backward, of these arguments; backward with dy first, and after w the gradients wanted.
        arrays: how many of the arguments are arrays: 3, or 4 with v.
        derived: how many of them have gradients: x and t, or with v too.
        settings: the reduction, and the further arguments.
    """

    __slots__ = ("settings",)
    kernels: ClassVar[tuple[Kernel, Kernel]]
    arrays: ClassVar[int] = 3
    derived: ClassVar[int] = 2
    settings: tuple[Any, ...]

    def forward(ctx, *args: Any) -> Array:
        ctx.settings = args[ctx.arrays :]
        ctx.save(*args[: ctx.arrays])
        return as_array(ctx.kernels[0](*args))

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        wants = tuple(edge is not None for edge in ctx.edges[: ctx.derived])
        return ctx.kernels[1](dy, *ctx.saved, wants, *ctx.settings)  # type: ignore[no-any-return]


class AtLeast(Primitive):
    """x, or a bound where that is larger; the gradient passes everywhere."""

    __slots__ = ()

    def forward(ctx, x: Array, low: float) -> Array:
        return xp_of(x).maximum(x, low)

    def backward(ctx, dy: Array) -> Array:
        return dy


def together(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors of one shape, that to which they broadcast."""
    shapes = [each.shape for each in tensors]
    if shapes.count(shapes[0]) == len(shapes):
        return tensors
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"the shapes {' and '.join(map(str, shapes))} do not broadcast; reshape one") from None
    return tuple(each if each.shape == shape else each.broadcast_to(shape) for each in tensors)


def plain(weight: Tensor | None, x: Tensor) -> bool:
    """Whether the kernels can take the weight: none, or one of x's dtype that wants no gradient."""
    return weight is None or (weight.dtype == x.dtype and not weight.requires_grad)
