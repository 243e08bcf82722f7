"""Running reductions on a CUDA device: y[k] = x[0] o ... o x[k] along one dimension, for the Ops of reductions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import THREADS, CudaText, dense
from gpudl.backend.dtypes import DType
from gpudl.backend.folds import BLOCKS, SHARE, STATE_BYTES, TALL, Fold


class Run(Fold):
    """A running reduction by an Op: y[k] = x[0] o ... o x[k] along one dimension, kernels/cuda/cumsum.cu."""

    def __init__(self, op: str, *files: str):
        super().__init__(op, *files)
        self.run_rows, self.run_columns = f"run_rows<{{T}}, {{A}}, {op}>", f"run_columns<{{T}}, {{A}}, {op}>"
        self.runs = CudaText(*self.text.files, "cuda/cumsum.cu", kernels=(self.run_rows, self.run_columns))

    def along(self, x: Array, dim: int, reverse: bool, dtype: DType, more: DType | None = None) -> Any:
        """The running reduction along a dimension, from its other end if `reverse`.

        Args:
            dtype, more: of the result, and of what Op gives beside it.
        Returns: an array, or two.
        """
        x, xp = dense(x), xp_of(x)
        y, beside = xp.empty(x.shape, dtype), None if more is None else xp.empty(x.shape, more)
        length, inner = x.shape[dim], math.prod(x.shape[dim + 1 :])
        outputs = x.size // max(length, 1)
        if x.size:
            # Parts for so few lines that they alone would not occupy a GPU.
            busy, least = (outputs, SHARE) if inner == 1 else (-(-outputs // THREADS), 8 * TALL)
            parts = max(min(BLOCKS // 4 // max(busy, 1), length // least), 1)
            of_part = -(-length // parts)
            parts, left = -(-length // of_part), None
            if parts > 1:
                left = xp.empty(parts * outputs * STATE_BYTES, np.uint8)
                given = x, y, beside, left, outputs
                if inner == 1:
                    settings = 1, 1, length, 1, 1, of_part
                    self.text.launch(self.rows, (outputs, parts), (THREADS, 1), *given, *settings, 0.0, 1.0)
                else:
                    grid = (-(-outputs // 32), parts)
                    self.text.launch(self.columns, grid, (32, 8), *given, length, inner, of_part, 0, 0.0, 1.0)
            if inner == 1:
                last: tuple[int, ...] = (length, parts, of_part, reverse)
                self.runs.launch(self.run_rows, (outputs, parts), (THREADS,), x, y, beside, left, outputs, *last)
            else:
                grid = (-(-outputs // THREADS), parts)
                last = (length, inner, parts, of_part, reverse)
                self.runs.launch(self.run_columns, grid, (THREADS,), x, y, beside, left, outputs, *last)
        return y if more is None else (y, beside)


RUNNING = {
    largest: Run(f"Place<{{T}}, {{A}}, {str(largest).lower()}, true>", "math/extreme.cuh") for largest in (True, False)
}
"""Where the extremes of the first 1, 2, ... elements are, of equal ones the last, and beside it what they are."""
