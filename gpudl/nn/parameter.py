"""Parameter: a tensor that a Module trains, and Buffer: one that it only keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.inplace import require_writable
from gpudl.autograd.slots import joined
from gpudl.autograd.tensor import Tensor, adopt, like
from gpudl.backend.device import guarded
from gpudl.ops.create import zeros


class Parameter(Tensor):
    """A tensor that registers itself when it is assigned to an attribute of a Module.

    Args:
        data: the values, shared and not copied; default: an empty tensor.
        requires_grad: whether it is trained.
    Raises: TypeError if data is no Tensor; RuntimeError if it requires grad and is not floating point.
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Any:
        return adopt(cls, _values(data, "Parameter").detach()).requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        # Unlike a Tensor's, a Parameter's copy has no gradient, as in PyTorch: a copied model starts untrained steps.
        memo[id(self)] = copied = like(self, self.array.copy())
        return copied

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that registers itself as a buffer when it is assigned to an attribute of a Module.

    Args:
        data: the values, shared and not copied; default: an empty tensor.
        persistent: whether state_dict has it.
    Raises: TypeError if data is no Tensor.
    """

    persistent = True

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        buffer: Any = adopt(cls, _values(data, "Buffer").detach())
        buffer.persistent = persistent
        return buffer

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copied: Any = super().__deepcopy__(memo)
        copied.persistent = self.persistent
        return copied  # type: ignore[no-any-return]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return *super().__reduce_ex__(protocol), {"persistent": self.persistent}


def _values(data: Any, kind: str) -> Tensor:
    if data is None:
        return zeros(0)
    if not isinstance(data, Tensor):
        given = type(data).__name__
        raise TypeError(f"a {kind} is made of a Tensor, got {given}; gpudl.tensor(...) makes one of numbers")
    return data


def clear_grads(parameters: Iterable[Tensor], set_to_none: bool) -> None:
    """Drop the gradients, or fill them with 0 in place, whatever graph they have cut off."""
    if set_to_none:
        for parameter in parameters:
            parameter._grad = None
        return
    arrays = []
    with no_grad():
        for parameter in parameters:
            gradient = parameter._grad
            if gradient is not None:
                if gradient.requires_grad:
                    parameter._grad = gradient = gradient.detach()
                require_writable(gradient, "zero_grad")
                if gradient._version is not None:
                    gradient._version[0] += 1
                arrays.append(gradient.array)
    for array in joined(arrays):
        with guarded(array):
            array[...] = 0
