"""The mean of the losses over the samples of an epoch, summed on the device and read once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.device import guarded
from gpudl.nn import CrossEntropyLoss, NLLLoss
from gpudl.ops.create import as_tensor
from gpudl.ops.shape import stack
from gpudl.train.feeding import samples_in

_TOGETHER = 64
"""How many losses are added at once: one by one, the additions would cost more than all else that fit does."""

Number = Any
"""A number, or a 0-d Tensor where only the device knows it."""


def is_sum(loss: Any) -> bool:
    """Whether the loss of a batch is the sum over its samples, not the mean."""
    return getattr(loss, "reduction", "mean") == "sum"


def factor_and_count(loss: Any, batch: Any) -> tuple[Number, Number]:
    """What the loss of a batch is multiplied by, and what it counts for, in the mean over the samples of many batches.

    The sum of loss * factor, divided by the sum of the counts, is the loss of one batch of all the samples. The count
    is what the loss divides by: for CrossEntropyLoss and NLLLoss the sum of the weights of the targets that are not
    ignored, else the number of samples. A loss that is a sum has the factor 1.

    Args:
        loss: its `reduction` is "mean" or "sum"; "mean" where it has none.
        batch: on the device; its last part are the targets.
    """
    if is_sum(loss):
        return 1, samples_in(batch)
    weight: Number = None
    if isinstance(loss, (CrossEntropyLoss, NLLLoss)) and isinstance(batch, (list, tuple)):
        target = batch[-1]
        if isinstance(target, Tensor) and target.dtype.kind in "iu":
            weight = _kept(target, loss)
    weight = samples_in(batch) if weight is None else weight
    return weight, weight


def _kept(target: Tensor, loss: CrossEntropyLoss | NLLLoss) -> Number:
    """The sum of the weights of the targets that are not ignored."""
    if loss.weight is not None:
        kept = target != loss.ignore_index
        return (loss.weight[target * kept] * kept).sum()
    with guarded(target.array):  # of bare arrays, since this is done at every step: ten times as fast on the CPU
        count = (target.array != loss.ignore_index).sum()
    return int(count) if isinstance(count, np.generic) else wrap(count, None)


class UnknownLogError(KeyError):
    """A value of the logs was asked for that is not among them."""

    def __str__(self) -> str:  # KeyError would show the message in quotes
        return str(self.args[0])


class Mean:
    """A weighted mean of 0-d Tensors, in float64, which loses nothing over many batches.

    Nothing here waits for the device but `value`.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Of nothing, again."""
        self._total: Number = 0.0
        self._count: Number = 0
        self._pending: list[tuple[Tensor, Number, Number]] = []

    def add(self, value: Tensor, factor: Number, count: Number) -> None:
        """Add value * factor to the sum, and count to what it is divided by."""
        self._pending.append((value, factor, count))
        if len(self._pending) == _TOGETHER:
            self._total, self._count = self._sums()
            self._pending = []

    def value(self) -> float:
        """The mean; nan of nothing. Waits for the device."""
        total, count = map(as_float, self._sums())
        return total / count if count else float("nan")

    def so_far(self) -> Tensor | None:
        """The mean as a Tensor on the device, which nothing waits for; None of nothing."""
        total, count = self._sums()
        return total / count if isinstance(total, Tensor) else None

    def is_empty(self) -> bool:
        """Whether nothing was added."""
        return not self._pending and isinstance(self._total, float)

    def state_dict(self) -> dict[str, Any]:
        """The sums, and what has not been added yet, so that going on gives the same bits."""
        return {"total": self._total, "count": self._count, "pending": list(self._pending)}

    def load_state_dict(self, state_dict: dict[str, Any], device: Any) -> None:
        """Take over what state_dict gave, on a device."""

        def here(value: Number) -> Number:
            return value.to(device) if isinstance(value, Tensor) else value

        self._total, self._count = here(state_dict["total"]), here(state_dict["count"])
        self._pending = [(here(value), here(factor), here(count)) for value, factor, count in state_dict["pending"]]

    def _sums(self) -> tuple[Number, Number]:
        if not self._pending:
            return self._total, self._count
        values, factors, counts = zip(*self._pending)
        with no_grad():
            losses = stack(list(values)).double()
            return self._total + (losses * _joined(factors, losses)).sum(), self._count + _summed(counts)


def as_float(value: Number) -> float:
    """A number, copied from the device on purpose."""
    return float(value.cpu()) if isinstance(value, Tensor) else float(value)


def _joined(numbers: tuple[Number, ...], like: Tensor) -> Number:
    if isinstance(numbers[0], Tensor):
        return stack(list(numbers)).double()
    if all(number == numbers[0] for number in numbers):
        return float(numbers[0])
    return as_tensor([float(number) for number in numbers], dtype="float64").to(like.device)


def _summed(numbers: tuple[Number, ...]) -> Number:
    return stack(list(numbers)).sum() if isinstance(numbers[0], Tensor) else sum(numbers)


def values_of(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What metrics have computed: numbers as floats, entries of dicts as name_key, others as Tensors on the CPU."""
    values: dict[str, Any] = {}
    for name, metric in metrics.items():
        result = metric.compute()
        parts = (
            {f"{name}_{key}": value for key, value in result.items()} if isinstance(result, dict) else {name: result}
        )
        for key, value in parts.items():
            whole = isinstance(value, Tensor) and value.ndim
            values[key] = value.cpu() if whole else as_float(value)
    return values


def scalars(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among what metrics have computed."""
    return {name: value for name, value in values_of(metrics).items() if isinstance(value, float)}


def monitored(logs: Mapping[str, float], name: str | None, who: str) -> float:
    """A value of the logs; without a name that of the validation's loss, or else of the loss.

    Raises: UnknownLogError naming what there is.
    """
    if name is None:
        name = "val_loss" if "val_loss" in logs else "loss"
    if name not in logs:
        raise UnknownLogError(f"{who}: {name!r} is not among the logs: {', '.join(logs)}")
    return logs[name]


def scores_of(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among what an evaluation gave."""
    return {name: value for name, value in values.items() if isinstance(value, float)}
