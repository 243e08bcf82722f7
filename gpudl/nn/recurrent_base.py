"""RNNBase: what recurrent layers share, parameters in PyTorch's order and the shapes that sequences come in."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn import init
from gpudl.nn.arguments import count
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.nn.utils.rnn import PackedSequence
from gpudl.ops.create import empty
from gpudl.ops.gru import gru
from gpudl.ops.index_along import index_select
from gpudl.ops.lstm import lstm
from gpudl.ops.recurrent_cells import rnn_relu, rnn_tanh

__all__ = ["RNNBase"]

_MODES: dict[str, tuple[int, Callable[..., tuple[Tensor, ...]]]] = {
    # how many gates, and the operation
    "LSTM": (4, lstm),
    "GRU": (3, gru),
    "RNN_TANH": (1, rnn_tanh),
    "RNN_RELU": (1, rnn_relu),
}
_DEFAULTS = {
    "proj_size": 0,
    "num_layers": 1,
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
}
"""What repr leaves out, in its order."""


class RNNBase(Module):
    """Base of RNN, LSTM and GRU: the parameters, the checks, and the shapes that sequences come in.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size: features of the input, >= 1.
        hidden_size: features of the state, >= 1.
        num_layers: how many layers stand on each other, >= 1.
        bias: with biases.
        batch_first: input and output are (batch, time, features); states are not affected.
        dropout: the probability of 0 in what a layer but the first reads, in [0, 1], in training.
        bidirectional: each layer goes through time in both directions.
        proj_size: of an LSTM, the features that h is projected to, < hidden_size; 0: no projection.
        device, dtype: of the parameters.
    Attributes:
        weight_ih_l0: (gates * hidden_size, features of the layer's input), weight_hh_l0: (gates * hidden_size,
            proj_size or hidden_size), bias_ih_l0 and bias_hh_l0: (gates * hidden_size,), weight_hr_l0: (proj_size,
            hidden_size); so for each layer, and with _reverse for its second direction; all drawn from U(-k, k),
            k = 1 / sqrt(hidden_size).
    Raises: TypeError and ValueError for arguments that are not as said.
    Warns: UserWarning for dropout with one layer, which drops nothing.
    """

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if mode not in _MODES:
            raise ValueError(f"RNNBase: mode must be one of {', '.join(_MODES)}, got {mode!r}")
        layer = type(self).__name__
        for name, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                raise TypeError(f"{layer}: {name} must be a bool, got {value!r}")
        if not isinstance(dropout, numbers.Real) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"{layer}: dropout must be a number in [0, 1], got {dropout!r}")
        self.mode = mode
        self.input_size = count(layer, "input_size", input_size, 1)
        self.hidden_size = count(layer, "hidden_size", hidden_size, 1)
        self.num_layers = count(layer, "num_layers", num_layers, 1)
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = count(layer, "proj_size", proj_size)
        if self.proj_size >= self.hidden_size:
            raise ValueError(f"{layer}: proj_size must be < hidden_size, {hidden_size}, got {proj_size}")
        if self.proj_size and mode != "LSTM":
            raise ValueError(f"{layer}: only an LSTM has a projection, got proj_size={proj_size}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                f"{layer}: dropout={dropout} acts between layers, but num_layers is 1: nothing is dropped", stacklevel=3
            )
        directions = 2 if bidirectional else 1
        rows, outputs = _MODES[mode][0] * self.hidden_size, self.proj_size or self.hidden_size
        self._all_weights: list[list[str]] = []
        for number in range(self.num_layers):
            features = outputs * directions if number else self.input_size
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, features), "weight_hh": (rows, outputs)}
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            if self.proj_size:
                shapes["weight_hr"] = (self.proj_size, self.hidden_size)
            for suffix in ("", "_reverse")[:directions]:
                self._all_weights.append([f"{name}_l{number}{suffix}" for name in shapes])
                for name, shape in zip(self._all_weights[-1], shapes.values()):
                    self.register_parameter(name, Parameter(empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: PyTorch's form of the parameters for cuDNN is not needed here."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The output and the last states.

        Args:
            input: (time, batch, input_size), or (batch, time, input_size) if batch_first; unbatched (time,
                input_size); or a PackedSequence.
            hx: the first state, 0 by default; of an LSTM the pair of h and c.
        """
        states = None if hx is None else tuple(hx) if self.mode == "LSTM" else (hx,)
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
            y, *last = self._run(data, states, batch_sizes.tolist(), order)
            if back is not None:
                last = [index_select(state, 1, back) for state in last]
            return PackedSequence(y, batch_sizes, order, back), self._hidden(last)
        if input.ndim not in (2, 3):
            raise ShapeError(f"{type(self).__name__}: expected input of 2 or 3 dimensions, got {input.shape}")
        for state in states or ():
            if state.ndim != input.ndim:
                raise ShapeError(
                    f"{type(self).__name__}: expected states of {input.ndim} dimensions beside input of as many, got "
                    f"{state.shape}"
                )
        if input.ndim == 3:
            y, *last = self._run(input, states)
            return y, self._hidden(last)
        place = 0 if self.batch_first else 1
        states = None if states is None else tuple(state.unsqueeze(1) for state in states)
        y, *last = self._run(input.unsqueeze(place), states)
        return y.squeeze(place), self._hidden([state.squeeze(1) for state in last])

    def _run(
        self,
        input: Tensor,
        states: Sequence[Tensor] | None,
        batch_sizes: list[int] | None = None,
        order: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """The output and the last states of a batch; `order` is that of its sequences among the first states."""
        weights = [weight for of_run in self.all_weights for weight in of_run]
        self._check_input(input, weights[0])
        batch = batch_sizes[0] if batch_sizes is not None else input.shape[0 if self.batch_first else 1]
        runs, widths = len(self._all_weights), [self.proj_size or self.hidden_size]
        if self.mode == "LSTM":
            widths.append(self.hidden_size)
        if states is None:
            states = [input.new_zeros((runs, batch, width)) for width in widths]
        for state, width in zip(states, widths):
            if state.shape != (runs, batch, width):
                raise ShapeError(
                    f"{type(self).__name__}: expected a state of shape {(runs, batch, width)}, got {state.shape}"
                )
        if order is not None:
            states = [index_select(state, 1, order) for state in states]
        return _MODES[self.mode][1](
            input,
            states if self.mode == "LSTM" else states[0],
            weights,
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
            self.batch_first,
            batch_sizes=batch_sizes,
        )

    def _check_input(self, input: Tensor, weight: Tensor) -> None:
        name = type(self).__name__
        if input.dtype != weight.dtype:
            raise ValueError(f"{name}: the input is {input.dtype} and the weights {weight.dtype}; cast one with to()")
        if input.shape[-1] != self.input_size:
            raise ShapeError(f"{name}: expected (*, {self.input_size}), got input {input.shape}")

    def _hidden(self, last: Sequence[Tensor]) -> Any:
        return tuple(last) if self.mode == "LSTM" else last[0]

    def extra_repr(self) -> str:
        settings = [(name, getattr(self, name)) for name in _DEFAULTS]
        changed = [f", {name}={value}" for name, value in settings if value != _DEFAULTS[name]]
        return f"{self.input_size}, {self.hidden_size}{''.join(changed)}"
