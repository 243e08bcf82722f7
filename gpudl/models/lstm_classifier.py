"""Classes of whole sequences, by long short-term memory. Hochreiter & Schmidhuber 1997; Graves & Schmidhuber 2005."""

from __future__ import annotations

from typing import Any

import gpudl
from gpudl import Tensor, nn
from gpudl.nn.utils.rnn import pack_padded_sequence

__all__ = ["LSTMClassifier"]


class LSTMClassifier(nn.Module):
    """Logits of each sequence's class: a linear layer over the last state of an LSTM, of both directions if it has two.

    Args:
        input_size: features of each time step.
        hidden_size: of the LSTM.
        num_classes: >= 1.
        num_layers: of the LSTM.
        bidirectional: the LSTM reads in both directions.
        dropout: the probability of 0 between layers and before the linear layer, in training.
        batch_first: padded sequences are (N, L, input_size) and not (L, N, input_size).
    Shape: (N, L, input_size), or a PackedSequence, to (N, num_classes).
    Attributes:
        lstm: an LSTM; linear: a Linear of hidden_size, twice that for both directions, to num_classes features.
    Raises: what LSTM and Linear raise.
    Source: Hochreiter & Schmidhuber 1997, "Long short-term memory"; both directions: Graves & Schmidhuber 2005,
        "Framewise phoneme classification with bidirectional LSTM".
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_classes: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        batch_first: bool = True,
    ) -> None:
        super().__init__()
        between = dropout if num_layers > 1 else 0.0
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, True, batch_first, between, bidirectional)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(2 * hidden_size if bidirectional else hidden_size, num_classes)

    def forward(self, input: Any, lengths: Any = None) -> Tensor:
        """The logits.

        Args:
            input: padded sequences or a PackedSequence, as in Shape.
            lengths: (N,), how many steps of each padded sequence are its own; the rest is not read. Default all.
        """
        if lengths is not None:
            input = pack_padded_sequence(input, lengths, self.lstm.batch_first, enforce_sorted=False)
        _, (h, _) = self.lstm(input)
        last = gpudl.cat([h[-2], h[-1]], -1) if self.lstm.bidirectional else h[-1]
        logits: Tensor = self.linear(self.dropout(last))
        return logits
