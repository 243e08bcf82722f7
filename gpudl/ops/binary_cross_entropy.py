"""Cross-entropy of yes-or-no targets, from probabilities and from logits.

With logits no logarithm of a tiny number is taken: log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|)). Good 1952,
"Rational decisions", J. R. Statist. Soc. B 14.
"""

from __future__ import annotations

from gpudl.autograd.primitive import as_array
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.elementwise_loss import LossText, Pointwise, combined, of_elements, plain
from gpudl.ops.loss_checks import check_probabilities
from gpudl.ops.reduced import alike, check_factor, check_floating, check_reduction, reduced
from gpudl.ops.softplus import logsigmoid

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits"]

Wants = tuple[bool, ...]
Gradients = tuple[Array | None, ...]

_OF_PROBABILITIES, _OF_LOGITS = (
    LossText("math/binary_cross_entropy.cuh", functor) for functor in ("ProbabilityLoss", "LogitLoss")
)


@kernel
def binary_cross_entropy_forward(x: Array, t: Array, w: Array | None, reduction: str) -> Array:
    """(t - 1) log(1 - x) - t log(x), logarithms at least -100, times w, reduced."""
    xp = xp_of(x)
    # A wrong certainty counts as a logarithm of -100, not as infinity.
    losses = (t - 1) * xp.maximum(xp.log1p(-x), -100) - t * xp.maximum(xp.log(x), -100)
    return combined(as_array(losses), w, reduction)


@binary_cross_entropy_forward.cuda("float32", "float64", "float16", "bfloat16")
def binary_cross_entropy_forward_cuda(x: Array, t: Array, w: Array | None, reduction: str) -> Array:
    return _OF_PROBABILITIES.forward(x, t, None, w, reduction)


@kernel
def binary_cross_entropy_backward(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str
) -> Gradients:
    """dx = (x - t) / (x (1 - x)) dy, the divisor at least 1e-12, and dt, where it is wanted."""
    xp, dy = xp_of(x), of_elements(dy, x, w, reduction)
    dx = dy * (x - t) / xp.maximum((1 - x) * x, 1e-12)
    return dx, dy * (xp.log(1 - x) - xp.log(x)) if wants[1] else None


@binary_cross_entropy_backward.cuda("float32", "float64", "float16", "bfloat16")
def binary_cross_entropy_backward_cuda(
    dy: Array, x: Array, t: Array, w: Array | None, wants: Wants, reduction: str
) -> Gradients:
    return _OF_PROBABILITIES.backward(dy, x, t, None, w, wants, reduction)


@kernel
def binary_cross_entropy_with_logits_forward(
    x: Array, t: Array, v: Array | None, w: Array | None, reduction: str
) -> Array:
    """(1 - t) x - ((v - 1) t + 1) log(sigmoid(x)), v the weight of positives, times w, reduced."""
    yes = _log_sigmoid(x)
    losses = (1 - t) * x - (yes if v is None else ((v - 1) * t + 1) * yes)
    return combined(as_array(losses), w, reduction)


@binary_cross_entropy_with_logits_forward.cuda("float32", "float64", "float16", "bfloat16")
def binary_cross_entropy_with_logits_forward_cuda(
    x: Array, t: Array, v: Array | None, w: Array | None, reduction: str
) -> Array:
    return _OF_LOGITS.forward(x, t, v, w, reduction)


@kernel
def binary_cross_entropy_with_logits_backward(
    dy: Array, x: Array, t: Array, v: Array | None, w: Array | None, wants: Wants, reduction: str
) -> Gradients:
    """dx = (sigmoid(x) ((v - 1) t + 1) - v t) dy, and dt, where it is wanted."""
    dy = of_elements(dy, x, w, reduction)
    share = xp_of(x).tanh(x * 0.5) * 0.5 + 0.5
    if v is None:
        return dy * (share - t), -x * dy if wants[1] else None
    dx = dy * (share * ((v - 1) * t + 1) - v * t)
    return dx, dy * (-x - (v - 1) * _log_sigmoid(x)) if wants[1] else None


@binary_cross_entropy_with_logits_backward.cuda("float32", "float64", "float16", "bfloat16")
def binary_cross_entropy_with_logits_backward_cuda(
    dy: Array, x: Array, t: Array, v: Array | None, w: Array | None, wants: Wants, reduction: str
) -> Gradients:
    return _OF_LOGITS.backward(dy, x, t, v, w, wants, reduction)


def _log_sigmoid(x: Array) -> Array:
    xp = xp_of(x)
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))


class BinaryCrossEntropy(Pointwise):
    __slots__ = ()
    kernels = binary_cross_entropy_forward, binary_cross_entropy_backward


class BinaryCrossEntropyWithLogits(Pointwise):
    __slots__ = ()
    kernels = binary_cross_entropy_with_logits_forward, binary_cross_entropy_with_logits_backward
    arrays = 4


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """The negative log-likelihood of yes-or-no targets under probabilities of yes.

    loss = -target * log(input) - (1 - target) * log(1 - input), logarithms at least -100

    Args:
        input: floating, probabilities in [0, 1].
        target: the input's shape, floating, usually 0 or 1.
        weight: a factor that broadcasts to the input's shape, or None.
        reduction: "mean" | "sum" | "none".
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError if the shapes do not fit; RuntimeError for integers and (on the CPU) for input outside [0, 1];
        ValueError for another reduction.
    Gradient: (input - target) / (input * (1 - input)), the divisor at least 1e-12; log(1 - input) - log(input) to
        target.
    Kernel: kernels/cuda/elementwise_loss.cu with kernels/math/binary_cross_entropy.cuh, 16 bytes a thread,
        the mean in the same launch.
    Source: Good 1952.
    """
    name = "binary_cross_entropy"
    check_reduction(name, reduction)
    x, t = alike(name, input, target)
    check_floating(name, input=input, target=target)
    check_probabilities(x.array, name)
    if weight is not None:
        check_factor(name, input, weight=weight)
    if plain(weight, x):
        return BinaryCrossEntropy.apply(x, t, weight, reduction)  # type: ignore[no-any-return]
    return reduced(BinaryCrossEntropy.apply(x, t, None, "none") * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(input), computed without taking the logarithm of a tiny number.

    Args:
        input: floating, any numbers.
        target: the input's shape, floating, usually 0 or 1.
        weight: a factor that broadcasts to the input's shape, or None.
        reduction: "mean" | "sum" | "none".
        pos_weight: a factor on the loss of positives that broadcasts to the input's shape, or None.
    Returns: () for mean and sum, the input's shape for none.
    Raises: ShapeError if the shapes do not fit; RuntimeError for integers; ValueError for another reduction.
    Gradient: sigmoid(input) - target; -input to target.
    Kernel: as binary_cross_entropy.
    Source: Good 1952.
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    x, t = alike(name, input, target)
    check_floating(name, input=input, target=target)
    if weight is not None:
        check_factor(name, input, weight=weight)
    if pos_weight is not None:
        check_factor(name, input, pos_weight=pos_weight)
    if plain(weight, x) and plain(pos_weight, x):
        return BinaryCrossEntropyWithLogits.apply(x, t, pos_weight, weight, reduction)  # type: ignore[no-any-return]
    if pos_weight is None:
        losses: Tensor = BinaryCrossEntropyWithLogits.apply(x, t, None, None, "none")
    else:
        losses = (1 - t) * x - ((pos_weight - 1) * t + 1) * logsigmoid(x)
    return reduced(losses if weight is None else losses * weight, reduction)
