"""The steps of an optimizer, from the same gradients on several devices, against the same in float64 on the CPU.

Two steps, of which the second starts from the state that the first has made: once from the model's weights; and once
from weights of 0, where the step itself is all that there is, and no rounding of what it is added to hides it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.device import CPU, Device, transfer
from gpudl.compare.families import LEVELS
from gpudl.compare.measure import Difference, Host, difference, eps_of, is_floating, rms
from gpudl.compare.report import OpRow
from gpudl.compare.training import copied
from gpudl.nn.module import Module
from gpudl.optim import Optimizer

MakeOptimizer = Callable[[Module, Device], Optimizer]
"""Makes an optimizer for a copy of the model on a device."""

_STEPS = 2

Values = dict[tuple[str, str], Host]
"""(parameter, "" or the name of a part of its state) -> what it is after a step."""


def step_row(
    model: Module, made: MakeOptimizer, gradients: dict[str, Host], places: Sequence[Device], tolerance: float
) -> OpRow | None:
    """How far an optimizer's steps are from those in float64; None where there is no gradient.

    Args:
        model: with the weights to start from; it is not changed.
        gradients: of its parameters, by name; those of each step.
        tolerance: a factor on what is allowed.
    Returns: a row whose layer is the parameter, or the part of its state, that is farthest.
    Raises: what the optimizer raises on a device.
    """
    if not gradients:
        return None
    here = copied(model, CPU)
    optimizer = made(here, CPU)
    dtypes = [each.dtype.name for each in gradients.values()]
    coarsest = max(dtypes, key=eps_of)

    def row(worst: str, found: dict[str, Difference], notes: dict[str, str]) -> OpRow:
        name = type(optimizer).__name__
        return OpRow(name, "step", worst, None, "steps of optimizers", coarsest, found, notes)

    if optimizer.needs_closure:
        return row("", {}, {"float64": "it computes the loss at other weights, too"})
    if eps_of(coarsest) > eps_of("float32"):
        return row("", {}, {"float64": f"in {coarsest} its state has not the range that it has in float64"})
    factor = tolerance * LEVELS["rounding" if optimizer.elementwise else "summing"].factor
    weights = {name: _host(each) for name, each in here.named_parameters()}
    found: dict[str, Difference] = {}
    worst: tuple[float, str] = (-1.0, "")
    for start in (weights, {name: np.zeros_like(each) for name, each in weights.items()}):
        want = list(_steps(model, made, start, gradients, CPU, _doubled))
        near = list(_steps(model, made, start, gradients, CPU, _rounding()))
        for place in places:
            for got, exact, moved in zip(_steps(model, made, start, gradients, place, None), want, near):
                for (name, part), value in got.items():
                    eps = eps_of(value.dtype.name)
                    with np.errstate(invalid="ignore"):  # of infinities
                        response = rms(moved[name, part] - exact[name, part])
                    each = difference(value, exact[name, part], factor=factor, eps=eps, response=response)
                    found[str(place)] = found.get(str(place), Difference(excess=0.0)).worse(each)
                    worst = max(worst, (each.excess or 0.0, f"{name} ({part})" if part else name))
    return row(worst[1], found, {})


def _steps(
    model: Module,
    made: MakeOptimizer,
    weights: dict[str, Host],
    gradients: dict[str, Host],
    place: Device,
    change: Callable[[Host], Host] | None,
) -> Iterator[Values]:
    """What parameters and state are after each step.

    Args:
        change: of weights and gradients, which then are float64; None for what they are.
    """
    here = copied(model, place)
    if change is not None:
        here = here.double()

    def there(array: Host) -> Tensor:
        return wrap(transfer(np.array(array) if change is None else change(array), place), None)

    optimizer = made(here, place)
    parameters = dict(here.named_parameters())
    with no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(there(weights[name]))
    for _ in range(_STEPS):
        optimizer.zero_grad()
        for name, gradient in gradients.items():
            # A backward of its own brings it to where the optimizer looks for it.
            parameters[name].backward(there(gradient))
        optimizer.step()
        yield {
            (name, part): _host(value)
            for name, parameter in parameters.items()
            if parameter.requires_grad
            for part, value in {"": parameter, **optimizer.state.get(parameter, {})}.items()
            if isinstance(value, Tensor) and is_floating(value.dtype)
        }


def _doubled(array: Host) -> Host:
    return array.astype(np.float64)


def _rounding() -> Callable[[Host], Host]:
    """What changes numbers by up to a rounding of their dtype."""
    random = np.random.default_rng(0)

    def rounded(array: Host) -> Host:
        change: Any = 1 + eps_of(array.dtype.name) * random.uniform(-1, 1, array.shape)
        return np.asarray(array.astype(np.float64) * change)

    return rounded


def _host(tensor: Tensor) -> Host:
    return np.array(transfer(tensor.array, CPU))
