"""A test of CUDA kernels and models of your own that runs in CI without a GPU, on the emulated CUDA device.

    pytest -p gpudl.testing.plugin --device sim examples/own_kernel_test.py

With GPUDL_SIM_CHECK=check it also finds races, accesses out of bounds and memory that nobody wrote; on a machine with a
GPU, --device cuda runs the same kernels there.

Needs: gpudl[sim]; pytest; g++.
"""

import cupy
import numpy as np
import pytest

import gpudl
from gpudl import nn

saxpy = cupy.ElementwiseKernel("float32 a, T x, T y", "T z", "z = a * x + y", "saxpy")

# One block a row. The barrier is what keeps a warp from reading the sums before the others have written them.
ROW_SUMS = r"""
extern "C" __global__ void row_sums(const float* x, float* sums, int columns) {
  __shared__ float parts[256];
  float sum = 0.0f;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) sum += x[blockIdx.x * columns + i];
  parts[threadIdx.x] = sum;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = parts[0];
}
"""


@pytest.mark.parametrize("shape", [(7,), (3, 5), (0,)])
def test_saxpy(check_kernel, shape):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(shape, dtype=np.float32) for _ in range(2))
    check_kernel(saxpy, [2.5, x, y], lambda a, x, y: np.float32(a) * x + y)


@pytest.mark.parametrize("columns", [1, 255, 1000])
def test_row_sums(check_kernel, columns):
    x = np.random.default_rng(0).standard_normal((4, columns), dtype=np.float32)
    kernel = cupy.RawKernel(ROW_SUMS, "row_sums")
    check_kernel(
        kernel,
        [x, np.zeros(4, np.float32), np.int32(columns)],
        lambda x, sums, columns: x.sum(axis=1),
        grid=(4,),
        block=(256,),
        outputs=[1],
        atol=1e-4,
    )


def test_a_missing_barrier_is_found(check_kernel):
    broken = cupy.RawKernel(ROW_SUMS.replace("  __syncthreads();\n  for", "  for"), "row_sums")
    x = np.ones((4, 1000), np.float32)
    with pytest.raises((AssertionError, cupy.cuda.driver.CUDADriverError)):
        check_kernel(
            broken,
            [x, np.zeros(4, np.float32), np.int32(1000)],
            lambda x, sums, columns: x.sum(axis=1),
            grid=(4,),
            block=(256,),
            outputs=[1],
        )


def test_a_model_agrees_with_the_cpu(check_devices):
    model = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 3))
    target = gpudl.tensor([0, 1, 2, 0])
    check_devices(model, gpudl.rand(4, 8), loss=nn.CrossEntropyLoss(), target=target, steps=5)
