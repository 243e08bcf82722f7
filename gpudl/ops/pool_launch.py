"""Starting CUDA kernels over windows: see kernels/math/planes.cuh."""

from __future__ import annotations

import math

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.constants import constant
from gpudl.backend.cuda_text import THREADS, CudaText, Shape, dense
from gpudl.ops.windows import Windows

DIMS = 3
_MOST_DOWN = 65535  # blocks of a grid
PLANE = 1 << 31
"""Elements of a plane that its kernels can not count."""


def window_text(name: str, *kernels: str) -> CudaText:
    """The CUDA text of kernels/cuda/<name>.cu, whose kernels know windows."""
    return CudaText("math/numbers.cuh", "math/planes.cuh", f"cuda/{name}.cu", kernels=kernels)


def fits(windows: Windows) -> bool:
    """Whether the kernels can take these windows."""
    return len(windows.size) <= DIMS and max(math.prod(windows.size), math.prod(windows.out)) < PLANE


def table(windows: Windows, like: Array) -> Array:
    """The windows as the kernels read them: int32, six numbers for each of three dimensions."""
    missing = DIMS - len(windows.size)
    rows = [(1, 1, 1, 0, 1, 1)] * missing + [*zip(*windows)]
    return constant(np.array(rows, np.int32), like)


def plane_grid(planes: int, area: int) -> tuple[Shape, Shape]:
    """The grid and block for so many planes of so many elements."""
    across = min(THREADS, -(-area // 32) * 32)
    down = THREADS // across
    return (-(-area // across), min(-(-planes // down), _MOST_DOWN)), (across, down)


MAX_POOL = window_text("max_pool2d", "max_pool_forward", "max_pool_backward")


def search(x: Array, windows: Windows, *results: Array | None) -> None:
    """Find the largest element of each window of x (n, c, *size).

    Args:
        results: what to write: the elements, the numbers of their taps as bytes or as ints, and their places; None for
            what is not wanted.
    """
    planes = math.prod(x.shape[:2])
    grid = plane_grid(planes, math.prod(windows.out))
    MAX_POOL.launch("max_pool_forward", *grid, dense(x), *results, table(windows, x), planes)
