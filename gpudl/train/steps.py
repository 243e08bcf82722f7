"""What a Trainer does with a batch, and with data that nothing is learned from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gpudl import nn
from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.determinism import deterministic
from gpudl.backend.device import Device
from gpudl.backend.errors import ShapeError
from gpudl.ops.shape import cat
from gpudl.optim.swa_utils import AveragedModel
from gpudl.random.seed import numbering, renumber
from gpudl.train.feeding import batches_from, loader_of, moved
from gpudl.train.means import Mean, factor_and_count, values_of


class Steps:
    """Base of Trainer: its steps, evaluate and predict. The attributes are Trainer's."""

    model: nn.Module
    loss: Callable[[Any, Any], Tensor]
    device: Device
    ema: AveragedModel | None
    deterministic: bool | str
    _validating: dict[str, Any]

    def training_step(self, batch: Any) -> tuple[Tensor, Any]:
        """The loss of a batch: what to override. `backward` and the optimizer's step follow.

        Args:
            batch: on the device; its last part is the target, those before are the model's inputs.
        Returns: the loss, one number, and the output, for the metrics.
        """
        *inputs, target = batch
        output = self.model(*inputs)
        return self.loss(output, target), output

    def validation_step(self, batch: Any) -> tuple[Tensor, Any]:
        """The same where nothing is trained: in evaluation mode and without a graph."""
        return self.training_step(batch)

    def predict_step(self, batch: Any) -> Any:
        """The output for a batch: a Tensor, or a tuple or list, whose last part is left out as the target if it is not
        the only one."""
        if isinstance(batch, (list, tuple)):
            return self.model(*(batch if len(batch) == 1 else batch[:-1]))
        return self.model(batch)

    def evaluate(self, data: Any, *, batch_size: int = 32) -> dict[str, Any]:
        """The loss and the metrics over some data, in evaluation mode, with the averaged weights if there are some.

        Random numbers, and the training mode of each module, are as before afterwards.

        Args:
            data, batch_size: as for fit.
        Returns: numbers by name; a metric that is more than one number as a Tensor on the CPU.
        Raises: ValueError for data without a sample.
        """
        return self._evaluated(loader_of(data, batch_size), lambda: None)

    def predict(self, data: Any, *, batch_size: int = 32) -> Tensor:
        """The outputs for some data, in its order, on the CPU; otherwise as evaluate.

        Args:
            data: inputs as a Tensor or array, or data as for fit, of whose batches the targets are left out.
            batch_size: of datasets and arrays.
        Raises: ValueError for data without a sample.
        """
        with self._evaluating():
            batches = batches_from(loader_of(data, batch_size), 0, 0)
            outputs = [self.predict_step(moved(batch, self.device)).cpu() for batch in batches]
        if not outputs:
            raise ValueError("predict: the data gives no batch")
        return cat(outputs)

    def _loss_and_output(self, batch: Any) -> tuple[Tensor, Any]:
        """What training_step returns, which may be the loss alone."""
        result = self.training_step(batch)
        loss, output = result if isinstance(result, tuple) else (result, None)
        if loss.ndim:
            raise ShapeError(f"training needs a loss that is one number, this one has shape {tuple(loss.shape)}")
        return loss, output

    def _evaluated(self, loader: Iterable[Any], after_each: Callable[[], None]) -> dict[str, Any]:
        mean = Mean()
        for metric in self._validating.values():
            metric.reset()
        with self._evaluating():
            for batch in batches_from(loader, 0, 0):
                batch = moved(batch, self.device)
                result = self.validation_step(batch)
                loss, output = result if isinstance(result, tuple) else (result, None)
                mean.add(loss, *factor_and_count(self.loss, batch))
                if output is not None:
                    for metric in self._validating.values():
                        metric.update(output, batch[-1])
                after_each()
            if mean.is_empty():
                raise ValueError("evaluate: the data gives no batch")
            return {"loss": mean.value(), **values_of(self._validating)}

    @contextlib.contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Inside: evaluation mode, no graph, the averaged weights. Afterwards all is as it was, random numbers too."""
        model, random = self.model, numbering()
        if self.ema is not None:
            self.model = self.ema.module
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            with no_grad(), self._deterministic_mode():
                yield
        finally:
            for module, mode in modes:
                module.training = mode
            self.model = model
            renumber(random)

    def _deterministic_mode(self) -> contextlib.AbstractContextManager[None]:
        """Inside: deterministic mode, where that is asked for."""
        return deterministic(warn_only=self.deterministic == "warn") if self.deterministic else contextlib.nullcontext()
