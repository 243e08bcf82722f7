"""Matrix products on the driver stand-in, and what NumPy makes of them."""

import ml_dtypes
import numpy as np

# NumPy's type, cudaDataType, cublasComputeType_t, the type of alpha and beta, tolerance
TYPES = {
    "half": ("f2", 2, 68, "f4", 2e-3),
    "bfloat16": (ml_dtypes.bfloat16, 14, 68, "f4", 2e-2),
    "half in half": ("f2", 2, 64, "f2", 2e-3),
    "float": ("f4", 0, 68, "f4", 1e-5),
    "tf32": ("f4", 0, 77, "f4", 1e-5),
    "double": ("f8", 1, 70, "f8", 1e-13),
    "complex": ("c8", 4, 68, "c8", 1e-5),
    "double complex": ("c16", 5, 70, "c16", 1e-13),
}
INVALID, FAILED, UNSUPPORTED = 7, 13, 15
NONE, TRANSPOSED, CONJUGATED = 0, 1, 2


def numbers(shape, dtype, seed=0):
    generator = np.random.default_rng(seed)
    values = generator.uniform(-1, 1, shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * generator.uniform(-1, 1, shape)
    return values.astype(dtype)


def apply(operation, matrix):
    return {NONE: matrix, TRANSPOSED: matrix.T, CONJUGATED: matrix.conj().T}[operation]


def wide(array):
    return array.astype("c16" if array.dtype.kind == "c" else "f8")


def scalar(value, dtype):
    return np.array([value], dtype)


class Product:
    """A product with operands on the device, in leading dimensions larger than they need."""

    def __init__(self, cuda, kind, m, n, k, op_a=NONE, op_b=NONE, seed=0):
        self.cuda, self.m, self.n, self.k, self.ops = cuda, m, n, k, (op_a, op_b)
        self.dtype, self.type, self.compute, self.scalar, self.tolerance = TYPES[kind]
        self.a = numbers((m, k) if op_a == NONE else (k, m), self.dtype, seed)
        self.b = numbers((k, n) if op_b == NONE else (n, k), self.dtype, seed + 1)
        self.c = numbers((m, n), self.dtype, seed + 2)
        self.leading = [max(1, len(matrix)) + extra for matrix, extra in ((self.a, 1), (self.b, 2), (self.c, 3))]
        self.pointers = [
            self._put(matrix, leading) for matrix, leading in zip((self.a, self.b, self.c), self.leading, strict=True)
        ]

    def _put(self, matrix, leading):
        padded = np.full((leading, max(1, matrix.shape[1])), np.nan, self.dtype, order="F")
        padded[: len(matrix), : matrix.shape[1]] = matrix
        return self.cuda.array(padded, self.dtype)

    def status(self, handle, alpha=1, beta=0, suffix=""):
        alpha, beta = scalar(alpha, self.scalar), scalar(beta, self.scalar)
        (a, b, c), (lda, ldb, ldc) = self.pointers, self.leading
        return self.cuda.status(
            "cublasGemmEx" + suffix, handle, *self.ops, self.m, self.n, self.k, alpha, a, self.type, lda, b, self.type,
            ldb, beta, c, self.type, ldc, self.compute, -1
        )  # fmt: skip

    def result(self):
        whole = self.cuda.get(self.pointers[2], (self.leading[2], max(1, self.n)), self.dtype)
        assert np.isnan(whole[self.m :].astype("c16")).all()  # what lies between the columns is left alone
        return whole[: self.m, : self.n]

    def check(self, alpha=1, beta=0):
        expected = alpha * (apply(self.ops[0], wide(self.a)) @ apply(self.ops[1], wide(self.b)))
        if beta:
            expected = expected + beta * wide(self.c)
        scale = max(1.0, self.k**0.5)
        np.testing.assert_allclose(wide(self.result()) / scale, expected / scale, rtol=0, atol=self.tolerance)
