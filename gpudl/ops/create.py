"""Making tensors: from values, from arrays, and filled with one value."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.inplace import assign
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import quiet
from gpudl.backend.device import CPU, Device, guarded, require, to_host, transfer
from gpudl.backend.device import device as resolve
from gpudl.backend.dtypes import DType, dtype_of, get_default_dtype, int64, number_dtype
from gpudl.backend.errors import ShapeError
from gpudl.backend.interchange import from_gpu, is_on_gpu, share_memory
from gpudl.ops.cast import clone, to
from gpudl.ops.operands import fitted, listed, result_type

__all__ = [
    "as_tensor", "asarray", "empty", "empty_like", "fill", "from_numpy", "full", "full_like", "ones", "ones_like",
    "scalar_tensor", "tensor", "zeros", "zeros_like",
]  # fmt: skip

Spec = str | Device | None


def place_of(spec: Spec) -> Device:
    """The device that is named; None is the CPU."""
    return CPU if spec is None else resolve(spec)


def placed(array: np.ndarray[Any, Any], spec: Spec, requires_grad: bool = False) -> Tensor:
    """A host array as a tensor on a device; None is the CPU.

    Raises: DeviceError if the device is not available; RuntimeError for integers that should require grad.
    """
    tensor = wrap(transfer(array, place_of(spec)), None)
    return tensor.requires_grad_() if requires_grad else tensor


def lengths_of(args: tuple[Any, ...], size: Any = None) -> tuple[int, ...]:
    """The lengths in zeros(2, 3), zeros((2, 3)) or zeros(size=(2, 3)).

    Raises: ShapeError for a negative length; TypeError for what is no int, or no length at all.
    """
    lengths = tuple(map(operator.index, listed("size", args, size)))
    if any(length < 0 for length in lengths):
        raise ShapeError(f"a shape has no negative lengths, got {lengths}")
    return lengths


def _filled(shape: tuple[int, ...], value: Any, dtype: Any, spec: Spec, requires_grad: bool) -> Tensor:
    place = place_of(spec)
    kind = get_default_dtype() if dtype is None else dtype_of(dtype)
    value = number_of(value)
    tensor = wrap(require(place).full(shape, fitted("full", value, kind), kind, place), None)
    return tensor.requires_grad_() if requires_grad else tensor


def number_of(value: Any) -> Any:
    """A Python number; those of NumPy and tensors of one element as one."""
    return value.item() if isinstance(value, (Tensor, np.generic)) else value


def tensor(data: Any, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of the data.

    Args:
        data: numbers, nested sequences of equal lengths, a NumPy array, a Tensor, or an array of another library in
            the memory of a GPU (`__cuda_array_interface__`).
        dtype: default: float32 (the default dtype) for Python floats, int64 for ints, bool for bools; that of arrays
            and of NumPy's numbers.
        device: default: cpu; where it is, for a Tensor and for an array on a GPU.
        requires_grad: mark it as wanting a gradient.
    Raises: ShapeError if nested sequences differ in length; TypeError for what is no number; RuntimeError for
            Python numbers that an integer dtype cannot hold; DeviceError.
    """
    if isinstance(data, Tensor):
        with guarded(data.array):
            copied = wrap(data.array.copy(), None)
        moved = to(copied, dtype=dtype, device=device)
        return moved.requires_grad_() if requires_grad else moved
    if is_on_gpu(data):
        return tensor(wrap(from_gpu(data), None), dtype=dtype, device=device, requires_grad=requires_grad)
    return placed(_host_array(data, dtype, copy=True), device, requires_grad)


def as_tensor(data: Any, *, dtype: Any = None, device: Spec = None) -> Tensor:
    """As tensor, but sharing memory where it can: a Tensor or array of that dtype and device is not copied."""
    if isinstance(data, Tensor):
        return to(data, dtype=dtype, device=device)
    if is_on_gpu(data):
        return to(wrap(from_gpu(data), None), dtype=dtype, device=device)
    array = _host_array(data, dtype, copy=False)
    return placed(array.view() if array is data else array, device)


def asarray(
    obj: Any, *, dtype: Any = None, device: Spec = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """As as_tensor, but without history, and with a say whether it copies.

    Args:
        obj: numbers, nested sequences, a NumPy array, or a Tensor.
        dtype, device: as in tensor.
        copy: True: always; False: never; None: where it must.
        requires_grad: mark the result as wanting a gradient.
    Raises: ValueError if copy is False and one is needed; else as tensor.
    """
    if copy:
        return tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)
    shared = as_tensor(obj, dtype=dtype, device=device)
    memory = obj.array if isinstance(obj, Tensor) else obj
    if copy is False and not (shared.array is memory or share_memory(shared.array, memory)):
        raise ValueError("asarray: this dtype and device need a copy; allow it with copy=None")
    shared = shared.detach() if shared.requires_grad or shared is obj else shared
    return shared.requires_grad_() if requires_grad else shared


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A CPU tensor over the memory of a NumPy array: each sees the other's changes.

    Raises: TypeError for anything but an ndarray with one of gpudl's dtypes; ValueError for negative strides.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}")
    dtype_of(array.dtype)
    if any(stride < 0 for stride in array.strides):
        raise ValueError("from_numpy: an array with negative strides cannot be shared; pass array.copy()")
    return wrap(array.view(np.ndarray), None)


def _host_array(data: Any, dtype: Any, copy: bool) -> np.ndarray[Any, Any]:
    wanted: DType | None = None if dtype is None else dtype_of(dtype)
    if isinstance(data, (list, tuple)) and any(isinstance(each, Tensor) for each in data):
        if wanted is None and not any(isinstance(each, (list, tuple)) for each in data):
            wanted = result_type(*(each.dtype if isinstance(each, Tensor) else number_dtype(each) for each in data))
        data = [to_host(each.array) if isinstance(each, Tensor) else each for each in data]
    try:
        array = np.array(data) if copy else np.asarray(data)
    except ValueError as error:
        raise ShapeError(f"tensor: the nested sequences differ in length: {error}") from error
    if array.dtype.kind not in "biufV":
        raise TypeError(f"tensor: cannot make a tensor of {type(data).__name__} with elements of {array.dtype}")
    first = data
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    typed = isinstance(first, (np.ndarray, np.generic))
    if wanted is None:
        if typed:
            wanted = dtype_of(array.dtype)
        elif array.dtype.kind in "fV" or not array.size:
            wanted = get_default_dtype()
        else:
            wanted = np.dtype(np.bool_) if array.dtype.kind == "b" else int64
    if wanted.kind in "iu" and not typed and array.size:
        for extreme in (array.min(), array.max()):
            fitted("tensor", extreme.item(), wanted)
    with quiet():
        return array.astype(wanted, copy=False)


def scalar_tensor(s: Any, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """A 0-d tensor of a number, float32 by default whatever the number is."""
    return _filled((), s, dtype, device, requires_grad)


def zeros(*args: Any, size: Any = None, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros, float32 by default. `args` is lengths, or one sequence of them; or `size` is."""
    return _filled(lengths_of(args, size), 0, dtype, device, requires_grad)


def ones(*args: Any, size: Any = None, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones, float32 by default. `args` is lengths, or one sequence of them; or `size` is."""
    return _filled(lengths_of(args, size), 1, dtype, device, requires_grad)


def empty(*args: Any, size: Any = None, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """A tensor whose elements are to be written first; here zeros, so that no run depends on old memory."""
    return _filled(lengths_of(args, size), 0, dtype, device, requires_grad)


def full(
    size: Sequence[int], fill_value: Any, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of one value; the dtype by default that of the value."""
    fill_value = number_of(fill_value)
    kind = number_dtype(fill_value) if dtype is None else dtype
    return _filled(lengths_of((size,)), fill_value, kind, device, requires_grad)


def _like(input: Tensor, value: Any, dtype: Any, device: Spec, requires_grad: bool) -> Tensor:
    kind = input.dtype if dtype is None else dtype
    return _filled(input.shape, value, kind, input.device if device is None else device, requires_grad)


def zeros_like(input: Tensor, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the input's shape, and its dtype and device unless given."""
    return _like(input, 0, dtype, device, requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """Ones of the input's shape, and its dtype and device unless given."""
    return _like(input, 1, dtype, device, requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """A tensor to be written first, of the input's shape, and its dtype and device unless given; as empty."""
    return _like(input, 0, dtype, device, requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False
) -> Tensor:
    """One value in the input's shape, and its dtype and device unless given."""
    return _like(input, fill_value, dtype, device, requires_grad)


def new_full(
    input: Tensor,
    size: Sequence[int],
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value in a shape of its own, with the input's dtype and device unless given."""
    kind = input.dtype if dtype is None else dtype
    place = input.device if device is None else device
    return _filled(lengths_of((size,)), fill_value, kind, place, requires_grad)


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like the input with every element set to a number or a 0-d tensor.

    Raises: ShapeError for a value with dimensions; RuntimeError for one that the dtype cannot hold.
    Gradient: none to the input, that is zeros; to the value, the sum of dy.
    """
    return fill_(clone(input), value)


def fill_(input: Tensor, value: Any) -> Tensor:
    """Every element set to a number or a 0-d tensor, in place; returns the tensor."""
    filler = value.to(input.dtype) if isinstance(value, Tensor) else new_full(input, (), value)
    if filler.ndim:
        raise ShapeError(f"fill_: expected a number or a 0-d tensor, got shape {filler.shape}")
    return assign(input, filler.to(input.device), "fill_", replace=True)


def fill_diagonal_(input: Tensor, fill_value: int | float | bool, wrap: bool = False) -> Tensor:
    """The elements whose indices are all equal set to a number, in place.

    Args:
        input: at least 2-d; with more than two dimensions all of one length.
        fill_value: what to write.
        wrap: in tall matrices, begin the diagonal again below, after a row that is left out.
    Raises: ShapeError for fewer than two dimensions, or more of different lengths; as fill_.
    Gradient: dy elsewhere, 0 on the diagonal.
    """
    if input.ndim < 2 or (input.ndim > 2 and len(set(input.shape)) > 1):
        raise ShapeError(f"fill_diagonal_: expected a matrix, or dimensions of one length, got shape {input.shape}")
    mask = np.zeros(input.shape, bool)
    if mask.size:
        np.fill_diagonal(mask, True, wrap=wrap)
    return assign(input, input.masked_fill(placed(mask, input.device), fill_value), "fill_diagonal_")
