"""Reading and writing by index and mask, sorting and searching as methods."""

from __future__ import annotations

from typing import Any, cast

from gpudl.autograd.tensor import Tensor
from gpudl.ops import elementwise, index
from gpudl.ops.methods.in_place import in_place


class IndexMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    __getitem__ = index.getitem
    __setitem__ = index.setitem
    masked_fill = elementwise.masked_fill
    masked_fill_ = in_place("masked_fill_", elementwise.masked_fill)

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """This tensor where the condition holds, else `other`."""
        return elementwise.where(condition, cast(Tensor, self), other)
