"""PyTorch beside gpudl: the same tensors in both, what came of a call, and whether the two agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from tolerances import assert_close

import gpudl
import gpudl.linalg
from gpudl.backend.device import to_host

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


# torch's class of an error -> the one of gpudl that stands for it.
TWINS: dict[type[Exception], type[Exception]] = {
    NotImplementedError: RuntimeError,
    torch.linalg.LinAlgError: gpudl.linalg.LinAlgError,
}


class Raised(NamedTuple):
    """A call that raised."""

    error: Exception


def ours(array: np.ndarray[Any, Any], device: Any, grad: bool = False) -> gpudl.Tensor:
    """A gpudl tensor of these elements."""
    return gpudl.tensor(array, device=device, requires_grad=grad and array.dtype.kind == "f")


def theirs(array: np.ndarray[Any, Any], grad: bool = False) -> Any:
    """A torch tensor of these elements."""
    if array.dtype.kind == "V":  # bfloat16, which torch.tensor does not take
        return torch.tensor(array.view("int16")).view(torch.bfloat16)
    return torch.tensor(array, requires_grad=grad and array.dtype.kind == "f")


def outcome(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the call returns, or Raised."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return Raised(error)


def flat(result: Any) -> list[Any]:
    """The tensors and other values in a result, in order."""
    return [leaf for part in result for leaf in flat(part)] if isinstance(result, (tuple, list)) else [result]


def host(value: Any) -> Any:
    """A tensor of either library as a NumPy array; anything else as it is."""
    if isinstance(value, gpudl.Tensor):
        return to_host(value.array)
    if isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16:  # which NumPy lacks
        return value.detach().view(torch.int16).numpy().view(gpudl.bfloat16)
    return value.detach().numpy(force=True) if isinstance(value, torch.Tensor) else value


def differentiable(result: Any) -> list[Any]:
    """The tensors in a result that require grad."""
    return [value for value in flat(result) if getattr(value, "requires_grad", False)]


def assert_same(got: Any, want: Any, label: str, slack: float = 1.0) -> None:
    """Both raised, ours an error that fits torch's class; or both gave the same values, shapes, dtypes and grads."""
    if isinstance(want, Raised):
        kind = TWINS.get(type(want.error), type(want.error))
        assert isinstance(got, Raised), f"{label}: torch raises {want.error!r}; gpudl gives {got!r}"
        assert isinstance(got.error, kind), f"{label}: torch raises {want.error!r}; gpudl raises {got.error!r}"
        return
    assert not isinstance(got, Raised), f"{label}: gpudl raises {got.error!r}; torch gives {want!r}"
    parts, wanted = flat(got), flat(want)
    assert len(parts) == len(wanted), f"{label}: {len(parts)} results, expected {len(wanted)}"
    for mine, other in zip(parts, wanted):
        if isinstance(other, torch.Tensor):
            assert isinstance(mine, gpudl.Tensor), f"{label}: a {type(mine).__name__}, expected a Tensor"
            assert mine.requires_grad == other.requires_grad, f"{label}: requires_grad is {mine.requires_grad}"
            assert_close(host(mine), host(other), label, slack)
        else:
            assert type(mine) is type(other), f"{label}: {mine!r}, expected {other!r}"
            assert mine == other or other != other, f"{label}: {mine!r}, expected {other!r}"


def projection(results: list[Any], seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Random arrays like these tensors: what a gradient is projected on."""
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.uniform(-1, 1, tuple(y.shape)), host(y).dtype) for y in results]


def gradients(lib: Any, results: list[Any], inputs: list[Any], weights: list[Any], **settings: Any) -> list[Any]:
    """The gradients of the weighted sum of the results with respect to each input; zeros where there is none."""
    return list(lib.autograd.grad(results, inputs, weights, allow_unused=True, materialize_grads=True, **settings))


def check_gradients(got: Any, want: Any, mine: list[Any], other: list[Any], label: str, slack: float = 1.0) -> None:
    """The first gradients of two outcomes agree."""
    outputs, wanted = differentiable(got), differentiable(want)
    assert len(outputs) == len(wanted), f"{label}: {len(outputs)} results require grad, expected {len(wanted)}"
    if not wanted:
        return
    weights = projection(wanted)
    place = outputs[0].device
    leaves, others = differentiable(mine), differentiable(other)
    grads = gradients(gpudl, outputs, leaves, [ours(w, place) for w in weights], retain_graph=True)
    expected = gradients(torch, wanted, others, [theirs(w) for w in weights])
    for number, (dx, twin) in enumerate(zip(grads, expected)):
        assert_close(host(dx), host(twin), f"{label}: gradient of input {number}", slack, [y.dtype for y in outputs])
