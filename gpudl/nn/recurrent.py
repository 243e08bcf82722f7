"""Recurrent layers over sequences: RNN, LSTM and GRU."""

from __future__ import annotations

from typing import Any

from gpudl.nn.recurrent_base import RNNBase

__all__ = ["GRU", "LSTM", "RNN"]


class RNN(RNNBase):
    """Simple recurrent layers: h' = act(x W_ih^T + b_ih + h W_hh^T + b_hh).

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as in RNNBase.
        nonlinearity: "tanh" or "relu".
    Shape: input (time, batch, input_size) and hx (num_layers * directions, batch, hidden_size) to output (time,
        batch, directions * hidden_size) and the last h, as hx; without batch everywhere; (batch, time, *) if
        batch_first; PackedSequence to PackedSequence.
    Attributes: as of RNNBase, with one gate.
    Raises: as RNNBase.
    Source: Elman 1990, "Finding structure in time".
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory layers.

    i, f, g, o = s(a_i), s(a_f), tanh(a_g), s(a_o) with a = x W_ih^T + b_ih + h W_hh^T + b_hh and the logistic s;
    c' = f c + i g, h' = o tanh(c'), with a projection times W_hr^T.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype: as in
            RNNBase.
    Shape: input (time, batch, input_size), h (num_layers * directions, batch, proj_size or hidden_size) and c
        (num_layers * directions, batch, hidden_size) to output (time, batch, directions * (proj_size or
        hidden_size)) and the pair of the last h and c; without batch everywhere; (batch, time, *) if batch_first;
        PackedSequence to PackedSequence.
    Attributes: as of RNNBase, the four gates in the order i, f, g, o.
    Raises: as RNNBase.
    Source: Hochreiter & Schmidhuber 1997, "Long short-term memory"; projection: Sak, Senior & Beaufays 2014,
        arXiv:1402.1128.
    """

    def __init__(
        self,
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
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )


class GRU(RNNBase):
    """Gated recurrent layers.

    r, z = s(u_r + m_r), s(u_z + m_z) with u = x W_ih^T + b_ih, m = h W_hh^T + b_hh and the logistic s;
    n = tanh(u_n + r m_n), h' = (1 - z) n + z h.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as in RNNBase.
    Shape: as RNN.
    Attributes: as of RNNBase, the three gates in the order r, z, n.
    Raises: as RNNBase.
    Source: Cho et al. 2014, arXiv:1406.1078.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
