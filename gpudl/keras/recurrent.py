"""Keras' recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gpudl import nn
from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.keras.recipe import Layer, Shape, filled


class Outputs(nn.Module):
    """What a recurrent module gives at all steps, or at the last."""

    def __init__(self, rnn: nn.Module, return_sequences: bool) -> None:
        super().__init__()
        self.rnn, self.return_sequences = rnn, return_sequences

    def forward(self, input: Tensor) -> Tensor:
        outputs: Tensor = self.rnn(input)[0]
        return outputs if self.return_sequences else outputs[:, -1]


class _Recurrent(Layer):
    kind: ClassVar[Callable[..., nn.Module]]

    def __init__(self, units: int, return_sequences: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.units, self.return_sequences = units, return_sequences

    def make(self, shape: Shape) -> nn.Module:
        rnn: Any = type(self).kind(shape[-1], self.units, batch_first=True)
        gates = rnn.weight_hh_l0.shape[0] // self.units
        with no_grad():
            filled(rnn.weight_ih_l0, "glorot_uniform")
            for gate in range(gates):  # one orthogonal matrix each
                filled(rnn.weight_hh_l0[gate * self.units : (gate + 1) * self.units], "orthogonal")
            filled(rnn.bias_ih_l0, "zeros")
            filled(rnn.bias_hh_l0, "zeros")
            if isinstance(rnn, nn.LSTM):
                rnn.bias_ih_l0[self.units : 2 * self.units] = 1.0  # remember at first
        return Outputs(rnn, self.return_sequences)


class SimpleRNN(_Recurrent):
    """h = tanh(x W + h U + b) along a sequence, (steps, features).

    Args:
        units: length of h.
        return_sequences: give h of every step, not of the last one only.
    """

    kind = nn.RNN


class LSTM(_Recurrent):
    """Long short-term memory along a sequence, (steps, features); arguments as SimpleRNN. See gpudl.nn.LSTM."""

    kind = nn.LSTM


class GRU(_Recurrent):
    """Gated recurrent units along a sequence, (steps, features); arguments as SimpleRNN. See gpudl.nn.GRU."""

    kind = nn.GRU
