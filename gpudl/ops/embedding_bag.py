"""Sums, means and maxima of rows of a table, bag by bag."""

from __future__ import annotations

from gpudl.autograd.primitive import check_devices
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.debug import debugging
from gpudl.backend.device import is_on_host, to_host
from gpudl.backend.dtypes import int32, int64, is_floating
from gpudl.backend.errors import ShapeError
from gpudl.ops.bags import EmbeddingBag
from gpudl.ops.embedding_table import check_table, renormalize_

__all__ = ["embedding_bag"]


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
    Kernel: kernels/cuda/bags.cu; its gradient kernels/cuda/accumulate.cu.
    """
    _check_bags(input, weight, offsets, mode, scale_grad_by_freq, per_sample_weights, include_last_offset)
    count = weight.shape[0]
    if padding_idx is not None and not -count <= padding_idx < count:
        raise RuntimeError(f"embedding_bag: padding_idx {padding_idx} is out of range for a weight of {count} rows")
    skipped = check_table("embedding_bag", input, weight, padding_idx, sparse)
    if max_norm is not None:
        renormalize_("embedding_bag", weight, input.array, max_norm, norm_type)
    count = input.shape[0] if offsets is None else offsets.shape[0] - include_last_offset
    if offsets is not None and (is_on_host(offsets.array) or debugging()):  # a device would have to wait for the look
        _check_offsets(to_host(offsets.array), input.array.size)
    return EmbeddingBag.apply(  # type: ignore[no-any-return]
        weight, per_sample_weights, input, offsets, count, mode, skipped, scale_grad_by_freq
    )


def _check_bags(
    input: Tensor, weight: Tensor, offsets: Tensor | None, mode: str, by_frequency: bool, factors: Tensor | None,
    has_end: bool,
) -> None:  # fmt: skip
    name = "embedding_bag"
    check_devices(name, (weight, input, offsets, factors))
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


def _check_offsets(starts: Array, numbers: int) -> None:
    if len(starts) and starts[0] != 0:
        raise RuntimeError(f"embedding_bag: the first bag must start at 0, but offsets[0] is {starts[0]}")
    if len(starts) and (starts[-1] > numbers or (starts[1:] < starts[:-1]).any()):
        raise RuntimeError(f"embedding_bag: offsets must not fall, nor exceed the {numbers} numbers")
