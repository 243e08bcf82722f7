"""Matrix products and the rest of linear algebra as methods."""

from __future__ import annotations

from gpudl.ops.matmul import matmul, rmatmul


class LinalgMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    __matmul__ = matmul = matmul
    __rmatmul__ = rmatmul
