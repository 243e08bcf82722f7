"""Sums, means and maxima of rows of a table, bag by bag; and one_hot."""

from __future__ import annotations

from typing import NamedTuple

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import to_host
from gpudl.backend.dtypes import float32, int32, int64, is_floating
from gpudl.backend.errors import ShapeError
from gpudl.ops.accumulate import check_indices, summed_rows
from gpudl.ops.elementwise import where
from gpudl.ops.embedding import Embedding
from gpudl.ops.embedding_table import check_table, renormalize_
from gpudl.ops.operands import counting

__all__ = ["embedding_bag", "one_hot"]


class _Bags(NamedTuple):
    """Which bag each number is in, both without the padding, on bare arrays.

    Attributes:
        place: (k,) where the numbers stood in the input.
        index: (k,) the numbers themselves.
        bag: (k,) the number of the bag of each, not falling.
        bags: how many there are.
    """

    place: Array
    index: Array
    bag: Array
    bags: int


class _SumByBag(Primitive):
    """(k, features) summed to (bags, features)."""

    __slots__ = ("bag",)
    widens = False
    bag: Array

    def forward(ctx, rows: Array, bag: Array, count: int) -> Array:
        ctx.bag = bag
        return summed_rows(count, bag, rows)

    def backward(ctx, dy: Array) -> Array:
        if isinstance(dy, Tensor):
            return Embedding.apply(dy, wrap(ctx.bag, None), -1, False)
        return dy[ctx.bag]


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows of `weight` in each bag of numbers.

    Args:
        input: int64 or int32, 0 <= input < count: (bags, length), or (numbers,) cut into bags by offsets.
        weight: (count, features), floating.
        offsets: (bags,) where each bag starts, the first at 0; only beside an input of one dimension.
        max_norm, norm_type, scale_grad_by_freq, sparse: as in embedding.
        mode: "sum" | "mean" | "max".
        per_sample_weights: the input's shape; factors of the rows, for "sum".
        include_last_offset: the last of the offsets is where the last bag ends.
        padding_idx: numbers that are in no bag.
    Returns: (bags, features), the dtype of weight; 0 for an empty bag.
    Raises: IndexError for a number out of range (on the CPU); ValueError and RuntimeError for arguments that do not
        go together, as PyTorch; NotImplementedError for per_sample_weights unless summing, and for sparse.
    Gradient: to each row of weight the sum of dy over its places, times its factor, divided for the mean by the size
        of the bag; for "max" to the first row that has the largest element. To per_sample_weights the products of
        rows and dy.
    """
    _check_bags(input, weight, offsets, mode, scale_grad_by_freq, per_sample_weights, include_last_offset)
    count = weight.shape[0]
    if padding_idx is not None and not -count <= padding_idx < count:
        raise RuntimeError(f"embedding_bag: padding_idx {padding_idx} is out of range for a weight of {count} rows")
    skipped = check_table("embedding_bag", input, weight, padding_idx, sparse)
    if max_norm is not None:
        renormalize_("embedding_bag", weight, input.array, max_norm, norm_type)
    bags = _bags(input, offsets, include_last_offset, skipped)
    if mode == "max":
        return _largest(weight, bags)
    rows: Tensor = Embedding.apply(weight, wrap(bags.index, None), -1, scale_grad_by_freq)
    wide = float32 if weight.dtype.itemsize == 2 else weight.dtype
    rows = rows.to(wide)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.to(wide).reshape((-1,))[wrap(bags.place, None)].unsqueeze(-1)
    if offsets is None and skipped < 0:
        total: Tensor = rows.reshape((*input.shape, rows.shape[-1])).sum(1)
    else:
        total = _SumByBag.apply(rows, bags.bag, bags.bags)
    if mode == "mean":
        xp = xp_of(bags.bag)
        sizes = xp.maximum(xp.bincount(bags.bag, minlength=bags.bags), 1)[:, None]
        total = total / wrap(sizes, None).to(wide)
    return total.to(weight.dtype)


def _check_bags(
    input: Tensor, weight: Tensor, offsets: Tensor | None, mode: str, by_frequency: bool, factors: Tensor | None,
    has_end: bool,
) -> None:  # fmt: skip
    name = "embedding_bag"
    if factors is not None and factors.shape != input.shape:
        raise ShapeError(f"{name}: per_sample_weights must have the input's shape {input.shape}, got {factors.shape}")
    if weight.ndim != 2:
        raise ShapeError(f"{name}: weight must be (count, features), got {weight.shape}")
    if input.ndim not in (1, 2):
        raise ShapeError(f"{name}: the input must be (bags, length) or (numbers,), got {input.shape}")
    if input.ndim == 2 and offsets is not None:
        raise ValueError(f"{name}: an input of two dimensions is bags already; leave out offsets")
    if input.ndim == 2 and not input.shape[1]:
        raise ShapeError(f"{name}: the bags of an input of shape {input.shape} are empty")
    if input.ndim == 1 and (offsets is None or offsets.ndim != 1):
        raise ShapeError(f"{name}: an input of one dimension needs offsets of one dimension")
    if offsets is not None and offsets.dtype not in (int64, int32):
        raise RuntimeError(f"{name}: offsets must be int64 or int32, got {offsets.dtype}; cast them with long()")
    if has_end and offsets is not None and not offsets.shape[0]:
        raise RuntimeError(f"{name}: include_last_offset needs at least one offset")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{name}: mode must be 'sum', 'mean' or 'max', got {mode!r}")
    if mode == "max" and by_frequency:
        raise ValueError(f"{name}: mode 'max' cannot scale gradients by frequency")
    if factors is not None and mode != "sum":
        raise NotImplementedError(f"{name}: per_sample_weights are for mode 'sum', not {mode!r}")
    if not is_floating(weight.dtype):
        raise RuntimeError(f"{name}: weight must be floating, got {weight.dtype}; cast it with float()")
    if factors is not None and factors.dtype != weight.dtype:
        raise RuntimeError(f"{name}: per_sample_weights are {factors.dtype} and weight {weight.dtype}; cast one")


def _bags(input: Tensor, offsets: Tensor | None, has_end: bool, skipped: int) -> _Bags:
    index = input.array.reshape(-1).astype("int64")
    xp = xp_of(index)
    place = xp.arange(index.size)
    if offsets is None:
        count, bag = input.shape[0], place // max(input.shape[-1], 1)
    else:
        starts = to_host(offsets.array)
        if len(starts) and starts[0] != 0:
            raise RuntimeError(f"embedding_bag: the first bag must start at 0, but offsets[0] is {starts[0]}")
        if len(starts) and (starts[-1] > index.size or (starts[1:] < starts[:-1]).any()):
            raise RuntimeError(f"embedding_bag: offsets must not fall, nor exceed the {index.size} numbers")
        count = len(starts) - has_end
        bag = xp.searchsorted(offsets.array.astype("int64"), place, side="right") - 1
    kept = bag < count if skipped < 0 else (bag < count) & (index != skipped)
    if offsets is None and skipped < 0:
        return _Bags(place, index, bag, count)
    kept &= bag >= 0
    return _Bags(place[kept], index[kept], bag[kept], count)


def _largest(weight: Tensor, bags: _Bags) -> Tensor:
    """For each bag and feature the largest element, that of the first row which has it."""
    table = weight.array
    xp = xp_of(table)
    rows, features, numbers = table[bags.index], table.shape[1], len(bags.index)
    if table.dtype.char in "eE":
        rows = rows.astype("float32")
    best = xp.full((bags.bags, features), -xp.inf, rows.dtype)
    xp.maximum.at(best, bags.bag, rows)
    hit = (rows == best[bags.bag]) | (rows != rows)
    first = xp.full((bags.bags, features), numbers)
    xp.minimum.at(first, bags.bag, xp.where(hit, xp.arange(numbers)[:, None], numbers))
    empty = first == numbers
    chosen = bags.index[xp.where(empty, 0, first)] if numbers else first * 0
    if not numbers or not table.shape[0]:
        return weight.new_zeros(bags.bags, features)
    found = weight[wrap(chosen, None), counting(weight, features)]
    return where(wrap(empty, None), 0, found)


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class that stands in the input, 0 at the others.

    Args:
        input: int64, any shape, 0 <= input < num_classes.
        num_classes: -1: one more than the largest in the input, for which a device has to wait.
    Returns: (*input.shape, num_classes) int64.
    Raises: RuntimeError for another dtype, a class out of range (on the CPU), and without num_classes for an empty
        input.
    Gradient: none.
    """
    if input.dtype != int64:
        raise RuntimeError(f"one_hot: the classes must be int64, got {input.dtype}; cast them with long()")
    classes, empty = input.array, not input.array.size
    if empty and num_classes <= 0:
        raise RuntimeError("one_hot: an empty input does not tell how many classes there are; give num_classes")
    if num_classes < 0 and num_classes != -1:
        raise RuntimeError(f"one_hot: num_classes must be -1 or positive, got {num_classes}")
    count = int(classes.max()) + 1 if num_classes == -1 else num_classes
    check_indices(classes, 0, max(count, 0), "one_hot", None)
    return wrap((classes[..., None] == xp_of(classes).arange(count)).astype(int64), None)
