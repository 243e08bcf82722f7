"""Check the arguments of a kernel against its signature, which CuPy cannot: it hands over their raw bytes.

A signature is a code for each parameter: a letter for the kind and the size in bytes. "f4" is float, "b2" bfloat16,
"i4" int, "u8" a 64-bit unsigned integer, "?1" bool, "c8" complex<float>, "V24" a struct of 24 bytes, "*0" void. Before
it stands P for a pointer, p for a pointer to const.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_SMALLEST = {"i1", "u1", "?1"}  # char, unsigned char and bool stand for one another


def check(kernel: str, signature: Sequence[str], arguments: Sequence[Any], array_type: type) -> None:
    """Raise TypeError, naming the kernel and the parameter, for arguments that it would misread.

    Args:
        kernel: its name.
        signature: a code for each parameter.
        arguments: as given to a RawKernel.
        array_type: cupy.ndarray.
    """
    if len(arguments) != len(signature):
        raise TypeError(f"kernel {kernel} takes {len(signature)} arguments, and {len(arguments)} were given")
    for position, (code, argument) in enumerate(zip(signature, arguments), 1):
        fault = _array_fault(code, argument) if isinstance(argument, array_type) else _value_fault(code, argument)
        if fault:
            raise TypeError(f"kernel {kernel}, parameter {position}: {fault}")


def _array_fault(code: str, array: Any) -> str | None:
    if code == f"V{16 * (1 + array.ndim)}":
        return None  # CuPy's CArray: the address and the size, then the shape and the strides
    if code[0] not in "Pp":
        return f"it is {spelled(code)}, by value, and an array was given"
    if not _fits(code[1:], array.dtype):
        return f"it is {spelled(code)}, and the array's elements are {array.dtype}"
    if array.size and not (array.flags.c_contiguous or array.flags.f_contiguous):
        return "the array is not contiguous, and the kernel sees only its first element's address: pass a copy"
    return None


def _fits(element: str, dtype: np.dtype[Any]) -> bool:
    code = code_of(dtype)
    if element == "*0" or element == code or {element, code} <= _SMALLEST:
        return True
    if element[0] in "Pp":  # an array of pointers: addresses as integers
        return dtype.kind in "iu" and dtype.itemsize == 8
    # A struct, such as float4 or complex<float>: whole numbers of them must be in the array's elements, or the
    # other way round.
    size = int(element[1:])
    return (element[0] in "Vc" or code[0] in "Vc") and (size % dtype.itemsize == 0 or dtype.itemsize % size == 0)


def _value_fault(code: str, argument: Any) -> str | None:
    if code[0] in "Pp":
        return _pointer_fault(code, argument)
    if argument is None or hasattr(argument, "ptr"):
        return f"it is {spelled(code)}, by value, and a pointer was given"
    dtype = _dtype_of(argument)
    if dtype is None:
        return f"it is {spelled(code)}, and {type(argument).__name__} is nothing that a kernel can be given"
    if getattr(argument, "size", 1) != 1:
        return f"it is {spelled(code)}, by value, and an array of {argument.size} elements was given"
    if code[0] == "V":
        wanted = int(code[1:])
        if dtype.itemsize != wanted:
            return f"it is a struct of {wanted} bytes, and {dtype} has {dtype.itemsize}"
        return None
    given = code_of(dtype)
    if given == code or (dtype.kind in "iub" and code[0] in "iu?" and _keeps(code, dtype, argument)):
        return None
    if dtype.kind in "iub" and code[0] in "iu?":
        return f"it is {spelled(code)}, which {argument} ({_called(argument, dtype)}) does not fit"
    return (
        f"it is {spelled(code)}, and {_called(argument, dtype)} was given, whose raw bytes CuPy would pass: "
        f"convert it with {_converter(code)}"
    )


def _keeps(code: str, dtype: np.dtype[Any], argument: Any) -> bool:
    """Whether an integer's low bytes are the same number in the parameter's type; a narrower one is read too far."""
    size = int(code[1:])
    if dtype.itemsize < size:
        return False
    value = int(argument)
    if code[0] == "?":
        return value in (0, 1)
    low, high = (-(1 << (8 * size - 1)), 1 << (8 * size - 1)) if code[0] == "i" else (0, 1 << (8 * size))
    return low <= value < high


def _pointer_fault(code: str, argument: Any) -> str | None:
    if argument is None or hasattr(argument, "ptr"):
        return None
    dtype = _dtype_of(argument)
    if isinstance(argument, np.ndarray) and argument.size > 1:
        return f"it is {spelled(code)}, and an array in the host's memory was given: move it with cupy.asarray"
    if dtype is not None and dtype.kind in "iu" and dtype.itemsize == 8:
        return None  # an address
    return f"it is {spelled(code)}, and {type(argument).__name__} is neither an array nor an address"


def _dtype_of(argument: Any) -> np.dtype[Any] | None:
    """The type of the bytes that CuPy passes for a value."""
    dtype = getattr(argument, "dtype", None)
    if isinstance(dtype, np.dtype):
        return dtype
    for kind, code in ((bool, "?"), (int, "i8"), (float, "f8"), (complex, "c16")):  # bool first: it is an int as well
        if isinstance(argument, kind):
            return np.dtype(code)
    return None


def code_of(dtype: np.dtype[Any]) -> str:
    """The code of a NumPy dtype."""
    kind = dtype.kind
    if kind == "V" and dtype.name == "bfloat16":  # NumPy spells a name anew whenever it is asked
        return "b2"
    return f"{'?' if kind == 'b' else kind}{dtype.itemsize}"


def spelled(code: str) -> str:
    """A code in C++."""
    if code[0] in "Pp":
        return f"{'const ' if code[0] == 'p' else ''}{spelled(code[1:])}*"
    names = {"*0": "void", "?1": "bool", "f2": "__half", "b2": "__nv_bfloat16", "f4": "float", "f8": "double"}
    names |= {"c8": "complex<float>", "c16": "complex<double>", "i1": "char", "i2": "short", "i4": "int"}
    names |= {"i8": "long long"}
    if code[0] == "u":
        return f"unsigned {spelled('i' + code[1:])}"
    return names.get(code, f"a struct of {code[1:]} bytes")


def _called(argument: Any, dtype: np.dtype[Any]) -> str:
    plain = isinstance(argument, (bool, int, float, complex)) and not isinstance(argument, np.generic)
    return f"a Python {type(argument).__name__}" if plain else str(dtype)


def _converter(code: str) -> str:
    kind, bits = code[0], 8 * int(code[1:])
    if kind == "b":
        return "ml_dtypes.bfloat16"
    names = {"?": "bool_", "f": f"float{bits}", "i": f"int{bits}", "u": f"uint{bits}", "c": f"complex{bits}"}
    return f"numpy.{names[kind]}"
