"""New tensors like a tensor, and filling one in place, with a value or with random numbers, as methods."""

from __future__ import annotations

from typing import Any, cast

from gpudl.autograd.inplace import assign
from gpudl.autograd.tensor import Tensor
from gpudl.ops import create, distributions, overwrite


class CreationMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    new_full = create.new_full
    fill_ = create.fill_
    fill_diagonal_ = create.fill_diagonal_

    bernoulli = distributions.bernoulli
    multinomial = distributions.multinomial
    bernoulli_ = overwrite.bernoulli_
    cauchy_ = overwrite.cauchy_
    exponential_ = overwrite.exponential_
    geometric_ = overwrite.geometric_
    log_normal_ = overwrite.log_normal_
    normal_ = overwrite.normal_
    random_ = overwrite.random_
    uniform_ = overwrite.uniform_

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """A tensor with a copy of the data, with this tensor's dtype and device unless given; see gpudl.tensor."""
        own = cast(Tensor, self)
        kind = own.dtype if dtype is None else dtype
        place = own.device if device is None else device
        return create.tensor(data, dtype=kind, device=place, requires_grad=requires_grad)

    def new_empty(self, *args: Any, size: Any = None, **settings: Any) -> Tensor:
        """As gpudl.empty, with this tensor's dtype and device unless given."""
        return create.new_full(cast(Tensor, self), create.lengths_of(args, size), 0, **settings)

    def new_zeros(self, *args: Any, size: Any = None, **settings: Any) -> Tensor:
        """Zeros in a shape of their own, with this tensor's dtype and device unless given."""
        return create.new_full(cast(Tensor, self), create.lengths_of(args, size), 0, **settings)

    def new_ones(self, *args: Any, size: Any = None, **settings: Any) -> Tensor:
        """Ones in a shape of their own, with this tensor's dtype and device unless given."""
        return create.new_full(cast(Tensor, self), create.lengths_of(args, size), 1, **settings)

    def zero_(self) -> Tensor:
        """Every element set to 0, in place."""
        return create.fill_(cast(Tensor, self), 0)

    def copy_(self, src: Tensor, non_blocking: bool = False) -> Tensor:
        """The values of another tensor, which broadcasts, is cast and moved, in place.

        Args:
            src: the other tensor.
            non_blocking: as in to().
        """
        tensor = cast(Tensor, self)
        moved = src.to(tensor.dtype).to(tensor.device, non_blocking=non_blocking)
        return assign(tensor, moved, "copy_", replace=True)
