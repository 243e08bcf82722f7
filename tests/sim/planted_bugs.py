"""Correct CUDA kernels, and the bugs that people make in them: each is one replacement in the kernel's text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Kernel:
    """A correct kernel, how it is launched, and what it gives.

    Attributes:
        text: CUDA, with one kernel `k`.
        args: makes the arguments; NumPy arrays are copied to the device, of which the first is the result.
        result: what the first argument holds afterwards, from the arguments.
        grid, block, shared: of the launch.
    """

    text: str
    args: Callable[[], list[Any]]
    result: Callable[..., Any]
    grid: tuple[int, ...] = (1,)
    block: tuple[int, ...] = (64,)
    shared: int = 0


def floats(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(np.float32)


SCALE = Kernel(
    """extern "C" __global__ void k(float* y, const float* x, float a, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i];
}""",
    lambda: [np.zeros(100, np.float32), floats(100), np.float32(2.5), np.int32(100)],
    lambda y, x, a, n: a * x,
    grid=(2,),
)

# A block sums a row: warps by shuffles, their sums through shared memory, which the second sum of the row uses again.
ROWS = Kernel(
    """__device__ float block_sum(float v) {
  __shared__ float s[4];
  for (int o = 16; o > 0; o >>= 1) v += __shfl_down_sync(0xffffffffu, v, o);
  if (threadIdx.x % 32 == 0) s[threadIdx.x / 32] = v;
  __syncthreads();
  v = s[0] + s[1] + s[2] + s[3];
  __syncthreads();
  return v;
}
extern "C" __global__ void k(float* y, const float* x, int columns) {
  const float* row = x + (long long)blockIdx.x * columns;
  float sum = 0.0f, squares = 0.0f;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) sum += row[i];
  float mean = block_sum(sum) / columns;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) squares += (row[i] - mean) * (row[i] - mean);
  float variance = block_sum(squares) / columns;
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    y[(long long)blockIdx.x * columns + i] = (row[i] - mean) * rsqrtf(variance + 1e-5f);
}""",
    lambda: [np.zeros((5, 300), np.float32), floats(5, 300), np.int32(300)],
    lambda y, x, columns: (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5),
    grid=(5,),
    block=(128,),
)

# Columns are summed by a tree over the rows of a block, through a tile of shared memory.
COLUMNS = Kernel(
    """extern "C" __global__ void k(float* y, const float* x, int rows, int columns) {
  __shared__ float tile[8][33];
  int column = blockIdx.x * 32 + threadIdx.x;
  float sum = 0.0f;
  if (column < columns)
    for (int row = threadIdx.y; row < rows; row += 8) sum += x[row * columns + column];
  tile[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  for (int half = 4; half > 0; half /= 2) {
    if (threadIdx.y < half) tile[threadIdx.y][threadIdx.x] += tile[threadIdx.y + half][threadIdx.x];
    __syncthreads();
  }
  if (threadIdx.y == 0 && column < columns) y[column] = tile[0][threadIdx.x];
}""",
    lambda: [np.zeros(70, np.float32), floats(50, 70), np.int32(50), np.int32(70)],
    lambda y, x, rows, columns: x.sum(0),
    grid=(3,),
    block=(32, 8),
)

COUNT = Kernel(
    """extern "C" __global__ void k(int* y, const int* x, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) atomicAdd(&y[x[i]], 1);
}""",
    lambda: [np.zeros(8, np.int32), RNG.integers(0, 8, 200, dtype=np.int32), np.int32(200)],
    lambda y, x, n: np.bincount(x, minlength=8),
    grid=(4,),
)

REVERSE = Kernel(
    """extern "C" __global__ void k(float* y, const float* x) {
  extern __shared__ float s[];
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}""",
    lambda: [np.zeros(64, np.float32), floats(64)],
    lambda y, x: x[::-1],
    shared=256,
)

WARP = Kernel(
    """extern "C" __global__ void k(float* y, const float* x) {
  __shared__ float s[32];
  s[threadIdx.x] = x[threadIdx.x];
  __syncwarp();
  for (int o = 16; o > 0; o >>= 1) {
    if (threadIdx.x < o) s[threadIdx.x] += s[threadIdx.x + o];
    __syncwarp();
  }
  if (threadIdx.x == 0) y[0] = s[0];
}""",
    lambda: [np.zeros(1, np.float32), floats(32)],
    lambda y, x: x.sum(keepdims=True),
    block=(32,),
)

COPY4 = Kernel(
    """extern "C" __global__ void k(float* y, const float* x, int n) {
  int i = 4 * threadIdx.x;
  if (i + 4 <= n) {
    *(float4*)(y + i) = *(const float4*)(x + i);
  } else {
    for (; i < n; ++i) y[i] = x[i];
  }
}""",
    lambda: [np.zeros(99, np.float32), floats(99), np.int32(99)],
    lambda y, x, n: x,
)

INTEGERS = Kernel(
    """extern "C" __global__ void k(long long* y, int rows, int columns) {
  y[threadIdx.x] = (long long)rows * columns / (rows - 1) << (columns - 69999);
}""",
    lambda: [np.zeros(4, np.int64), np.int32(70000), np.int32(70000)],
    lambda y, rows, columns: np.full(4, int(rows) * int(columns) // (int(rows) - 1) << 1),
    block=(4,),
)

LOCAL = Kernel(
    """extern "C" __global__ void k(float* y, const float* x, int n) {
  float a[100];
  for (int i = 0; i < n; ++i) a[i] = x[i] + threadIdx.x;
  float sum = 0.0f;
  for (int i = 0; i < n; ++i) sum += a[i];
  y[threadIdx.x] = sum;
}""",
    lambda: [np.zeros(4, np.float32), floats(100), np.int32(100)],
    lambda y, x, n: x.sum() + 100 * np.arange(4),
    block=(4,),
)

LOCK = Kernel(
    """extern "C" __global__ void k(int* y) {
  if (threadIdx.x == 0) {
    while (atomicCAS(y, 0, 1) != 0) {}
    y[1] += 1;
    atomicExch(y, 0);
  }
}""",
    lambda: [np.zeros(2, np.int32)],
    lambda y: np.array([0, 1]),
)

# name: the kernel, what is replaced by what, and where the block or the shared memory of the launch is wrong, these.
BUGS: dict[str, tuple[Kernel, str, str, dict[str, Any]]] = {
    "write past the end": (SCALE, "i < n", "i <= n", {}),
    "read past the end": (SCALE, "x[i];", "x[i + 1];", {}),
    "write far past the end": (SCALE, "y[i]", "y[i + 100000]", {}),
    "write before the start": (SCALE, "y[i]", "y[i - 1]", {}),
    "forgotten tail of the grid": (SCALE, "if (i < n) ", "", {}),
    "elements that nobody computes": (SCALE, "i < n", "i < n - 1", {}),
    "all blocks at one place": (SCALE, "blockIdx.x * blockDim.x + threadIdx.x;", "threadIdx.x;", {}),
    "all threads at one element": (SCALE, "y[i] =", "y[0] =", {}),
    "no barrier after the write": (ROWS, "= v;\n  __syncthreads();", "= v;", {}),
    "no barrier before shared memory is used again": (ROWS, "s[3];\n  __syncthreads();", "s[3];", {}),
    "barrier in half of the block": (
        ROWS,
        "= v;\n  __syncthreads();",
        "= v;\n  if (threadIdx.x < 64) __syncthreads();",
        {},
    ),
    "shared array too small, by index": (ROWS, "s[4];", "s[3];", {}),
    "too many warps for the shared array": (ROWS, "", "", {"block": (256,)}),
    "lanes missing in a shuffle": (ROWS, "v += __shfl_down", "if (threadIdx.x % 32 < 16) v += __shfl_down", {}),
    "shuffle with a mask that lacks the caller": (ROWS, "0xffffffffu", "0x0000ffffu", {}),
    "shuffle the wrong way": (ROWS, "__shfl_down_sync", "__shfl_up_sync", {}),
    "wrong row": (ROWS, "x + (long long)blockIdx.x", "x + (long long)(blockIdx.x + 1)", {}),
    "half of the columns": (ROWS, "i += blockDim.x) sum", "i += 2 * blockDim.x) sum", {}),
    "no barrier before the tree": (COLUMNS, "= sum;\n  __syncthreads();", "= sum;", {}),
    "no barrier in the tree": (COLUMNS, "[threadIdx.x];\n    __syncthreads();", "[threadIdx.x];", {}),
    "wrong stride": (COLUMNS, "row * columns + column", "row * rows + column", {}),
    "return before a barrier": (
        COLUMNS,
        "  float sum = 0.0f;",
        "  if (column >= columns) return;\n  float sum = 0.0f;",
        {},
    ),
    "tile too small": (COLUMNS, "tile[8][33]", "tile[7][33]", {}),
    "different barriers": (
        COLUMNS,
        "= sum;\n  __syncthreads();",
        "= sum;\n  if (threadIdx.y & 1)\n    __syncthreads();\n  else\n    __syncthreads();",
        {},
    ),
    "+= for atomicAdd": (COUNT, "atomicAdd(&y[x[i]], 1)", "y[x[i]] += 1", {}),
    "index that is not checked": (COUNT, "y[x[i]]", "y[x[i] + 4]", {}),
    "dynamic shared memory too small": (REVERSE, "", "", {"shared": 128}),
    "no dynamic shared memory": (REVERSE, "", "", {"shared": 0}),
    "no barrier between write and read": (REVERSE, "  __syncthreads();\n", "", {}),
    "shared memory that nobody wrote": (REVERSE, "s[threadIdx.x] = x", "if (threadIdx.x > 3) s[threadIdx.x] = x", {}),
    "no __syncwarp after the write": (WARP, "[threadIdx.x];\n  __syncwarp();", "[threadIdx.x];", {}),
    "no __syncwarp in the loop": (WARP, "+ o];\n    __syncwarp();", "+ o];", {}),
    "misaligned float4": (COPY4, "int i = 4 * threadIdx.x;", "int i = 4 * threadIdx.x + 1;", {}),
    "float4 past the end": (COPY4, "i + 4 <= n", "i < n", {}),
    "int overflow in an index": (INTEGERS, "(long long)rows * columns", "rows * columns", {}),
    "division by zero": (INTEGERS, "(rows - 1)", "(rows - 70000)", {}),
    "shift by too much": (INTEGERS, "- 69999", "- 9", {}),
    "more locals than a thread has": (LOCAL, "a[100]", "a[900000]; a[n] = a[899999 - n]", {}),
    "index past a local array": (LOCAL, "a[100]", "a[99]", {}),
    "lock that is never given back": (LOCK, "atomicExch(y, 0);", "while (atomicCAS(y, 0, 1) != 0) {}", {}),
}
