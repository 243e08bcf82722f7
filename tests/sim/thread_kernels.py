"""Kernels that show how threads run; every test takes the fiber switches that it shall run on."""

import re

import numpy as np
import pytest
from native_runtime import module, runtime

SOURCE = r"""
#define KERNEL extern "C" __global__ void
KERNEL trace(int* order, int* count) {
  int turn = atomicAdd(count, 1);
  order[turn] = (blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z)) * 1000 +
                threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}
KERNEL trace_after_barrier(int* order, int* count) {
  __syncthreads();
  order[atomicAdd(count, 1)] = threadIdx.x;
}
KERNEL indices(uint3* thread, uint3* block, uint3* sizes) {
  int t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  int b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  int i = b * blockDim.x * blockDim.y * blockDim.z + t;
  thread[i] = threadIdx;
  block[i] = blockIdx;
  sizes[0] = blockDim;
  sizes[1] = gridDim;
}
KERNEL tree_sum(const float* x, float* y, int n) {
  __shared__ float s[256];
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[blockIdx.x * n + i];
  s[threadIdx.x] = sum;
  __syncthreads();
  for (int half = blockDim.x / 2; half; half /= 2) {
    if (threadIdx.x < half) s[threadIdx.x] += s[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) y[blockIdx.x] = s[0];
}
KERNEL predicates(const int* x, int* y) {
  int t = threadIdx.x;
  y[t] = __syncthreads_count(x[t]);
  y[t + blockDim.x] = __syncthreads_and(x[t]);
  y[t + 2 * blockDim.x] = __syncthreads_or(x[t]);
  y[t + 3 * blockDim.x] = __syncthreads_count(x[t] == 2);
}
KERNEL shuffles(int width, int argument, int* y) {
  int t = threadIdx.x;
  y[t] = __shfl_sync(0xffffffff, t, t + argument, width);
  y[t + 32] = __shfl_up_sync(0xffffffff, t, argument, width);
  y[t + 64] = __shfl_down_sync(0xffffffff, t, argument, width);
  y[t + 96] = __shfl_xor_sync(0xffffffff, t, argument, width);
}
template <class T> __global__ void shuffle_type(const T* x, T* y) {
  y[threadIdx.x] = __shfl_xor_sync(0xffffffff, x[threadIdx.x], 5);
}
KERNEL votes(const int* x, unsigned mask, unsigned* y) {
  int t = threadIdx.x, all = 7;
  if (!(mask >> t & 1)) return;
  y[t] = __ballot_sync(mask, x[t] & 1);
  y[t + 32] = __any_sync(mask, x[t] & 1);
  y[t + 64] = __all_sync(mask, x[t] & 1);
  y[t + 96] = __match_any_sync(mask, x[t]);
  y[t + 128] = __match_all_sync(mask, x[t], &all);
  y[t + 160] = all;
}
KERNEL reductions(const int* x, unsigned mask, int* y) {
  int t = threadIdx.x;
  if (!(mask >> t & 1)) return;
  y[t] = __reduce_add_sync(mask, x[t]);
  y[t + 32] = __reduce_min_sync(mask, x[t]);
  y[t + 64] = __reduce_max_sync(mask, x[t]);
  y[t + 96] = (int)__reduce_min_sync(mask, (unsigned)x[t]);
  y[t + 128] = (int)__reduce_max_sync(mask, (unsigned)x[t]);
  y[t + 160] = (int)__reduce_and_sync(mask, (unsigned)x[t]);
  y[t + 192] = (int)__reduce_or_sync(mask, (unsigned)x[t]);
  y[t + 224] = (int)__reduce_xor_sync(mask, (unsigned)x[t]);
}
KERNEL two_groups(int* y) {
  int t = threadIdx.x;
  unsigned mask = t % 2 ? 0xaaaaaaaau : 0x55555555u;
  int sum = t;
  for (int i = 2; i < 32; i *= 2) sum += __shfl_xor_sync(mask, sum, i);
  y[t] = sum;
}
KERNEL partial_warp(int* y) {
  int sum = threadIdx.x;
  y[threadIdx.x + 48] = (int)__activemask();
  for (int i = 16; i; i /= 2) sum += __shfl_xor_sync(0xffffffff, sum, i);
  y[threadIdx.x] = sum;
}
KERNEL big_frame(float* y, int n) {
  float a[8192];
  for (int i = 0; i < n; ++i) a[i] = i + threadIdx.x;
  __syncthreads();
  y[threadIdx.x] = a[n - 1];
}
KERNEL spin(int* y) {
  while (atomicCAS(y, 0, 1) != 7) {}
}
"""
KERNELS = (*re.findall(r"KERNEL (\w+)\(", SOURCE), *(f"shuffle_type<{t}>" for t in ("double", "__half", "__half2")))
SWITCHES = [(), ("-DSIM_UCONTEXT",)]  # how fibers change stacks: the machine's own way, and ucontext
ORDERS = ["forward", "reverse", "random"]


both_switches = pytest.mark.parametrize("flags", SWITCHES, ids=["own", "ucontext"])


def zeros(flags, count, dtype="i4"):
    return runtime(*flags).array(np.zeros(count, dtype))


def launch(flags, kernel, grid, block, *arguments, checked=False, **options):
    return module(SOURCE, KERNELS, *flags, checked=checked).launch(kernel, grid, block, *arguments, **options)
