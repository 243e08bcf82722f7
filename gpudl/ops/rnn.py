"""The simple recurrent layer over all time steps at once: h' = act(x W_ih^T + b_ih + h W_hh^T + b_hh). Elman 1990.

The activation is tanh or relu. Large products stand before and after the loop over time, as in gpudl.ops.lstm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.kernel import kernel
from gpudl.ops.gemm import product
from gpudl.ops.recurrent_cuda import rnn_backward_cuda, rnn_forward_cuda
from gpudl.ops.relu import relu_backward, relu_forward
from gpudl.ops.time_steps import (
    Cell,
    Counts,
    Layout,
    Params,
    carried,
    entered,
    gradients_of_products,
    in_time,
    run_layers,
    steps,
)

__all__ = ["rnn"]


@kernel
def rnn_forward(
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
    """y, the last h, and of each row of x the h before."""
    act = xp_of(x).tanh if nonlinearity == "tanh" else relu_forward
    u, computed = entered(x, w_ih, b_ih, b_hh), []
    for part in steps(counts, reverse):
        before = h[: part.stop - part.start]
        now = act(u[part] + product(before, w_hh.T))
        h = carried(now, h)
        computed.append((now, before))
    y, before_h = in_time(computed, reverse)
    return y, h, before_h


@rnn_forward.cpu("float32", "float64")
def rnn_forward_cpu(
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
    y = entered(x, w_ih, b_ih, b_hh)
    h, w_hh, before_h = h.copy(), np.ascontiguousarray(w_hh), np.empty_like(y)
    scratch = np.empty(h.shape[::-1], h.dtype)
    for part in steps(counts, reverse):
        now, a = h[: part.stop - part.start], y[part]
        before_h[part] = now
        a += np.matmul(w_hh, now.T, out=scratch[:, : len(now)]).T
        if nonlinearity == "tanh":
            np.tanh(a, out=a)
        else:
            np.maximum(a, 0, out=a)
        now[...] = a
    return y, h, before_h


rnn_forward.cuda("float32", "float64")(rnn_forward_cuda)


@kernel
def rnn_backward(
    dy: Array, dh: Array, w_hh: Array, y: Array, nonlinearity: str, counts: Counts, reverse: bool
) -> tuple[Array, Array]:
    """dh of the first state, and da of each row, a being what the activation took."""
    computed = []
    for part in steps(counts, not reverse):
        whole, out = dh[: part.stop - part.start] + dy[part], y[part]
        da = whole * (1 - out * out) if nonlinearity == "tanh" else relu_backward(whole, out)
        dh = carried(product(da, w_hh), dh)
        computed.append((da,))
    (da,) = in_time(computed, not reverse)
    return dh, da


@rnn_backward.cpu("float32", "float64")
def rnn_backward_cpu(
    dy: Array, dh: Array, w_hh: Array, y: Array, nonlinearity: str, counts: Counts, reverse: bool
) -> tuple[Array, Array]:
    dh, w_hh, da = dh.copy(), np.ascontiguousarray(w_hh), np.empty(y.shape, y.dtype)
    for part in steps(counts, not reverse):
        whole, out, slopes = dh[: part.stop - part.start], y[part], da[part]
        whole += dy[part]
        if nonlinearity == "tanh":
            np.subtract(1, np.multiply(out, out, out=slopes), out=slopes)
            slopes *= whole
        else:
            slopes[...] = relu_backward(whole, out)
        np.matmul(slopes, w_hh, out=whole)
    return dh, da


rnn_backward.cuda("float32", "float64")(rnn_backward_cuda)


class Rnn(Primitive):
    __slots__ = ("order",)
    order: tuple[str, Counts, bool]

    def forward(ctx, *args: Any) -> tuple[Array, ...]:
        """args: as rnn_forward."""
        ctx.order = args[-3:]
        y, h, before_h = rnn_forward(*args)
        ctx.save(*args[:-3], y, before_h)
        return y, h

    def backward(ctx, dy: Array, dh: Array) -> tuple[Any, ...]:
        *args, y, before_h = ctx.saved
        if before_h is None:
            _, _, before_h = rnn_forward(*args, *ctx.order)
        x, _, w_ih, w_hh, _, _ = args
        dh, da = rnn_backward(dy, dh, w_hh, y, *ctx.order)
        for_x, _, *for_weights = ctx.edges[:6]
        dx, *dw = gradients_of_products((for_x, *for_weights), da, da, x, w_ih, before_h)
        return dx, dh, *dw, None, None, None


def rnn(
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
    nonlinearity: str = "tanh",
) -> tuple[Tensor, Tensor]:
    """A stack of simple recurrent layers over sequences, each layer reading what the one below wrote.

    Args:
        hx: the first h, (num_layers * directions, batch, hidden).
        params: for each layer, and in it for each direction, weight_ih (hidden, features of the layer's input),
            weight_hh (hidden, hidden), and bias_ih and bias_hh (hidden,) where there are biases.
        nonlinearity: "tanh" or "relu".
        input, has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes: as in lstm.
    Returns: the output, laid out as the input, (time, batch, directions * hidden), and the last h, as hx.
    Raises: ValueError for another nonlinearity; else as lstm.
    Gradient: backpropagation through time.
    Kernel: kernels/cuda/rnn.cu, a thread for each cell of a time step.
    Source: Elman 1990, "Finding structure in time".
    """
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"rnn: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
    layout = Layout(has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes)
    cell = Cell("rnn", Rnn, 1, settings=(nonlinearity,))
    return run_layers(cell, input, (hx,), params, layout)  # type: ignore[return-value]
