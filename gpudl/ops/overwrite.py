"""Tensors overwritten with random numbers: Tensor.uniform_, normal_, bernoulli_, exponential_ and their kin.

As in sample.py, one seed gives the same bits on every device and machine. The gradient of what was there before is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.autograd.inplace import assign
from gpudl.autograd.primitive import check_devices
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.dtypes import largest
from gpudl.ops.create import new_full
from gpudl.ops.distributions import coins, probability
from gpudl.ops.generator import stream_of
from gpudl.ops.random_fill import drawn
from gpudl.ops.sample import floating, whole_bounds
from gpudl.random import Stream

__all__: list[str] = []  # torch has them as methods only


def _overwrite(name: str, input: Tensor, stream: Stream, law: str, *numbers: Any) -> Tensor:
    """The input with numbers of a law in it; see gpudl.ops.random_fill."""
    made = drawn(input.device, input.shape, input.dtype, stream, law, *numbers)
    return assign(input, wrap(made, None), name, replace=True)


def uniform_(
    input: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Stream | None = None, **named: Any
) -> Tensor:
    """Uniform random numbers in [from, to), in place.

    Args:
        from_, to: the bounds; from_ may also be given as `**{"from": ...}`.
        generator: draws from it in place of the program's own streams.
    Raises: RuntimeError unless from <= to, both in the range of the dtype; RuntimeError for integer tensors, and as
        autograd.inplace.assign.
    """
    low = float(_only("uniform_", named, from_))
    high = float(to)
    kind = floating("uniform_", input.dtype)
    limit = largest(kind)
    if not (-limit <= low <= high <= limit and high - low <= limit):
        raise RuntimeError(f"uniform_: expected from <= to within {kind}, got {low} and {high}")
    stream = stream_of(generator)
    if float(np.asarray(low).astype(kind)) == float(np.asarray(high).astype(kind)):
        return assign(input, new_full(input, input.shape, low), "uniform_", replace=True)
    return _overwrite("uniform_", input, stream, "uniform", low, high)


def normal_(input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Stream | None = None) -> Tensor:
    """Normal random numbers of a mean and a standard deviation, in place.

    Raises: RuntimeError for a negative std, integer tensors, and as autograd.inplace.assign.
    """
    floating("normal_", input.dtype)
    if not std >= 0:
        raise RuntimeError(f"normal_: std must be >= 0, got {std}")
    return _overwrite("normal_", input, stream_of(generator), "normal", float(mean), float(std))


def log_normal_(input: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Stream | None = None) -> Tensor:
    """e**x for normal random x of a mean and a standard deviation, in place.

    Raises: RuntimeError unless std > 0, for integer tensors, and as autograd.inplace.assign.
    """
    floating("log_normal_", input.dtype)
    if not std > 0:
        raise RuntimeError(f"log_normal_: std must be > 0, got {std}")
    return _overwrite("log_normal_", input, stream_of(generator), "log_normal", float(mean), float(std))


def exponential_(input: Tensor, lambd: float = 1.0, *, generator: Stream | None = None) -> Tensor:
    """Random numbers of the exponential distribution, of mean 1 / lambd, in place.

    Raises: RuntimeError unless lambd > 0, for integer tensors, and as autograd.inplace.assign.
    """
    floating("exponential_", input.dtype)
    if not lambd > 0:
        raise RuntimeError(f"exponential_: lambd must be > 0, got {lambd}")
    return _overwrite("exponential_", input, stream_of(generator), "exponential", float(lambd))


def cauchy_(input: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Stream | None = None) -> Tensor:
    """Random numbers of the Cauchy distribution, in place.

    Args:
        median: of the distribution.
        sigma: half of the distance between its quartiles, > 0.
        generator: draws from it in place of the program's own streams.
    Raises: RuntimeError unless sigma > 0, for integer tensors, and as autograd.inplace.assign.
    """
    floating("cauchy_", input.dtype)
    if not sigma > 0:
        raise RuntimeError(f"cauchy_: sigma must be > 0, got {sigma}")
    return _overwrite("cauchy_", input, stream_of(generator), "cauchy", float(median), float(sigma))


def geometric_(input: Tensor, p: float, *, generator: Stream | None = None) -> Tensor:
    """How many trials it takes until one of probability p succeeds, 1, 2, ..., in place.

    Args:
        p: 0 < p < 1.
        generator: draws from it in place of the program's own streams.
    Raises: RuntimeError for another p, bool tensors, and as autograd.inplace.assign.
    """
    if input.dtype.kind == "b":
        raise RuntimeError("geometric_: a bool tensor cannot hold numbers of trials")
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_: p must be in (0, 1), got {p}")
    return _overwrite("geometric_", input, stream_of(generator), "geometric", float(p))


def random_(
    input: Tensor, from_: int | None = None, to: int | None = None, *, generator: Stream | None = None, **named: Any
) -> Tensor:
    """Random whole numbers in place: random_() as many as the dtype holds, random_(to), or random_(from, to).

    Args:
        from_, to: from <= number < to; from_ may also be given as `**{"from": ...}`. Without `to`, up to the largest
            number of an integer dtype, and in a floating dtype as far as all integers are exact.
        generator: draws from it in place of the program's own streams.
    Raises: RuntimeError for an empty range, or numbers that the dtype cannot hold, and as autograd.inplace.assign.
    """
    low, high = _only("random_", named, from_), to
    if low is not None and high is None and not named:
        low, high = None, low
    kind = input.dtype
    if high is None:
        if kind.kind in "fV":
            high = 2 ** (8 if kind.kind == "V" else np.finfo(kind).nmant + 1) + 1
        else:
            high = 2 if kind.kind == "b" else int(np.iinfo(kind).max) + 1
    stream = stream_of(generator)
    return _overwrite("random_", input, stream, "integers", *whole_bounds("random_", low or 0, high, kind))


def bernoulli_(input: Tensor, p: float | Tensor = 0.5, *, generator: Stream | None = None) -> Tensor:
    """1 with probability p, else 0, in place.

    Args:
        p: a number, or a tensor of probabilities that broadcasts to the input.
        generator: draws from it in place of the program's own streams.
    Raises: RuntimeError for a probability out of [0, 1] or a p of integers, and as autograd.inplace.assign.
    """
    if isinstance(p, Tensor):
        check_devices("bernoulli_", (input, p))
        floating("bernoulli_", p.dtype)
        made = coins("bernoulli_", stream_of(generator), p.array, input.shape, input.dtype)
        return assign(input, wrap(made, None), "bernoulli_", replace=True)
    wide = input.dtype == "float64"
    chance = probability("bernoulli_", p if wide else np.float32(p))
    return _overwrite("bernoulli_", input, stream_of(generator), "coin", chance, wide)


def _only(name: str, named: dict[str, Any], given: Any) -> Any:
    """`given`, or what is named "from", which is no name that Python lets a parameter have."""
    if named.keys() - {"from"}:
        raise TypeError(f"{name}: unexpected arguments {', '.join(sorted(named.keys() - {'from'}))}")
    return named.get("from", given)
