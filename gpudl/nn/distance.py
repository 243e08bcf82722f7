"""How alike or far apart two vectors are: settings, and one call into ops."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.ops.similarity import cosine_similarity, pairwise_distance

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """sum(x1 * x2) / (max(norm(x1), eps) * max(norm(x2), eps)) along a dimension.

    Args:
        dim: the dimension of the vectors, in the shape that both broadcast to.
        eps: what each norm is at least.
    Shape: (*, d, *) twice, which broadcast, to (*, *); d at `dim`.
    Raises: ShapeError if the shapes do not broadcast; IndexError for a dim out of range.
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last dimension.

    Args:
        p: of the norm, > 0 or inf; kept as the attribute `norm`, as in PyTorch.
        eps: added to each difference, for the gradient's sake.
        keepdim: keep the last dimension at length 1.
    Shape: (n, d) or (d,) twice, which broadcast, to (n,) or (); with keepdim to (n, 1) or (1,).
    Raises: ShapeError if the shapes do not broadcast.
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
