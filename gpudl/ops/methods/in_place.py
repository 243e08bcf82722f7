"""The in-place form of an operation, whose name ends in _."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.inplace import assign
from gpudl.autograd.tensor import Tensor
from gpudl.ops import cast

ALL, OTHERS = slice(None), slice(1, None)


def in_place(name: str, operation: Callable[..., Tensor], reread_for: slice | None = None) -> Callable[..., Tensor]:
    """`operation` with its result written over its first argument.

    Args:
        name: the method's, for messages.
        operation: the function that the method is the in-place form of.
        reread_for: ALL or OTHERS: if one of those arguments requires grad, its gradient needs the first one's old
            values, which are copied before they are overwritten. None where the result alone is needed.
    """

    def change(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        source = self
        if reread_for is not None and mode.enabled:
            wanting = (self, *args, *kwargs.values())[reread_for]
            if any(isinstance(each, Tensor) and each.requires_grad for each in wanting):
                source = cast.clone(self)
        return assign(self, operation(source, *args, **kwargs), name)

    change.__name__ = name
    change.__doc__ = f"{operation.__name__}, in place; returns the tensor. Errors also as autograd.inplace.assign."
    return change
