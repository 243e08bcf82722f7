"""Recurrent layers on a CUDA device: for each time step one product and one launch, in memory that is made once.

The product with the state is added to that with x where it lies, and the step's kernel writes gates, states and what
the backward needs to where they stay. States lie in one array for the whole batch; a step changes its first rows.
"""

from __future__ import annotations

from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import THREADS, CudaText, Shape, dense
from gpudl.ops.gemm import product, product_
from gpudl.ops.time_steps import Counts, steps

_MOST_ROWS = 65535  # of a grid


def _text(name: str) -> CudaText:
    kernels = (f"{name}_step", f"{name}_step_back")
    files = ("math/numbers.cuh", "math/recurrent.cuh", f"cuda/{name}.cu")
    return CudaText(*files, kernels=kernels, dtypes=("float32", "float64"))


_LSTM, _GRU, _RNN = map(_text, ("lstm", "gru", "rnn"))


def _cells(rows: int, columns: int) -> tuple[Shape, Shape]:
    """The grid and block of a step."""
    threads = min(-(-columns // 32) * 32, THREADS)
    return (-(-columns // max(threads, 1)), min(rows, _MOST_ROWS)), (threads,)


def _optional(b: Array | None) -> Array | None:
    return None if b is None else dense(b)


def lstm_forward_cuda(
    x: Array,
    h: Array,
    c: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    w_hr: Array | None,
    counts: Counts,
    reverse: bool,
) -> tuple[Array, ...]:
    """As lstm_forward."""
    xp, rows, width = xp_of(x), len(x), c.shape[1]
    h, c, gates, biases = h.copy("C"), c.copy("C"), product(x, w_ih.T), (_optional(b_ih), _optional(b_hh))
    y, before_h = (xp.empty((rows, h.shape[1]), x.dtype) for _ in range(2))
    tanh_c, before_c = (xp.empty((rows, width), x.dtype) for _ in range(2))
    inner = None if w_hr is None else xp.empty((len(h), width), x.dtype)
    for part in steps(counts, reverse):
        count = part.stop - part.start
        state, a = h[:count], gates[part]
        product_(state, w_hh.T, a, 1.0, 1.0)
        out = y[part] if inner is None else inner
        kept = tanh_c[part], before_h[part], before_c[part]
        given = state if inner is None else None, c, out, *kept, count, width
        _LSTM.launch("lstm_step", *_cells(count, width), a, *biases, *given)
        if w_hr is not None and inner is not None:
            before_h[part] = state
            product_(inner[:count], w_hr.T, state, 1.0, 0.0)
            y[part] = state
    return y, h, c, gates, tanh_c, before_h, before_c


def lstm_backward_cuda(
    dy: Array,
    dh: Array,
    dc: Array,
    w_hh: Array,
    w_hr: Array | None,
    gates: Array,
    tanh_c: Array,
    before_c: Array,
    counts: Counts,
    reverse: bool,
) -> tuple[Array | None, ...]:
    """As lstm_backward."""
    xp, width = xp_of(dy), tanh_c.shape[1]
    dy, gates, tanh_c, before_c = map(dense, (dy, gates, tanh_c, before_c))
    dh, dc, da = dh.copy("C"), dc.copy("C"), xp.empty(gates.shape, dy.dtype)
    wholes = None if w_hr is None else xp.empty(dy.shape, dy.dtype)
    for part in steps(counts, not reverse):
        count = part.stop - part.start
        whole, slopes = dh[:count], da[part]
        of_y: Array | None = dy[part]
        if wholes is not None:
            xp.add(whole, of_y, out=wholes[part])
            inner, of_y = product(wholes[part], w_hr), None
        else:
            inner = whole
        kept = gates[part], tanh_c[part], before_c[part]
        _LSTM.launch("lstm_step_back", *_cells(count, width), inner, of_y, dc, *kept, slopes, count, width)
        product_(slopes, w_hh, whole, 1.0, 0.0)
    return dh, dc, da, wholes


def gru_forward_cuda(
    x: Array,
    h: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    counts: Counts,
    reverse: bool,
) -> tuple[Array, ...]:
    """As gru_forward."""
    xp, rows, width = xp_of(x), len(x), h.shape[1]
    h, gates, biases = h.copy("C"), product(x, w_ih.T), (_optional(b_ih), _optional(b_hh))
    y, of_n, before_h = (xp.empty((rows, width), x.dtype) for _ in range(3))
    m = xp.empty((len(h), 3 * width), x.dtype)
    for part in steps(counts, reverse):
        count = part.stop - part.start
        product_(h[:count], w_hh.T, m[:count], 1.0, 0.0)
        given = gates[part], m, *biases, h, y[part], of_n[part], before_h[part]
        _GRU.launch("gru_step", *_cells(count, width), *given, count, width)
    return y, h, gates, of_n, before_h


def gru_backward_cuda(
    dy: Array, dh: Array, w_hh: Array, gates: Array, of_n: Array, before_h: Array, counts: Counts, reverse: bool
) -> tuple[Array, ...]:
    """As gru_backward."""
    xp, width = xp_of(dy), of_n.shape[1]
    dy, gates, of_n, before_h = map(dense, (dy, gates, of_n, before_h))
    dh, du, dm = dh.copy("C"), xp.empty(gates.shape, dy.dtype), xp.empty(gates.shape, dy.dtype)
    for part in steps(counts, not reverse):
        count = part.stop - part.start
        kept = dy[part], gates[part], of_n[part], before_h[part]
        _GRU.launch("gru_step_back", *_cells(count, width), dh, *kept, du[part], dm[part], count, width)
        product_(dm[part], w_hh, dh[:count], 1.0, 1.0)
    return dh, du, dm


def rnn_forward_cuda(
    x: Array,
    h: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    nonlinearity: str,
    counts: Counts,
    reverse: bool,
) -> tuple[Array, ...]:
    """As rnn_forward."""
    h, y, biases, width = h.copy("C"), product(x, w_ih.T), (_optional(b_ih), _optional(b_hh)), h.shape[1]
    before_h = xp_of(x).empty(y.shape, x.dtype)
    for part in steps(counts, reverse):
        count = part.stop - part.start
        product_(h[:count], w_hh.T, y[part], 1.0, 1.0)
        given: tuple[Any, ...] = (y[part], *biases, h, before_h[part], count, width, nonlinearity == "tanh")
        _RNN.launch("rnn_step", *_cells(count, width), *given)
    return y, h, before_h


def rnn_backward_cuda(
    dy: Array, dh: Array, w_hh: Array, y: Array, nonlinearity: str, counts: Counts, reverse: bool
) -> tuple[Array, Array]:
    """As rnn_backward."""
    dy, y, width = dense(dy), dense(y), y.shape[1]
    dh, da = dh.copy("C"), xp_of(dy).empty(y.shape, dy.dtype)
    for part in steps(counts, not reverse):
        count = part.stop - part.start
        settings = count, width, nonlinearity == "tanh"
        _RNN.launch("rnn_step_back", *_cells(count, width), dh, dy[part], y[part], da[part], *settings)
        product_(da[part], w_hh, dh[:count], 1.0, 0.0)
    return dh, da
