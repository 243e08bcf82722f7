"""What Python asks of an object: length, iteration, truth, conversion to a number, text; and backward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gpudl.autograd.functional import backward
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import is_on_host, to_host
from gpudl.backend.dtypes import get_default_dtype
from gpudl.ops import comparison, index


class PythonMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: Any
        device: Any
        requires_grad: Any
        grad_fn: Any

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Accumulate into `.grad` of the leaves the derivative of this tensor; see gpudl.autograd.backward."""
        backward((cast(Tensor, self),), (gradient,), retain_graph, create_graph, inputs)

    def __len__(self) -> Any:
        if not self.array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self.array.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.array.ndim:
            raise TypeError("a 0-d tensor cannot be iterated over")
        return (index.getitem(cast(Tensor, self), i) for i in range(self.array.shape[0]))

    def __contains__(self, value: Any) -> Any:
        return bool(to_host(comparison.eq(cast(Tensor, self), value).array).any())

    def __bool__(self) -> Any:
        if self.array.size != 1:
            raise RuntimeError(f"the truth value of {self.array.size} elements is ambiguous; use any() or all()")
        return bool(to_host(self.array))

    def __float__(self) -> Any:
        return float(to_host(self.array).item())

    def __int__(self) -> Any:
        return int(to_host(self.array).item())

    def __index__(self) -> Any:
        if self.array.dtype.kind not in "iub" or self.array.size != 1:
            raise TypeError(f"only one integer can be an index, not {self.array.dtype} of shape {self.array.shape}")
        return int(to_host(self.array).item())

    def __format__(self, spec: str) -> str:
        if self.array.ndim:
            return format(repr(self), spec)
        return format(to_host(self.array).item(), spec)

    def __repr__(self) -> str:
        host = to_host(self.array)
        shown = host.astype(np.float32) if host.dtype.kind == "V" else host  # NumPy prints bfloat16 by eight digits
        text = np.array2string(
            shown, separator=", ", prefix="tensor(", precision=4, floatmode="maxprec", threshold=1000
        )
        extra = [] if host.dtype in (get_default_dtype(), np.int64, np.bool_) and host.size else [f"dtype={host.dtype}"]
        if not host.size:
            extra.insert(0, f"size={host.shape}")
        if not is_on_host(self.array):
            extra.insert(0, f"device='{self.device}'")
        if self.grad_fn is not None:
            extra.append(f"grad_fn={self.grad_fn!r}")
        elif self.requires_grad:
            extra.append("requires_grad=True")
        return f"tensor({', '.join([text, *extra])})"
