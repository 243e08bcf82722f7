"""Layer: a recipe for a module, which is made when the shape of its input is known."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl import nn
from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.ops.create import as_tensor, zeros

Shape = tuple[Any, ...]
"""Of one sample: ints, and None for a length that differs from batch to batch."""
Initializer = str | Callable[[Tensor], Any]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softmax": lambda: nn.Softmax(dim=-1),
    "log_softmax": lambda: nn.LogSoftmax(dim=-1),
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "linear": nn.Identity,
}

INITIALIZERS: dict[str, Callable[[Tensor], Any]] = {
    "glorot_uniform": nn.init.xavier_uniform_,
    "glorot_normal": nn.init.xavier_normal_,
    "he_uniform": lambda tensor: nn.init.kaiming_uniform_(tensor, nonlinearity="relu"),
    "he_normal": lambda tensor: nn.init.kaiming_normal_(tensor, nonlinearity="relu"),
    "lecun_uniform": lambda tensor: nn.init.kaiming_uniform_(tensor, nonlinearity="linear"),
    "lecun_normal": lambda tensor: nn.init.kaiming_normal_(tensor, nonlinearity="linear"),
    "orthogonal": nn.init.orthogonal_,
    "random_normal": lambda tensor: nn.init.normal_(tensor, 0, 0.05),
    "random_uniform": lambda tensor: nn.init.uniform_(tensor, -0.05, 0.05),
    "zeros": nn.init.zeros_,
    "ones": nn.init.ones_,
}


class Layer:
    """Base of the layers: `make` gives the module for an input shape.

    Args:
        input_shape: of one sample, if it is the first layer; None in it for a length that differs from batch to batch.
        input_dim: the same for samples of one dimension.
        name: default: the class's name in small letters and a number, once it stands in a model.
        trainable: whether its parameters are trained.
    Attributes:
        module: the module of gpudl.nn, once it is built. input_shape, output_shape: of one sample, then too.
        kernel_axes: where the axes of the weight in Keras' layout come from.
        input_dtype: what the first layer of a model makes of its input.
    """

    kernel_axes: tuple[int, ...] = ()
    input_dtype = "float32"

    def __init__(
        self,
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        if input_dim is not None:
            input_shape = (input_dim,)
        self.input_shape = None if input_shape is None else tuple(input_shape)
        self.output_shape: Shape | None = None
        self.name = name
        self.module: nn.Module | None = None
        self._trainable = trainable

    def make(self, shape: Shape) -> nn.Module:
        """The module for inputs of a shape, without the batch; given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no make method")

    def build(self, shape: Shape) -> None:
        """Make the module, and learn the shape of its output by giving it zeros."""
        self.module = self.make(shape)
        self.module.requires_grad_(self._trainable)
        self.input_shape = shape
        self.module.eval()
        # What comes out of two lengths tells which lengths of the output go with them.
        shapes = [self._shape_behind(shape, length) for length in ((32, 33) if None in shape else (32,))]
        self.output_shape = tuple(sizes[0] if len({*sizes}) == 1 else None for sizes in zip(*shapes))
        self.module.train()

    def _shape_behind(self, shape: Shape, length: int) -> Shape:
        """The shape of the output for an input whose unknown lengths are `length`."""
        sample = zeros(1, *(length if n is None else n for n in shape), dtype=self.input_dtype)
        with no_grad():
            return tuple(self.built()(sample).shape[1:])

    @property
    def trainable(self) -> bool:
        """Whether its parameters are trained; compile the model again after a change."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = value
        if self.module is not None:
            self.module.requires_grad_(value)

    def built(self) -> nn.Module:
        """The module. Raises: ValueError before it is made."""
        if self.module is None:
            raise ValueError(
                f"{type(self).__name__}: not built yet; give the first layer input_shape=, or call model.build"
            )
        return self.module

    @property
    def kernel(self) -> np.ndarray[Any, Any]:
        """The weight in Keras' layout: (inputs, units), or (*kernel, channels in, channels out)."""
        return self.get_weights()[0]

    @property
    def bias(self) -> np.ndarray[Any, Any] | None:
        """The bias, (units,), or None."""
        weights = self.get_weights()
        return weights[1] if len(weights) > 1 else None

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """Parameters, then buffers, as NumPy arrays; weights of Dense and Conv layers in Keras' layout."""
        arrays = []
        for tensor in self._tensors():
            array = tensor.detach().cpu().numpy().copy()
            arrays.append(array.transpose(self.kernel_axes) if len(self.kernel_axes) == array.ndim else array)
        return arrays

    def set_weights(self, weights: list[Any]) -> None:
        """Take over what get_weights gave.

        Raises: ValueError if the number or a shape differs; nothing changes then.
        """
        tensors = self._tensors()
        if len(weights) != len(tensors):
            raise ValueError(f"{type(self).__name__}: expected {len(tensors)} arrays, got {len(weights)}")
        given = []
        for array, tensor in zip(map(np.asarray, weights), tensors):
            if len(self.kernel_axes) == array.ndim:
                array = array.transpose(np.argsort(self.kernel_axes))
            if array.shape != tuple(tensor.shape):
                raise ValueError(f"{type(self).__name__}: expected shape {tuple(tensor.shape)}, got {array.shape}")
            given.append(array)
        with no_grad():
            for array, tensor in zip(given, tensors):
                tensor.copy_(as_tensor(np.ascontiguousarray(array)))

    def count_params(self) -> int:
        """How many numbers its parameters and buffers are."""
        return sum(tensor.numel() for tensor in self._tensors())

    def _tensors(self) -> list[Tensor]:
        # Without batch norm's count of batches, which Keras does not keep.
        state = self.built().state_dict(keep_vars=True)
        return [tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")]


def activation_of(activation: Any) -> nn.Module | None:
    """An activation by its name, a module as it is, any other function in a module; None for none and "linear".

    Raises: ValueError for a name that is not there.
    """
    if activation is None or activation == "linear":
        return None
    if isinstance(activation, nn.Module):
        return activation
    if callable(activation):
        return Apply(activation)
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation: expected one of {', '.join(ACTIVATIONS)}, or a function, got {activation!r}")
    return ACTIVATIONS[activation]()


def activated(module: nn.Module, activation: Any) -> nn.Module:
    """A module, followed by an activation if there is one."""
    last = activation_of(activation)
    return module if last is None else nn.Sequential(OrderedDict(layer=module, activation=last))


def filled(tensor: Any, initializer: Initializer) -> None:
    """Fill a parameter, which may be None, by an initializer's name, or a function of the tensor such as nn.init's.

    Raises: ValueError for a name that is not there.
    """
    if tensor is None:
        return
    if not callable(initializer):
        if initializer not in INITIALIZERS:
            raise ValueError(f"initializer: expected one of {', '.join(INITIALIZERS)}, got {initializer!r}")
        initializer = INITIALIZERS[initializer]
    initializer(tensor)


class Apply(nn.Module):
    """A function of Tensors as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input)
