"""Matrix products with what comes before or after them, in one call: gpudl's own thin binding to cuBLASLt, by ctypes.

    x @ y + bias, the bias along the last dimension         for the forward of a Linear
    x @ y and the sums of x along its last dimension        for the gradients of its weight and bias

Its relu and gelu are left out: nothing says what they make of nan, which ours keep. cuBLASLt comes with cuBLAS. Where
it has no kernel, as for float64, or an operand would have to be copied, or there is a batch, the answer is None, and
the caller takes a product and a kernel of ours. Of the ways to split a product only those are allowed whose result is
the same from run to run. GPUDL_CUBLASLT=0 in the environment leaves it out.

Names and numbers are those of cublasLt.h.
"""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any

from gpudl.backend import cublas
from gpudl.backend.arrays import Array
from gpudl.backend.gemm_plan import Plan, plan

# Attributes of a product's descriptor, and of the preference for how it is done.
_TRANSPOSED_A, _TRANSPOSED_B, _EPILOGUE, _BIAS_POINTER = 3, 4, 7, 8
_MOST_WORKSPACE, _REDUCTION_SCHEMES, _ALIGNMENTS = 1, 3, (5, 6, 7, 8)
_IN_COMPUTE_TYPE = 2  # CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE: parts are added up in an order of their own

_BIAS, _SUMS_OF_B = 4, 512  # CUBLASLT_EPILOGUE_BIAS and _BGRADB

_LARGEST_ALIGNMENT = 256
_MOST_PRODUCTS = 1024  # kinds that are remembered, of about a kilobyte each

_address, _size, _int = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int


class _Heuristic(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t."""

    _fields_ = (
        ("algorithm", ctypes.c_uint64 * 8), ("workspace", _size), ("state", _int), ("waves", ctypes.c_float),
        ("reserved", _int * 4),
    )  # fmt: skip


class _Library:
    """The functions of cuBLASLt."""

    def __init__(self, path: str):
        self._library = ctypes.CDLL(path)
        out, description = ctypes.POINTER(_address), (_address, _int, _address, _size)
        self.create_product = self._function("MatmulDescCreate", out, _int, _int)
        self.destroy_product = self._function("MatmulDescDestroy", _address)
        self.set_product = self._function("MatmulDescSetAttribute", *description)
        layout = ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int64
        self.create_layout = self._function("MatrixLayoutCreate", out, _int, *layout)
        self.destroy_layout = self._function("MatrixLayoutDestroy", _address)
        self.create_preference = self._function("MatmulPreferenceCreate", out)
        self.destroy_preference = self._function("MatmulPreferenceDestroy", _address)
        self.set_preference = self._function("MatmulPreferenceSetAttribute", *description)
        found = ctypes.POINTER(_Heuristic), ctypes.POINTER(_int)
        self.search = self._function("MatmulAlgoGetHeuristic", *[_address] * 7, _int, *found)
        self.multiply = self._function("Matmul", *[_address] * 14, _size, _address)

    def _function(self, name: str, *arguments: Any) -> Any:
        function = getattr(self._library, f"cublasLt{name}")
        function.argtypes, function.restype = arguments, _int
        return function


@functools.cache
def _library() -> _Library | None:
    """cuBLASLt, or None where it is not found or not wanted."""
    if os.environ.get("GPUDL_CUBLASLT") == "0":
        return None
    from cuda import pathfinder

    try:
        return _Library(pathfinder.load_nvidia_dynamic_lib("cublasLt").abs_path)
    except (OSError, RuntimeError, AttributeError):
        return None


class _Product:
    """One kind of product, described to cuBLASLt, and the algorithm that it chose; it belongs to one thread.

    Attributes:
        has_way: whether there is any.
    """

    def __init__(self, handle: Any, kind: Any, made: Plan, epilogue: int, vector: int, alignment: int, compute: int):
        library = _library()
        assert library is not None
        self._library = library
        self._made: list[tuple[Any, Any]] = []  # what is to be destroyed, and by which function
        self.product = self._create(library.create_product, library.destroy_product, compute, kind.scale)
        self._set(library.set_product, self.product, _TRANSPOSED_A, ctypes.c_int32(made.turned[0]))
        self._set(library.set_product, self.product, _TRANSPOSED_B, ctypes.c_int32(made.turned[1]))
        self._set(library.set_product, self.product, _EPILOGUE, ctypes.c_uint32(epilogue))
        self.vector = _address(vector)
        self.point_at_vector(vector)
        rows, columns, inner = made.sizes
        shapes = [(rows, inner), (inner, columns), (rows, columns)]
        turned = (*made.turned, 0)
        self.layouts = [
            self._create(library.create_layout, library.destroy_layout, kind.number, *shape[:: -1 if turn else 1], lead)
            for shape, turn, lead in zip(shapes, turned, made.leading)
        ]
        preference = self._create(library.create_preference, library.destroy_preference)
        self._set(library.set_preference, preference, _MOST_WORKSPACE, ctypes.c_uint64(handle.bytes))
        self._set(library.set_preference, preference, _REDUCTION_SCHEMES, ctypes.c_uint32(_IN_COMPUTE_TYPE))
        for attribute in _ALIGNMENTS:
            self._set(library.set_preference, preference, attribute, ctypes.c_uint32(alignment))
        best, count = _Heuristic(), _int()
        a, b, d = self.layouts
        status = library.search(handle.address, self.product, a, b, d, d, preference, 1, best, count)
        self.has_way = not status and count.value > 0 and not best.state
        self.algorithm, self.workspace = best.algorithm, best.workspace

    def point_at_vector(self, address: int) -> None:
        """Say where the bias is, or where the sums go."""
        self.vector.value = address
        self._set(self._library.set_product, self.product, _BIAS_POINTER, self.vector)

    def _create(self, create: Any, destroy: Any, *arguments: Any) -> Any:
        made = _address()
        cublas.check("describe a product to cuBLASLt", create(ctypes.byref(made), *arguments))
        self._made.append((destroy, made))
        return made

    @staticmethod
    def _set(function: Any, described: Any, attribute: int, value: Any) -> None:
        status = function(described, attribute, ctypes.byref(value), ctypes.sizeof(value))
        cublas.check(f"take attribute {attribute} of a product", status)

    def __del__(self) -> None:
        for destroy, made in self._made:
            destroy(made)


def product_and_bias(x: Array, y: Array, bias: Array, out: Array | None = None) -> Array | None:
    """x @ y + bias.

    Args:
        x, y: CuPy arrays of one floating dtype on the current device, shapes as for matmul.
        bias: (columns,), contiguous, of their dtype.
        out: of the result's shape and their dtype, sharing no memory with them; None for a new array.
    Returns: the result, or None where cuBLASLt has no way.
    """
    return _run(x, y, bias, out, _BIAS)


def product_and_sums(x: Array, y: Array, sums: Array, out: Array | None = None) -> Array | None:
    """x @ y, and in `sums` those of x along its last dimension.

    Args:
        x, y: CuPy matrices of one floating dtype on the current device.
        sums: (rows of x,), contiguous, of their dtype; written.
        out: for the product, of its shape and their dtype; None for a new array.
    Returns: the product, or None where cuBLASLt has no way; `sums` is then as it was.
    """
    return _run(x, y, sums, out, _SUMS_OF_B)


def _run(x: Array, y: Array, vector: Array, out: Array | None, epilogue: int) -> Array | None:
    library = _library()
    if library is None:
        return None
    dtype, place = x.dtype, x.data.device_id
    where = (None, ()) if out is None else (out.shape, out.strides)
    made = plan(x.shape, x.strides, y.shape, y.strides, *where, dtype.itemsize)
    if len(made.starts) != 1 or made.batch != 1 or made.x_first or made.elsewhere or not vector.flags.c_contiguous:
        return None
    handle = cublas.handle_on(place)
    result = cublas.empty(made.shape, dtype) if out is None else out
    a, b, d, v = y.data.ptr, x.data.ptr, result.data.ptr, vector.data.ptr
    together = a | b | d | v
    alignment = min(together & -together, _LARGEST_ALIGNMENT)
    kind, compute = cublas.type_of(dtype)
    key = (made.sizes, made.turned, made.leading, kind.number, compute, epilogue, alignment)
    known = handle.products.get(key)
    if known is None:
        if len(handle.products) >= _MOST_PRODUCTS:
            handle.products.clear()
        known = handle.products[key] = _Product(handle, kind, made, epilogue, v, alignment, compute)
    if not known.has_way:
        return None
    if known.vector.value != v:
        known.point_at_vector(v)
    first, second, third = known.layouts
    code = library.multiply(
        *(handle.address, known.product, kind.scalar(1.0), a, first, b, second, kind.scalar(0.0)),
        *(d, third, d, third, known.algorithm, handle.workspace.ptr, known.workspace, handle.stream),
    )
    if code:
        raise RuntimeError(f"cuBLASLt failed at the {dtype} product of {x.shape} and {y.shape}: {cublas.status(code)}")
    return result
