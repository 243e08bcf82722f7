"""Random tensors of given means, rates, probabilities and weights: normal, poisson, bernoulli, multinomial.

As in sample.py, one seed gives the same bits on every device and machine. None has a gradient.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from gpudl.autograd.primitive import as_array, check_devices
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, quiet
from gpudl.backend.debug import debugging
from gpudl.backend.device import device_of, guarded, to_host
from gpudl.backend.dtypes import DType, float32, float64, int64
from gpudl.backend.errors import ShapeError
from gpudl.ops.create import Spec, lengths_of, place_of, placed
from gpudl.ops.generator import stream_of
from gpudl.ops.random_fill import drawn
from gpudl.ops.sample import Host, floating
from gpudl.random import Stream
from gpudl.random.laws import exponential
from gpudl.random.laws import poisson as poisson_numbers

__all__ = ["bernoulli", "multinomial", "normal", "poisson"]


def normal(
    mean: float | Tensor = 0.0,
    std: float | Tensor = 1.0,
    size: Any = None,
    *,
    generator: Stream | None = None,
    dtype: Any = None,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal random numbers, each with a mean and a standard deviation: mean + std * randn, in float64, rounded once.

    Args:
        mean, std: numbers or floating tensors, which broadcast; std >= 0. With two numbers a size is needed.
        size: the lengths, where both are numbers.
        dtype, device, requires_grad: of the result, where both are numbers.
        generator: draws from it in place of the program's own streams.
    Returns: where a tensor is given, its dtype and device (mean's before std's).
    Raises: RuntimeError for a negative std, if a device holds it in debug mode only, or tensors that are not floating
        point; TypeError for a size beside tensors, or none beside numbers; ShapeError if the shapes do not broadcast;
        DeviceError across devices.
    Gradient: none.
    """
    leading = next((each for each in (mean, std) if isinstance(each, Tensor)), None)
    if (leading is None) == (size is None):
        raise TypeError("normal: give a tensor for mean or std, or else a size")
    if leading is None:
        _check_std(np.float64(std))
        kind, lengths = floating("normal", dtype), lengths_of((size,))
        made = drawn(place_of(device), lengths, kind, stream_of(generator), "normal", float(mean), float(std))
        return wrap(made, None).requires_grad_() if requires_grad else wrap(made, None)
    check_devices("normal", (mean, std))
    kind = floating("normal", leading.dtype)
    floating("normal", std.dtype if isinstance(std, Tensor) else None)
    middle, spread = (
        each.array.astype(float64) if isinstance(each, Tensor) else np.float64(each) for each in (mean, std)
    )
    _check_std(spread)
    try:
        shape = np.broadcast_shapes(middle.shape, spread.shape)
    except ValueError as error:
        raise ShapeError(f"normal: mean {middle.shape} and std {spread.shape} do not broadcast") from error
    with guarded(leading.array):
        numbers = drawn(leading.device, shape, float64, stream_of(generator), "normal", 0.0, 1.0)
        numbers *= spread
        numbers += middle
        return wrap(numbers.astype(kind, copy=False), None)


def _check_std(std: Array) -> None:
    """What a device holds is looked at in debug mode only, since the host would wait for it."""
    if (looks(std) or debugging()) and not bool((std >= 0).all()):
        raise RuntimeError("normal: standard deviations must be >= 0")


def looks(x: Array) -> bool:
    """True for what the host can look at without waiting: its own arrays, and numbers."""
    return isinstance(x, (np.ndarray, np.generic))


def bernoulli(input: Tensor, p: float | None = None, *, generator: Stream | None = None) -> Tensor:
    """1 with the probability that the input says there, else 0.

    Args:
        input: probabilities in [0, 1], floating point.
        p: one probability for all elements instead; the input then gives only the shape, dtype and device.
        generator: draws from it in place of the program's own streams.
    Returns: shape, dtype and device of the input.
    Raises: RuntimeError for a probability out of range, if a device holds it in debug mode only, or an input of
        integers without p.
    Gradient: none.
    """
    stream = stream_of(generator)
    if p is not None:
        chance = probability("bernoulli", p)
        return wrap(drawn(input.device, input.shape, input.dtype, stream, "coin", chance, True), None)
    floating("bernoulli", input.dtype)
    return wrap(coins("bernoulli", stream, input.array, input.shape, input.dtype), None)


def probability(name: str, p: Any) -> float:
    """The number itself.

    Raises: RuntimeError if it is out of range.
    """
    if not 0 <= p <= 1:
        raise RuntimeError(f"{name}: probabilities must be in [0, 1]")
    return float(p)


def coins(name: str, stream: Stream, chances: Array, shape: tuple[int, ...], dtype: DType) -> Array:
    """1 with these probabilities, an array that broadcasts to the shape, and else 0; of a dtype, where they are.

    Uniform numbers of 24 bits are compared with them, of 53 bits for float64 probabilities.

    Raises: RuntimeError for a probability out of range; of a device's only in debug mode, since the host would wait.
    """
    with guarded(chances):
        wide = chances.astype(float32) if chances.dtype.itemsize == 2 else chances
        if (looks(wide) or debugging()) and not bool(((wide >= 0) & (wide <= 1)).all()):
            raise RuntimeError(f"{name}: probabilities must be in [0, 1]")
        kind = float64 if wide.dtype == float64 else float32
        numbers = drawn(device_of(chances), shape, kind, stream, "uniform", 0.0, 1.0)
        return as_array((numbers < wide).astype(dtype))


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Stream | None = None
) -> Tensor:
    """Indices drawn with probabilities proportional to the weights in each row.

    Args:
        input: (categories,) or (rows, categories) floating point weights >= 0; a row need not sum to 1.
        num_samples: how many from each row.
        replacement: whether an index may be drawn more than once in a row. If not, those are drawn whose exponential
            random times, over their weights, are the earliest.
        generator: draws from it in place of the program's own streams.
    Returns: (num_samples,) or (rows, num_samples) int64.
    Raises: RuntimeError for weights that are negative, not finite or all 0, num_samples < 1 or, without replacement,
        more than there are weights above 0; ShapeError for more than 2 dimensions.
    Gradient: none.
    Source: the race of exponential times: Efraimidis & Spirakis 2006.
    """
    floating("multinomial", input.dtype)
    count = operator.index(num_samples)
    if input.ndim not in (1, 2) or not input.shape[-1]:
        raise ShapeError(f"multinomial: expected (categories,) or (rows, categories), got shape {input.shape}")
    weights = to_host(input.array).astype(float64).reshape(-1, input.shape[-1])
    rows, categories = weights.shape
    if count < 1 or (not replacement and count > categories):
        raise RuntimeError(f"multinomial: {count} samples cannot be drawn from {categories} categories")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise RuntimeError("multinomial: weights must be finite and >= 0")
    if ((weights > 0).sum(1) < (1 if replacement else count)).any():
        raise RuntimeError("multinomial: a row has too few weights above 0 to draw from")
    stream = stream_of(generator)
    if replacement:
        sums = weights.cumsum(1)
        goals = stream.uniform((rows, count), dtype=float64) * sums[:, -1:]
        goals = np.minimum(goals, np.nextafter(sums[:, -1:], 0))  # for what rounds up to the sum itself
        picked = np.empty((rows, count), int64)
        for row in range(rows):
            picked[row] = np.searchsorted(sums[row], goals[row], side="right")
    else:
        with quiet():
            times = exponential(stream, weights.size).reshape(weights.shape) / weights
        times[weights == 0] = np.inf  # also for a time of 0
        picked = _earliest(times, count)
    return placed(np.ascontiguousarray(picked.reshape(*input.shape[:-1], count)), input.device)


def _earliest(times: Host, count: int) -> Host:
    """The places of the smallest numbers in each row, in order; equal ones by place."""
    if 4 * count < times.shape[1]:
        some = np.sort(np.argpartition(times, count - 1, 1)[:, :count], 1)
        picked = np.take_along_axis(times, some, 1)
        if ((times <= picked.max(1, keepdims=True)).sum(1) == count).all():  # else equal ones lie on the border
            return np.take_along_axis(some, np.argsort(picked, 1, kind="stable"), 1).astype(int64, copy=False)
    return np.argsort(times, 1, kind="stable")[:, :count].astype(int64, copy=False)


def poisson(input: Tensor, generator: Stream | None = None) -> Tensor:
    """Numbers of the Poisson distribution with the rates of the input.

    Args:
        input: rates >= 0, floating point.
        generator: draws from it in place of the program's own streams.
    Returns: shape, dtype and device of the input.
    Raises: RuntimeError for rates that are negative or not finite, or integers.
    Gradient: none.
    """
    floating("poisson", input.dtype)
    rates = to_host(input.array).astype(float64)
    if not (np.isfinite(rates) & (rates >= 0)).all():
        raise RuntimeError("poisson: rates must be finite and >= 0")
    numbers = poisson_numbers(stream_of(generator), rates.reshape(-1)).reshape(rates.shape)
    return placed(numbers.astype(input.dtype), input.device)
