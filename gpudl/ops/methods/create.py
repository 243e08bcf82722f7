"""New tensors like a tensor, and filling one in place, as methods."""

from __future__ import annotations

from typing import Any, cast

from gpudl.autograd.inplace import assign
from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.ops import create


class CreationMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    new_full = create.new_full

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None) -> Tensor:
        """Zeros in a shape of their own, with this tensor's dtype and device unless given."""
        return create.new_full(cast(Tensor, self), create.lengths_of(size), 0, dtype=dtype, device=device)

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None) -> Tensor:
        """Ones in a shape of their own, with this tensor's dtype and device unless given."""
        return create.new_full(cast(Tensor, self), create.lengths_of(size), 1, dtype=dtype, device=device)

    def fill_(self, value: Any) -> Tensor:
        """Every element set to a number or a 0-d tensor, in place."""
        tensor = cast(Tensor, self)
        filler = value.to(tensor.dtype) if isinstance(value, Tensor) else create.new_full(tensor, (), value)
        if filler.ndim:
            raise ShapeError(f"fill_: expected a number or a 0-d tensor, got shape {filler.shape}")
        return assign(tensor, filler, "fill_", replace=True)

    def zero_(self) -> Tensor:
        """Every element set to 0, in place."""
        return assign(cast(Tensor, self), create.new_full(cast(Tensor, self), (), 0), "zero_", replace=True)

    def copy_(self, source: Tensor) -> Tensor:
        """The values of another tensor, which broadcasts, is cast and moved, in place."""
        tensor = cast(Tensor, self)
        return assign(tensor, source.to(tensor.dtype).to(tensor.device), "copy_", replace=True)
