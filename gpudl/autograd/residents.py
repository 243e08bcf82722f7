"""What the arrays of tensors and graphs are for, as an out-of-memory error tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Leaf, Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.residents import register_labeler


# type() and getattr, since an object may be half made, and a weak proxy to something gone raises if it is asked.
def _of_graphs(value: Any) -> Iterator[tuple[str, Array]]:
    if issubclass(type(value), Primitive):
        for saved in getattr(value, "saved", None) or ():
            yield "saved for backward", saved


def _of_tensors(value: Any) -> Iterator[tuple[str, Array]]:
    if issubclass(type(value), Tensor):
        yield "other tensors", getattr(value, "array", None)


def _of_leaves(value: Any) -> Iterator[tuple[str, Array]]:
    if issubclass(type(value), Tensor) and isinstance(getattr(value, "_node", None), Leaf):
        yield "parameters", value.array


def _of_gradients(value: Any) -> Iterator[tuple[str, Array]]:
    gradient = getattr(value, "_grad", None) if issubclass(type(value), Tensor) else None
    if gradient is not None:
        yield "gradients", gradient.array


for labeler in (_of_tensors, _of_graphs, _of_gradients, _of_leaves):
    register_labeler(labeler)
