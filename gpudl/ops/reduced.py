"""What losses share: how they are reduced, and what they ask of their arguments."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.ops.operands import promoted


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
