"""Optimizers' state, as an out-of-memory error tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.residents import register_labeler
from gpudl.optim.optimizer import Optimizer


def _of_optimizers(value: Any) -> Iterator[tuple[str, Array]]:
    if issubclass(type(value), Optimizer):
        for state in value.state.values():
            for kept in state.values():
                if isinstance(kept, Tensor):
                    yield "optimizer state", kept.array


register_labeler(_of_optimizers)
