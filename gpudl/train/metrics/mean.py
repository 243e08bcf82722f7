"""Means: of losses and other numbers, and of what a function says of outputs and targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import float64
from gpudl.backend.errors import ShapeError
from gpudl.ops.create import tensor
from gpudl.ops.elementwise import where
from gpudl.train.metrics.base import Sums, undefined

__all__ = ["FunctionMetric", "MeanMetric"]


class _Mean(Sums):
    def _add(self, value: Any, weight: Any) -> None:
        value = value.detach() if isinstance(value, Tensor) else tensor(value, dtype=float64, device=self._device)
        value = value.double()
        if isinstance(weight, Tensor) and weight.ndim and weight.shape != value.shape:
            raise ShapeError(f"{self.name}: values {value.shape} and weights {weight.shape} differ")
        weights = weight.double() if isinstance(weight, Tensor) else value.new_full((), weight)
        weights = weights.expand(value.shape)
        # A weight of 0 leaves out what is not finite, too.
        self.add("total", where(weights == 0, 0.0, value * weights).sum())
        self.add("weight", weights.sum())

    def compute(self) -> Tensor:
        """The mean, 0-d float64; nan if there were no values."""
        if not self.state:
            return undefined()
        weight = self.state["weight"]
        return self.state["total"] / where(weight == 0, math.nan, weight)


class MeanMetric(_Mean):
    """The weighted mean of numbers, such as losses of batches, summed in float64 where they are.

    Args:
        name: in logs, default "mean".
    """

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name or "mean")

    @no_grad()
    def update(self, value: Any, weight: Any = 1) -> None:
        """Add values.

        Args:
            value: a Tensor of any shape, or a number.
            weight: what each value weighs, such as the number of samples in a batch: a number, or a Tensor of the
                values' shape.
        Raises: ShapeError for weights of another shape.
        """
        self._add(value, weight)


class FunctionMetric(_Mean):
    """The mean over samples of what a function says of outputs and targets.

    Args:
        function: (output, target) -> a Tensor with a value for each sample (or each element), or one number, the mean
            of the batch.
        name: in logs, default the function's.
    """

    def __init__(self, function: Callable[[Any, Any], Any], *, name: str | None = None) -> None:
        super().__init__(name or getattr(function, "__name__", None) or type(function).__name__)
        self.function = function

    @no_grad()
    def update(self, output: Any, target: Any) -> None:
        """Call the function and add its values; one number stands for all samples, as many as the target is long."""
        values = self.function(output, target)
        single = not isinstance(values, Tensor) or values.ndim == 0
        self._add(values, len(target) if single and not (isinstance(target, Tensor) and target.ndim == 0) else 1)
