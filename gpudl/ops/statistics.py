"""Differences, integrals by the trapezoidal rule, and covariance."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import get_default_dtype
from gpudl.backend.errors import ShapeError
from gpudl.ops.comparison import ne
from gpudl.ops.cumsum import cumsum
from gpudl.ops.elementwise import clamp
from gpudl.ops.operands import Number, one_dim
from gpudl.ops.shape import cat
from gpudl.ops.sqrt import sqrt

__all__ = ["corrcoef", "cov", "cumulative_trapezoid", "diff", "trapezoid", "trapz"]


def _ends(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """x without its first element along dim, and without its last."""
    before = (slice(None),) * dim
    later, earlier = (*before, slice(1, None)), (*before, slice(None, -1))
    return x[later], x[earlier]


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """input[i + 1] - input[i] along `dim`, n times; of bools, whether they differ.

    Args:
        n: how often; 0 gives a copy.
        prepend, append: what to put before and behind the input along dim first.
    Returns: shorter by n along dim, at least 0.
    Raises: RuntimeError for a 0-d input or n < 0; IndexError if the dim is out of range.
    Gradient: the differences' transpose.
    """
    if not input.ndim:
        raise ShapeError("diff: a 0-d tensor has no neighbors; expected at least one dimension")
    if n < 0:
        raise RuntimeError(f"diff: n must be at least 0, got {n}")
    place = one_dim("diff", dim, input.ndim)
    for each in (prepend, append):
        if each is not None and each.ndim != input.ndim:
            raise ShapeError(f"diff: prepend and append must have {input.ndim} dimensions, got shape {each.shape}")
    if not n:
        return input.clone()
    parts = [each for each in (prepend, input, append) if each is not None]
    x = cat(parts, place) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[place])):
        later, earlier = _ends(x, place)
        x = ne(later, earlier) if x.dtype.kind == "b" else later - earlier
    return x


def _trapezoids(name: str, y: Tensor, x: Tensor | None, dx: Number | None, dim: int) -> tuple[Tensor, int]:
    """The areas between neighbors, times 2, and the dimension."""
    if x is not None and dx is not None:
        raise TypeError(f"{name}: give the places x or their distance dx, not both")
    place = one_dim(name, dim, y.ndim)
    if not y.ndim:
        raise IndexError(f"{name}: a 0-d tensor has no neighbors; expected at least one dimension")
    if isinstance(dx, bool) or y.dtype.kind == "b":
        raise RuntimeError(f"{name}: bools have no areas; cast them to a number first")
    later, earlier = _ends(y, place)
    if x is None:
        return (later + earlier) * (1 if dx is None else dx), place
    if not x.ndim:
        raise ShapeError(f"{name}: x must have at least one dimension")
    if x.ndim == 1 and y.ndim > 1:
        if x.shape[0] != y.shape[place]:
            raise ShapeError(f"{name}: {x.shape[0]} places x for {y.shape[place]} values along dim {dim}")
        x = x.reshape((-1, *(1,) * (y.ndim - 1 - place)))
    width_later, width_earlier = _ends(x, x.ndim - (y.ndim - place) if x.ndim < y.ndim else place)
    return (later + earlier) * (width_later - width_earlier), place


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number | None = None, dim: int = -1) -> Tensor:
    """The integral of y along `dim` by the trapezoidal rule; 0 for fewer than two values.

    Args:
        x: where the values are: 1-d, or of y's shape.
        dx: their distance, if x is not given; 1 by default.
    Raises: ShapeError if x does not fit y; IndexError if the dim is out of range.
    Gradient: half the widths on either side of each value.
    """
    areas, place = _trapezoids("trapezoid", y, x, dx, dim)
    return areas.sum(place) / 2


trapz = trapezoid


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number | None = None, dim: int = -1) -> Tensor:
    """The integrals of y from its first value to each later one. As trapezoid; shorter by 1 along dim."""
    areas, place = _trapezoids("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(areas, place) / 2


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariance matrix of variables, one a row, over observations, one a column.

    Args:
        input: (variables, observations) or (observations,).
        correction: what the number of observations is lessened by.
        fweights: (observations,) integers, how often each was observed.
        aweights: (observations,) floating, how much each counts.
    Returns: (variables, variables), or () for one variable given without its dimension, or with it.
    Raises: RuntimeError for bools, more than 2 dimensions, and weights that do not fit or are negative.
    Gradient: through the means too.
    """
    if input.ndim > 2:
        raise ShapeError(f"cov: expected (variables, observations), got shape {input.shape}")
    if input.dtype.kind == "b":
        raise RuntimeError("cov: bools have no covariance; cast the input to a number first")
    x = input.reshape((1, -1)) if input.ndim < 2 else input
    observations = x.shape[1]
    weight = _weights(observations, fweights, aweights)
    if x.dtype.kind not in "fV":
        x = x.to(get_default_dtype())
    total: Any = observations if weight is None else weight.sum()
    freedom: Any
    if weight is None:
        mean = x.sum(1, True) / max(observations, 1) if observations else x.sum(1, True) / 0
        freedom = max(observations - correction, 0)
    else:
        mean = (x * weight).sum(1, True) / total
        freedom = total - correction
        if aweights is not None and correction:
            freedom = total - correction * (weight * aweights).sum() / total
        freedom = clamp(freedom, 0)
    off = x - mean
    product = off @ (off if weight is None else off * weight).T
    result: Tensor = product / freedom
    return result.reshape(()) if result.shape == (1, 1) else result


def _weights(observations: int, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    for name, kinds, each in (("fweights", "iu", fweights), ("aweights", "fV", aweights)):
        if each is None:
            continue
        if each.ndim > 1 or each.array.size != observations:
            raise ShapeError(f"cov: {name} must be ({observations},), one for each observation, got {each.shape}")
        if each.dtype.kind not in kinds:
            raise RuntimeError(f"cov: {name} cannot be {each.dtype}; integers count, floating point numbers weigh")
        if bool((each < 0).any()):
            raise RuntimeError(f"cov: {name} must not be negative")
    weight = fweights * aweights if fweights is not None and aweights is not None else fweights
    weight = aweights if weight is None else weight
    if weight is not None and not bool(weight.sum() != 0):
        raise RuntimeError("cov: the weights sum to 0, so there is no mean")
    return weight


def corrcoef(input: Tensor) -> Tensor:
    """The correlation of variables, one a row, over observations: their covariance over both standard deviations.

    Args: as in cov.
    Returns: as cov, in [-1, 1]; nan for a variable that does not vary.
    Raises: RuntimeError for more than 2 dimensions.
    Gradient: through the standard deviations too.
    """
    if input.ndim > 2:
        raise ShapeError(f"corrcoef: expected (variables, observations), got shape {input.shape}")
    matrix = cov(input)
    if not matrix.ndim:
        return matrix / matrix
    count = matrix.shape[0]
    deviation = sqrt(matrix.reshape(-1)[:: count + 1])
    return matrix / deviation.reshape((-1, 1)) / deviation
