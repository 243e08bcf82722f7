"""Shapes and views as methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gpudl.autograd.inplace import reshape_
from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.ops import diagonal as diagonals
from gpudl.ops import dims, rearrange, shape, sliding, view_copy
from gpudl.ops import split as parts
from gpudl.ops.methods.in_place import in_place
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
    transpose = swapaxes = swapdims = shape.transpose
    t = shape.t
    squeeze = shape.squeeze
    unsqueeze = shape.unsqueeze
    expand = dims.expand
    broadcast_to = dims.broadcast_to
    adjoint = dims.adjoint
    movedim = moveaxis = dims.movedim
    numel = nelement = dims.numel
    ravel = dims.ravel

    chunk = unsafe_chunk = parts.chunk
    dsplit = parts.dsplit
    hsplit = parts.hsplit
    narrow = parts.narrow
    select = parts.select
    split = unsafe_split = parts.split
    split_with_sizes = unsafe_split_with_sizes = parts.split_with_sizes
    tensor_split = parts.tensor_split
    unbind = parts.unbind
    vsplit = parts.vsplit
    unfold = sliding.unfold

    diag = diagonals.diag
    diag_embed = diagonals.diag_embed
    diagflat = diagonals.diagflat
    tril = diagonals.tril
    triu = diagonals.triu
    tril_ = in_place("tril_", diagonals.tril)
    triu_ = in_place("triu_", diagonals.triu)
    diagonal = diagonals.diagonal

    flip = rearrange.flip
    fliplr = rearrange.fliplr
    flipud = rearrange.flipud
    repeat = rearrange.repeat
    repeat_interleave = rearrange.repeat_interleave
    roll = rearrange.roll
    rot90 = rearrange.rot90
    tile = rearrange.tile

    diagonal_scatter = view_copy.diagonal_scatter
    narrow_copy = view_copy.narrow_copy
    select_scatter = view_copy.select_scatter
    slice_scatter = view_copy.slice_scatter

    squeeze_ = reshape_("squeeze_", shape.squeeze)
    t_ = reshape_("t_", shape.t)
    transpose_ = swapaxes_ = swapdims_ = reshape_("transpose_", shape.transpose)
    unsqueeze_ = reshape_("unsqueeze_", shape.unsqueeze)

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

    @property
    def H(self) -> Tensor:
        """A matrix transposed, a view; the same as T without complex numbers."""
        if self.array.ndim not in (0, 2):
            raise ShapeError(f"H: expected a matrix, got shape {self.array.shape}; use mH for several")
        return shape.t(cast(Tensor, self))

    @property
    def mH(self) -> Tensor:
        """As mT: there are no complex numbers."""
        return self.mT

    def unflatten(self, dim: Any, sizes: Any, *more: Any) -> Tensor:
        """One dimension as several; see gpudl.unflatten. The sizes may also be given one by one."""
        return dims.unflatten(cast(Tensor, self), dim, (sizes, *more) if isinstance(sizes, int) else sizes)

    def expand_as(self, other: Tensor) -> Tensor:
        """Expanded to the shape of another."""
        return dims.expand(cast(Tensor, self), other.shape)

    def view_as(self, other: Tensor) -> Tensor:
        """A view with the shape of another."""
        return shape.view(cast(Tensor, self), other.shape)

    def reshape_as(self, other: Tensor) -> Tensor:
        """Reshaped to the shape of another."""
        return shape.reshape(cast(Tensor, self), other.shape)

    def dim(self) -> Any:
        """The number of dimensions."""
        return self.array.ndim

    def ndimension(self) -> Any:
        """The number of dimensions."""
        return self.array.ndim

    def size(self, dim: Any = None) -> Any:
        """The shape, or the length of one dimension."""
        return self.array.shape if dim is None else self.array.shape[_place("size", dim, self.array.ndim)]

    def stride(self, dim: Any = None) -> Any:
        """How many elements of memory lie between neighbors along each dimension, or along one.

        Where a length is 0 or 1 no neighbors are there, and the number may be another than PyTorch's.
        """
        steps = tuple(step // self.array.itemsize for step in self.array.strides)
        return steps if dim is None else steps[_place("stride", dim, self.array.ndim)]


def _place(name: str, dim: Any, ndim: int) -> int:
    if not ndim:
        raise IndexError(f"{name}: a 0-d tensor has no dimensions")
    return one_dim(name, dim, ndim)
