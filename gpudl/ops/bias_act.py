"""An activation of x + b in one pass, for what comes out of a Linear: y = f(x + b).

Kernel fusion as in Shoeybi et al. 2019, arXiv:1909.08053. The derivatives of relu, tanh and sigmoid are had from y,
which the next layer keeps anyway, so that x is kept for the others alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import dense
from gpudl.backend.kernel import kernel
from gpudl.ops.columns import Strips, bias_text, biased, down_columns
from gpudl.ops.gelu import _by_erf, _by_tanh, gelu_backward, gelu_forward
from gpudl.ops.operands import total
from gpudl.ops.parts import rows_in_part
from gpudl.ops.relu import relu_backward, relu_forward
from gpudl.ops.silu import silu_backward, silu_forward

__all__ = ["bias_act"]

_STRUCTS = {
    "relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "silu": "Silu",
    "gelu": "Gelu<false>", "gelu_tanh": "Gelu<true>",
}  # fmt: skip
_OF_RESULT = ("relu", "tanh", "sigmoid")


# One for each activation, since a text is compiled as a whole, and a model has one or two of them.
_NAMES = {
    act: (f"bias_act_forward<{{T}}, {{A}}, {struct}>", f"bias_act_backward<{{T}}, {{A}}, {struct}>")
    for act, struct in _STRUCTS.items()
}
_TEXTS = {act: bias_text(*names, "column_totals") for act, names in _NAMES.items()}


@kernel
def bias_act_forward(x: Array, b: Array, act: str, with_slope: bool) -> tuple[Array, Array | None]:
    """y = act(x + b), and for gelu dy/dx where it is asked for, else None. x: (..., columns), b: (columns,)."""
    z = x + b
    if act == "relu":
        return relu_forward.reference(z), None
    if act == "silu":
        return silu_forward.reference(z), None
    if act == "tanh":
        return xp_of(z).tanh(z), None
    if act == "sigmoid":
        return 1 / (xp_of(z).exp(-z) + 1), None
    return gelu_forward.reference(z, act == "gelu_tanh", with_slope)  # type: ignore[no-any-return]


@bias_act_forward.cpu("float32", "float64")
def bias_act_forward_cpu(x: Array, b: Array, act: str, with_slope: bool) -> tuple[Array, Array | None]:
    y, slope = np.empty(x.shape, x.dtype), None
    rows = math.prod(x.shape[:-1])
    given, results = x.reshape((rows, len(b))), y.reshape((rows, len(b)))
    count = max(rows_in_part(results) // 2, 1)
    pieces = [slice(start, start + count) for start in range(0, rows, count)]
    overwrite = _OVER.get(act)
    if overwrite is not None:
        for part in pieces:
            overwrite(np.add(given[part], b, out=results[part]))
        return y, None
    slope = np.empty(x.shape, x.dtype) if with_slope else None
    slopes = None if slope is None else slope.reshape(results.shape)
    work = _by_tanh if act == "gelu_tanh" else _by_erf
    for part in pieces:
        work(given[part] + b, results[part], None if slopes is None else slopes[part])
    return y, slope


@bias_act_forward.cuda("float32", "float64", "float16", "bfloat16")
def bias_act_forward_cuda(x: Array, b: Array, act: str, with_slope: bool) -> tuple[Array, None]:
    x, b = dense(x), dense(b)
    y, columns = xp_of(x).empty(x.shape, x.dtype), len(b)
    rows = x.size // columns if columns else 0
    _TEXTS[act].launch(_NAMES[act][0], *down_columns(x, columns), x, b, y, rows, columns)
    return y, None


@kernel
def bias_act_backward(dy: Array, kept: Array, b: Array | None, slope: Array | None, act: str) -> tuple[Array, Array]:
    """dx = dy * act'(x + b) from kept: y of relu, tanh, sigmoid, else x; or from the slope. db, its sum over rows."""
    if act == "relu":
        dx = relu_backward.reference(dy, kept)
    elif act == "tanh":
        dx = dy * (1 - kept * kept)
    elif act == "sigmoid":
        dx = dy * (1 - kept) * kept
    elif slope is not None:
        dx = dy * slope
    elif act == "silu":
        dx = silu_backward.reference(dy, kept + b)
    else:
        dx = gelu_backward.reference(dy, kept + b, None, act == "gelu_tanh")
    return dx, total(dx.reshape((math.prod(dy.shape[:-1]), dy.shape[-1])), 0)


@bias_act_backward.cpu("float32", "float64")
def bias_act_backward_cpu(
    dy: Array, kept: Array, b: Array | None, slope: Array | None, act: str
) -> tuple[Array, Array]:
    if act == "relu":
        dx = relu_backward(dy, kept)
    elif act == "silu" and slope is None:
        dx = silu_backward(dy, kept + b)
    else:
        return bias_act_backward.reference(dy, kept, b, slope, act)  # type: ignore[no-any-return]
    return dx, total(dx.reshape((math.prod(dy.shape[:-1]), dy.shape[-1])), 0)


@bias_act_backward.cuda("float32", "float64", "float16", "bfloat16")
def bias_act_backward_cuda(
    dy: Array, kept: Array, b: Array | None, slope: Array | None, act: str
) -> tuple[Array, Array]:
    xp, columns = xp_of(dy), dy.shape[-1]
    if not dy.size:
        return xp.empty(dy.shape, dy.dtype), xp.zeros(columns, dy.dtype)
    rows, text = dy.size // columns, _TEXTS[act]
    dx, db = xp.empty(dy.shape, dy.dtype), xp.empty(columns, dy.dtype)
    strips = Strips(dx, rows, columns)
    given = dense(dy), dense(kept), None if b is None else dense(b), None if slope is None else dense(slope)
    sizes = rows, columns, strips.rows_of_block
    text.launch(_NAMES[act][1], strips.grid, strips.block, *given, dx, db, strips.sums, *sizes)
    strips.finish(text, db)
    return dx, db


def _relu(z: Array) -> None:
    np.maximum(z, z.dtype.type(0), out=z)


def _tanh(z: Array) -> None:
    np.tanh(z, out=z)


def _sigmoid(z: Array) -> None:
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1
    np.divide(1, z, out=z)


def _silu(z: Array) -> None:
    share = np.exp(-z)
    share += 1
    z /= share


_OVER: dict[str, Callable[[Array], None]] = {"relu": _relu, "tanh": _tanh, "sigmoid": _sigmoid, "silu": _silu}


class BiasAct(ReadsHalf):
    __slots__ = ("act",)
    act: str

    def forward(ctx, x: Array, b: Array, act: str) -> Array:
        ctx.act = act
        y, slope = bias_act_forward(x, b, act, mode.enabled and any(ctx.edges[:2]))
        if act in _OF_RESULT:
            ctx.save(y, None, None)
        else:
            ctx.save(x, b, slope)
        return y

    def backward(ctx, dy: Array) -> tuple[Array, Array, None]:
        return *bias_act_backward(dy, *ctx.saved, ctx.act), None


def bias_act(input: Tensor, bias: Tensor, act: str) -> Tensor:
    """act(input + bias) in one pass: for a matrix product whose bias is still to be added. PyTorch has no name for it.

    Args:
        input: (..., columns), floating point.
        bias: (columns,), of the input's dtype.
        act: "relu" | "tanh" | "sigmoid" | "silu" | "gelu" | "gelu_tanh", the last by a formula of tanh.
    Returns: the input's shape and dtype.
    Raises: ShapeError if the columns differ; RuntimeError for other dtypes and another activation; DeviceError if the
        devices differ.
    Gradient: dx = dy * act'(input + bias); for bias the sum of dx over all rows.
    Kernel: kernels/cuda/bias_act.cu and kernels/math/bias_act.cuh, 16 bytes of columns a thread.
    Source: Shoeybi et al. 2019, arXiv:1909.08053.
    """
    if act not in _STRUCTS:
        raise RuntimeError(f"bias_act: act must be one of {', '.join(_STRUCTS)}; got {act!r}")
    return BiasAct.apply(*biased("bias_act", input, bias), act)  # type: ignore[no-any-return]
