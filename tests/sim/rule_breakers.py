"""Kernels that break one rule each, with the line marked, and their twins that keep it; and how to run them."""

import re

import numpy as np
import pytest
from native_runtime import KernelError, module, runtime

SOURCE = r"""
#define KERNEL extern "C" __global__ void
struct Padded { char small; double large; };
struct Triple { float first, second; int third; };
struct View { float* data; long long unset; };
__device__ int hits[64];
__constant__ float weights[5] = {1, 2, 3, 4, 5};

KERNEL read_past(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    y[0 * i] = x[n + i];  // read_past
}
KERNEL write_past(float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i <= n)
    y[i] = 1;  // write_past
}
KERNEL write_inside(float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = weights[i % 5];
}
KERNEL write_before(float* y) {
  y[(int)threadIdx.x - 1] = 1;  // write_before
}
KERNEL write_far(float* y) {  // at address 4096, which no process has
  y[1024 + threadIdx.x - (long long)y / 4] = 1;  // write_far
}
KERNEL shared_past_pointer(float* y) {
  __shared__ float s[10];
  float* p = s;
  asm("" : "+r"(p));
  p[threadIdx.x] = 1;  // shared_past_pointer
  y[threadIdx.x] = p[threadIdx.x];
}
KERNEL shared_past_index(float* y) {
  __shared__ float s[10];
  s[threadIdx.x] = 1;  // shared_past_index
  y[threadIdx.x] = s[threadIdx.x];
}
KERNEL shared_inside(float* y) {
  __shared__ float s[64];
  float* p = s;
  asm("" : "+r"(p));
  p[threadIdx.x] = 1;
  hits[threadIdx.x] = 1;
  y[threadIdx.x] = p[threadIdx.x] + hits[threadIdx.x];
}
KERNEL dynamic_shared(float* y) {
  float* s = (float*)sim_dynamic_shared();
  s[threadIdx.x] = 1;  // dynamic_shared
  y[threadIdx.x] = s[threadIdx.x];
}
KERNEL local_index(float* y, int n) {
  float a[4] = {1, 2, 3, 4};
  y[threadIdx.x] = a[n];  // local_index
}
KERNEL other_local(float* y) {
  __shared__ float* p;
  float mine = 1;
  if (threadIdx.x == 0) p = &mine;
  __syncthreads();
  y[threadIdx.x] = threadIdx.x ? *p : 0;  // other_local
  __syncthreads();
}
KERNEL use_view(View view) {
  view.data[threadIdx.x] = 1;
}
KERNEL use(float* y) {
  y[threadIdx.x] = 1;  // use
}
KERNEL use_through(float** table) {
  table[0][threadIdx.x] = 1;  // use_through
}
KERNEL race_block(float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x;  // race_block earlier
  y[threadIdx.x] = s[63 - threadIdx.x];  // race_block
}
KERNEL race_block_fixed(float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x;
  __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x];
}
KERNEL race_reuse(float* y) {
  __shared__ float s[64];
  for (int i = 0; i < 2; ++i) {
    s[threadIdx.x] = i;  // race_reuse
    __syncthreads();
    y[threadIdx.x] = s[63 - threadIdx.x];  // race_reuse earlier
  }
}
KERNEL race_reuse_fixed(float* y) {
  __shared__ float s[64];
  for (int i = 0; i < 2; ++i) {
    s[threadIdx.x] = i;
    __syncthreads();
    y[threadIdx.x] = s[63 - threadIdx.x];
    __syncthreads();
  }
}
KERNEL race_warp(float* y) {
  __shared__ float s[32];
  s[threadIdx.x] = threadIdx.x;  // race_warp earlier
  y[threadIdx.x] = s[31 - threadIdx.x];  // race_warp
}
KERNEL race_warp_fixed(float* y) {
  __shared__ float s[32];
  s[threadIdx.x] = threadIdx.x;
  __syncwarp();
  y[threadIdx.x] = s[31 - threadIdx.x];
}
KERNEL race_shuffle(float* y) {
  __shared__ float s[32];
  s[threadIdx.x] = threadIdx.x;  // race_shuffle earlier
  __shfl_sync(0xffffffff, 1, 0);
  y[threadIdx.x] = s[31 - threadIdx.x];  // race_shuffle
}
KERNEL race_grid(float* y) {
  y[threadIdx.x] = blockIdx.x;  // race_grid
}
KERNEL race_grid_sum(int* y) {
  y[0] += 1;  // race_grid_sum
}
KERNEL race_grid_fixed(int* y) {
  atomicAdd(y, 1);
}
KERNEL race_atomic(int* y) {
  if (blockIdx.x == 0)
    atomicAdd(y, 1);  // race_atomic
  else
    y[1] = y[0];  // race_atomic plain
}
KERNEL race_atomic_end(int* y) {
  if (blockIdx.x == 0)
    atomicAdd(y, 1);
  else if (y[0] == 7)  // race_atomic_end
    y[1] = 1;
}
KERNEL compare_and_swap(float* y, const float* x) {
  unsigned* address = (unsigned*)y;
  unsigned old = *address, assumed;
  do {
    assumed = old;
    old = atomicCAS(address, assumed, __float_as_uint(__uint_as_float(assumed) + x[threadIdx.x]));
  } while (assumed != old);
}
KERNEL last_block(int* sums, unsigned* done, int* total, int fence) {
  sums[blockIdx.x] = blockIdx.x;
  if (fence) __threadfence();
  if (atomicAdd(done, 1u) == gridDim.x - 1) {
    int sum = 0;
    for (int i = 0; i < gridDim.x; ++i) sum += sums[i];  // last_block
    *total = sum;
  }
}
KERNEL divergent(float* y, int half) {
  if (threadIdx.x < half) __syncthreads();  // divergent
  y[threadIdx.x] = 1;
}
KERNEL two_barriers(float* y, int n) {
  if (threadIdx.x < n)
    __syncthreads();  // two_barriers earlier
  else
    __syncthreads();  // two_barriers
  y[threadIdx.x] = 1;
}
KERNEL early_return(float* y, int n) {
  if (threadIdx.x >= n) return;
  y[threadIdx.x] = 1;
  __syncthreads();  // early_return
}
KERNEL shuffle_in_branch(float* y, int n) {
  float v = threadIdx.x;
  if (threadIdx.x < n) v += __shfl_down_sync(0xffffffffu, v, 8);  // shuffle_in_branch
  y[threadIdx.x] = v;
}
KERNEL warp_divergence(float* y, int n) {
  float v = threadIdx.x;
  if (threadIdx.x < n)
    v += __shfl_xor_sync(0xffffffffu, v, 1);  // warp_divergence earlier
  else
    v += __shfl_xor_sync(0xffffffffu, v, 1);  // warp_divergence
  y[threadIdx.x] = v;
}
KERNEL warp_mask(float* y, unsigned mask) {
  y[threadIdx.x] = __shfl_sync(mask, 1.0f, 0);  // warp_mask
}
KERNEL misaligned(const float* x, float* y, int shift) {
  float4 v = *(const float4*)(x + shift);  // misaligned
  y[0] = v.x + v.w;
}
KERNEL overflow(int* y, int a, int b) {
  y[0] = a * b;  // overflow
}
KERNEL division(int* y, int a, int b) {
  y[0] = a / b;  // division
}
KERNEL shift(int* y, int a, int b) {
  y[0] = a << b;  // shift
}
KERNEL spin(int* y, int n) {
  while (atomicCAS(y, 0, 1) != n) {}  // spin
}
KERNEL spin_plain(volatile int* y, int n) {
  while (*y != n) {}  // spin_plain
}
KERNEL huge_locals(float* y, int n) {
  float a[200000];
  for (int i = 0; i < n; ++i) a[i] = i;  // huge_locals
  y[threadIdx.x] = a[n / 2];
}
KERNEL read_unwritten(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x];  // read_unwritten
}
KERNEL add_unwritten(float* x) {
  atomicAdd(x + threadIdx.x, 1.0f);  // add_unwritten
}
KERNEL exchange(float* x) {
  atomicExch(x + threadIdx.x, 1.0f);
}
KERNEL read_static(float* y, int n) {
  __shared__ float s[64];
  if (threadIdx.x < n) s[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x];  // read_static
}
KERNEL read_dynamic(float* y, int n) {
  float* s = (float*)sim_dynamic_shared();
  if (threadIdx.x < n) s[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x];  // read_dynamic
}
KERNEL second_block_reads(float* y) {
  __shared__ float s[64];
  if (blockIdx.x == 0) s[threadIdx.x] = 1;
  y[threadIdx.x + 64 * blockIdx.x] = s[threadIdx.x];  // second_block_reads
}
KERNEL copy_padded(Padded* x, Padded* y) {
  x[threadIdx.x].small = 1;
  x[threadIdx.x].large = 2;
  __syncthreads();
  y[threadIdx.x] = x[63 - threadIdx.x];
}
KERNEL share_triples(float* y, int wide) {
  char* bytes = (char*)sim_dynamic_shared();
  Triple own = {1, 2, (int)threadIdx.x};
  __builtin_memcpy(bytes + threadIdx.x * sizeof(Triple), &own, wide);  // share_triples
  __syncthreads();
  y[threadIdx.x] = bytes[threadIdx.x * sizeof(Triple) + 8];
}
KERNEL library_copy(const char* x, char* y, int n) {
  memcpy(y, x, n);  // library_copy
}
KERNEL failed_assert(int n) {
  assert(n == 1);  // failed_assert
}
"""
KERNELS = tuple(re.findall(r"KERNEL (\w+)\(", SOURCE))


def line_of(marker: str) -> str:
    lines = [i for i, line in enumerate(SOURCE.splitlines(), 1) if line.endswith(f"// {marker}")]
    assert len(lines) == 1, marker
    return f"kernels/test.cu:{lines[0]}"


def launch(mode, kernel, grid, block, *arguments, **options):
    compiled = module(SOURCE, KERNELS, checked="check" in mode, relaxed="relaxed" in mode)
    return compiled.launch(kernel, grid, block, *arguments, **options)


def zeros(count, dtype="f4"):
    return runtime().array(np.zeros(count, dtype))


def caught(kind, mode, kernel, *arguments, line=True, **options):
    """The message of the failure, which must be of this kind and name the line marked with the kernel's name."""
    with pytest.raises(KernelError) as failure:
        launch(mode, kernel, *arguments, **options)
    assert failure.value.kind == kind, str(failure.value)
    assert f"kernel '{kernel}'" in str(failure.value)
    if line:
        assert line_of(kernel) in str(failure.value)
    return str(failure.value)


MODES = ["fast", "check"]
