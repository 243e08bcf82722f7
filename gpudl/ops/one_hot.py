"""Numbers of classes as rows that are 1 at the class and 0 elsewhere."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, THREADS, CudaText, dense
from gpudl.backend.dtypes import int64
from gpudl.backend.kernel import kernel
from gpudl.ops.accumulate import check_indices

__all__ = ["one_hot"]

_TEXT = CudaText("math/packs.cuh", "cuda/one_hot.cu", kernels=("mark_classes<{T}>",), dtypes=("int64",))


@kernel
def one_hot_forward(classes: Array, count: int) -> Array:
    """(*classes.shape, count) int64: 1 at the class."""
    return (classes[..., None] == xp_of(classes).arange(count)).astype(int64)


@one_hot_forward.cuda("int64")
def one_hot_forward_cuda(classes: Array, count: int) -> Array:
    y = xp_of(classes).empty((*classes.shape, count), int64)
    if y.size:
        across = min(1 << (count - 1).bit_length(), THREADS)
        down = THREADS // across
        grid = (min(-(-classes.size // down), MOST_BLOCKS),)
        _TEXT.launch("mark_classes<{T}>", grid, (across, down), y, dense(classes), classes.size, count)
    return y


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class that stands in the input, 0 at the others.

    Args:
        input: int64, any shape, 0 <= input < num_classes.
        num_classes: -1: one more than the largest in the input, for which a device has to wait.
    Returns: (*input.shape, num_classes) int64.
    Raises: RuntimeError for another dtype, a class out of range (on the CPU), and without num_classes for an empty
        input.
    Gradient: none.
    Kernel: kernels/cuda/one_hot.cu.
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
    return wrap(one_hot_forward(classes, count), None)
