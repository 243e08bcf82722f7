"""Losses of pairs and triples: settings, and one call into ops."""

from __future__ import annotations

from collections.abc import Callable

from gpudl.autograd.tensor import Tensor
from gpudl.nn.distance import PairwiseDistance
from gpudl.nn.loss import Loss
from gpudl.ops.margin_losses import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)

__all__ = [
    "CosineEmbeddingLoss", "HingeEmbeddingLoss", "MarginRankingLoss", "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]  # fmt: skip


class MarginRankingLoss(Loss):
    """max(0, margin - target * (input1 - input2)): input1 above input2 where target is 1, below it where it is -1.

    Args:
        margin: by how much they should differ.
        reduction: "mean" | "sum" | "none".
    Shape: input1, input2 and target alike, to (), or their shape for "none".
    Raises: ValueError for another reduction.
    """

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(Loss):
    """The input, a distance, where target is 1; max(0, margin - input) where it is -1.

    Args:
        margin: how far apart others should be.
        reduction: "mean" | "sum" | "none".
    Shape: input and target alike, to (), or their shape for "none".
    Raises: ValueError for another reduction.
    Source: Hadsell, Chopra & LeCun 2006, "Dimensionality reduction by learning an invariant mapping".
    """

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(Loss):
    """1 - cos(input1, input2) where target is 1, max(0, cos(input1, input2) - margin) where it is -1.

    Args:
        margin: the cosine that others may have.
        reduction: "mean" | "sum" | "none".
    Shape: inputs (batch, features) and target (batch,), or (features,) and (). To (), or the target's shape for "none".
    Raises: ValueError for another reduction.
    Source: Hadsell, Chopra & LeCun 2006.
    """

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return cosine_embedding_loss(input1, input2, target, self.margin, reduction=self.reduction)


class _TripletLoss(Loss):
    def __init__(self, margin: float, swap: bool, reduction: str) -> None:
        super().__init__(reduction=reduction)
        if not margin > 0:
            raise ValueError(f"{type(self).__name__}: margin must be above 0, got {margin}")
        self.margin, self.swap = margin, swap


class TripletMarginLoss(_TripletLoss):
    """max(0, margin + |anchor - positive| - |anchor - negative|).

    Args:
        margin: by how much farther the negative should be, above 0.
        p: which norm: |x| = sum(|x|**p)**(1/p).
        eps: added to each element of a difference.
        swap: take the distance of positive and negative where that is smaller than that of anchor and negative.
        reduction: "mean" | "sum" | "none".
    Shape: anchor, positive and negative (*, features), to (), or (*) for "none".
    Raises: ValueError for another reduction or a margin that is not above 0.
    Source: Balntas, Riba, Ponsa, Mikolajczyk 2016, "Learning local feature descriptors with triplets".
    """

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, *, reduction: str = "mean"
    ) -> None:
        super().__init__(margin, swap, reduction)
        self.p, self.eps = p, eps

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )


class TripletMarginWithDistanceLoss(_TripletLoss):
    """TripletMarginLoss with a distance of one's own.

    Args:
        distance_function: of two Tensors, a Module too; None for the Euclidean distance along the last dimension.
        margin: by how much farther the negative should be, above 0.
        swap: take the distance of positive and negative where that is smaller than that of anchor and negative.
        reduction: "mean" | "sum" | "none".
    Shape: anchor, positive and negative alike, to (), or what the distance function gives for "none".
    Raises: ValueError for another reduction or a margin that is not above 0.
    Source: Balntas et al. 2016.
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, swap, reduction)
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
