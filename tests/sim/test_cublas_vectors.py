"""The cuBLAS stand-in for vectors, sums of matrices and its settings, against NumPy."""

import ctypes

import numpy as np
import pytest
from cublas_products import (
    CONJUGATED,
    FAILED,
    INVALID,
    NONE,
    TRANSPOSED,
    Product,
    apply,
    numbers,
    scalar,
)
from native_driver import CAPTURE_UNSUPPORTED, RELAXED, refused, requires_driver

pytestmark = requires_driver

LETTERS = {"S": "f4", "D": "f8", "C": "c8", "Z": "c16"}
REAL = {"S": "f4", "D": "f8", "C": "f4", "Z": "f8"}


@pytest.mark.parametrize("letter", LETTERS)
def test_vectors(cuda, handle, letter):
    dtype, real = LETTERS[letter], REAL[letter]
    x, y = numbers(12, dtype), numbers(12, dtype, 1)
    left, right = cuda.array(x, dtype), cuda.array(y, dtype)
    tight = {"rtol": 1e-5 if real == "f4" else 1e-13}
    out, index, total = np.zeros(1, dtype), np.zeros(1, "i4"), np.zeros(1, real)
    for suffix, expected in {"dotu": x @ y, "dotc": np.vdot(x, y)}.items() if letter in "CZ" else [("dot", x @ y)]:
        cuda.call(f"cublas{letter}{suffix}_v2", handle, 12, left, 1, right, 1, out)
        np.testing.assert_allclose(out[0], expected, **tight)
        cuda.call(f"cublas{letter}{suffix}_v2", handle, 4, left, 3, right, -2, out)
        steps = x[:12:3].conj() if suffix == "dotc" else x[:12:3]
        np.testing.assert_allclose(out[0], steps @ y[6::-2], **tight)
    prefix = {"C": "Sc", "Z": "Dz"}.get(letter, letter)
    taxicab = abs(x.real) + abs(x.imag)
    cuda.call(f"cublas{prefix}asum_v2", handle, 12, left, 1, total)
    np.testing.assert_allclose(total[0], taxicab.sum(), **tight)
    cuda.call(f"cublas{prefix}nrm2_v2", handle, 12, left, 1, total)
    np.testing.assert_allclose(total[0], np.linalg.norm(x), **tight)
    for name, expected in (("amax", taxicab.argmax()), ("amin", taxicab.argmin())):
        cuda.call(f"cublasI{letter.lower()}{name}_v2", handle, 12, left, 1, index)
        assert index[0] == expected + 1
    cuda.call(f"cublas{letter}axpy_v2", handle, 6, scalar(2, dtype), left, 2, right, -1)
    y[:6] += 2 * x[10::-2]
    np.testing.assert_allclose(cuda.get(right, 12, dtype), y, **tight)
    cuda.call(f"cublas{letter}scal_v2", handle, 4, scalar(3, dtype), right, 3)
    y[::3] *= 3
    np.testing.assert_allclose(cuda.get(right, 12, dtype), y, **tight)


def test_norms_neither_overflow_nor_vanish(cuda, handle):
    for value in (1e200, 1e-200):
        out = np.zeros(1, "f8")
        cuda.call("cublasDnrm2_v2", handle, 4, cuda.array(np.full(4, value), "f8"), 1, out)
        np.testing.assert_allclose(out[0], 2 * value)


@pytest.mark.parametrize("letter", LETTERS)
def test_matrices_with_vectors_and_sums_of_matrices(cuda, handle, letter):
    dtype = LETTERS[letter]
    tight = {"rtol": 0, "atol": 1e-5 if REAL[letter] == "f4" else 1e-13}
    a, b, x = numbers((3, 4), dtype), numbers((4, 3), dtype, 1), numbers(4, dtype, 2)
    matrix, other, vector = cuda.array(a, dtype), cuda.array(b, dtype), cuda.array(x, dtype)
    one, two, zero = scalar(1, dtype), scalar(2, dtype), scalar(0, dtype)
    for operation in (NONE, TRANSPOSED, CONJUGATED):
        right = x if operation == NONE else x[:3]
        out = cuda.array(np.full(4, np.nan), dtype)
        cuda.call(f"cublas{letter}gemv_v2", handle, operation, 3, 4, two, matrix, 3, vector, 1, zero, out, 1)
        expected = 2 * apply(operation, a) @ right
        np.testing.assert_allclose(cuda.get(out, len(expected), dtype), expected, **tight)
    for name, conjugated in [("geru", False), ("gerc", True)] if letter in "CZ" else [("ger", False)]:
        out = cuda.array(a, dtype)
        cuda.call(f"cublas{letter}{name}_v2", handle, 3, 4, two, vector, 1, vector, 1, out, 3)
        expected = a + 2 * np.outer(x[:3], x.conj() if conjugated else x)
        np.testing.assert_allclose(cuda.get(out, (3, 4), dtype), expected, **tight)
    out = cuda.array(np.full((3, 4), np.nan), dtype)
    cuda.call(f"cublas{letter}geam", handle, NONE, CONJUGATED, 3, 4, one, matrix, 3, two, other, 4, out, 3)
    np.testing.assert_allclose(cuda.get(out, (3, 4), dtype), a + 2 * b.conj().T, **tight)
    cuda.call(f"cublas{letter}geam", handle, NONE, NONE, 3, 4, one, matrix, 3, zero, 0, 3, out, 3)
    np.testing.assert_array_equal(cuda.get(out, (3, 4), dtype), a)
    assert (
        cuda.status(f"cublas{letter}geam", handle, TRANSPOSED, NONE, 3, 3, one, out, 3, zero, out, 3, out, 3) == INVALID
    )
    for side, expected in ((0, x[:3, None] * a), (1, a * x)):
        cuda.call(f"cublas{letter}dgmm", handle, side, 3, 4, matrix, 3, vector, 1, out, 3)
        np.testing.assert_allclose(cuda.get(out, (3, 4), dtype), expected, **tight)


def test_results_for_the_host_wait_and_cannot_be_captured(cuda, handle):
    x, out, stream = cuda.array([3, 4]), np.zeros(1, "f4"), cuda.stream()
    cuda.call("cublasSetStream_v2", handle, stream)
    before = cuda.counters()
    cuda.call("cublasSnrm2_v2", handle, 2, x, 1, out)
    assert out[0] == 5 and cuda.counted(before) == {"synchronizations": 1, "library_calls": 1}
    cuda.capture(stream, RELAXED)
    assert cuda.status("cublasSnrm2_v2", handle, 2, x, 1, out) == FAILED
    assert refused(cuda.end, stream).code == CAPTURE_UNSUPPORTED + 1
    cuda.call("cublasSetPointerMode_v2", handle, 1)
    result = cuda.array([0])
    cuda.capture(stream, RELAXED)
    cuda.call("cublasSnrm2_v2", handle, 2, x, 1, result)
    cuda.call("cudaGraphLaunch", cuda.instantiate(cuda.end(stream)), stream)
    assert cuda.get(result, 1)[0] == 5


def test_settings_of_a_handle(cuda, handle):
    for what, value in (("PointerMode_v2", 1), ("MathMode", 3), ("AtomicsMode", 1)):
        cuda.call(f"cublasSet{what}", handle, value)
        out = ctypes.c_int(-1)
        cuda.call(f"cublasGet{what}", handle, ctypes.byref(out))
        assert out.value == value
    workspace = cuda.made("cudaMalloc", 1024)
    cuda.call("cublasSetWorkspace_v2", handle, workspace, 1024)
    assert cuda.status("cublasSetWorkspace_v2", handle, workspace, 1025) == INVALID


def test_a_large_product_is_right(cuda, handle):
    product = Product(cuda, "float", 512, 512, 512)
    assert product.status(handle) == 0
    product.check()
