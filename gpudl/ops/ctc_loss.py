"""Connectionist temporal classification: how likely the scores of a long sequence make a shorter sequence of labels.

A path names a class, or the blank, for each time; it spells the labels that are left when repeats are joined and
blanks dropped. The loss is -log p, with p the sum over all paths that spell the target. Let l be the target with a
blank before, between and behind its labels, and y[t, c] the probability of class c at time t. Then

    alpha[t, s] = y[t, l[s]] (alpha[t-1, s] + alpha[t-1, s-1] + alpha[t-1, s-2] if l[s] != l[s-2])
    p = alpha[end, last] + alpha[end, last - 1],        beta[t, s] likewise from the end
    d(-log p)/d(log y[t, c]) = y[t, c] - sum over s with l[s] = c of alpha[t, s] beta[t, s] / (y[t, c] p)

all in logarithms. The y[t, c] in the derivative is there because log y comes from a softmax, to which it makes no
difference. Graves, Fernandez, Gomez & Schmidhuber 2006, "Connectionist temporal classification", section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import to_host
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.create import tensor
from gpudl.ops.elementwise import where
from gpudl.ops.loss_checks import check_labels
from gpudl.ops.operands import floating_only, narrowed, widened

__all__ = ["ctc_loss"]


@kernel
def ctc_loss_forward(
    log_probs: Array, labels: Array, input_lengths: Array, target_lengths: Array, blank: int
) -> tuple[Array, Array]:
    """Losses (batch,), and log(alpha) (times, batch, 2 labels + 1). log_probs: (times, batch, classes)."""
    xp = xp_of(log_probs)
    marks = _marks(labels, blank)
    scores = _scores(log_probs, marks, input_lengths)
    place = xp.arange(marks.shape[1])
    starts = (place == 0) | ((place == 1) & (target_lengths > 0)[:, None])
    alpha = _path_sums(scores, _skips(marks), starts, xp.zeros_like(input_lengths))
    rows, last = xp.arange(len(labels)), 2 * target_lengths
    end = alpha[xp.maximum(input_lengths - 1, 0), rows]
    before = xp.where(target_lengths > 0, end[rows, xp.maximum(last - 1, 0)], xp.full_like(end[:, 0], -xp.inf))
    losses = -xp.logaddexp(end[rows, last], before)
    # Nothing at all spells no labels.
    losses = xp.where((input_lengths == 0) & (target_lengths == 0), xp.zeros_like(losses), losses)
    return narrowed(losses, log_probs.dtype), alpha


@kernel
def ctc_loss_backward(
    dlosses: Array,
    log_probs: Array,
    labels: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int,
    zero_infinity: bool,
    losses: Array,
    alpha: Array,
) -> Array:
    """The gradient of log_probs for dlosses (batch,), from what forward gave."""
    xp = xp_of(log_probs)
    times = log_probs.shape[0]
    marks = _marks(labels, blank)
    scores = _scores(log_probs, marks, input_lengths)
    place, last = xp.arange(marks.shape[1]), 2 * target_lengths[:, None]
    # The same sums from the end: forward through what is turned around in time and along the labels.
    skips = xp.full_like(scores[0], -xp.inf)
    skips[:, :-2] = _skips(marks)[:, 2:]
    ends = (place == last) | (place == last - 1)
    turned = _path_sums(scores[::-1, :, ::-1], skips[:, ::-1], ends[:, ::-1], times - input_lengths)
    beta = turned[::-1, :, ::-1]
    impossible = losses == xp.inf
    # What share of p goes through each place; no path goes through one of no probability.
    given = xp.where(scores == -xp.inf, xp.zeros_like(scores), scores)
    share = xp.exp(alpha + beta - given + xp.where(impossible, xp.zeros_like(losses), losses)[:, None])
    dx = xp.exp(widened(log_probs))
    dx[:, :, blank] -= share[:, :, ::2].sum(axis=2)
    rows = xp.arange(len(labels))
    for i in range(labels.shape[1]):  # a label stands more than once in a row of labels, but once in a column
        dx[:, rows, labels[:, i]] -= share[:, :, 2 * i + 1]
    dx *= xp.where(impossible, xp.full_like(dlosses, 0 if zero_infinity else xp.nan), dlosses)[:, None]
    within = xp.arange(times)[:, None] < input_lengths
    return narrowed(xp.where(within[:, :, None], dx, xp.zeros_like(dx)), log_probs.dtype)


def _marks(labels: Array, blank: int) -> Array:
    """l of the head of this file: the labels between blanks, (batch, 2 labels + 1)."""
    marks = xp_of(labels).full((len(labels), 2 * labels.shape[1] + 1), blank, labels.dtype)
    marks[:, 1::2] = labels
    return marks


def _scores(log_probs: Array, marks: Array, input_lengths: Array) -> Array:
    """log y[t, l[s]], and -inf behind the end of each input, (times, batch, marks)."""
    xp = xp_of(log_probs)
    rows = xp.arange(len(marks))[:, None]
    scores = widened(log_probs)[:, rows, marks]
    within = xp.arange(len(log_probs))[:, None] < input_lengths
    return xp.where(within[:, :, None], scores, xp.full_like(scores, -xp.inf))


def _skips(marks: Array) -> Array:
    """0 where a path may come from two places before, -inf elsewhere, (batch, marks)."""
    xp = xp_of(marks)
    skips = xp.full(marks.shape, -xp.inf)
    skips[:, 2:] = xp.where(marks[:, 2:] != marks[:, :-2], 0.0, -xp.inf)
    return skips


def _path_sums(scores: Array, skips: Array, starts: Array, begin: Array) -> Array:
    """The logarithm of the sums over all paths that begin at time `begin` (batch,) in one of `starts`, like scores."""
    xp = xp_of(scores)
    times, batch, count = scores.shape
    lowest = xp.finfo(scores.dtype).min
    sums = xp.full(
        (times + 1, batch, count + 2), -xp.inf, scores.dtype
    )  # two more in front, for the first to come from
    start, skips = xp.where(starts, 0.0, -xp.inf).astype(scores.dtype), skips.astype(scores.dtype)
    one, two, three, high = (xp.empty_like(start) for _ in range(4))
    for t in range(times):
        before, here = sums[t], sums[t + 1, :, 2:]
        xp.add(before[:, :-2], skips, out=three)
        xp.maximum(before[:, 2:], before[:, 1:-1], out=high)
        xp.maximum(high, three, out=high)
        xp.maximum(high, lowest, out=high)  # -inf - -inf would be nan
        xp.subtract(before[:, 2:], high, out=one)
        xp.subtract(before[:, 1:-1], high, out=two)
        three -= high
        for each in (one, two, three):
            xp.exp(each, out=each)
        one += two
        one += three
        xp.log(one, out=one)
        one += high
        here[...] = xp.where((begin == t)[:, None], start, one)
        here += scores[t]
    return sums[1:, :, 2:]


class CtcLoss(Primitive):
    __slots__ = ("settings",)
    settings: tuple[int, bool]

    def forward(
        ctx,
        log_probs: Array,
        labels: Array,
        input_lengths: Array,
        target_lengths: Array,
        blank: int,
        zero_infinity: bool,
    ) -> Array:
        ctx.settings = blank, zero_infinity
        losses, alpha = ctc_loss_forward(log_probs, labels, input_lengths, target_lengths, blank)
        ctx.save(log_probs, labels, input_lengths, target_lengths, losses, alpha)
        return losses

    def backward(ctx, dy: Array) -> Array:
        *given, losses, alpha = ctx.saved
        if isinstance(dy, Tensor):
            return _Gradient.apply(dy, *given, *ctx.settings)
        return ctc_loss_backward(dy, *given, *ctx.settings, losses, alpha)


class _Gradient(Primitive):
    """The gradient as an operation, where a graph of it is recorded."""

    __slots__ = ()

    def forward(ctx, dlosses: Array, *given: Any) -> Array:
        return ctc_loss_backward(dlosses, *given, *ctc_loss_forward(*given[:-1]))

    def backward(ctx, ddx: Array) -> Array:
        raise NotImplementedError("ctc_loss: it has no second gradient, as in PyTorch; detach() the first")


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int] | int,
    target_lengths: Tensor | Sequence[int] | int,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Connectionist temporal classification: -log of the probability that the inputs spell the targets.

    Args:
        log_probs: (times, batch, classes), or (times, classes) without a batch, floating; of log_softmax (nats).
        targets: integers, 0 <= label < classes, of them (batch, labels), padded with anything, or all in one row, one
            target behind the other.
        input_lengths: (batch,) integers, how many times each input has, 0 to times; a Tensor, numbers, or one number
            without a batch.
        target_lengths: likewise, how many labels each target has.
        blank: the class that stands for no label.
        reduction: "mean", of the losses divided by their target lengths (or 1) | "sum" | "none".
        zero_infinity: make the loss and the gradient 0, not infinity and nan, for inputs that are too short.
    Returns: () for mean and sum; (batch,) for none, () without a batch; dtype of log_probs.
    Raises: ShapeError if the shapes or lengths do not fit; IndexError for a label out of range (on the CPU); ValueError
        for another reduction; RuntimeError for another dtype, blank or length; DeviceError if the devices differ.
    Gradient: exp(log_probs) less the share of p that goes through each class at each time: right for log_probs that
        come from log_softmax, as in PyTorch. 0 behind the end of an input. None for targets; no second gradient.
    Source: Graves, Fernandez, Gomez & Schmidhuber 2006, "Connectionist temporal classification".
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"ctc_loss: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    floating_only("ctc_loss", log_probs)
    if log_probs.ndim not in (2, 3) or 0 in log_probs.shape:
        raise ShapeError(f"ctc_loss: log_probs must be (times, batch, classes), none of them 0, got {log_probs.shape}")
    if not isinstance(targets, Tensor) or targets.dtype.kind not in "iu":
        raise RuntimeError(f"ctc_loss: targets must be a Tensor of integers, got {getattr(targets, 'dtype', targets)}")
    whole = log_probs if log_probs.ndim == 3 else log_probs.reshape((len(log_probs), 1, -1))
    times, batch, classes = whole.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: blank must be one of the {classes} classes, 0 to {classes - 1}, got {blank}")
    inputs, counts = _lengths("input_lengths", input_lengths, batch), _lengths("target_lengths", target_lengths, batch)
    if inputs.max() > times:
        raise RuntimeError(f"ctc_loss: input_lengths must be at most {times}, the times of log_probs, got {inputs}")
    labels = _padded(targets, counts, blank)
    check_labels(labels.array, 0, classes, None, "ctc_loss")
    on_device = [tensor(each, device=log_probs.device) for each in (inputs, counts)]
    losses: Tensor = CtcLoss.apply(whole, labels, *on_device, int(blank), bool(zero_infinity))
    if zero_infinity:
        losses = losses.masked_fill(losses == float("inf"), 0)
    if reduction == "mean":
        return (losses / on_device[1].clamp(min=1).to(losses.dtype)).mean()
    if reduction == "sum":
        return losses.sum()
    return losses if log_probs.ndim == 3 else losses.reshape(())


def _lengths(name: str, given: Tensor | Sequence[int] | int, batch: int) -> np.ndarray[Any, Any]:
    """Lengths as (batch,) on the host, where PyTorch wants them too: the shape of what is computed depends on them."""
    if isinstance(given, Tensor):
        if given.dtype.kind not in "iu":
            raise RuntimeError(f"ctc_loss: {name} must be integers, got {given.dtype}")
        lengths = to_host(given.array).astype(np.int64).reshape(-1)
    else:
        lengths = np.array([index(each) for each in (given if isinstance(given, Sequence) else [given])], np.int64)
    if lengths.shape != (batch,):
        raise ShapeError(f"ctc_loss: {name} must be one for each of a batch of {batch}, got {lengths.size}")
    if lengths.min() < 0:
        raise RuntimeError(f"ctc_loss: {name} must be 0 or more, got {lengths}")
    return lengths


def _padded(targets: Tensor, counts: np.ndarray[Any, Any], blank: int) -> Tensor:
    """Targets as (batch, labels), int64, with blanks behind the end of each.

    Raises: ShapeError unless they are (batch, labels), or as many in one row as the counts say.
    """
    batch, longest = len(counts), int(counts.max())
    if targets.ndim == 2:
        if targets.shape[0] != batch or targets.shape[1] < longest:
            raise ShapeError(
                f"ctc_loss: {batch} targets of up to {longest} labels do not fit into targets of shape {targets.shape}"
            )
        begin = np.arange(batch) * targets.shape[1]
    elif targets.shape == (counts.sum(),):
        begin = np.cumsum(counts) - counts
    else:
        raise ShapeError(
            f"ctc_loss: targets must be ({batch}, labels), or, one behind the other, as many as the sum of "
            f"target_lengths, {counts.sum()}; got shape {targets.shape}"
        )
    place = np.arange(longest)
    within = place < counts[:, None]
    found = tensor(np.where(within, begin[:, None] + place, 0), device=targets.device)
    labels = targets.detach().reshape((-1,)).to("int64")[found]
    return where(tensor(within, device=targets.device), labels, blank)
