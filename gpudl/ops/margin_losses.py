"""Losses of comparisons: of scores, of pairs and triples of vectors, of classes with one another.

Hinge and multi-class margin: Crammer & Singer 2001, "On the algorithmic implementation of multiclass kernel-based
vector machines", JMLR 2. Embeddings: Hadsell, Chopra & LeCun 2006, "Dimensionality reduction by learning an invariant
mapping". Triplets, with the swap of anchors: Balntas et al. 2016, "Learning local feature descriptors with triplets".
"""

from __future__ import annotations

import math
from collections.abc import Callable

from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import float32
from gpudl.backend.errors import ShapeError
from gpudl.ops.arithmetic import minimum
from gpudl.ops.elementwise import clamp, sign, where
from gpudl.ops.elementwise_loss import together
from gpudl.ops.margins import HingeEmbeddingLoss, MarginRankingLoss
from gpudl.ops.reduced import check_reduction, reduced
from gpudl.ops.sqrt import sqrt

__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]  # fmt: skip


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """The distance of pairs that are alike, and what others lack of a margin.

    loss = input where target is 1, max(0, margin - input) where it is -1

    Args:
        input: distances.
        target: 1 or -1, a shape that broadcasts with the input's; both losses are added for any other number.
        margin: how far apart others should be; taken in the input's dtype.
        reduction: "mean" | "sum" | "none".
    Returns: () for mean and sum, the shape of both for none.
    Raises: ShapeError if the shapes do not broadcast; ValueError for another reduction.
    Gradient: 1 where target is 1; -1 where it is -1 and the margin is not kept.
    Kernel: kernels/cuda/elementwise_loss.cu with kernels/math/margins.cuh.
    Source: Hadsell et al. 2006.
    """
    check_reduction("hinge_embedding_loss", reduction)
    if input.dtype.kind in "fV" and not target.requires_grad:
        x, t = together(input, target.to(input.dtype))
        rounded = float(input.dtype.type(margin))
        return HingeEmbeddingLoss.apply(x, t, None, reduction, rounded)  # type: ignore[no-any-return]
    kept = input.new_full((), margin, dtype=input.dtype)
    lacking = where(target != 1, clamp(kept - input, min=0), 0)
    return reduced(lacking + where(target != -1, input, 0), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """What input1 lacks to be above input2 (target 1), or below it (target -1), by a margin.

    loss = max(0, -target * (input1 - input2) + margin)

    Args:
        input1, input2, target: as many dimensions each, shapes that broadcast.
        margin: by how much they should differ.
        reduction: "mean" | "sum" | "none".
    Returns: () for mean and sum, the shape of all for none.
    Raises: ShapeError if the shapes do not fit; ValueError for another reduction.
    Gradient: -target to input1, target to input2, where the loss is not 0.
    Kernel: kernels/cuda/elementwise_loss.cu with kernels/math/margins.cuh.
    """
    check_reduction("margin_ranking_loss", reduction)
    _check_ndims("margin_ranking_loss", input1, input2, target)
    if input1.dtype == input2.dtype == target.dtype and target.dtype.kind in "fV" and not target.requires_grad:
        x, t, v = together(input1, input2, target)
        return MarginRankingLoss.apply(x, t, v, None, reduction, float(margin))  # type: ignore[no-any-return]
    return reduced(clamp(-target * (input1 - input2) + margin, min=0), reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """One less the cosine of pairs that are alike, and by how much the cosine of others is above a margin.

    loss = 1 - cos where target is 1, max(0, cos - margin) where it is -1, else 0

    Args:
        input1, input2: (rows, features), or (features,) each.
        target: (rows,) or (), 1 or -1.
        margin: the cosine that others may have.
        reduction: "mean" | "sum" | "none".
    Returns: () for mean and sum, the target's shape for none.
    Raises: ShapeError if the shapes do not fit; ValueError for another reduction.
    Gradient: that of the cosine, whose squared lengths are made larger by 1e-12.
    Source: Hadsell et al. 2006.
    """
    check_reduction("cosine_embedding_loss", reduction)
    ndim = target.ndim + 1
    if target.ndim > 1 or input1.ndim != ndim or input2.ndim != ndim:
        raise ShapeError(
            f"cosine_embedding_loss: inputs {input1.shape} and {input2.shape} and target {target.shape} must be "
            "(rows, features) and (rows,), or (features,) and ()"
        )
    squares = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cosine = (input1 * input2).sum(-1) / sqrt(squares)
    alike = where(target == 1, 1 - cosine, 0)
    return reduced(alike + where(target == -1, clamp(cosine - margin, min=0), 0), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """What the distance to the negative lacks to be larger, by a margin, than that to the positive.

    loss = max(0, margin + |anchor - positive| - |anchor - negative|)

    Args:
        anchor, positive, negative: (..., features), as many dimensions each, shapes that broadcast.
        margin: above 0.
        p: which norm: |x| = sum(|x|**p)**(1/p).
        eps: added to each element of a difference.
        swap: take the distance of positive and negative where that is smaller than that of anchor and negative.
        reduction: "mean" | "sum" | "none".
    Returns: () for mean and sum, the shape without features for none.
    Raises: ShapeError if the shapes do not fit; ValueError for margin <= 0 and another reduction.
    Gradient: that of the distances, where the loss is not 0.
    Source: Balntas et al. 2016.
    """

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return _norm(x - y + eps, p)

    return _triplet("triplet_margin_loss", anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """triplet_margin_loss with a distance of one's own.

    Args:
        anchor, positive, negative: as many dimensions each.
        distance_function: of two Tensors; default the Euclidean distance along the last dimension, with 1e-6 added to
            each element of the difference.
        margin, swap, reduction: as triplet_margin_loss.
    Returns: () for mean and sum, what the distance function gives for none.
    Raises: as triplet_margin_loss, and what the function raises.
    """
    name = "triplet_margin_with_distance_loss"
    return _triplet(name, anchor, positive, negative, distance_function or _euclidean, margin, swap, reduction)


def _triplet(
    name: str,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    check_reduction(name, reduction)
    if not margin > 0:
        raise ValueError(f"{name}: margin must be above 0, got {margin}")
    _check_ndims(name, anchor, positive, negative)
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(clamp(margin + near - far, min=0), reduction)


def _check_ndims(name: str, *tensors: Tensor) -> None:
    if len({tensor.ndim for tensor in tensors}) > 1:
        shapes = ", ".join(str(tensor.shape) for tensor in tensors)
        raise ShapeError(f"{name}: the tensors must have as many dimensions each, got shapes {shapes}")


def _euclidean(x: Tensor, y: Tensor) -> Tensor:
    return _norm(x - y + 1e-6, 2)


def _norm(x: Tensor, p: float) -> Tensor:
    """The p-norm along the last dimension; its gradient is 0 where it is 0."""
    size = x.abs()
    if math.isinf(p) and x.shape[-1:] == (0,):
        raise ShapeError(f"triplet_margin_loss: without features there is no norm of order {p}")
    if p == math.inf:
        return size.amax(-1)
    if p == -math.inf:
        return size.amin(-1)
    if p == 0:
        return ((x != 0).to(x.dtype) + sign(x) * 0).sum(-1)
    if p == 1:
        return size.sum(-1)
    wide = size.to(float32) if x.dtype.itemsize < 4 else size  # squares of half floats soon overflow
    powers = (wide * wide if p == 2 else wide**p).sum(-1)
    none = powers == 0
    some = where(none, 1, powers)
    return where(none, 0, sqrt(some) if p == 2 else some ** (1 / p)).to(x.dtype)
