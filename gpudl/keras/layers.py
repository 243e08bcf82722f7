"""Keras' layers, with its names, arguments and defaults; shapes are of one sample, channels last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpudl import nn
from gpudl.autograd.tensor import Tensor
from gpudl.keras.recipe import Apply, Initializer, Layer, Shape, activated, activation_of, filled
from gpudl.keras.recurrent import GRU as GRU
from gpudl.keras.recurrent import LSTM as LSTM
from gpudl.keras.recurrent import SimpleRNN as SimpleRNN
from gpudl.keras.spatial import AveragePooling2D as AveragePooling2D
from gpudl.keras.spatial import Conv1D as Conv1D
from gpudl.keras.spatial import Conv2D as Conv2D
from gpudl.keras.spatial import GlobalAveragePooling2D as GlobalAveragePooling2D
from gpudl.keras.spatial import GlobalMaxPooling2D as GlobalMaxPooling2D
from gpudl.keras.spatial import MaxPooling2D as MaxPooling2D
from gpudl.keras.spatial import channels_last

__all__ = [
    "GRU", "LSTM", "Activation", "AveragePooling2D", "BatchNormalization", "Conv1D", "Conv2D", "Dense", "Dropout",
    "Embedding", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Input", "Lambda", "Layer",
    "LayerNormalization", "MaxPooling2D", "ModuleLayer", "ReLU", "Reshape", "SimpleRNN", "Softmax",
]  # fmt: skip


class Input(Layer):
    """The shape of one sample, as the first of a model's layers.

    Args:
        shape: without the batch.
    """

    def __init__(self, shape: Shape, name: str | None = None) -> None:
        super().__init__(input_shape=shape, name=name)

    def make(self, shape: Shape) -> nn.Module:
        return nn.Identity()


class Dense(Layer):
    """activation(x kernel + bias) along the last dimension.

    Args:
        units: length of the output, >= 1.
        activation: a name ("relu", "softmax", ...), a function or a module; None for none.
        use_bias: with a bias.
        kernel_initializer, bias_initializer: names ("glorot_uniform", "he_normal", "zeros", ...) or functions of the
            tensor, such as those of gpudl.nn.init.
    """

    kernel_axes = (1, 0)

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if not hasattr(units, "__index__") or units < 1:
            raise ValueError(f"Dense: units must be an int >= 1, got {units!r}")
        self.units, self.activation, self.use_bias = units, activation, use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer

    def make(self, shape: Shape) -> nn.Module:
        if shape[-1] is None:
            raise ValueError(f"Dense: the last dimension of its input must be known, got {shape}")
        linear = nn.Linear(shape[-1], self.units, bias=self.use_bias)
        filled(linear.weight, self.kernel_initializer)
        filled(linear.bias, self.bias_initializer)
        return activated(linear, self.activation)


class Activation(Layer):
    """An activation by its name, or a function."""

    def __init__(self, activation: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.activation = activation

    def make(self, shape: Shape) -> nn.Module:
        return activation_of(self.activation) or nn.Identity()


class ReLU(Activation):
    """max(x, 0)."""

    def __init__(self, **settings: Any) -> None:
        super().__init__("relu", **settings)


class Softmax(Activation):
    """Softmax along the last dimension."""

    def __init__(self, **settings: Any) -> None:
        super().__init__("softmax", **settings)


class Lambda(Activation):
    """A function of Tensors as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor], **settings: Any) -> None:
        super().__init__(function, **settings)


class ModuleLayer(Layer):
    """A module of gpudl.nn as a layer; a model wraps the modules it is given itself."""

    def __init__(self, module: nn.Module, **settings: Any) -> None:
        super().__init__(**settings)
        self._given = module

    def make(self, shape: Shape) -> nn.Module:
        return self._given


class Flatten(Layer):
    """Each sample in one dimension."""

    def make(self, shape: Shape) -> nn.Module:
        return nn.Flatten()


class Reshape(Layer):
    """Each sample in another shape.

    Args:
        target_shape: one of its numbers may be -1.
    """

    def __init__(self, target_shape: Shape, **settings: Any) -> None:
        super().__init__(**settings)
        self.target_shape = tuple(target_shape)

    def make(self, shape: Shape) -> nn.Module:
        return Apply(lambda x: x.reshape(x.shape[0], *self.target_shape))


class Dropout(Layer):
    """In training each element is 0 with probability `rate`, the others are divided by 1 - rate."""

    def __init__(self, rate: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.rate = rate

    def make(self, shape: Shape) -> nn.Module:
        return nn.Dropout(self.rate)


class BatchNormalization(Layer):
    """Normalized over the batch and all dimensions but the last.

    The running variance takes in the unbiased variance of a batch, as PyTorch's does; Keras takes the biased one.

    Args:
        momentum: share of the running statistics that a batch keeps, in [0, 1].
        epsilon: added to the variance.
    """

    def __init__(self, momentum: float = 0.99, epsilon: float = 1e-3, **settings: Any) -> None:
        super().__init__(**settings)
        self.momentum, self.epsilon = momentum, epsilon

    def make(self, shape: Shape) -> nn.Module:
        kind = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d, 4: nn.BatchNorm3d}[len(shape)]
        norm = kind(shape[-1], eps=self.epsilon, momentum=1 - self.momentum)
        return norm if len(shape) == 1 else channels_last(norm)


class LayerNormalization(Layer):
    """Normalized along the last dimension.

    Args:
        epsilon: added to the variance.
    """

    def __init__(self, epsilon: float = 1e-3, **settings: Any) -> None:
        super().__init__(**settings)
        self.epsilon = epsilon

    def make(self, shape: Shape) -> nn.Module:
        return nn.LayerNorm(shape[-1], eps=self.epsilon)


class Embedding(Layer):
    """A row of a table for each integer.

    Args:
        input_dim: rows of the table.
        output_dim: length of a row.
        embeddings_initializer: a name or a function of the tensor.
    """

    input_dtype = "int64"

    def __init__(
        self, input_dim: int, output_dim: int, embeddings_initializer: Initializer = "random_uniform", **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.input_dim, self.output_dim, self.embeddings_initializer = input_dim, output_dim, embeddings_initializer

    def make(self, shape: Shape) -> nn.Module:
        table = nn.Embedding(self.input_dim, self.output_dim)
        filled(table.weight, self.embeddings_initializer)
        return table
