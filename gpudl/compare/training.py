"""The first steps of a training, the same on several devices."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import CPU, Device, transfer
from gpudl.compare.implicit import Implicit, implicit_work
from gpudl.compare.measure import is_floating
from gpudl.nn.module import Module
from gpudl.nn.mult_adds import tensors_in
from gpudl.nn.utils.rnn import PackedSequence
from gpudl.ops.shape import reshape
from gpudl.optim import SGD, Optimizer
from gpudl.train import Callback, Trainer

Step = Callable[[Module, Optimizer, Any], Tensor]
"""A step of a training: from model, optimizer and batch to the loss before the step."""

MakeTrainer = Callable[[Module, Device], Trainer]
"""Makes a Trainer for a copy of the model on a device."""

MakeOptimizer = Callable[[Module], Optimizer]


def each_tensor(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same with `change` of each Tensor, also in tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {name: each_tensor(each, change) for name, each in value.items()}
    if isinstance(value, PackedSequence):  # its lengths stay on the host
        data, lengths, *orders = value
        return PackedSequence(change(data), lengths, *(each_tensor(each, change) for each in orders))
    if isinstance(value, (list, tuple)):
        parts = [each_tensor(each, change) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def moved(value: Any, place: Device) -> Any:
    """Copies of Tensors, also in tuples, lists and dicts, on a device, without history."""

    def there(tensor: Tensor) -> Tensor:
        return tensor.detach().to(place, copy=True).requires_grad_(tensor.requires_grad)

    return each_tensor(value, there)


def copied(module: Any, place: Device) -> Any:
    """A copy of a module on a device; of what is none, itself."""
    return copy.deepcopy(module).to(place) if isinstance(module, Module) else module


def usual_optimizer(model: Module) -> Optimizer:
    """What trains a model where nothing is said: SGD of what is to be trained, lr=0.01."""
    return SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.01)


def mean_square(output: Any) -> Tensor:
    """What is made small where there is no loss: the mean of the squares of all results that have gradients, or of all
    that could."""
    floats = [each for each in tensors_in(output) if is_floating(each.dtype)]
    wanted = [each for each in floats if each.requires_grad] or floats
    if not wanted:
        raise ValueError("compare: no result of the model is a floating Tensor to make a loss of; ask for no steps")
    parts = [reshape(each.square().mean(), (1,)) for each in wanted]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total.sum()


def losses_of(
    model: Module,
    loss: Any,
    batches: Iterable[Any],
    place: Device,
    optimizer: MakeOptimizer | None,
    step: Step | None,
) -> tuple[tuple[float, ...], tuple[Implicit, ...]]:
    """Train a copy of a model on a device.

    Args:
        loss: of output and target; None for mean_square.
        batches: (inputs..., target) or, without a loss, (inputs...), on the host.
        optimizer: makes it for the copy; None for the usual one, and none for a model with nothing to train.
        step: what to do with a batch; None for forward, backward and the optimizer's step.
    Returns: the losses before the steps, and what was transferred or waited for without being asked for.
    """
    here, its_loss = copied(model, place), copied(loss, place)
    made: Any = None
    if optimizer is not None or step is not None or any(each.requires_grad for each in here.parameters()):
        made = (optimizer or usual_optimizer)(here)
    losses = []

    def plain(model: Module, optimizer: Optimizer | None, batch: Any) -> Tensor:
        def value_of() -> Tensor:
            if optimizer is not None:
                optimizer.zero_grad()
            if its_loss is None:
                value = mean_square(model(*batch))
            else:
                *inputs, target = batch
                output = model(*inputs)
                value = its_loss(output) if target is None else its_loss(output, target)
            if value.requires_grad:
                value.backward()
            return value

        if optimizer is not None and optimizer.needs_closure:
            return optimizer.step(value_of)  # type: ignore[no-any-return]
        value = value_of()
        if optimizer is not None:
            optimizer.step()
        return value

    run = step or plain
    with implicit_work() as found:
        for batch in batches:
            losses.append(_kept(run(here, made, moved(batch, place))))
    return _numbers(losses), tuple(found)


def losses_of_trainer(
    model: Module, batches: Iterable[Any], place: Device, trainer: MakeTrainer, steps: int
) -> tuple[tuple[float, ...], tuple[Implicit, ...]]:
    """Train a copy of a model on a device as a Trainer does: with its schedule, clipping, averages and all else.

    Args:
        batches: as Trainer.fit takes them.
        steps: of the optimizer.
    Returns: as losses_of.
    """
    made, watch = trainer(copied(model, place), place), _Watch(steps)
    made.callbacks.append(watch)
    with implicit_work() as found, contextlib.suppress(_EnoughError):
        made.fit(batches, epochs=steps, quiet=True)
    return _numbers(watch.losses), tuple(found)


class _EnoughError(Exception):
    """All steps are done; on its way out of Trainer.fit."""


class _Watch(Callback):
    """Keeps the losses of so many steps, and then ends the training."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.losses: list[Tensor] = []

    def on_step_end(self, trainer: Trainer) -> None:
        """Keep one."""
        assert trainer.loss_value is not None
        self.losses.append(_kept(trainer.loss_value))
        if len(self.losses) == self.steps:
            raise _EnoughError


def _kept(value: Tensor) -> Tensor:
    with no_grad():  # a copy: the next step may reuse its memory
        return value.detach().clone()


def _numbers(losses: Iterable[Tensor]) -> tuple[float, ...]:
    return tuple(float(transfer(each.array, CPU)) for each in losses)


def first_batches(batches: Iterable[Any], count: int) -> list[Any]:
    """So many batches, from the beginning again where there are fewer."""
    found: list[Any] = []
    while len(found) < count:
        before = len(found)
        found += islice(iter(batches), count - before)
        if len(found) == before:
            raise ValueError("compare: there is no batch")
    return found
