"""LSTM: a layer with a memory cell c that gates guard, over all time steps at once. Hochreiter & Schmidhuber 1997.

    i, f, g, o = s(a_i), s(a_f), tanh(a_g), s(a_o),    a = x W_ih^T + b_ih + h W_hh^T + b_hh,    s(a) = 1 / (1 + e^-a)
    c' = f c + i g,      h' = o tanh(c'),      or with a projection h' = (o tanh(c')) W_hr^T

The product with x is taken for all steps before the loop over time, and the gradients of the weights and of x after
the loop that goes back, one matrix product each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.activate import logistic, logistic_
from gpudl.ops.gemm import product
from gpudl.ops.recurrent_cuda import lstm_backward_cuda, lstm_forward_cuda
from gpudl.ops.time_steps import (
    Cell,
    Counts,
    Layout,
    Params,
    carried,
    cut,
    entered,
    gradients_of_products,
    in_time,
    run_layers,
    steps,
)

__all__ = ["lstm"]


@kernel
def lstm_forward(
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
    """y, the last h and c, and of each row of x the gates, tanh(c), and h and c before: what backward takes."""
    xp = xp_of(x)
    u, computed = entered(x, w_ih, b_ih, b_hh), []
    for part in steps(counts, reverse):
        count = part.stop - part.start
        before_h, before_c = h[:count], c[:count]
        i, f, g, o = cut(u[part] + product(before_h, w_hh.T), 4)
        i, f, g, o = logistic(i), logistic(f), xp.tanh(g), logistic(o)
        now_c = f * before_c + i * g
        tanh_c = xp.tanh(now_c)
        now_h = o * tanh_c if w_hr is None else product(o * tanh_c, w_hr.T)
        h, c = carried(now_h, h), carried(now_c, c)
        computed.append((now_h, xp.concatenate((i, f, g, o), axis=1), tanh_c, before_h, before_c))
    y, *kept = in_time(computed, reverse)
    return y, h, c, *kept


@lstm_forward.cpu("float32", "float64")
def lstm_forward_cpu(
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
    gates = entered(x, w_ih, b_ih, b_hh)
    rows, width = len(x), c.shape[1]
    h, c, w_hh = h.copy(), c.copy(), np.ascontiguousarray(w_hh)
    y, before_h = np.empty((rows, h.shape[1]), x.dtype), np.empty((rows, h.shape[1]), x.dtype)
    tanh_c, before_c = np.empty((rows, width), x.dtype), np.empty((rows, width), x.dtype)
    scratch = np.empty((4 * width, len(h)), x.dtype)
    for part in steps(counts, reverse):
        count = part.stop - part.start
        now_h, now_c, a, out = h[:count], c[:count], gates[part], tanh_c[part]
        before_h[part], before_c[part] = now_h, now_c
        # The BLAS is a quarter faster with the large matrix on the left.
        a += np.matmul(w_hh, now_h.T, out=scratch[:, :count]).T
        i, f, g, o = cut(a, 4)
        logistic_(a[:, : 2 * width])
        np.tanh(g, out=g)
        logistic_(o)
        now_c *= f
        now_c += np.multiply(i, g, out=out)
        np.tanh(now_c, out=out)
        if w_hr is None:
            np.multiply(o, out, out=now_h)
        else:
            np.matmul(o * out, w_hr.T, out=now_h)
        y[part] = now_h
    return y, h, c, gates, tanh_c, before_h, before_c


lstm_forward.cuda("float32", "float64")(lstm_forward_cuda)


@kernel
def lstm_backward(
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
    """dh and dc of the first states, and of each row da and, for the gradient of w_hr, the dh that reached it."""
    xp, computed = xp_of(dy), []
    for part in steps(counts, not reverse):
        count = part.stop - part.start
        (i, f, g, o), t = cut(gates[part], 4), tanh_c[part]
        whole = dh[:count] + dy[part]
        inner = whole if w_hr is None else product(whole, w_hr)
        now = dc[:count] + inner * o * (1 - t * t)
        di, df, dg, do = now * g, now * before_c[part], now * i, inner * t
        da = xp.concatenate((di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)), axis=1)
        dh, dc = carried(product(da, w_hh), dh), carried(now * f, dc)
        computed.append((da,) if w_hr is None else (da, whole))
    of_rows = tuple(in_time(computed, not reverse))
    return (dh, dc, *of_rows) if w_hr is not None else (dh, dc, *of_rows, None)


@lstm_backward.cpu("float32", "float64")
def lstm_backward_cpu(
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
    rows, width = tanh_c.shape
    dh, dc, w_hh, scratch = dh.copy(), dc.copy(), np.ascontiguousarray(w_hh), np.empty_like(dc, order="C")
    da = np.empty((rows, 4, width), dy.dtype)
    wholes = None if w_hr is None else np.empty((rows, dh.shape[1]), dy.dtype)
    for part in steps(counts, not reverse):
        count = part.stop - part.start
        now_h, now, slopes, t, out = dh[:count], dc[:count], da[part], tanh_c[part], scratch[:count]
        s = gates[part].reshape(slopes.shape)
        i, f, g, o = (s[:, k] for k in range(4))
        now_h += dy[part]
        if wholes is not None:
            wholes[part] = now_h
        inner = now_h if w_hr is None else now_h @ w_hr
        np.subtract(1, np.multiply(t, t, out=out), out=out)
        out *= inner
        out *= o
        now += out
        np.subtract(1, s, out=slopes)
        slopes *= s
        slopes[:, 2] = 1 - g * g
        slopes[:, :3] *= now[:, None]
        slopes[:, 0] *= g
        slopes[:, 1] *= before_c[part]
        slopes[:, 2] *= i
        slopes[:, 3] *= np.multiply(inner, t, out=out)
        now *= f
        np.matmul(slopes.reshape(count, 4 * width), w_hh, out=now_h)
    return dh, dc, da.reshape(rows, 4 * width), wholes


lstm_backward.cuda("float32", "float64")(lstm_backward_cuda)


class Lstm(Primitive):
    __slots__ = ("counts", "reverse")
    counts: Counts
    reverse: bool

    def forward(ctx, *args: Any) -> tuple[Array, ...]:
        """args: as lstm_forward."""
        ctx.counts, ctx.reverse = args[-2:]
        y, h, c, *kept = lstm_forward(*args)
        ctx.save(*args[:-2], *kept)
        return y, h, c

    def backward(ctx, dy: Array, dh: Array, dc: Array) -> tuple[Any, ...]:
        *args, gates, tanh_c, before_h, before_c = ctx.saved
        order = ctx.counts, ctx.reverse
        if gates is None:
            gates, tanh_c, before_h, before_c = lstm_forward(*args, *order)[3:]
        x, _, _, w_ih, w_hh, _, _, w_hr = args
        dh, dc, da, wholes = lstm_backward(dy, dh, dc, w_hh, w_hr, gates, tanh_c, before_c, *order)
        for_x, _, _, *for_weights, for_w_hr = ctx.edges[:8]
        dx, *dw = gradients_of_products((for_x, *for_weights), da, da, x, w_ih, before_h)
        return dx, dh, dc, *dw, product(wholes.T, cut(gates, 4)[3] * tanh_c) if for_w_hr else None, None, None


def lstm(
    input: Tensor,
    hx: Sequence[Tensor],
    params: Params,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
    *,
    batch_sizes: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """A stack of long short-term memory layers over sequences, each layer reading what the one below wrote.

    Args:
        input: (time, batch, features), time >= 1; packed data (rows, features) with batch_sizes.
        hx: the first h, (num_layers * directions, batch, outputs), and c, (num_layers * directions, batch, hidden);
            outputs is hidden, or the size of the projection.
        params: for each layer, and in it for each direction, weight_ih (4 * hidden, features of the layer's input),
            weight_hh (4 * hidden, outputs), bias_ih and bias_hh (4 * hidden,) where there are biases, and weight_hr
            (outputs, hidden) where there is a projection; the gates in the order i, f, g, o.
        has_biases: whether biases are among the parameters.
        num_layers: >= 1.
        dropout: the probability of 0 in what a layer but the first reads, in [0, 1].
        train: False: nothing is dropped.
        bidirectional: each layer goes through time in both directions, and writes both outputs side by side.
        batch_first: input and output are (batch, time, features).
        batch_sizes: how many sequences have each time step, never growing: of a PackedSequence.
    Returns: the output, laid out as the input, (time, batch, directions * outputs), and the last h and c, as hx.
    Raises: ShapeError for shapes that do not fit; RuntimeError for dtypes that differ; ValueError for dropout out of
        range.
    Gradient: backpropagation through time.
    Kernel: kernels/cuda/lstm.cu, a thread for each cell of a time step.
    Source: Hochreiter & Schmidhuber 1997, "Long short-term memory"; forget gate: Gers, Schmidhuber & Cummins 2000;
        projection: Sak, Senior & Beaufays 2014, arXiv:1402.1128.
    """
    layout = Layout(has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes)
    return run_layers(Cell("lstm", Lstm, 4, 2), input, hx, params, layout)  # type: ignore[return-value]
