"""Which learning rate to train with, from one short run through all of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.nn.uninitialized import is_lazy
from gpudl.optim.lr_scheduler.base import write
from gpudl.train.feeding import batches_from, loader_of
from gpudl.train.means import as_float
from gpudl.train.state import restore, state_of
from gpudl.train.update import update

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer

_SMOOTHING = 0.9


@dataclass(frozen=True)
class FoundRates:
    """What find_lr has seen.

    Attributes:
        lrs: the rates that were tried, rising.
        losses: the loss at each, smoothed.
        suggestion: the rate where the loss falls fastest, a good one to train with; None if it never fell.
    """

    lrs: list[float]
    losses: list[float]
    suggestion: float | None


def find_lr(
    trainer: Trainer,
    train: Any,
    *,
    start: float = 1e-6,
    end: float = 1.0,
    steps: int = 100,
    batch_size: int = 32,
    stop_at: float = 4.0,
) -> FoundRates:
    """Trainer.find_lr, which says what it does."""
    if not 0 < start < end:
        raise ValueError(f"find_lr: expected 0 < start < end, got {start!r} and {end!r}")
    if steps < 2:
        raise ValueError(f"find_lr: steps must be 2 or more, got {steps!r}")
    if any(map(is_lazy, trainer.model.parameters())):
        raise ValueError("find_lr: the model has parameters without a shape yet; run a batch through it before")
    loader = loader_of(train, batch_size, shuffle=True)
    before = copy.deepcopy(state_of(trainer)), trainer.ema_decay, trainer.loss_value
    modes = [(module, module.training) for module in trainer.model.modules()]
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    trainer.ema_decay = None
    if not trainer.model.training:
        trainer.model.train()
    try:
        for number, group in enumerate(islice(_groups(loader, trainer.accumulate), steps)):
            rate = start * (end / start) ** (number / (steps - 1))
            for settings in trainer.optimizer.param_groups:
                write(settings, "lr", rate)
            update(trainer, group)
            assert trainer.loss_value is not None
            average = _SMOOTHING * average + (1 - _SMOOTHING) * as_float(trainer.loss_value)
            smoothed = average / (1 - _SMOOTHING ** (number + 1))
            if not math.isfinite(smoothed) or smoothed > stop_at * min([*losses, smoothed]):
                break
            rates.append(rate)
            losses.append(smoothed)
    finally:
        state, trainer.ema_decay, trainer.loss_value = before
        trainer.optimizer.zero_grad()
        stepped = trainer.optimizer._opt_called and state["counts"]["step"] > 0
        restore(trainer, state)
        trainer.optimizer._opt_called = stepped
        for module, mode in modes:
            module.training = mode
    return FoundRates(rates, losses, _steepest(rates, losses))


def _groups(loader: Any, size: int) -> Iterator[list[Any]]:
    """Batches in groups, epoch after epoch. Raises: ValueError if an epoch has none."""
    for epoch in count():
        batches = batches_from(loader, epoch, 0)
        group = list(islice(batches, size))
        if not group:
            raise ValueError(f"find_lr: the data gives no batch in epoch {epoch + 1}")
        while group:
            yield group
            group = list(islice(batches, size))


def _steepest(rates: list[float], losses: list[float]) -> float | None:
    """The rate where the loss falls fastest over the logarithm of the rate; None where it falls nowhere."""
    if len(rates) < 3:
        return None
    slopes = np.gradient(losses, np.log(rates))
    lowest = int(slopes.argmin())
    return rates[lowest] if slopes[lowest] < 0 else None
