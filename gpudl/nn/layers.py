"""Layers: state, and one call into ops."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn import init
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.ops.create import zeros
from gpudl.ops.exponential import sigmoid
from gpudl.ops.linear import linear
from gpudl.ops.relu import relu
from gpudl.ops.softmax import log_softmax, softmax
from gpudl.ops.trigonometry import tanh


class Linear(Module):
    """y = x weight^T + bias.

    Args:
        in_features: length of the input's last dimension.
        out_features: length of the output's.
        bias: with a bias.
        device, dtype: of the parameters.
    Shape: (*, in_features) to (*, out_features).
    Attributes:
        weight: (out_features, in_features), and bias: (out_features,), both drawn from U(-k, k),
            k = 1 / sqrt(in_features).
    Raises: TypeError unless both features are ints; ShapeError if one is negative.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        for name, value in (("in_features", in_features), ("out_features", out_features)):
            if not hasattr(value, "__index__"):
                raise TypeError(f"Linear: {name} must be an int, got {value!r}")
            if value < 0:
                raise ShapeError(f"Linear: {name} must be >= 0, got {value}")
        self.in_features, self.out_features = int(in_features), int(out_features)
        self.weight = Parameter(zeros(out_features, in_features, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(zeros(out_features, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(Module):
    """The input as it is; takes and ignores any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Flatten(Module):
    """Dimensions start_dim to end_dim as one; by default all but the first.

    Shape: (n, ...) to (n, product of the rest).
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class ReLU(Module):
    """max(x, 0), elementwise.

    Args:
        inplace: write the result over the input.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return input.relu_() if self.inplace else relu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Tanh(Module):
    """The hyperbolic tangent, elementwise."""

    def forward(self, input: Tensor) -> Tensor:
        return tanh(input)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), elementwise."""

    def forward(self, input: Tensor) -> Tensor:
        return sigmoid(input)


class _AlongDim(Module):
    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """exp(x) / sum(exp(x)) along `dim`, by default the last."""

    def forward(self, input: Tensor) -> Tensor:
        return softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """The logarithm of softmax along `dim`, by default the last."""

    def forward(self, input: Tensor) -> Tensor:
        return log_softmax(input, self.dim)


class Sequential(Module):
    """Modules one after the other: a list of them, and a function of one argument.

    Args:
        args: modules, named "0", "1", ...; or one OrderedDict of names and modules.
    Raises: TypeError for what is no Module.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, _checked(module))
        else:
            self.extend(args)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input

    def append(self, module: Module) -> Sequential:
        """Add a module at the end, under the next free number; returns this one."""
        number = len(self)
        while str(number) in self._modules:  # a slice keeps its names
            number += 1
        self.add_module(str(number), _checked(module))
        return self

    def extend(self, modules: Iterable[Module]) -> Sequential:
        """Add several modules at the end; returns this one."""
        for module in modules:
            self.append(module)
        return self

    def __getitem__(self, index: int | slice) -> Any:
        """A module by its place, or a Sequential of the modules in a slice, which keep their names."""
        names = self._names_at(index)
        if isinstance(index, slice):
            return type(self)(OrderedDict((name, self._modules[name]) for name in names))
        return self._modules[names[0]]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._names_at(index)[0], _checked(module))

    def __delitem__(self, index: int | slice) -> None:
        for name in self._names_at(index):
            delattr(self, name)
        # Numbered anew, as in PyTorch.
        self._modules = {str(number): module for number, module in enumerate(self)}

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def _names_at(self, index: int | slice) -> list[str]:
        names = list(self._modules)
        if isinstance(index, slice):
            return names[index]
        if not -len(names) <= index < len(names):
            raise IndexError(f"module {index} of a Sequential of {len(names)}")
        return [names[index]]


def _checked(module: Any) -> Module:
    if isinstance(module, Module):
        return module
    hint = "; write Sequential(*modules)" if isinstance(module, (list, tuple)) else ""
    raise TypeError(f"Sequential takes Modules, got {type(module).__name__}{hint}")
