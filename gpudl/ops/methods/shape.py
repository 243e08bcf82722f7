"""Shapes and views as methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.ops import shape
from gpudl.ops.operands import one_dim


class ShapeMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: Any

    reshape = shape.reshape
    view = shape.view
    flatten = shape.flatten
    permute = shape.permute
    transpose = shape.transpose
    swapaxes = shape.transpose
    t = shape.t
    squeeze = shape.squeeze
    unsqueeze = shape.unsqueeze
    expand = shape.expand
    broadcast_to = shape.broadcast_to

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order, a view."""
        return shape.permute(cast(Tensor, self), tuple(reversed(range(self.array.ndim))))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions exchanged, a view."""
        if self.array.ndim < 2:
            raise ShapeError(f"mT: expected matrices, got shape {self.array.shape}")
        return shape.transpose(cast(Tensor, self), -2, -1)

    def expand_as(self, other: Tensor) -> Tensor:
        """Expanded to the shape of another."""
        return shape.expand(cast(Tensor, self), other.shape)

    def view_as(self, other: Tensor) -> Tensor:
        """A view with the shape of another."""
        return shape.view(cast(Tensor, self), other.shape)

    def numel(self) -> Any:
        """The number of elements."""
        return self.array.size

    def dim(self) -> Any:
        """The number of dimensions."""
        return self.array.ndim

    def size(self, dim: Any = None) -> Any:
        """The shape, or the length of one dimension."""
        return self.array.shape if dim is None else self.array.shape[one_dim("size", dim, self.array.ndim)]
