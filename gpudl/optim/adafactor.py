"""Adafactor: Adam's division by the root mean square, of which only row and column means are kept.

    b = t^beta2_decay;   R = R + b (mean over columns of g^2 - R), C likewise over rows;   V = R C / mean(R)
    u = g / sqrt(V);   a = max(eps2, rms(p)) min(lr, 1 / sqrt(t));   p = p - a u / max(1, rms(u) / d)

Vectors and numbers keep V whole. Shazeer & Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory
Cost", arXiv:1804.04235; the step size as in PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import THREADS, CudaText, dense, row_grid, spread
from gpudl.backend.dtypes import float32, float64
from gpudl.backend.kernel import kernel
from gpudl.ops.dtype_info import finfo
from gpudl.ops.elementwise_loss import group_grid
from gpudl.optim.optimizer import Optimizer
from gpudl.optim.settings import Group, require_nonnegative
from gpudl.optim.stretch import Block

__all__ = ["Adafactor"]

_FILES = ("math/numbers.cuh", "math/packs.cuh", "math/reduce.cuh", "cuda/adafactor.cu")
_TEXT = CudaText(*_FILES, kernels=tuple(f"adafactor_{name}" for name in ("rows", "columns", "means", "sizes", "step")))
_WHOLE = CudaText(*_FILES, kernels=("adafactor_whole", "adafactor_whole_step"))
_MOST_BLOCKS = 1024  # whose sums each block adds up
_DOWN = 8  # rows that a block has of a column at a time
_DEEP = 64  # rows of a block from which on a column is shared out over several
_BLOCKS = 1056  # eight for each of 132 multiprocessors


@kernel
def adafactor_step_(
    p: Array,
    dp: Array,
    row: Array | None,
    column: Array | None,
    whole: Array | None,
    step: int,
    lr: float,
    beta2_decay: float,
    eps1: float,
    eps2: float,
    d: float,
    weight_decay: float,
) -> None:
    """Step number `step` (from 1) of one parameter; (*, rows, 1) and (*, 1, columns), or whole: p's shape."""
    xp = xp_of(p)
    share = step**beta2_decay
    rms = _root_mean_square(p)
    if weight_decay:
        p *= 1 - lr * weight_decay
    square = dp * dp
    if row is not None and column is not None:
        row += share * (square.mean(-1, keepdims=True) - row)
        column += share * (square.mean(-2, keepdims=True) - column)
        xp.multiply(row / xp.maximum(row.mean(-2, keepdims=True), eps1), column, out=square)
    else:
        whole += share * (square - whole)
        square[...] = whole
    xp.maximum(square, eps1 * eps1, out=square)
    xp.sqrt(square, out=square)
    change = xp.divide(dp, square, out=square)
    size = xp.maximum(rms, eps2) * min(lr, 1 / math.sqrt(step))
    size /= xp.maximum(_root_mean_square(change) / d, 1.0)
    change *= size.astype(change.dtype)
    p -= change


@adafactor_step_.cuda("float32", "float64", "float16", "bfloat16")
def adafactor_step_cuda_(
    p: Array,
    dp: Array,
    row: Array | None,
    column: Array | None,
    whole: Array | None,
    step: int,
    lr: float,
    beta2_decay: float,
    eps1: float,
    eps2: float,
    d: float,
    weight_decay: float,
) -> None:
    given = [x for x in (p, row, column, whole) if x is not None]
    first, *state = changed = [dense(x) for x in given]
    g, share, size = dense(dp), float(step**beta2_decay), p.size
    xp, kind = xp_of(p), float64 if p.dtype == float64 else float32
    rates = min(lr, 1 / math.sqrt(step)), float(eps2), float(d), 1 - lr * weight_decay
    if row is None or column is None:
        ((blocks,), block) = spread(p)
        blocks = min(blocks, _MOST_BLOCKS)
        squares, changes = xp.empty((2, blocks), kind)
        _WHOLE.launch("adafactor_whole", (blocks,), block, first, g, *state, squares, changes, size, eps1, share)
        last = squares, changes, blocks, size, eps1, *rates
        _WHOLE.launch("adafactor_whole_step", (blocks,), block, first, g, *state, *last)
    else:
        rows, columns = p.shape[-2:]
        lines, batch = size // columns, size // (rows * columns)
        grid, block = group_grid(first.reshape(lines, columns))
        blocks = grid[0]
        squares, changes = xp.empty((2, blocks), kind)
        means = xp.empty(batch, kind)
        _TEXT.launch("adafactor_rows", grid, block, first, g, state[0], squares, lines, columns, share)
        down = min(1 << (rows - 1).bit_length(), _DOWN)
        across = -(-batch * columns // (THREADS // down))
        parts = max(min(rows // _DEEP, _BLOCKS // across), 1)
        depth = -(-rows // parts)
        parts = -(-rows // depth)
        sums = xp.empty((parts, batch * columns), kind)
        numbers = batch * columns, rows, columns, depth
        _TEXT.launch("adafactor_columns", (across, parts), (THREADS // down, down), g, sums, *numbers)
        means_grid, means_block = row_grid(batch, rows)
        wide = (max(means_grid[0], min(-(-batch * columns // THREADS), _MOST_BLOCKS)),)
        numbers = batch, rows, columns, parts
        _TEXT.launch("adafactor_means", wide, means_block, *state, sums, means, *numbers, share)
        places = lines, rows, columns, eps1
        _TEXT.launch("adafactor_sizes", grid, block, g, *state, means, changes, *places)
        _TEXT.launch("adafactor_step", grid, block, first, g, *state, means, squares, changes, blocks, *places, *rates)
    for x, copy in zip(given, changed):
        if x is not copy:
            x[...] = copy


def _root_mean_square(x: Array) -> Array:
    """Of all elements, () and at least float32. It stays on the device: nobody waits for it."""
    mean = (x * x).mean()
    return xp_of(x).sqrt(mean.astype(np.float64 if x.dtype == np.float64 else np.float32))


class Adafactor(Optimizer):
    """Adafactor: next to no memory for matrices.

    Args:
        params: Tensors, or dicts of parameter groups.
        lr: largest learning rate, relative to the size of the parameter, >= 0.
        beta2_decay: power of the step in the weight of the newest gradient, <= 0.
        eps: (added under the root, or None for the dtype's epsilon; least size of a parameter), >= 0.
        d: largest root mean square of a step, >= 1.
        weight_decay: the parameters shrink by lr * weight_decay a step, >= 0.
        foreach: taken for PyTorch's sake.
        maximize: ascend instead.
    Raises: ValueError for a setting out of range.
    Kernel: kernels/cuda/adafactor.cu.
    Source: Shazeer & Stern 2018, arXiv:1804.04235.
    """

    elementwise = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "foreach": foreach, "maximize": maximize})

    def check(self, group: Group) -> None:
        require_nonnegative("Adafactor", group, "lr", "weight_decay")
        eps1, eps2 = group["eps"]
        if not group["beta2_decay"] <= 0:
            raise ValueError(f"Adafactor: beta2_decay must be <= 0, got {group['beta2_decay']}")
        if not ((eps1 is None or eps1 >= 0) and eps2 >= 0):
            raise ValueError(f"Adafactor: eps must be >= 0, or None in the first place, got {group['eps']}")
        if not group["d"] >= 1:
            raise ValueError(f"Adafactor: d must be >= 1, got {group['d']}")

    def buffers(self, group: Group, shape: tuple[int, ...]) -> dict[str, float | Block]:
        if len(shape) < 2:
            return {"variance": 0.0}
        return {"row_var": Block((*shape[:-1], 1)), "col_var": Block((*shape[:-2], 1, shape[-1]))}

    def update(self, p: Array, dp: Array, state: dict[str, Array], step: int, group: Group) -> None:
        if not p.size:
            return
        eps1, eps2 = group["eps"]
        adafactor_step_(
            p,
            dp,
            state.get("row_var"),
            state.get("col_var"),
            state.get("variance"),
            step,
            float(group["lr"]),
            group["beta2_decay"],
            float(finfo(p.dtype).eps if eps1 is None else eps1),
            float(eps2),
            float(group["d"]),
            float(group["weight_decay"]),
        )
