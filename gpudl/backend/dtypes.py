"""Element types: NumPy dtypes under PyTorch's names, and PyTorch's rules for mixing them.

PyTorch orders categories, bool < integer < floating, and lets the highest category present decide. Inside the
deciding category a tensor with dimensions outranks a 0-d tensor, and that outranks a Python number. NumPy's
rules differ (int64 with float32 gives float64 there), so no operation leaves promotion to NumPy.

bfloat16 is not NumPy's but that of ml_dtypes, an extra, which is imported when the dtype is first asked for. NumPy's
kind of it is "V", and gpudl has no other dtype of that kind: `dtype.kind in "fV"` asks for floating point.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

DType = np.dtype[Any]

bool_ = np.dtype(np.bool_)
uint8 = np.dtype(np.uint8)
int8 = np.dtype(np.int8)
int16 = np.dtype(np.int16)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
float16 = np.dtype(np.float16)
float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)

_BY_NAME = {
    "bool": bool_, "uint8": uint8, "int8": int8, "int16": int16, "int32": int32, "int64": int64,
    "float16": float16, "float32": float32, "float64": float64,
    "half": float16, "float": float32, "double": float64, "short": int16, "int": int32, "long": int64,
}  # fmt: skip
_SUPPORTED = frozenset(_BY_NAME.values())
_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "V": 2}
_BFLOAT16_MAX = 2.0**128 - 2.0**120
_default_dtype = float32


def dtype_of(spec: Any) -> DType:
    """The dtype that `spec` names: a dtype, a NumPy scalar type, a name such as "float32", or bool, int, float.

    int and float are int64 and float64, as in PyTorch and NumPy.

    Raises: TypeError for anything else, and for element types that gpudl does not have (complex, object, ...);
        ImportError for bfloat16 where ml_dtypes is not installed.
    """
    found = None
    if isinstance(spec, str) and spec.removeprefix("gpudl.") == "bfloat16":
        return bfloat16()
    if isinstance(spec, str):
        found = _BY_NAME.get(spec.removeprefix("gpudl."))
    elif spec is not None:  # which NumPy takes for float64
        with contextlib.suppress(TypeError):
            found = np.dtype(spec)
    if found not in _SUPPORTED and (found is None or found.name != "bfloat16"):
        names = ", ".join(str(dtype) for dtype in sorted(_SUPPORTED, key=str))
        raise TypeError(f"{spec!r} is not an element type of gpudl; it has {names}")
    return found


def category(dtype: DType) -> int:
    """0 for bool, 1 for integers, 2 for floating point."""
    return _CATEGORY[dtype.kind]


def is_floating(dtype: DType) -> bool:
    """True for floating point, bfloat16 included."""
    return dtype.kind in "fV"


def largest(dtype: DType) -> float:
    """The largest finite number of a floating dtype."""
    return _BFLOAT16_MAX if dtype.kind == "V" else float(np.finfo(dtype).max)


def bfloat16() -> DType:
    """The dtype bfloat16: float32 without its 16 last bits.

    Raises: ImportError if ml_dtypes is not installed.
    """
    try:
        import ml_dtypes
    except ImportError as error:
        raise ImportError("bfloat16 needs the package ml_dtypes; install it with: pip install 'gpudl[amp]'") from error
    dtype: DType = np.dtype(ml_dtypes.bfloat16)
    return dtype


def get_default_dtype() -> DType:
    """The dtype of tensors made from Python floats; float32 unless set_default_dtype changed it."""
    return _default_dtype


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype of tensors made from Python floats.

    Raises: TypeError unless the dtype is floating point.
    """
    global _default_dtype
    found = dtype_of(dtype)
    if not is_floating(found):
        raise TypeError(f"set_default_dtype needs a floating point dtype, got {found}")
    _default_dtype = found


def number_dtype(number: bool | int | float) -> DType:
    """The dtype a Python number has when it stands alone."""
    if isinstance(number, bool):
        return bool_
    return int64 if isinstance(number, int) else _default_dtype


def promote_types(a: DType, b: DType) -> DType:
    """The smallest dtype that holds both, by PyTorch's table: a floating dtype is never widened by an integer."""
    if a == b:
        return a
    if category(a) != category(b):
        return a if category(a) > category(b) else b
    if a.kind == "V" or b.kind == "V":
        return max(a, b, float32, key=lambda dtype: dtype.itemsize)
    return np.promote_types(a, b)


def promote_ranked(dimensioned: list[DType], zero_dim: list[DType], numbers: list[DType]) -> DType:
    """The result dtype of operands in PyTorch's three ranks; see the head of this file.

    Each list holds the dtypes of its rank and may be empty; one of them must not be.
    """
    result: DType | None = None
    for rank in (dimensioned, zero_dim, numbers):
        here: DType | None = None
        for dtype in rank:
            here = dtype if here is None else promote_types(here, dtype)
        if here is not None and (result is None or category(here) > category(result)):
            result = here
    assert result is not None
    return result
