"""GRU: a layer whose state moves by a gated step to a new candidate, over all time steps at once. Cho et al. 2014.

    r, z = s(u_r + m_r), s(u_z + m_z),      n = tanh(u_n + r m_n),      h' = n + z (h - n)
    u = x W_ih^T + b_ih,      m = h W_hh^T + b_hh,      s(a) = 1 / (1 + e^-a)

The reset gate r scales the product with h, not h itself, as in cuDNN and PyTorch. Large products stand before and after
the loop over time, as in gpudl.ops.lstm.
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
from gpudl.ops.recurrent_cuda import gru_backward_cuda, gru_forward_cuda
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

__all__ = ["gru"]


@kernel
def gru_forward(
    x: Array,
    h: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    counts: Counts,
    reverse: bool,
) -> tuple[Array, ...]:
    """y, the last h, and of each row of x the gates r, z, n, then m_n, and h before: what backward takes."""
    xp = xp_of(x)
    u, computed = entered(x, w_ih, b_ih), []
    for part in steps(counts, reverse):
        before = h[: part.stop - part.start]
        (u_r, u_z, u_n), (m_r, m_z, m_n) = cut(u[part], 3), cut(entered(before, w_hh, b_hh), 3)
        r, z = logistic(u_r + m_r), logistic(u_z + m_z)
        n = xp.tanh(u_n + r * m_n)
        now = n + z * (before - n)
        h = carried(now, h)
        computed.append((now, xp.concatenate((r, z, n), axis=1), m_n, before))
    y, *kept = in_time(computed, reverse)
    return y, h, *kept


@gru_forward.cpu("float32", "float64")
def gru_forward_cpu(
    x: Array,
    h: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    counts: Counts,
    reverse: bool,
) -> tuple[Array, ...]:
    gates = entered(x, w_ih, b_ih)
    rows, width = len(x), h.shape[1]
    h, w_hh, scratch = h.copy(), np.ascontiguousarray(w_hh), np.empty((3 * width, len(h)), x.dtype)
    y, of_n, before = (np.empty((rows, width), x.dtype) for _ in range(3))
    for part in steps(counts, reverse):
        count = part.stop - part.start
        now, a, m = h[:count], gates[part], np.matmul(w_hh, h[:count].T, out=scratch[:, :count]).T
        before[part] = now
        if b_hh is not None:
            m += b_hh
        a[:, : 2 * width] += m[:, : 2 * width]
        logistic_(a[:, : 2 * width])
        r, z, n = cut(a, 3)
        of_n[part] = m_n = m[:, 2 * width :]
        n += np.multiply(r, m_n, out=m_n)
        np.tanh(n, out=n)
        now -= n
        now *= z
        now += n
        y[part] = now
    return y, h, gates, of_n, before


gru_forward.cuda("float32", "float64")(gru_forward_cuda)


@kernel
def gru_backward(
    dy: Array, dh: Array, w_hh: Array, gates: Array, of_n: Array, before_h: Array, counts: Counts, reverse: bool
) -> tuple[Array, ...]:
    """dh of the first state, and du and dm of each row."""
    xp, computed = xp_of(dy), []
    for part in steps(counts, not reverse):
        (r, z, n), m_n = cut(gates[part], 3), of_n[part]
        whole = dh[: part.stop - part.start] + dy[part]
        dz = whole * (before_h[part] - n) * z * (1 - z)
        dn = whole * (1 - z) * (1 - n * n)
        dr = dn * m_n * r * (1 - r)
        dm = xp.concatenate((dr, dz, dn * r), axis=1)
        dh = carried(whole * z + product(dm, w_hh), dh)
        computed.append((xp.concatenate((dr, dz, dn), axis=1), dm))
    return dh, *in_time(computed, not reverse)


@gru_backward.cpu("float32", "float64")
def gru_backward_cpu(
    dy: Array, dh: Array, w_hh: Array, gates: Array, of_n: Array, before_h: Array, counts: Counts, reverse: bool
) -> tuple[Array, ...]:
    rows, width = of_n.shape
    dh, w_hh, scratch = dh.copy(), np.ascontiguousarray(w_hh), np.empty_like(dh, order="C")
    du, dm = np.empty((rows, 3 * width), dy.dtype), np.empty((rows, 3 * width), dy.dtype)
    for part in steps(counts, not reverse):
        count = part.stop - part.start
        whole, a, slopes, out = dh[:count], gates[part], du[part], scratch[:count]
        (r, z, n), (dr, dz, dn) = cut(a, 3), cut(slopes, 3)
        whole += dy[part]
        np.subtract(1, a, out=slopes)
        np.subtract(1, np.multiply(n, n, out=dn), out=dn)
        dn *= whole
        dn *= dz  # 1 - z
        slopes[:, : 2 * width] *= a[:, : 2 * width]
        dr *= dn
        dr *= of_n[part]
        dz *= whole
        dz *= np.subtract(before_h[part], n, out=out)
        dm[part] = slopes
        dm[part, 2 * width :] *= r
        whole *= z
        whole += np.matmul(dm[part], w_hh, out=out)
    return dh, du, dm


gru_backward.cuda("float32", "float64")(gru_backward_cuda)


class Gru(Primitive):
    __slots__ = ("counts", "reverse")
    counts: Counts
    reverse: bool

    def forward(ctx, *args: Any) -> tuple[Array, ...]:
        """args: as gru_forward."""
        ctx.counts, ctx.reverse = args[-2:]
        y, h, *kept = gru_forward(*args)
        ctx.save(*args[:-2], *kept)
        return y, h

    def backward(ctx, dy: Array, dh: Array) -> tuple[Any, ...]:
        *args, gates, of_n, before_h = ctx.saved
        order = ctx.counts, ctx.reverse
        if gates is None:
            gates, of_n, before_h = gru_forward(*args, *order)[2:]
        x, _, w_ih, w_hh, _, _ = args
        dh, du, dm = gru_backward(dy, dh, w_hh, gates, of_n, before_h, *order)
        for_x, _, *for_weights = ctx.edges[:6]
        dx, *dw = gradients_of_products((for_x, *for_weights), du, dm, x, w_ih, before_h)
        return dx, dh, *dw, None, None


def gru(
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
    """A stack of gated recurrent layers over sequences, each layer reading what the one below wrote.

    Args:
        hx: the first h, (num_layers * directions, batch, hidden).
        params: for each layer, and in it for each direction, weight_ih (3 * hidden, features of the layer's input),
            weight_hh (3 * hidden, hidden), and bias_ih and bias_hh (3 * hidden,) where there are biases; the gates in
            the order r, z, n.
        input, has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes: as in lstm.
    Returns: the output, laid out as the input, (time, batch, directions * hidden), and the last h, as hx.
    Raises: as lstm.
    Gradient: backpropagation through time.
    Kernel: kernels/cuda/gru.cu, a thread for each cell of a time step.
    Source: Cho et al. 2014, arXiv:1406.1078.
    """
    layout = Layout(has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes)
    return run_layers(Cell("gru", Gru, 3), input, (hx,), params, layout)  # type: ignore[return-value]
