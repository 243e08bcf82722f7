"""Losses of the difference of an input and a target: squared, absolute, and between the two.

Huber 1964, "Robust estimation of a location parameter", Ann. Math. Statist. 35; smooth L1: Girshick 2015,
arXiv:1504.08083.
"""

from __future__ import annotations

from gpudl.autograd.primitive import as_array
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.elementwise_loss import LossText, Pointwise, combined, of_elements, plain
from gpudl.ops.reduced import alike, check_floating, check_reduction, reduced

__all__ = ["huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"]

Wants = tuple[bool, ...]
Gradients = tuple[Array | None, ...]

_SQUARED, _ABSOLUTE, _HUBER = (
    LossText("math/mse_loss.cuh", functor) for functor in ("SquaredLoss", "AbsoluteLoss", "HuberLoss")
)


@kernel
def mse_loss_forward(x: Array, t: Array, w: Array | None, reduction: str) -> Array:
    """(x - t)**2, times w, reduced. x, t: one shape; w broadcasts to it."""
    d = as_array(x - t)
    d *= d
    return combined(d, w, reduction)


@mse_loss_forward.cuda("float32", "float64", "float16", "bfloat16")
def mse_loss_forward_cuda(x: Array, t: Array, w: Array | None, reduction: str) -> Array:
    return _SQUARED.forward(x, t, None, w, reduction)


@kernel
def mse_loss_backward(dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str) -> Gradients:
    """dx = 2 (x - t) dy and dt = -dx, those that are wanted."""
    dx = (x - t) * (of_elements(dy, x, w, reduction) * 2)
    return _wanted(dx, wants)


@mse_loss_backward.cuda("float32", "float64", "float16", "bfloat16")
def mse_loss_backward_cuda(dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str) -> Gradients:
    return _SQUARED.backward(dy, x, t, None, w, wants, reduction)


@kernel
def l1_loss_forward(x: Array, t: Array, w: Array | None, reduction: str) -> Array:
    """|x - t|, times w, reduced. x, t: one shape; w broadcasts to it."""
    d = as_array(x - t)
    return combined(xp_of(d).abs(d, out=d), w, reduction)


@l1_loss_forward.cuda("float32", "float64", "float16", "bfloat16")
def l1_loss_forward_cuda(x: Array, t: Array, w: Array | None, reduction: str) -> Array:
    return _ABSOLUTE.forward(x, t, None, w, reduction)


@kernel
def l1_loss_backward(dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str) -> Gradients:
    """dx = sign(x - t) dy and dt = -dx, those that are wanted."""
    d = x - t
    return _wanted(of_elements(dy, x, w, reduction) * ((d > 0).astype(d.dtype) - (d < 0).astype(d.dtype)), wants)


@l1_loss_backward.cuda("float32", "float64", "float16", "bfloat16")
def l1_loss_backward_cuda(dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str) -> Gradients:
    return _ABSOLUTE.backward(dy, x, t, None, w, wants, reduction)


@kernel
def smooth_l1_loss_forward(x: Array, t: Array, w: Array | None, reduction: str, beta: float) -> Array:
    """The Huber loss that bends at beta, over beta, reduced."""
    return combined(_bent(x, t, beta, 1 / beta), w, reduction)


@smooth_l1_loss_forward.cuda("float32", "float64", "float16", "bfloat16")
def smooth_l1_loss_forward_cuda(x: Array, t: Array, w: Array | None, reduction: str, beta: float) -> Array:
    return _HUBER.forward(x, t, None, w, reduction, beta, 1 / beta)


@kernel
def smooth_l1_loss_backward(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str, beta: float
) -> Gradients:
    """dx = clip(x - t, -beta, beta) dy / beta and dt = -dx, those that are wanted."""
    return _wanted(xp_of(x).clip(x - t, -beta, beta) * (of_elements(dy, x, w, reduction) * (1 / beta)), wants)


@smooth_l1_loss_backward.cuda("float32", "float64", "float16", "bfloat16")
def smooth_l1_loss_backward_cuda(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str, beta: float
) -> Gradients:
    return _HUBER.backward(dy, x, t, None, w, wants, reduction, beta, 1 / beta)


@kernel
def huber_loss_forward(x: Array, t: Array, w: Array | None, reduction: str, delta: float) -> Array:
    """c (|x - t| - c / 2) with c = min(|x - t|, delta), times w, reduced."""
    return combined(_bent(x, t, delta, 1.0), w, reduction)


@huber_loss_forward.cuda("float32", "float64", "float16", "bfloat16")
def huber_loss_forward_cuda(x: Array, t: Array, w: Array | None, reduction: str, delta: float) -> Array:
    return _HUBER.forward(x, t, None, w, reduction, delta, 1.0)


@kernel
def huber_loss_backward(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str, delta: float
) -> Gradients:
    """dx = clip(x - t, -delta, delta) dy and dt = -dx, those that are wanted."""
    return _wanted(xp_of(x).clip(x - t, -delta, delta) * of_elements(dy, x, w, reduction), wants)


@huber_loss_backward.cuda("float32", "float64", "float16", "bfloat16")
def huber_loss_backward_cuda(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str, delta: float
) -> Gradients:
    return _HUBER.backward(dy, x, t, None, w, wants, reduction, delta, 1.0)


def _wanted(dx: Array, wants: Wants) -> Gradients:
    return dx, -dx if wants[1] else None


def _bent(x: Array, t: Array, bend: float, scale: float) -> Array:
    """scale * c * (|d| - c / 2) with c = min(|d|, bend): d**2 / 2 up to the bend, a line from there."""
    d = as_array(x - t)
    xp = xp_of(d)
    size = xp.abs(d, out=d)
    short = xp.minimum(size, bend)
    size -= short * 0.5
    size *= short
    if scale != 1:
        size *= scale
    return size


class MseLoss(Pointwise):
    __slots__ = ()
    kernels = mse_loss_forward, mse_loss_backward


class L1Loss(Pointwise):
    __slots__ = ()
    kernels = l1_loss_forward, l1_loss_backward


class SmoothL1Loss(Pointwise):
    __slots__ = ()
    kernels = smooth_l1_loss_forward, smooth_l1_loss_backward


class HuberLoss(Pointwise):
    __slots__ = ()
    kernels = huber_loss_forward, huber_loss_backward


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """The mean of the squared differences.

    Args:
        input, target: one shape, one of them floating point.
        reduction: "mean" | "sum" | "none".
        weight: the input's shape, a factor on each square; the mean divides by its sum. Or None.
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError unless the shapes are equal; RuntimeError for integers without weights; ValueError for
        another reduction.
    Gradient: 2 (input - target), divided by the count for mean; its negative for target.
    Kernel: kernels/cuda/elementwise_loss.cu with kernels/math/mse_loss.cuh, 16 bytes a thread, the mean in the same
        launch.
    Source: Lehmann & Casella 1998, "Theory of Point Estimation", after Gauss.
    """
    x, t = _checked("mse_loss", input, target, reduction, weight)
    if weight is None:
        check_floating("mse_loss", input=x)
    elif x.dtype.kind not in "fV":
        return _weighted((x - t) ** 2, weight, reduction)
    return _apply(MseLoss, x, t, weight, reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """The mean of the absolute differences |input - target|.

    Args:
        input, target: one shape, any dtypes but bool; one of them floating point for the mean.
        reduction: "mean" | "sum" | "none".
        weight: the input's shape, a factor on each difference; the mean divides by its sum. Or None.
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError unless the shapes are equal; RuntimeError for bools and the mean of integers; ValueError for
        another reduction.
    Gradient: sign(input - target), divided by the count for mean; its negative for target.
    Kernel: as mse_loss.
    Source: Lehmann & Casella 1998, "Theory of Point Estimation", after Laplace.
    """
    x, t = _checked("l1_loss", input, target, reduction, weight)
    if input.dtype == bool or target.dtype == bool:
        raise RuntimeError("l1_loss: bools have no difference; cast them to a number first")
    if x.dtype.kind not in "fV":
        return _weighted((x - t).abs(), weight, reduction)
    return _apply(L1Loss, x, t, weight, reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """The absolute difference less beta / 2, but (input - target)**2 / (2 beta) where that is below beta.

    Args:
        input, target: one shape, one of them floating point.
        reduction: "mean" | "sum" | "none".
        beta: from which difference on the loss is a line, at least 0; 0 gives l1_loss.
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError unless the shapes are equal; RuntimeError for integers and for beta < 0; ValueError for another
        reduction.
    Gradient: (input - target) / beta, limited to [-1, 1], divided by the count for mean; its negative for target.
    Kernel: as mse_loss.
    Source: Girshick 2015, arXiv:1504.08083.
    """
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    x, t = _checked("smooth_l1_loss", input, target, reduction)
    check_floating("smooth_l1_loss", input=x)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    return SmoothL1Loss.apply(x, t, None, reduction, float(beta))  # type: ignore[no-any-return]


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Half the squared difference up to delta, the line delta * (|input - target| - delta / 2) from there.

    Args:
        input: floating point.
        target: the input's shape, computed with in its dtype.
        reduction: "mean" | "sum" | "none".
        delta: from which difference on the loss is a line, above 0.
        weight: the input's shape, a factor on each loss; the mean divides by the count all the same. Or None.
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError unless the shapes are equal; RuntimeError for integers and for delta <= 0; ValueError for
        another reduction.
    Gradient: input - target, limited to [-delta, delta], divided by the count for mean; its negative for target.
    Kernel: as mse_loss.
    Source: Huber 1964.
    """
    _checked("huber_loss", input, target, reduction, weight)
    check_floating("huber_loss", input=input)
    t = target.to(input.dtype)
    if not delta > 0:
        raise RuntimeError(f"huber_loss: delta must be above 0, got {delta}")
    if plain(weight, input):
        return HuberLoss.apply(input, t, weight, reduction, float(delta))  # type: ignore[no-any-return]
    return reduced(HuberLoss.apply(input, t, None, "none", float(delta)) * weight, reduction)


def _checked(
    name: str, input: Tensor, target: Tensor, reduction: str, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Input and target in one dtype, when the shapes and the reduction are right."""
    check_reduction(name, reduction)
    x, t = alike(name, input, target)
    if weight is not None and weight.shape != x.shape:
        raise ShapeError(f"{name}: weight {weight.shape} must have the input's shape {x.shape}")
    return x, t


def _apply(cls: type[Pointwise], x: Tensor, t: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The loss of floating point tensors, whose mean is that of the weights."""
    if weight is None or not plain(weight, x):
        losses: Tensor = cls.apply(x, t, None, reduction if weight is None else "none")
        return losses if weight is None else _weighted(losses, weight, reduction)
    if reduction == "mean" and x.dtype.itemsize == 2:  # whose sums soon overflow
        return cls.apply(x, t, weight, "mean") / weight.mean()  # type: ignore[no-any-return]
    if reduction == "mean":
        return cls.apply(x, t, weight, "sum") / weight.sum()  # type: ignore[no-any-return]
    return cls.apply(x, t, weight, reduction)  # type: ignore[no-any-return]


def _weighted(losses: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The losses times their weights, reduced; the mean is the weighted one."""
    if weight is None:
        return reduced(losses, reduction)
    losses = losses * weight
    return losses.sum() / weight.sum() if reduction == "mean" else reduced(losses, reduction)
