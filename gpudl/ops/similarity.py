"""How alike two vectors are: cosine_similarity, pairwise_distance, and bilinear."""

from __future__ import annotations

import math

from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import get_default_dtype, is_floating
from gpudl.backend.errors import ShapeError
from gpudl.ops.elementwise import where
from gpudl.ops.operands import one_dim, result_type
from gpudl.ops.pnorm import PNorm

__all__ = ["bilinear", "cosine_similarity", "pairwise_distance"]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """sum(x1 * x2) / (max(norm(x1), eps) * max(norm(x2), eps)) along a dimension.

    Args:
        x1, x2: shapes that broadcast, promoted to one floating dtype.
        dim: of the broadcast shape; the result lacks it.
        eps: what each is divided by at least.
    Raises: ShapeError if the shapes do not broadcast; IndexError for a dim out of range; RuntimeError if both are
        integers.
    Gradient: (x2 / norm2 - cosine * x1 / norm1) / norm1 to x1, likewise to x2.
    """
    dtype = result_type(x1, x2)
    if not is_floating(dtype):
        raise RuntimeError(f"cosine_similarity: the tensors are {x1.dtype} and {x2.dtype}; make one of them floating")
    shape = _common("cosine_similarity", x1.shape, x2.shape)
    place = one_dim("cosine_similarity", dim, len(shape))
    product = _directed(x1.to(dtype).expand(shape), place, eps) * _directed(x2.to(dtype).expand(shape), place, eps)
    return product.sum(place) if shape else product


def _directed(x: Tensor, dim: int, eps: float) -> Tensor:
    """x / max(norm, eps). Where eps is taken, the gradient goes to the norm all the same, as PyTorch's does."""
    norm: Tensor = PNorm.apply(x, 2.0, (dim,) if x.ndim else ())
    return x / where(norm < eps, norm + (eps - norm).detach(), norm)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension.

    Args:
        x1, x2: shapes that broadcast, promoted to one dtype.
        p: of the norm.
        eps: added to each difference, for the gradient's sake.
        keepdim: keep the last dimension at length 1.
    Raises: ShapeError if the shapes do not broadcast; RuntimeError for bools.
    Gradient: dy times the slope of the norm, to x1; its negative to x2.
    """
    difference = x1 - x2 + eps
    if not is_floating(difference.dtype):
        difference = difference.to(get_default_dtype())
    last = (difference.ndim - 1,) if difference.ndim else ()
    norm: Tensor = PNorm.apply(difference, float(p), last)
    return norm if keepdim or not last else norm.squeeze(-1)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """sum over i and j of input1[..., i] * weight[k, i, j] * input2[..., j], + bias[k].

    Args:
        input1, input2: (..., features1) and (..., features2), the same dimensions before the last. One dtype.
        weight: (out_features, features1, features2).
        bias: (out_features,), or None.
    Returns: (..., out_features).
    Raises: ShapeError for shapes that do not fit; IndexError for too few dimensions; RuntimeError if the dtypes differ.
    Gradient: to each factor the product of dy and the other two, summed.
    """
    if not input1.ndim or not input2.ndim or weight.ndim != 3:
        raise IndexError(
            f"bilinear: expected (..., features) twice and a weight (out, features1, features2), got {input1.shape}, "
            f"{input2.shape} and {weight.shape}"
        )
    dtypes = {each.dtype for each in (input1, input2, weight, bias) if each is not None}
    if len(dtypes) > 1:
        raise RuntimeError(f"bilinear: the dtypes differ, {' and '.join(map(str, dtypes))}; cast with to()")
    out, features1, features2 = weight.shape
    lead = input1.shape[:-1]
    if lead != input2.shape[:-1] or (input1.shape[-1], input2.shape[-1]) != (features1, features2):
        raise ShapeError(
            f"bilinear: weight {weight.shape} needs (..., {features1}) and (..., {features2}) with the same dimensions "
            f"before, got {input1.shape} and {input2.shape}"
        )
    if bias is not None and bias.shape != (out,):
        raise ShapeError(f"bilinear: expected a bias of shape ({out},), got {bias.shape}")
    rows = math.prod(lead)
    wide = weight.permute((1, 0, 2)).reshape((features1, out * features2))
    half = (input1.reshape((rows, features1)) @ wide).reshape((rows, out, features2))
    result: Tensor = (half @ input2.reshape((rows, features2, 1))).reshape((*lead, out))
    return result if bias is None else result + bias


def _common(name: str, first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    ndim = max(len(first), len(second))
    longer = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in (first, second)]
    if any(a != b and 1 not in (a, b) for a, b in zip(*longer)):
        raise ShapeError(f"{name}: shapes {first} and {second} do not broadcast")
    return tuple(b if a == 1 else a for a, b in zip(*longer))
