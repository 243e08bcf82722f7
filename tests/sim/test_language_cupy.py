"""CuPy's own headers, unchanged, on the emulated device's language."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from native_runtime import module, requires_compiler, runtime

pytestmark = requires_compiler

CUPY_SOURCE = r"""
#include <cupy/complex.cuh>
#include <cupy/carray.cuh>
#include <cupy/atomics.cuh>
#include <cupy/float16.cuh>
#include <cupy/bfloat16.cuh>
#include <cupy/math_constants.h>
extern "C" __global__ void arrays(CArray<float, 2, 1, 1> x, CArray<float, 2, 1, 1> y, CIndexer<2, 1> index) {
  CUPY_FOR(i, index.size()) {
    index.set(i);
    y[index.get()] = x[index.get()] + x[i];
  }
}
extern "C" __global__ void types(float16* h, bfloat16* b, complex<float>* c, complex<double>* z) {
  atomicAdd(h, float16(1.5f));
  atomicAdd(h + 2, h[1]);
  b[0] = b[0] + bfloat16(2.0f);
  c[0] += 2.f * c[1] + exp(c[0]) / pow(c[1], complex<float>(2, 0));
  z[0] = complex<double>(c[1]) * conj(z[1]) + sqrt(z[1]) + abs(z[1]);
}
"""


@pytest.mark.parametrize("checked", [False, True])
def test_cupys_own_headers_compile_and_run(checked):
    found = importlib.util.find_spec("cupy")
    if found is None or found.origin is None:
        pytest.skip("CuPy is not installed")
    include = Path(found.origin).parent / "_core" / "include"
    options = {"checked": checked, "relaxed": True}
    compiled = module(CUPY_SOURCE, ("types",), include=str(include), **options)
    h = runtime().array([1, 2, 3], "f2")  # an odd number of them: CuPy's atomics reach two bytes behind the last
    b = runtime().array([0x3F80, 0], "u2")
    c, z = runtime().array([1 + 1j, 2 - 1j], "c8"), runtime().array([0, 3 + 4j], "c16")
    compiled.launch("types", 1, 1, h, b, c, z)
    assert h.get().tolist() == [2.5, 2, 5] and b.get()[0] == 0x4040
    first, second = 1 + 1j, 2 - 1j
    np.testing.assert_allclose(c.get()[0], first + 2 * second + np.exp(first) / second**2, rtol=1e-6)
    np.testing.assert_allclose(z.get()[0], second * (3 - 4j) + (2 + 1j) + 5, rtol=1e-12)
