"""(rows, columns) of which each column has a bias: what ops on it check, and how CUDA kernels go over it and sum it."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, PACK_BYTES, CudaText
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.errors import ShapeError
from gpudl.ops.operands import floating_only

Shape = tuple[int, ...]

_DEEP = 128  # rows of a block from which on sums are shared out over several
_BLOCKS = 1056  # eight for each of 132 multiprocessors
_ACTIVATIONS = ("relu", "sigmoid", "silu", "gelu")  # files of their math


def bias_text(*kernels: str) -> CudaText:
    """The CUDA text around activations, with these kernels."""
    files = (f"math/{name}.cuh" for name in ("numbers", "packs", "columns", *_ACTIVATIONS, "bias_act"))
    return CudaText(*files, "cuda/bias_act.cu", kernels=kernels)


def down_columns(x: Array, columns: int) -> tuple[Shape, Shape]:
    """The grid and block of a kernel whose threads have PACK_BYTES of columns and go down the rows."""
    rows = x.size // columns if columns else 0
    across = -(-columns * x.itemsize // (32 * PACK_BYTES))
    down = min(-(-rows // 8), -(-MOST_BLOCKS // max(across, 1)))
    return (across, down), (32, 8)


class Strips:
    """The grid of a kernel that leaves sums of columns; see kernels/math/columns.cuh.

    Attributes:
        grid, block: of the kernel.
        rows_of_block: the rows that a block adds up.
        sums: what its blocks leave for finish, None where each has all rows.
    """

    def __init__(self, x: Array, rows: int, columns: int):
        wide = PACK_BYTES // x.itemsize
        strips = -(-columns // (32 * (wide if columns % wide == 0 else 1)))
        lines = max(min(rows // _DEEP, -(-_BLOCKS // strips)), 1)
        self.rows_of_block = -(-rows // lines)
        lines = -(-rows // self.rows_of_block)
        self.grid, self.block = (strips, lines), (32, 8)
        accumulator = float64 if x.dtype == float64 else float32
        self.sums: Array | None = xp_of(x).empty((lines, columns), accumulator) if lines > 1 else None

    def finish(self, text: CudaText, total: Array) -> None:
        """Add up what the blocks left into the total, in a launch of column_totals, if there is more than one row."""
        if self.sums is not None:
            lines, columns = self.sums.shape
            text.launch("column_totals", (-(-columns // 32),), (32, 8), total, self.sums, lines, columns)


def biased(name: str, input: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The two as they are.

    Raises: ShapeError unless the bias has one number for each of the input's columns; RuntimeError unless both are of
        one floating dtype.
    """
    if input.ndim == 0 or bias.shape != input.shape[-1:]:
        raise ShapeError(f"{name}: input {input.shape} needs a bias of shape {input.shape[-1:]}, got {bias.shape}")
    if bias.dtype != input.dtype:
        raise RuntimeError(f"{name}: the input is {input.dtype} and the bias {bias.dtype}; cast one with to()")
    return floating_only(name, input), bias
