"""Parameter: a tensor that a Module trains."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.tensor import Tensor, adopt
from gpudl.ops.create import zeros


class Parameter(Tensor):
    """A tensor that registers itself when it is assigned to an attribute of a Module.

    Args:
        data: the values, shared and not copied; default: an empty tensor.
        requires_grad: whether it is trained.
    Raises: TypeError if data is no Tensor.
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Any:
        values = zeros(0) if data is None else data
        if not isinstance(values, Tensor):
            raise TypeError(f"a Parameter is made of a Tensor, got {type(values).__name__}")
        return adopt(cls, values.detach()).requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
