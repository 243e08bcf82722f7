"""One time step of the recurrent operations, and the simple recurrent layers under PyTorch's names."""

from __future__ import annotations

from collections.abc import Sequence

from gpudl.autograd.tensor import Tensor
from gpudl.ops.gru import Gru
from gpudl.ops.lstm import Lstm
from gpudl.ops.rnn import Rnn, rnn
from gpudl.ops.time_steps import Cell, Params, run_step

__all__ = ["gru_cell", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell"]


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of a long short-term memory layer; see lstm.

    Args:
        input: (batch, features).
        hx: h and c, (batch, hidden) each.
        w_ih: (4 * hidden, features), w_hh: (4 * hidden, hidden), b_ih and b_hh: (4 * hidden,) or None; the gates in
            the order i, f, g, o.
    Returns: the next h and c.
    Raises: ShapeError for shapes that do not fit; RuntimeError for dtypes that differ.
    """
    return run_step(Cell("lstm_cell", Lstm, 4, 2), input, hx, (w_ih, w_hh, b_ih, b_hh))  # type: ignore[return-value]


def gru_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of a gated recurrent layer; see gru.

    Args:
        input: (batch, features).
        hx: h, (batch, hidden).
        w_ih: (3 * hidden, features), w_hh: (3 * hidden, hidden), b_ih and b_hh: (3 * hidden,) or None; the gates in
            the order r, z, n.
    Returns: the next h.
    Raises: as lstm_cell.
    """
    return run_step(Cell("gru_cell", Gru, 3), input, (hx,), (w_ih, w_hh, b_ih, b_hh))[0]


def rnn_tanh_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of a simple recurrent layer, tanh(input w_ih^T + b_ih + hx w_hh^T + b_hh).

    Args:
        input: (batch, features).
        hx: h, (batch, hidden).
        w_ih: (hidden, features), w_hh: (hidden, hidden), b_ih and b_hh: (hidden,) or None.
    Returns: the next h.
    Raises: as lstm_cell.
    """
    return run_step(Cell("rnn_tanh_cell", Rnn, 1, settings=("tanh",)), input, (hx,), (w_ih, w_hh, b_ih, b_hh))[0]


def rnn_relu_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of a simple recurrent layer, relu(input w_ih^T + b_ih + hx w_hh^T + b_hh); else as rnn_tanh_cell."""
    return run_step(Cell("rnn_relu_cell", Rnn, 1, settings=("relu",)), input, (hx,), (w_ih, w_hh, b_ih, b_hh))[0]


def rnn_tanh(
    input: Tensor,
    hx: Tensor,
    params: Params,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
    *,
    batch_sizes: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """rnn with tanh; see gpudl.nn.functional.rnn."""
    settings = has_biases, num_layers, dropout, train, bidirectional, batch_first
    return rnn(input, hx, params, *settings, batch_sizes=batch_sizes, nonlinearity="tanh")


def rnn_relu(
    input: Tensor,
    hx: Tensor,
    params: Params,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
    *,
    batch_sizes: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """rnn with relu; see gpudl.nn.functional.rnn."""
    settings = has_biases, num_layers, dropout, train, bidirectional, batch_first
    return rnn(input, hx, params, *settings, batch_sizes=batch_sizes, nonlinearity="relu")
