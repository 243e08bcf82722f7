"""gradcheck: an analytic gradient against a numerical one, projected on random directions.

For y = f(x), random v of y's shape and random unit u of x's shape, the number v . J u is computed twice: by a central
difference along u, and from the backward pass as (J^T v) . u. One backward and two forwards per input and direction
check the whole Jacobian at once; a wrong entry goes unseen only if u or v vanishes there (HIPS/autograd's idea).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpudl.autograd.functional import grad
from gpudl.autograd.primitive import as_array
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import quiet
from gpudl.backend.device import to_host, transfer


class GradcheckError(RuntimeError):
    """A gradient that disagrees with the numerical one."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    directions: int = 3,
    raise_exception: bool = True,
) -> bool:
    """Check the gradients of `func` with respect to the inputs that require grad.

    Args:
        func: takes the inputs, returns a Tensor or a tuple of them; deterministic.
        inputs: Tensors, of float64 where they require grad, and other arguments.
        eps: step of the central difference, > 0.
        atol, rtol: the two numbers may differ by atol + rtol * abs(numerical).
        directions: random directions per input, >= 1.
        raise_exception: raise on a failure; else return False.
    Returns: True if all agree.
    Raises: GradcheckError naming the input; ValueError if no input is a float64 Tensor that requires grad.
    """
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [(i, x) for i, x in enumerate(arguments) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck needs an input that requires grad")
    for index, x in checked:
        if x.dtype != np.float64:
            raise ValueError(f"gradcheck: input {index} is {x.dtype}; differences of less than float64 say nothing")
    generator = np.random.default_rng(0)
    outputs = [y for y in _tuple_of(func(*arguments)) if y.requires_grad]
    if not outputs:
        return _fail("no output requires grad: the gradient was cut on the way", raise_exception)
    for _ in range(directions):
        weights = [_random_like(y, generator) for y in outputs]
        gradients = grad(
            outputs, [x for _, x in checked], weights, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for (index, x), dx in zip(checked, gradients):
            assert dx is not None
            if dx.shape != x.shape or dx.dtype != x.dtype:
                return _fail(
                    f"input {index}: the gradient is {dx.dtype} {dx.shape}, the input {x.dtype} {x.shape}",
                    raise_exception,
                )
            along = _random_like(x, generator)
            numerical = _central_difference(func, arguments, index, along, weights, eps)
            analytic = _dot(dx, along)
            if not abs(analytic - numerical) <= atol + rtol * abs(numerical):
                return _fail(
                    f"input {index}: backward gives {analytic:.9g} along a random direction, "
                    f"a central difference {numerical:.9g}",
                    raise_exception,
                )
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    directions: int = 3,
    raise_exception: bool = True,
) -> bool:
    """Check second derivatives: gradcheck of the gradient itself. Arguments and errors as in gradcheck."""
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    outputs = [y for y in _tuple_of(func(*arguments)) if y.requires_grad]
    generator = np.random.default_rng(1)
    weights = [_random_like(y, generator).requires_grad_() for y in outputs]
    count = len(arguments)

    def gradient(*both: Any) -> Any:
        original, seeds = both[:count], both[count:]
        results = [y for y in _tuple_of(func(*original)) if y.requires_grad]
        wanted = [x for x in original if isinstance(x, Tensor) and x.requires_grad]
        found = grad(results, wanted, list(seeds), create_graph=True, allow_unused=True, materialize_grads=True)
        return tuple(found)

    return gradcheck(
        gradient,
        [*arguments, *weights],
        eps=eps,
        atol=atol,
        rtol=rtol,
        directions=directions,
        raise_exception=raise_exception,
    )


def _central_difference(
    func: Callable[..., Any], arguments: list[Any], index: int, along: Tensor, weights: list[Tensor], eps: float
) -> float:
    """weights . (f(x + eps along) - f(x - eps along)) / (2 eps), where x is argument `index`."""
    total = 0.0
    for sign in (1.0, -1.0):
        moved = list(arguments)
        moved[index] = wrap(as_array(arguments[index].array + along.array * (sign * eps)), None).requires_grad_()
        results = [y for y in _tuple_of(func(*moved)) if y.requires_grad]
        for y, weight in zip(results, weights):
            total += sign * _dot(y, weight)
    return total / (2 * eps)


def _dot(x: Tensor, y: Tensor) -> float:
    with quiet():
        return float((to_host(x.array) * to_host(y.array)).sum())


def _tuple_of(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _random_like(x: Tensor, generator: np.random.Generator) -> Tensor:
    return wrap(transfer(np.asarray(generator.standard_normal(x.shape), x.dtype), x.device), None)


def _fail(message: str, raise_exception: bool) -> bool:
    if raise_exception:
        raise GradcheckError(f"gradcheck: {message}")
    return False
