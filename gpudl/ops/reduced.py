"""What losses share: how they are reduced, and losses of each element of an input beside that of a target."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive, as_array
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.errors import ShapeError
from gpudl.ops.operands import promoted


class Pointwise(Primitive):
    """Base of losses of single elements; a subclass gives `losses` and `slopes`.

    Attributes:
        reduction: "mean" | "sum" | "none".
        settings: the further arguments, numbers.
    """

    __slots__ = ("reduction", "settings")
    reduction: str
    settings: tuple[Any, ...]

    def forward(ctx, x: Array, t: Array, reduction: str, *settings: Any) -> Array:
        ctx.reduction, ctx.settings = reduction, settings
        ctx.save(x, t)
        losses = as_array(ctx.losses(x, t))
        if reduction == "none":
            return losses
        added = losses.sum()
        return added if reduction == "sum" else added / added.dtype.type(losses.size)

    def backward(ctx, dy: Array) -> tuple[Any, Any]:
        x, t = ctx.saved
        if ctx.reduction == "mean":
            dy = dy / max(x.size if not isinstance(x, Tensor) else x.array.size, 1)
        return ctx.slopes(dy, x, t)

    def losses(ctx, x: Array, t: Array) -> Array:
        """The loss of each element, a new array."""
        raise NotImplementedError(f"{ctx.name()} has no losses")

    def slopes(ctx, dy: Array, x: Array, t: Array) -> tuple[Any, Any]:
        """The gradients of x and t; dy has their shape or no dimensions."""
        raise NotImplementedError(f"{ctx.name()} has no slopes")


def check_reduction(name: str, reduction: str) -> None:
    """Raise ValueError unless the reduction is one of the three."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The mean, the sum, or the losses as they are."""
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def alike(name: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Input and target in one dtype.

    Raises: ShapeError unless their shapes are equal. PyTorch broadcasts here in some losses and warns that it did: a
        column beside a row is a mistake.
    """
    if input.shape != target.shape:
        raise ShapeError(f"{name}: input {input.shape} and target {target.shape} must have one shape")
    return promoted(name, input, target)


def check_floating(name: str, **tensors: Tensor) -> None:
    """Raise RuntimeError if one of the tensors is not floating point."""
    for what, tensor in tensors.items():
        if tensor.array.dtype.kind not in "fV":
            raise RuntimeError(f"{name}: {what} is {tensor.dtype}; cast it to a floating dtype first")


def check_factor(name: str, input: Tensor, **factor: Tensor) -> None:
    """Raise ShapeError unless the one tensor given by name broadcasts to the input's shape."""
    ((what, given),) = factor.items()
    lengths = zip(reversed(given.shape), reversed(input.shape))
    if given.ndim > input.ndim or any(have not in (1, want) for have, want in lengths):
        raise ShapeError(f"{name}: {what} {given.shape} does not broadcast to the input's shape {input.shape}")
