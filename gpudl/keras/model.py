"""Sequential: layers one after the other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpudl import nn
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import Device
from gpudl.backend.device import device as device_named
from gpudl.keras.history import aligned
from gpudl.keras.layers import Layer, ModuleLayer
from gpudl.keras.training import Trainable, tensor_of


class Sequential(Trainable):
    """Layers one after the other.

    Args:
        layers: keras.layers, or modules of gpudl.nn.
        device: where it computes; "auto" is a GPU if there is one.
    Attributes:
        layers: the layers. module: the gpudl.nn.Sequential that they make, once the input's shape is known.
    """

    def __init__(self, layers: Iterable[Any] = (), name: str = "sequential", device: str | Device = "auto") -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self.name, self.device = name, device_named(device)
        self._module: nn.Sequential | None = None
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

    def __call__(self, x: Any) -> Tensor:
        """The output for a batch, recorded by autograd, in the mode the module is in."""
        result: Tensor = self.module(self.inputs(x).to(self.device))
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

    def inputs(self, x: Any) -> Tensor:
        """Samples as the first layer wants them; builds the model if need be. (samples,) becomes (samples, 1) where a
        sample has one feature.

        Raises: ValueError for samples of another shape.
        """
        given = tensor_of(x).to(dtype=self.layers[0].input_dtype if self.layers else "float32")
        if self._module is None and self.layers and self.layers[0].input_shape is None:
            self.build((None, *(given.shape[1:] or (1,))))
        expected = tuple(self.layers[0].input_shape or ()) if self.module is not None else ()
        if given.ndim == len(expected) and expected[-1] == 1:
            given = given.unsqueeze(-1)
        if len(expected) != given.ndim - 1 or any(n not in (None, m) for n, m in zip(expected, given.shape[1:])):
            raise ValueError(f"expected samples of shape {expected}, got {tuple(given.shape[1:])}")
        return given
