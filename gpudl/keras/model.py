"""Sequential: layers one after the other, with compile, fit, evaluate and predict."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpudl import nn
from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import Device
from gpudl.backend.device import device as device_named
from gpudl.data import DataLoader, TensorDataset
from gpudl.keras import losses, optimizers
from gpudl.keras.callbacks import Callback
from gpudl.keras.history import History, Report, aligned
from gpudl.keras.layers import Layer, ModuleLayer
from gpudl.keras.metrics import get as metric_named
from gpudl.ops.create import as_tensor
from gpudl.ops.shape import cat
from gpudl.optim import Optimizer


class Sequential:
    """Layers one after the other.

    Args:
        layers: keras.layers, or modules of gpudl.nn.
        device: where it computes; "auto" is a GPU if there is one.
    Attributes:
        layers: the layers. module: the gpudl.nn.Sequential that they make, once the input's shape is known.
        optimizer: the optimizer of gpudl.optim, once the model is compiled and built.
        stop_training: set to True by callbacks.
    """

    def __init__(self, layers: Iterable[Any] = (), name: str = "sequential", device: str | Device = "auto") -> None:
        self.layers: list[Layer] = []
        self.name, self.device = name, device_named(device)
        self.stop_training = False
        self._module: nn.Sequential | None = None
        self._compiled: dict[str, Any] = {}
        self._optimizer: Optimizer | None = None
        for layer in layers:
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Put a layer at the end. Raises: TypeError for what is neither a layer nor a module."""
        if isinstance(layer, nn.Module):
            layer = ModuleLayer(layer)
        if not isinstance(layer, Layer):
            raise TypeError(f"Sequential: expected a keras layer or a module of gpudl.nn, got {type(layer).__name__}")
        if layer.name is None:
            kind = type(layer).__name__.lower()
            number = Counter(type(each).__name__.lower() for each in self.layers)[kind]
            layer.name = f"{kind}_{number}" if number else kind
        self.layers.append(layer)
        self._module = self._optimizer = None
        first = self.layers[0]
        if first.input_shape is not None:
            self.build(None)

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Make the modules.

        Args:
            input_shape: of a batch, its first number None; None: the first layer's input_shape.
        Raises: ValueError if neither is known.
        """
        if not self.layers:
            raise ValueError("Sequential: there are no layers; add some")
        shape = self.layers[0].input_shape if input_shape is None else tuple(input_shape)[1:]
        if shape is None:
            raise ValueError("Sequential: the input's shape is not known; give the first layer input_shape=")
        for layer in self.layers:
            if layer.module is None:
                layer.build(shape)  # type: ignore[arg-type]
            shape = layer.output_shape
        self._module = nn.Sequential(*(layer.built() for layer in self.layers)).to(self.device)

    @property
    def module(self) -> nn.Sequential:
        """The modules. Raises: ValueError before the input's shape is known."""
        if self._module is None:
            self.build()
        return self._module  # type: ignore[return-value]

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
        inputs = self._input(x)
        self.module.eval()
        with no_grad():
            rows = range(0, max(len(inputs), 1), batch_size)
            outputs = [self.module(inputs[row : row + batch_size].to(self.device)) for row in rows]
            result: np.ndarray[Any, Any] = cat(outputs).cpu().numpy()
        return result

    def __call__(self, x: Any) -> Tensor:
        """The output for a batch, recorded by autograd, in the mode the module is in."""
        result: Tensor = self.module(self._input(x).to(self.device))
        return result

    def summary(self) -> None:
        """Print the layers with their output shapes and numbers of parameters."""
        self.module  # noqa: B018 - builds, or says what is missing
        rows = [("Layer (type)", "Output Shape", "Param #")]
        for layer in self.layers:
            shape = ", ".join(map(str, ("None", *(layer.output_shape or ()))))
            rows.append((f"{layer.name} ({type(layer).__name__})", f"({shape})", f"{layer.count_params():,}"))
        trained = sum(p.numel() for p in self.module.parameters() if p.requires_grad)
        last = f"Total params: {self.count_params():,}, trainable: {trained:,}"
        print(f'Model: "{self.name}"', *aligned(rows), last, sep="\n")

    def count_params(self) -> int:
        """How many numbers all parameters and buffers are."""
        self.module  # noqa: B018 - builds, or says what is missing
        return sum(layer.count_params() for layer in self.layers)

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """The weights of all layers, as their get_weights."""
        self.module  # noqa: B018 - builds, or says what is missing
        return [array for layer in self.layers for array in layer.get_weights()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take over what get_weights gave. Raises: ValueError if the number or a shape differs."""
        counts = [len(layer.get_weights()) for layer in self.layers if self.module is not None]
        if sum(counts) != len(weights):
            raise ValueError(f"set_weights: expected {sum(counts)} arrays, got {len(weights)}")
        start = 0
        for layer, count in zip(self.layers, counts):
            layer.set_weights(list(weights[start : start + count]))
            start += count

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write all parameters and buffers to a safetensors file."""
        from safetensors.numpy import save_file

        state = self.module.state_dict()
        save_file({name: np.ascontiguousarray(value.cpu().numpy()) for name, value in state.items()}, os.fspath(path))

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read what save_weights wrote.

        Raises: RuntimeError if names or shapes differ; OSError if it cannot be read.
        """
        from safetensors.numpy import load_file

        self.module.load_state_dict(load_file(os.fspath(path)))

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
            inputs, labels = (self._on_device(part) for part in batch)
            outputs = self.module(self._expanded(inputs))
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
        inputs, labels = self._input(x), as_tensor(_array(y))
        if len(inputs) != len(labels):
            raise ValueError(f"x has {len(inputs)} samples, y has {len(labels)}")
        if not len(inputs):
            raise ValueError("x and y have no samples")
        return DataLoader(TensorDataset(inputs, labels), batch_size=batch_size, shuffle=shuffle)

    def _input(self, x: Any) -> Tensor:
        """An array of samples as the first layer wants it; builds the model if need be."""
        dtype = self.layers[0].input_dtype if self.layers else "float32"
        inputs = (x.detach() if isinstance(x, Tensor) else as_tensor(_array(x))).to(dtype=dtype)
        if self._module is None and self.layers and self.layers[0].input_shape is None:
            self.build((None, *(inputs.shape[1:] or (1,))))
        return self._expanded(inputs)

    def _expanded(self, inputs: Tensor) -> Tensor:
        """(samples,) becomes (samples, 1) where a sample has one feature."""
        expected = self.layers[0].input_shape or ()
        if self.module is not None and inputs.ndim == len(expected) and expected[-1] == 1:
            inputs = inputs.unsqueeze(-1)
        if tuple(inputs.shape[1:]) != tuple(expected) and None not in expected:
            raise ValueError(f"expected samples of shape {tuple(expected)}, got {tuple(inputs.shape[1:])}")
        return inputs

    def _on_device(self, part: Any) -> Tensor:
        tensor = part if isinstance(part, Tensor) else as_tensor(_array(part))
        return tensor.to(self.device)


def _array(values: Any) -> np.ndarray[Any, Any]:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return array.astype(np.float32) if array.dtype == np.float64 else array
