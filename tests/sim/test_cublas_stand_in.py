"""The cuBLAS stand-in against NumPy: every type, transposition, scalar and batch, and what is refused."""

import itertools

import numpy as np
import pytest
from cublas_products import (
    CONJUGATED,
    INVALID,
    NONE,
    TRANSPOSED,
    TYPES,
    UNSUPPORTED,
    Product,
    numbers,
    scalar,
    wide,
)
from native_driver import H2D, RELAXED, requires_driver

pytestmark = requires_driver


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("op_a, op_b", list(itertools.product((NONE, TRANSPOSED, CONJUGATED), repeat=2)))
def test_products_of_every_type_and_transposition(cuda, handle, kind, op_a, op_b):
    for (m, n, k), (alpha, beta) in (((5, 7, 9), (1, 0)), ((17, 13, 8), (0.5, 2)), ((1, 1, 30), (-1, 1))):
        product = Product(cuda, kind, m, n, k, op_a, op_b)
        assert product.status(handle, alpha, beta) == 0
        product.check(alpha, beta)


@pytest.mark.parametrize("kind", TYPES)
def test_beta_of_zero_does_not_read_c(cuda, handle, kind):
    product = Product(cuda, kind, 4, 5, 6)
    nothing = np.full((product.leading[2], 5), np.nan, product.dtype, order="F")
    cuda.call("cudaMemcpy", product.pointers[2], nothing, nothing.nbytes, H2D)
    assert product.status(handle, 1, 0) == 0
    product.check()


@pytest.mark.parametrize("kind", TYPES)
def test_alpha_of_zero_does_not_read_a_and_b(cuda, handle, kind):
    product = Product(cuda, kind, 4, 5, 6)
    for pointer, matrix, leading in zip(product.pointers, (product.a, product.b), product.leading, strict=False):
        nothing = np.full((leading, matrix.shape[1]), np.nan, product.dtype)
        cuda.call("cudaMemcpy", pointer, nothing, nothing.nbytes, H2D)
    assert product.status(handle, 0, 2) == 0
    np.testing.assert_allclose(wide(product.result()), 2 * wide(product.c), rtol=1e-2)


def test_empty_products(cuda, handle):
    product = Product(cuda, "float", 3, 4, 0)
    assert product.status(handle, 1, 2) == 0
    np.testing.assert_allclose(product.result(), 2 * product.c)
    assert product.status(handle, 1, 0) == 0
    np.testing.assert_array_equal(product.result(), np.zeros((3, 4)))
    for m, n in ((0, 4), (3, 0)):
        assert Product(cuda, "float", m, n, 5).status(handle) == 0


def test_sizes_of_64_bits_and_larger_blocks(cuda, handle):
    product = Product(cuda, "float", 300, 70, 129)
    assert product.status(handle, suffix="_64") == 0
    product.check()
    deep = Product(cuda, "double", 9, 7, 40000)  # more than a block of A holds
    assert deep.status(handle) == 0
    deep.check()


def test_sums_of_short_types_are_kept_in_float(cuda, handle):
    ones = cuda.array(np.full(4096, 1.0), "f2")
    out = cuda.array([0], "f2")
    one, zero = scalar(1, "f4"), scalar(0, "f4")
    arguments = 1, 1, 4096, one, ones, 2, 1, ones, 2, 4096, zero, out, 2, 1, 68, -1
    assert cuda.status("cublasGemmEx", handle, 0, 0, *arguments) == 0
    assert cuda.get(out, 1, "f2")[0] == 4096
    wide_out = cuda.array([0], "f4")
    arguments = 1, 1, 4096, one, ones, 2, 1, ones, 2, 4096, zero, wide_out, 0, 1, 68, -1
    assert cuda.status("cublasGemmEx", handle, 0, 0, *arguments) == 0
    assert cuda.get(wide_out, 1)[0] == 4096


@pytest.mark.parametrize("kind", ["half", "bfloat16"])
def test_rounding_to_short_types_is_to_the_nearest(cuda, handle, kind):
    dtype, code, *_ = TYPES[kind]
    bits = np.arange(1 << 16, dtype="u2").view(dtype)
    values = cuda.array(bits, dtype)
    one, zero, out = cuda.array([1], dtype), scalar(0, "f4"), cuda.array(np.zeros(1 << 16), dtype)
    for factor in (1.0, 1.00146484375, 3e-5, 1000.0):
        arguments = 1 << 16, 1, 1, scalar(factor, "f4"), values, code, 1 << 16, one, code, 1, zero, out, code, 1 << 16
        assert cuda.status("cublasGemmEx", handle, 0, 0, *arguments, 68, -1) == 0
        with np.errstate(over="ignore", invalid="ignore"):
            expected = (bits.astype("f4") * np.float32(factor)).astype(dtype)
        np.testing.assert_array_equal(cuda.get(out, 1 << 16, dtype).astype("f4"), expected.astype("f4"))


@pytest.mark.parametrize("kind", ["float", "half", "double complex"])
@pytest.mark.parametrize("stride_a, stride_b", [(6, 8), (0, 8), (6, 0), (0, 0)])
def test_batches_by_strides(cuda, handle, kind, stride_a, stride_b):
    dtype, code, compute, scale, tolerance = TYPES[kind]
    a, b, c = numbers(4 * 6, dtype), numbers(4 * 8, dtype, 1), np.full((3, 2 * 6), np.nan, dtype)
    pointers = cuda.array(a, dtype), cuda.array(b, dtype), cuda.array(c, dtype)
    status = cuda.status(
        "cublasGemmStridedBatchedEx", handle, 0, 1, 3, 4, 2, scalar(1, scale), pointers[0], code, 3, stride_a,
        pointers[1], code, 4, stride_b, scalar(0, scale), pointers[2], code, 3, 12, 3, compute, -1
    )  # fmt: skip
    assert status == 0
    got = cuda.get(pointers[2], 36, dtype)
    for batch in range(3):
        left = wide(a[batch * stride_a :][:6]).reshape(2, 3).T
        right = wide(b[batch * stride_b :][:8]).reshape(2, 4)
        np.testing.assert_allclose(wide(got[batch * 12 :][:12]).reshape(4, 3).T, left @ right, atol=tolerance)


def test_results_of_a_batch_may_lie_column_by_column_in_turn(cuda, handle):
    """ldc 6 and stride 2: the first columns of the three results, then the second ones."""
    a, b = numbers(3 * 4, "f4"), numbers(3 * 4, "f4", 1)
    given, out = [cuda.array(each) for each in (a, b)], cuda.array(np.zeros(12))
    one, zero = scalar(1, "f4"), scalar(0, "f4")
    for leading, stride, status in ((6, 2, 0), (5, 2, INVALID), (6, 1, INVALID)):
        call = handle, 0, 0, 2, 2, 2, one, given[0], 2, 4, given[1], 2, 4, zero, out, leading, stride, 3
        assert cuda.status("cublasSgemmStridedBatched", *call) == status
    got = cuda.get(out, 12).reshape(2, 3, 2)
    for batch in range(3):
        left, right = (each[4 * batch :][:4].reshape(2, 2).T for each in (a, b))
        np.testing.assert_allclose(got[:, batch].T, left @ right, atol=1e-6)


def test_batches_by_pointers(cuda, handle):
    a, b = [numbers((2, 2), "f4", seed) for seed in range(3)], [numbers((2, 2), "f4", seed) for seed in range(3, 6)]
    out = [cuda.array(np.zeros((2, 2))) for _ in range(3)]
    arrays = [cuda.array(np.array(each, "u8"), "u8") for each in ([*map(cuda.array, a)], [*map(cuda.array, b)], out)]
    one, zero = scalar(1, "f4"), scalar(0, "f4")
    sizes = handle, 0, 0, 2, 2, 2
    assert cuda.status("cublasSgemmBatched", *sizes, one, arrays[0], 2, arrays[1], 2, zero, arrays[2], 2, 3) == 0
    for left, right, pointer in zip(a, b, out, strict=True):
        np.testing.assert_allclose(cuda.get(pointer, (2, 2)), left @ right, atol=1e-6)


def test_scalars_on_the_device_are_read_at_replay(cuda, handle):
    product, stream = Product(cuda, "float", 3, 3, 3), cuda.stream()
    alpha, beta = cuda.array([2]), cuda.array([0])
    cuda.call("cublasSetStream_v2", handle, stream)
    cuda.call("cublasSetPointerMode_v2", handle, 1)
    (a, b, c), (lda, ldb, ldc) = product.pointers, product.leading
    before = cuda.counters()
    cuda.capture(stream, RELAXED)
    arguments = handle, 0, 0, 3, 3, 3, alpha, a, lda, b, ldb, beta, c, ldc
    assert cuda.status("cublasSgemm_v2", *arguments) == 0
    replay = cuda.instantiate(cuda.end(stream))
    assert cuda.counted(before) == {}
    cuda.call("cudaMemcpy", alpha, np.array([5], "f4"), 4, H2D)
    cuda.call("cudaGraphLaunch", replay, stream)
    product.check(5)
    assert cuda.status("cublasSgemm_v2", *arguments) == 0
    assert cuda.counted(before)["library_calls"] == 1
    assert cuda.status("cublasSgemm_v2", handle, 0, 0, 3, 3, 3, scalar(1, "f4"), *arguments[7:]) == INVALID


def test_scalars_of_the_host_are_copied_when_recorded(cuda, handle):
    product, stream, one = Product(cuda, "float", 3, 3, 3), cuda.stream(), scalar(1, "f4")
    cuda.call("cublasSetStream_v2", handle, stream)
    cuda.capture(stream, RELAXED)
    (a, b, c), (lda, ldb, ldc) = product.pointers, product.leading
    cuda.call("cublasSgemm_v2", handle, 0, 0, 3, 3, 3, one, a, lda, b, ldb, scalar(0, "f4"), c, ldc)
    one[0] = 99
    cuda.call("cudaGraphLaunch", cuda.instantiate(cuda.end(stream)), stream)
    product.check()


@pytest.mark.parametrize("wrong, message", [(0, "of A"), (1, "of B"), (2, "of C")])
def test_leading_dimensions_are_checked(cuda, handle, capfd, wrong, message):
    product = Product(cuda, "float", 4, 5, 6, TRANSPOSED, NONE)
    product.leading[wrong] = [5, 5, 3][wrong]
    assert product.status(handle) == INVALID
    assert f"the leading dimension {message}" in capfd.readouterr().err


@pytest.mark.parametrize("wrong, operand", [(0, "A"), (1, "B"), (2, "C")])
def test_operands_must_lie_in_their_allocations(cuda, handle, capfd, wrong, operand):
    product = Product(cuda, "float", 4, 5, 6)
    assert product.status(handle) == 0
    product.leading[wrong] += 1
    assert product.status(handle) == INVALID
    assert f"cublasGemmEx, operand {operand}" in capfd.readouterr().err
    product.leading[wrong] -= 1
    cuda.call("cudaFree", product.pointers[wrong])
    assert product.status(handle) == INVALID


def test_what_there_is_not(cuda, handle):
    product = Product(cuda, "float", 2, 2, 2)
    product.compute = 64
    assert product.status(handle) == UNSUPPORTED
    product.compute, product.ops = 68, (3, 0)
    assert product.status(handle) == INVALID
    product.ops, product.m = (0, 0), -1
    assert product.status(handle) == INVALID
    assert cuda.status("cublasSetStream_v2", cuda.array(np.zeros(64)), 0) == 1  # no handle
    one, zero, matrix = scalar(1, "f4"), scalar(0, "f4"), cuda.array(np.zeros(64))
    batch = handle, 0, 0, 2, 2, 2, one, matrix, 2, 4, matrix, 2, 4, zero, matrix, 2, 3, 2
    assert cuda.status("cublasSgemmStridedBatched", *batch) == INVALID  # results that overlap
