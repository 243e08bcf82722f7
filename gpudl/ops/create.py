"""Making tensors: from values, from arrays, filled, counted and random."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import quiet
from gpudl.backend.device import CPU, Device, require, to_host, transfer
from gpudl.backend.device import device as resolve
from gpudl.backend.dtypes import DType, dtype_of, get_default_dtype, int64, number_dtype
from gpudl.backend.errors import ShapeError
from gpudl.ops.cast import to
from gpudl.ops.operands import fitted, result_type
from gpudl.random import sampling_stream

__all__ = [
    "arange", "as_tensor", "eye", "from_numpy", "full", "full_like", "ones", "ones_like", "rand", "randn", "tensor",
    "zeros", "zeros_like",
]  # fmt: skip

Spec = str | Device | None


def _place(spec: Spec) -> Device:
    return CPU if spec is None else resolve(spec)


def _put(array: np.ndarray[Any, Any], spec: Spec, requires_grad: bool) -> Tensor:
    tensor = wrap(transfer(array, _place(spec)), None)
    return tensor.requires_grad_() if requires_grad else tensor


def lengths_of(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """The lengths in zeros(2, 3) or zeros((2, 3)).

    Raises: ShapeError for a negative length; TypeError for what is no int.
    """
    if len(shape) == 1 and isinstance(shape[0], Sequence):
        shape = tuple(shape[0])
    lengths = tuple(map(operator.index, shape))
    if any(length < 0 for length in lengths):
        raise ShapeError(f"a shape has no negative lengths, got {lengths}")
    return lengths


def _filled(shape: tuple[int, ...], value: Any, dtype: Any, spec: Spec, requires_grad: bool) -> Tensor:
    place = _place(spec)
    kind = get_default_dtype() if dtype is None else dtype_of(dtype)
    value = _number(value)
    tensor = wrap(require(place).full(shape, fitted("full", value, kind), kind, place), None)
    return tensor.requires_grad_() if requires_grad else tensor


def _number(value: Any) -> Any:
    """A Python number; those of NumPy and 0-d tensors as one."""
    return value.item() if isinstance(value, (Tensor, np.generic)) else value


def tensor(data: Any, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of the data.

    Args:
        data: numbers, nested sequences of equal lengths, a NumPy array, or a Tensor.
        dtype: default: float32 (the default dtype) for Python floats, int64 for ints, bool for bools; that of arrays
            and of NumPy's numbers.
        device: default: cpu; a Tensor's own.
        requires_grad: mark it as wanting a gradient.
    Raises: ShapeError if nested sequences differ in length; TypeError for what is no number; RuntimeError for
            Python numbers that an integer dtype cannot hold; DeviceError.
    """
    if isinstance(data, Tensor):
        copied = wrap(data.array.copy(), None)
        moved = to(copied, dtype=dtype, device=device)
        return moved.requires_grad_() if requires_grad else moved
    return _put(_host_array(data, dtype, copy=True), device, requires_grad)


def as_tensor(data: Any, *, dtype: Any = None, device: Spec = None) -> Tensor:
    """As tensor, but sharing memory where it can: a Tensor or NumPy array of that dtype and device is not copied."""
    if isinstance(data, Tensor):
        return to(data, dtype=dtype, device=device)
    return _put(_host_array(data, dtype, copy=False), device, False)


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
    if array.dtype.kind not in "biuf":
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


def zeros(*shape: Any, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros, float32 by default. `shape` is lengths, or one sequence of them."""
    return _filled(lengths_of(shape), 0, dtype, device, requires_grad)


def ones(*shape: Any, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones, float32 by default. `shape` is lengths, or one sequence of them."""
    return _filled(lengths_of(shape), 1, dtype, device, requires_grad)


def full(
    shape: Sequence[int], fill_value: Any, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of one value; the dtype by default that of the value."""
    fill_value = _number(fill_value)
    kind = number_dtype(fill_value) if dtype is None else dtype
    return _filled(lengths_of((shape,)), fill_value, kind, device, requires_grad)


def _like(input: Tensor, value: Any, dtype: Any, device: Spec, requires_grad: bool) -> Tensor:
    kind = input.dtype if dtype is None else dtype
    return _filled(input.shape, value, kind, input.device if device is None else device, requires_grad)


def zeros_like(input: Tensor, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the input's shape, and its dtype and device unless given."""
    return _like(input, 0, dtype, device, requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """Ones of the input's shape, and its dtype and device unless given."""
    return _like(input, 1, dtype, device, requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False
) -> Tensor:
    """One value in the input's shape, and its dtype and device unless given."""
    return _like(input, fill_value, dtype, device, requires_grad)


def new_full(input: Tensor, size: Sequence[int], fill_value: Any, *, dtype: Any = None, device: Spec = None) -> Tensor:
    """One value in a shape of its own, with the input's dtype and device unless given."""
    kind = input.dtype if dtype is None else dtype
    return _filled(lengths_of((size,)), fill_value, kind, input.device if device is None else device, False)


def arange(
    start: int | float,
    end: int | float | None = None,
    step: int | float = 1,
    *,
    dtype: Any = None,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... up to but without end; arange(end) starts at 0. 1-d.

    Args:
        dtype: default int64 if all three are ints, else the default floating dtype.
    Raises: ShapeError if step is 0 or leads away from end, or never gets there.
    """
    bounds = tuple(_number(each) for each in ((0, start, step) if end is None else (start, end, step)))
    whole = all(isinstance(each, int) for each in bounds)
    kind = (int64 if whole else get_default_dtype()) if dtype is None else dtype_of(dtype)
    if all(map(math.isfinite, bounds)) and kind == int64:
        bounds = tuple(map(int, bounds))  # as PyTorch: 0.5 to 3.5 in int64 is 0 to 3
    start, end, step = bounds
    if not all(map(math.isfinite, bounds)) or step == 0 or (end - start) * step < 0:
        raise ShapeError(f"arange: step {step} does not lead from {start} to {end}")
    with quiet():
        return _put(np.arange(start, end, step).astype(kind), device, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal, zeros elsewhere; (n, m), m = n by default; float32 by default."""
    kind = get_default_dtype() if dtype is None else dtype_of(dtype)
    rows, columns = lengths_of((n, n if m is None else m))
    return _put(np.eye(rows, columns, dtype=kind), device, requires_grad)


def rand(*shape: Any, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1), float32 by default: the same after one manual_seed on every device."""
    return _put(sampling_stream().uniform(lengths_of(shape), dtype=_floating(dtype)), device, requires_grad)


def randn(*shape: Any, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """Normal random numbers of mean 0 and standard deviation 1; as rand."""
    return _put(sampling_stream().normal(lengths_of(shape), dtype=_floating(dtype)), device, requires_grad)


def _floating(dtype: Any) -> DType:
    kind = get_default_dtype() if dtype is None else dtype_of(dtype)
    if kind.kind not in "fV":
        raise RuntimeError(f"random numbers are floating point; {kind} cannot hold them")
    return kind
