"""Recorded operations, each run again by itself on the recorded inputs: on devices, and in float64 as the reference."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpudl.autograd.functional import grad
from gpudl.autograd.grad_mode import enable_grad
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.device import CPU, Device, transfer
from gpudl.compare.families import FAMILIES
from gpudl.compare.measure import Difference, Host, difference, eps_of, is_floating, rms
from gpudl.compare.record import Call, Given, mapped
from gpudl.compare.tolerances import LEFT_OUT, factor_of, family_of
from gpudl.random.seed import numbering, renumber

Change = Callable[[Host], Host]
"""What is made of an array before it goes to an operation."""


@dataclass(frozen=True)
class Ran:
    """What an operation gave.

    Attributes:
        results: an array for each, None for what is none.
        gradients: one for each argument that wants one, None where none came.
    """

    results: list[Host | None]
    gradients: list[Host | None]


@dataclass(frozen=True)
class Judged:
    """How far an operation is from its reference on one device; backward is None where it has none."""

    forward: Difference
    backward: Difference | None


class Ready:
    """A recorded operation with its arguments on a device, to be run there.

    Args:
        change: of every array, gradients too; None for the arrays as they are.
        number: the dtype that Python's floats among the arguments are rounded to first, as on a device.
    Attributes:
        given: what was recorded of each array, and what it is there.
    """

    def __init__(
        self, call: Call, place: Device, change: Change | None = None, number: type[np.floating[Any]] | None = None
    ) -> None:
        self._call = call
        self.given: list[tuple[Given, Any]] = []
        self._leaves: list[Tensor] = []

        def there(array: Host) -> Any:
            return transfer(np.array(array) if change is None else change(array), place)

        def made(value: Given) -> Any:
            array = there(value.array)
            made = wrap(array, None) if value.is_tensor else array
            self.given.append((value, made))
            if value.is_tensor and value.wants:
                self._leaves.append(made.requires_grad_())
            return made

        args = [float(number(arg)) if number is not None and type(arg) is float else arg for arg in call.args]
        self._args = [mapped(arg, made) for arg in args]
        self._arrived = {index: wrap(there(gradient), None) for index, gradient in call.gradients.items()}

    def forward(self) -> tuple[Any, ...]:
        """The results."""
        with _same_numbers(), enable_grad():
            result = self._call.operation.apply(*self._args)  # type: ignore[attr-defined]
        return result if isinstance(result, tuple) else (result,)

    def has_backward(self, results: tuple[Any, ...]) -> bool:
        """Whether gradients arrived at what there is a gradient of."""
        return bool(self._leaves) and any(results[index].requires_grad for index in self._arrived)

    def backward(self, results: tuple[Any, ...], retain_graph: bool = False) -> tuple[Tensor | None, ...]:
        """The gradients of the arguments that want one, by those that arrived; none without a backward."""
        if not self.has_backward(results):
            return ()
        roots = [index for index in self._arrived if results[index].requires_grad]
        with _same_numbers(), enable_grad():
            arrived = [self._arrived[index].to(results[index].dtype) for index in roots]
            outputs = [results[index] for index in roots]
            return grad(outputs, self._leaves, arrived, retain_graph=retain_graph, allow_unused=True)


def ran(call: Call, place: Device, change: Change | None = None, number: type[np.floating[Any]] | None = None) -> Ran:
    """Run a recorded operation; the arguments are those of Ready."""
    ready = Ready(call, place, change, number)
    results = ready.forward()
    gradients = ready.backward(results)
    return Ran(
        [_host(each) if isinstance(each, Tensor) else None for each in results],
        [None if each is None else _host(each) for each in gradients],
    )


class Reference:
    """An operation in float64, and what a rounding of its inputs makes of it.

    Raises: what the operation raises for float64 or on the CPU.
    """

    def __init__(self, call: Call) -> None:
        self.call, self.family = call, family_of(call.operation)
        dtypes = [each.array.dtype.name for each in _arrays(call) if is_floating(each.array.dtype)]
        self.coarsest = max(dtypes, key=eps_of, default="float64")
        number = np.float64 if self.coarsest == "float64" else np.float32
        self.want = ran(call, CPU, _doubled, number)
        random = np.random.default_rng(0)
        size = eps_of(self.coarsest)

        def rounded(array: Host) -> Host:
            wide = _doubled(array)
            return np.asarray(wide * (1 + size * random.uniform(-1, 1, wide.shape))) if wide.dtype.kind == "f" else wide

        near = ran(call, CPU, rounded, number)
        slack = [0.0, 0.0]
        if FAMILIES[self.family].saturates:
            given = [each.array for each in _arrays(call)], list(call.gradients.values())
            slack = [size * max((rms(_doubled(x)) for x in arrays), default=0.0) for arrays in given]
        self._responses = [
            [_response(a, b) + more for a, b in zip(one, other)]
            for one, other, more in (
                (near.results, self.want.results, slack[0]),
                (near.gradients, self.want.gradients, slack[1]),
            )
        ]

    def judge(self, got: Ran, tolerance: float) -> Judged:
        """How far a device is from it."""
        forward, backward = Difference(excess=0.0), None
        for x, y, response in zip(got.results, self.want.results, self._responses[0]):
            if x is not None and y is not None:
                forward = forward.worse(self._difference(x, y, response, tolerance, gradient=False))
        for x, y, response in zip(got.gradients, self.want.gradients, self._responses[1]):
            if x is not None and y is not None:
                found = self._difference(x, y, response, tolerance, gradient=True)
                backward = found if backward is None else backward.worse(found)
            elif x is not y:  # a gradient on one of them alone
                backward = Difference(np.inf, np.inf, np.inf, 0.0, np.inf)
        return Judged(forward, backward)

    def _difference(self, got: Host, want: Host, response: float, tolerance: float, *, gradient: bool) -> Difference:
        if not is_floating(got.dtype):
            return difference(got, want, factor=0.0)
        dtype = max(self.coarsest, got.dtype.name, key=eps_of)
        factor = factor_of(self.family, dtype, tolerance, gradient=gradient)
        return difference(got, want, factor=factor, eps=eps_of(dtype), response=response)


def why_left_out(call: Call) -> str | None:
    """Why an operation cannot be judged; None where it can."""
    return LEFT_OUT.get(call.operation.__name__)


def _arrays(call: Call) -> list[Given]:
    found: list[Given] = []

    def note(value: Given) -> Given:
        found.append(value)
        return value

    for arg in call.args:
        mapped(arg, note)
    return found


def _doubled(array: Host) -> Host:
    return array.astype(np.float64) if is_floating(array.dtype) else np.array(array)


def _response(near: Host | None, want: Host | None) -> float:
    if near is None or want is None or not is_floating(want.dtype) or near.shape != want.shape:
        return 0.0
    with np.errstate(all="ignore"):
        return rms(near.astype(np.float64) - want.astype(np.float64))


def _host(tensor: Tensor) -> Host:
    return np.array(transfer(tensor.array, CPU))


@contextlib.contextmanager
def _same_numbers() -> Iterator[None]:
    """Inside, random numbers may be drawn; afterwards those come that would have come before."""
    made = numbering()
    try:
        yield
    finally:
        renumber(made)
