"""Training as in Keras: compile, fit, evaluate and predict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpudl import nn
from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import Device
from gpudl.data import DataLoader, TensorDataset
from gpudl.keras import losses, optimizers
from gpudl.keras.callbacks import Callback
from gpudl.keras.history import History, Report
from gpudl.keras.metrics import get as metric_named
from gpudl.ops.create import as_tensor
from gpudl.ops.shape import cat
from gpudl.optim import Optimizer


class Trainable:
    """Base of models: what is trained and asked. A subclass gives `module` and `inputs`.

    Attributes:
        device: where it computes.
        optimizer: the optimizer of gpudl.optim, once the model is compiled.
        stop_training: set to True by callbacks.
    """

    device: Device

    def __init__(self) -> None:
        self.stop_training = False
        self._compiled: dict[str, Any] = {}
        self._optimizer: Optimizer | None = None

    @property
    def module(self) -> nn.Module:
        """The module of gpudl.nn; given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no module")

    def inputs(self, x: Any) -> Tensor:
        """An array of samples as the module wants it; given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no inputs")

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer. Raises: RuntimeError before compile."""
        if not self._compiled:
            raise RuntimeError("the model is not compiled; call model.compile(optimizer, loss) first")
        if self._optimizer is None:
            given = self._compiled["optimizer"]
            parameters = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
            self._optimizer = given if isinstance(given, Optimizer) else given.bind(parameters)
        return self._optimizer

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Sequence[Any] | None = None) -> None:
        """Say how it is trained.

        Args:
            optimizer: a name ("sgd", "adam", ...), one of keras.optimizers, or of gpudl.optim.
            loss: a name ("mse", "sparse_categorical_crossentropy", ...), one of keras.losses, a loss module of
                gpudl.nn, or a function of (y_true, y_pred).
            metrics: names ("accuracy", "mae", ...), or functions of (y_true, y_pred) with a value for each sample.
        Raises: ValueError for names that are not there.
        """
        self._compiled = {
            "optimizer": optimizers.get(optimizer),
            "loss": losses.get(loss) if loss is not None else None,
            "metrics": [metric_named(each) for each in metrics or ()],
        }
        self._optimizer = None

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ) -> History:
        """Train.

        Args:
            x: (samples, ...) array; or, without y, an iterable of batches (x, y), such as a DataLoader.
            y: labels, (samples, ...).
            batch_size: samples of a step, >= 1.
            epochs: number of the last epoch.
            verbose: 0: silent; 1 and 2: a line on stderr for each epoch; "auto": a bar there, if it is a terminal.
            callbacks: see keras.callbacks.
            validation_split: share of the samples, in [0, 1), taken from the end and only evaluated.
            validation_data: (x, y) to evaluate after each epoch.
            shuffle: another order each epoch.
            initial_epoch: number of the first.
        Returns: the history. Raises: RuntimeError before compile; ValueError for arrays that do not fit.
        """
        if not 0 <= validation_split < 1:
            raise ValueError(f"fit: validation_split must be in [0, 1), got {validation_split}")
        if validation_split and validation_data is None:
            if y is None:
                raise ValueError("fit: validation_split needs x and y as arrays")
            kept = len(x) - int(len(x) * validation_split)
            validation_data = np.asarray(x)[kept:], np.asarray(y)[kept:]
            x, y = np.asarray(x)[:kept], np.asarray(y)[:kept]
        loader = self._batches(x, y, batch_size, shuffle)
        optimizer = self.optimizer
        history = History()
        self.stop_training = False
        watchers = list(callbacks or ())
        for watcher in watchers:
            watcher.model = self
            watcher.on_train_begin()
        with Report(verbose, initial_epoch, epochs) as report:
            for epoch in range(initial_epoch, epochs):
                for watcher in watchers:
                    watcher.on_epoch_begin(epoch)
                self.module.train()
                logs = self._pass(loader, optimizer)
                if validation_data is not None:
                    values = self._evaluate(*validation_data, batch_size)
                    logs.update({f"val_{name}": value for name, value in values.items()})
                history.add(epoch, logs)
                report.epoch(epoch, logs)
                for watcher in watchers:
                    watcher.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
        for watcher in watchers:
            watcher.on_train_end()
        return history

    def evaluate(self, x: Any, y: Any = None, batch_size: int = 32, return_dict: bool = False) -> Any:
        """The loss and the metrics over some samples.

        Args:
            x, y, batch_size: as fit.
        Returns: the loss, or a list of it and the metrics, or a dict of them by name.
        """
        logs = self._evaluate(x, y, batch_size)
        values = list(logs.values())
        return logs if return_dict else values[0] if len(values) == 1 else values

    def predict(self, x: Any, batch_size: int = 32) -> np.ndarray[Any, Any]:
        """The outputs for an array of samples, (samples, ...), as a NumPy array, in evaluation mode."""
        inputs = self.inputs(x)
        self.module.eval()
        with no_grad():
            rows = range(0, max(len(inputs), 1), batch_size)
            outputs = [self.module(inputs[row : row + batch_size].to(self.device)) for row in rows]
            result: np.ndarray[Any, Any] = cat(outputs).cpu().numpy()
        return result

    def _pass(self, loader: Iterable[Any], optimizer: Optimizer | None) -> dict[str, float]:
        """Go over the batches once, training if there is an optimizer; the means of the loss and the metrics."""
        loss_of = self._compiled["loss"]
        if loss_of is None:
            raise RuntimeError("the model has no loss; give compile one")
        sums: dict[str, Any] = {}
        counts: Counter[str] = Counter()

        def add(name: str, value: Tensor, count: int) -> None:
            # Summed where it is computed: a number taken from a GPU would make the host wait at every step.
            sums[name] = sums.get(name, 0.0) + value.detach() * count
            counts[name] += count

        for batch in loader:
            inputs, labels = self.inputs(batch[0]).to(self.device), tensor_of(batch[1]).to(self.device)
            outputs = self.module(inputs)
            loss = loss_of(labels, outputs)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            add("loss", loss, len(outputs))
            with no_grad():
                for name, metric in self._compiled["metrics"]:
                    values = metric(labels, outputs).to(dtype="float32")
                    add(name, values.mean(), values.numel())
        return {name: float(total) / max(counts[name], 1) for name, total in sums.items()}

    def _evaluate(self, x: Any, y: Any, batch_size: int) -> dict[str, float]:
        if not self._compiled:
            raise RuntimeError("the model is not compiled; call model.compile(optimizer, loss) first")
        loader = self._batches(x, y, batch_size, False)
        self.module.eval()
        with no_grad():
            return self._pass(loader, None)

    def _batches(self, x: Any, y: Any, batch_size: int, shuffle: bool) -> Iterable[Any]:
        if y is None:
            if isinstance(x, np.ndarray) or not hasattr(x, "__iter__"):
                raise ValueError("y is missing: give x and y as arrays, or x as an iterable of batches (x, y)")
            return x  # type: ignore[no-any-return]
        inputs, labels = self.inputs(x), tensor_of(y)
        if len(inputs) != len(labels):
            raise ValueError(f"x has {len(inputs)} samples, y has {len(labels)}")
        if not len(inputs):
            raise ValueError("x and y have no samples")
        return DataLoader(TensorDataset(inputs, labels), batch_size=batch_size, shuffle=shuffle)


def tensor_of(values: Any) -> Tensor:
    """What came as a Tensor or an array, without history; float64 as float32, as in Keras."""
    tensor = values.detach() if isinstance(values, Tensor) else as_tensor(np.asarray(values))
    return tensor.to(dtype="float32") if tensor.dtype == np.float64 else tensor
