"""One update of a Trainer: the gradients of one or several batches, and a step of the optimizer."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gpudl
from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import OutOfMemoryError
from gpudl.nn.batch_norm import _BatchNorm
from gpudl.nn.utils import clip_grad_norm_, clip_grad_value_
from gpudl.random.seed import numbering, renumber
from gpudl.train.feeding import moved, pieces_of, samples_in
from gpudl.train.means import Number, factor_and_count, is_sum

if TYPE_CHECKING:
    from gpudl.train.trainer import Trainer

Count = Callable[[Any, Any, Tensor, Number, Number], None]
"""What is done with each batch, its output, its loss, and that one's factor and count."""


def update(trainer: Trainer, batches: Sequence[Any]) -> None:
    """A step of the optimizer on the mean loss over the samples of all the batches, as on one large batch."""
    optimizer, scaler = trainer.optimizer, trainer.scaler
    batches = [moved(batch, trainer.device) for batch in batches]
    if optimizer.needs_closure:
        counts = [trainer._count]

        def closure() -> Tensor:  # of its several calls, the first is at the weights that the step starts from
            return gradients(trainer, batches, counts.pop() if counts else _ignore)

        trainer.loss_value = optimizer.step(closure).detach()
    else:
        trainer.loss_value = gradients(trainer, batches, trainer._count)
        if trainer.clip_grad_norm is not None or trainer.clip_grad_value is not None:
            _clip(trainer)
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()
    if trainer.ema_decay is not None:
        trainer._averaged().update_parameters(trainer.model)


def gradients(trainer: Trainer, batches: Sequence[Any], count: Count) -> Tensor:
    """Compute the gradients of the mean loss, in pieces of the batches if the trainer cuts them.

    Where memory is spent, and the trainer may look for a size, the pieces are halved and all begins anew.

    Returns: (), the mean loss, without a graph.
    """
    size = trainer.micro_batch_size
    pieces = batches if size is None else [piece for batch in batches for piece in pieces_of(batch, size)]
    if trainer.micro_batch != "auto":
        return _gradients(trainer, pieces, count)
    # What a forward pass changes is kept, so that one which fails leaves no trace.
    random, buffers = numbering(), [(buffer, buffer.clone()) for buffer in trainer.model.buffers()]
    seen: list[tuple[Any, Any, Tensor, Number, Number]] = []
    try:
        loss = _gradients(trainer, pieces, lambda *each: seen.append(each))
    except OutOfMemoryError as error:
        largest, said = max(map(samples_in, pieces)), str(error)
        if largest == 1:
            raise
    else:
        for each in seen:
            count(*each)
        return loss
    # Not in the except clause, where the error's traceback would still hold the graph, and with it the memory.
    trainer.micro_batch_size = (largest + 1) // 2
    seen.clear()
    trainer.optimizer.zero_grad()
    renumber(random)
    with no_grad():
        for buffer, before in buffers:
            buffer.copy_(before)
    gc.collect()
    gpudl.cuda.empty_cache()
    norm = "; batch norm has the statistics of these" if _has_batch_norm(trainer) else ""
    print(f"{said}: goes on with {trainer.micro_batch_size} samples at a time{norm}", file=sys.stderr, flush=True)
    return gradients(trainer, batches, count)


def _gradients(trainer: Trainer, batches: Sequence[Any], count: Count) -> Tensor:
    trainer.optimizer.zero_grad()
    weights = [factor_and_count(trainer.loss, batch) for batch in batches]
    total = sum(count for _, count in weights[1:]) + weights[0][1]
    whole: Any = None
    for batch, (factor, size) in zip(batches, weights, strict=True):
        loss, output = trainer._loss_and_output(batch)
        part = loss * (factor / total) if len(batches) > 1 and not is_sum(trainer.loss) else loss
        (part if trainer.scaler is None else trainer.scaler.scale(part)).backward()
        whole = part.detach() if whole is None else whole + part.detach()
        count(batch, output, loss.detach(), factor, size)
    return whole  # type: ignore[no-any-return]


def _clip(trainer: Trainer) -> None:
    parameters = [parameter for group in trainer.optimizer.param_groups for parameter in group["params"]]
    if trainer.scaler is not None:
        trainer.scaler.unscale_(trainer.optimizer)
    if trainer.clip_grad_value is not None:
        clip_grad_value_(parameters, trainer.clip_grad_value)
    if trainer.clip_grad_norm is not None:
        clip_grad_norm_(parameters, trainer.clip_grad_norm)


def _has_batch_norm(trainer: Trainer) -> bool:
    return any(isinstance(module, _BatchNorm) for module in trainer.model.modules())


def _ignore(*arguments: Any) -> None:
    """The loss of another call of a closure counts for nothing."""
