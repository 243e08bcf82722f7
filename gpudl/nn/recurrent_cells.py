"""One time step of the recurrent layers: parameters, and one call into ops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn import init
from gpudl.nn.arguments import count
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.ops.create import empty
from gpudl.ops.recurrent_cells import gru_cell, lstm_cell, rnn_relu_cell, rnn_tanh_cell

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """Base of RNNCell, LSTMCell and GRUCell: the parameters, the checks, and input without a batch.

    Args:
        input_size: features of the input, >= 0.
        hidden_size: features of the state, >= 0.
        bias: with biases.
        num_chunks: the number of gates.
        device, dtype: of the parameters.
    Attributes:
        weight_ih: (num_chunks * hidden_size, input_size), weight_hh: (num_chunks * hidden_size, hidden_size),
            bias_ih and bias_hh: (num_chunks * hidden_size,) or None; all drawn from U(-k, k), k = 1 /
            sqrt(hidden_size).
    Raises: TypeError unless both sizes are ints; ShapeError if one is negative.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        layer = type(self).__name__
        self.input_size = count(layer, "input_size", input_size)
        self.hidden_size = count(layer, "hidden_size", hidden_size)
        self.bias = bias
        rows = num_chunks * self.hidden_size
        for name, features in (("weight_ih", self.input_size), ("weight_hh", self.hidden_size)):
            self.register_parameter(name, Parameter(empty(rows, features, device=device, dtype=dtype)))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(rows, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _batched(self, input: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The input and the states with a batch, of 1 where there was none; for no state one of 0."""
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ShapeError(f"{name}: expected input of 1 or 2 dimensions, got {input.shape}")
        if input.shape[-1] != self.input_size:
            raise ShapeError(f"{name}: expected (*, {self.input_size}), got input {input.shape}")
        expected = (*input.shape[:-1], self.hidden_size)
        for state in states:
            if state.shape != expected:
                raise ShapeError(f"{name}: expected a state of shape {expected}, got {state.shape}")
        found = (input, *(states or (input.new_zeros(expected),)))
        return found if input.ndim == 2 else tuple(each.unsqueeze(0) for each in found)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}{'' if self.bias else ', bias=False'}"


class RNNCell(RNNCellBase):
    """One step of a simple recurrent layer: h' = act(x W_ih^T + b_ih + h W_hh^T + b_hh).

    Args:
        input_size, hidden_size, bias, device, dtype: as in RNNCellBase.
        nonlinearity: "tanh" or "relu".
    Shape: input (batch, input_size) and h (batch, hidden_size), 0 by default, to h'; all without batch, too.
    Attributes: as of RNNCellBase, with one gate.
    Raises: as RNNCellBase; ValueError for another nonlinearity.
    Source: Elman 1990, "Finding structure in time".
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, h = self._batched(input, () if hx is None else (hx,))
        cell = rnn_tanh_cell if self.nonlinearity == "tanh" else rnn_relu_cell
        h = cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return h if input.ndim == 2 else h.squeeze(0)

    def extra_repr(self) -> str:
        shown = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + shown


class LSTMCell(RNNCellBase):
    """One step of a long short-term memory layer; formula in LSTM.

    Args:
        input_size, hidden_size, bias, device, dtype: as in RNNCellBase.
    Shape: input (batch, input_size) and the pair of h and c, (batch, hidden_size) each, 0 by default, to the pair of
        h' and c'; all without batch, too.
    Attributes: as of RNNCellBase, the four gates in the order i, f, g, o.
    Raises: as RNNCellBase.
    Source: Hochreiter & Schmidhuber 1997, "Long short-term memory".
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        x, *states = self._batched(input, () if hx is None else tuple(hx))
        states = states if hx is not None else states * 2
        h, c = lstm_cell(x, states, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return (h, c) if input.ndim == 2 else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a gated recurrent layer; formula in GRU.

    Args:
        input_size, hidden_size, bias, device, dtype: as in RNNCellBase.
    Shape: input (batch, input_size) and h (batch, hidden_size), 0 by default, to h'; all without batch, too.
    Attributes: as of RNNCellBase, the three gates in the order r, z, n.
    Raises: as RNNCellBase.
    Source: Cho et al. 2014, arXiv:1406.1078.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, h = self._batched(input, () if hx is None else (hx,))
        h = gru_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return h if input.ndim == 2 else h.squeeze(0)
