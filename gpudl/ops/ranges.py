"""Tensors that are counted: arange, linspace, logspace, eye, vander; and windows for signals."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import quiet
from gpudl.backend.dtypes import DType, dtype_of, float32, float64, get_default_dtype, int64
from gpudl.backend.errors import ShapeError
from gpudl.ops.create import Spec, lengths_of, number_of, ones_like, placed
from gpudl.ops.rearrange import flip
from gpudl.ops.shape import stack

__all__ = [
    "arange", "bartlett_window", "blackman_window", "eye", "hamming_window", "hann_window", "kaiser_window", "linspace",
    "logspace", "vander",
]  # fmt: skip

Doubles = np.ndarray[Any, np.dtype[np.float64]]


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
        dtype: default int64 if all three are ints, else the default floating dtype. An integer dtype cuts start and
            step to integers; the number of elements is that of the numbers as given, but for int64.
    Raises: ShapeError if step is 0 or leads away from end, or never gets there.
    """
    bounds = tuple(number_of(each) for each in ((0, start, step) if end is None else (start, end, step)))
    whole = all(isinstance(each, int) for each in bounds)
    kind = (int64 if whole else get_default_dtype()) if dtype is None else dtype_of(dtype)
    if all(map(math.isfinite, bounds)) and kind == int64:
        bounds = tuple(map(int, bounds))  # as PyTorch: 0.5 to 3.5 in int64 is 0 to 3
    first, last, step = bounds
    if not all(map(math.isfinite, bounds)) or step == 0 or (last - first) * step < 0:
        raise ShapeError(f"arange: step {step} does not lead from {first} to {last}")
    count = -((first - last) // step) if kind == int64 else math.ceil((last - first) / step)
    if kind.kind in "iu":
        first, step = int(first), int(step)
    inside = int64 if kind.kind in "iu" else float32 if kind.itemsize == 2 else float64
    with quiet():
        steps = np.arange(count, dtype=inside)
        steps *= inside.type(step)
        steps += inside.type(first)
        return placed(steps.astype(kind, copy=False), device, requires_grad)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from start to end, both included, at equal distances. 1-d; of one step, start.

    Args:
        start, end: numbers or 0-d tensors.
        steps: how many, >= 0.
        dtype: default float32 (the default dtype); an integer dtype cuts the numbers to integers.
    Raises: ShapeError for negative steps, or tensors with dimensions.
    """
    kind = get_default_dtype() if dtype is None else dtype_of(dtype)
    return placed(_cut(_even_steps("linspace", start, end, steps, kind), kind), device, requires_grad)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """base ** linspace(start, end, steps): numbers at equal ratios. 1-d.

    Args:
        start, end: exponents, numbers or 0-d tensors.
        steps: how many, >= 0.
        base: of the powers.
        dtype: default float32 (the default dtype); an integer dtype cuts the numbers to integers.
    Raises: ShapeError for negative steps, or tensors with dimensions.
    """
    kind = get_default_dtype() if dtype is None else dtype_of(dtype)
    with quiet():
        powers = float64.type(base) ** _even_steps("logspace", start, end, steps, kind)
    return placed(_cut(powers, kind), device, requires_grad)


def _even_steps(name: str, start: Any, end: Any, steps: int, kind: DType) -> Doubles:
    for each in (start, end):
        if isinstance(each, Tensor) and each.ndim:
            raise ShapeError(f"{name}: start and end must be numbers or 0-d tensors, got shape {each.shape}")
    first, last, count = number_of(start), number_of(end), operator.index(steps)
    if count < 0:
        raise ShapeError(f"{name}: steps must not be negative, got {count}")
    if kind.kind in "iu":
        first, last = int(first), int(last)
    step = (last - first) / (count - 1) if count > 1 else 0.0
    if count == 1:
        return np.full(1, first, float64)
    numbers: Doubles = np.arange(count, dtype=float64)
    low, high = numbers[: count // 2], numbers[count // 2 :]
    high -= count - 1
    numbers *= step
    low += first
    high += last  # counted from there, so that the last number is end exactly, and the numbers are symmetrical
    return numbers


def _cut(numbers: Doubles, kind: DType) -> np.ndarray[Any, Any]:
    with quiet():
        return numbers.astype(kind)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal, zeros elsewhere; (n, m), m = n by default; float32 by default."""
    kind = get_default_dtype() if dtype is None else dtype_of(dtype)
    rows, columns = lengths_of((n, n if m is None else m))
    return placed(np.eye(rows, columns, dtype=kind), device, requires_grad)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of each element in a row: x**(N - 1), ..., x, 1.

    Args:
        x: (n,).
        N: how many powers, >= 0; n by default.
        increasing: the other way round: 1, x, ..., x**(N - 1).
    Returns: (n, N); int64 for integers and bools.
    Raises: ShapeError for an x that is not 1-d, or a negative N.
    """
    if x.ndim != 1:
        raise ShapeError(f"vander: expected a 1-d tensor, got shape {x.shape}")
    count = x.shape[0] if N is None else operator.index(N)
    if count < 0:
        raise ShapeError(f"vander: N must not be negative, got {count}")
    if not count:
        return x.new_zeros(x.shape[0], 0, dtype=None if x.dtype.kind in "fV" else int64)
    base = x if x.dtype.kind in "fV" else x.to(int64)
    powers = [ones_like(base)]
    while len(powers) < count:
        powers.append(powers[-1] * base)
    matrix = stack(powers, 1)
    return matrix if increasing else flip(matrix, 1)


def _window(name: str, length: int, periodic: bool, dtype: Any, spec: Spec, requires_grad: bool, shape: Any) -> Tensor:
    """shape(t) for t = 0 ... 1 in `length` steps; periodic windows leave the last of one step more out."""
    count = operator.index(length)
    if count < 0:
        raise ShapeError(f"{name}: window_length must not be negative, got {count}")
    kind = get_default_dtype() if dtype is None else dtype_of(dtype)
    if kind.kind not in "fV":
        raise RuntimeError(f"{name}: a window is floating point; {kind} cannot hold it")
    t = np.arange(count) / max(count if periodic else count - 1, 1)
    return placed(_cut(shape(t) if count != 1 else np.ones(1), kind), spec, requires_grad)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False
) -> Tensor:
    """A triangle: 1 - |2 t - 1| for t from 0 to 1.

    Args:
        window_length: the number of elements, >= 0.
        periodic: leave out the last of window_length + 1 elements, so that windows in a row are periodic.
    Raises: ShapeError for a negative length; RuntimeError for a dtype that is not floating point.
    """
    settings = periodic, dtype, device, requires_grad
    return _window("bartlett_window", window_length, *settings, lambda t: 1 - abs(2 * t - 1))


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False
) -> Tensor:
    """0.5 - 0.5 cos(2 pi t) for t from 0 to 1; arguments and errors as bartlett_window."""
    settings = periodic, dtype, device, requires_grad
    return _window("hann_window", window_length, *settings, lambda t: 0.5 - 0.5 * np.cos(2 * math.pi * t))


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """alpha - beta cos(2 pi t) for t from 0 to 1; other arguments and errors as bartlett_window."""
    settings = periodic, dtype, device, requires_grad
    return _window("hamming_window", window_length, *settings, lambda t: alpha - beta * np.cos(2 * math.pi * t))


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Spec = None, requires_grad: bool = False
) -> Tensor:
    """0.42 - 0.5 cos(2 pi t) + 0.08 cos(4 pi t) for t from 0 to 1; arguments and errors as bartlett_window."""

    def shape(t: Doubles) -> Doubles:
        return np.asarray(0.42 - 0.5 * np.cos(2 * math.pi * t) + 0.08 * np.cos(4 * math.pi * t))

    return _window("blackman_window", window_length, periodic, dtype, device, requires_grad, shape)


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """I0(beta sqrt(1 - (2 t - 1)**2)) / I0(beta) for t from 0 to 1, I0 the modified Bessel function of order 0.

    Other arguments and errors as bartlett_window.
    """

    def shape(t: Doubles) -> Doubles:
        inside = np.sqrt(np.maximum(1 - (2 * t - 1) ** 2, 0))
        return np.asarray(np.i0(beta * inside) / np.i0(beta))

    return _window("kaiser_window", window_length, periodic, dtype, device, requires_grad, shape)
