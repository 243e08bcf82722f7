"""Gated products whose gate is an activation: y = activation(a) * b. Shazeer 2020, arXiv:2002.05202.

    swiglu: silu(a) * b        geglu: gelu(a) * b        reglu: relu(a) * b

a and b are arrays of their own, or the halves of one, as the first layer of a gated feed-forward network makes them.
"""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.gates import GateText, halved, halves
from gpudl.ops.gelu import gelu_backward, gelu_forward
from gpudl.ops.operands import floating_only
from gpudl.ops.relu import relu_backward, relu_forward
from gpudl.ops.silu import silu, silu_backward, silu_forward

__all__ = ["geglu", "reglu", "swiglu"]

_SILU = GateText("math/silu.cuh", gates=("Silu",), first=True)
_GELU = GateText("math/gelu.cuh", gates=("Gelu<false>", "Gelu<true>"), first=True)
_RELU = GateText("math/relu.cuh", gates=("Relu",), first=True)


@kernel
def swiglu_forward(x: Array, other: Array | None, dim: int) -> Array:
    """y = silu(x) * other, of one shape; without other silu(a) * b for the halves a, b of x along dim."""
    a, b = _operands(x, other, dim)
    return _silu(a) * b


@swiglu_forward.cuda("float32", "float64", "float16", "bfloat16")
def swiglu_forward_cuda(x: Array, other: Array | None, dim: int) -> Array:
    return _SILU.forward(x, other, dim)


@kernel
def swiglu_backward(dy: Array, x: Array, other: Array | None, dim: int) -> tuple[Array, Array | None]:
    """da = dy * b * silu'(a), db = dy * silu(a), as dx and dother, or side by side in dx."""
    a, b = _operands(x, other, dim)
    return _gradients(silu_backward(dy * b, a), dy * _silu(a), other, dim)


@swiglu_backward.cuda("float32", "float64", "float16", "bfloat16")
def swiglu_backward_cuda(dy: Array, x: Array, other: Array | None, dim: int) -> tuple[Array, Array | None]:
    return _SILU.backward(dy, x, other, dim)


@kernel
def geglu_forward(x: Array, other: Array | None, dim: int, by_tanh: bool) -> Array:
    """y = gelu(x) * other, of one shape; without other gelu(a) * b for the halves a, b of x along dim."""
    a, b = _operands(x, other, dim)
    return gelu_forward(a, by_tanh, False)[0] * b


@geglu_forward.cuda("float32", "float64", "float16", "bfloat16")
def geglu_forward_cuda(x: Array, other: Array | None, dim: int, by_tanh: bool) -> Array:
    return _GELU.forward(x, other, dim, by_tanh)


@kernel
def geglu_backward(dy: Array, x: Array, other: Array | None, dim: int, by_tanh: bool) -> tuple[Array, Array | None]:
    """da = dy * b * gelu'(a), db = dy * gelu(a), as dx and dother, or side by side in dx."""
    a, b = _operands(x, other, dim)
    da = gelu_backward(dy * b, a, None, by_tanh)
    return _gradients(da, dy * gelu_forward(a, by_tanh, False)[0], other, dim)


@geglu_backward.cuda("float32", "float64", "float16", "bfloat16")
def geglu_backward_cuda(
    dy: Array, x: Array, other: Array | None, dim: int, by_tanh: bool
) -> tuple[Array, Array | None]:
    return _GELU.backward(dy, x, other, dim, by_tanh)


@kernel
def reglu_forward(x: Array, other: Array | None, dim: int) -> Array:
    """y = relu(x) * other, of one shape; without other relu(a) * b for the halves a, b of x along dim."""
    a, b = _operands(x, other, dim)
    return relu_forward(a) * b


@reglu_forward.cuda("float32", "float64", "float16", "bfloat16")
def reglu_forward_cuda(x: Array, other: Array | None, dim: int) -> Array:
    return _RELU.forward(x, other, dim)


@kernel
def reglu_backward(dy: Array, x: Array, other: Array | None, dim: int) -> tuple[Array, Array | None]:
    """da = dy * b where a > 0, else 0, db = dy * relu(a), as dx and dother, or side by side in dx."""
    a, b = _operands(x, other, dim)
    return _gradients(relu_backward(dy * b, a), dy * relu_forward(a), other, dim)


@reglu_backward.cuda("float32", "float64", "float16", "bfloat16")
def reglu_backward_cuda(dy: Array, x: Array, other: Array | None, dim: int) -> tuple[Array, Array | None]:
    return _RELU.backward(dy, x, other, dim)


def _operands(x: Array, other: Array | None, dim: int) -> tuple[Array, Array]:
    return halves(x, dim) if other is None else (x, other)


def _silu(x: Array) -> Array:
    """silu(x), of an array or a Tensor; the kernel writes over what a graph would have to keep."""
    return silu(x) if isinstance(x, Tensor) else silu_forward(x)


def _gradients(da: Array, db: Array, other: Array | None, dim: int) -> tuple[Array, Array | None]:
    return (xp_of(da).concatenate([da, db], dim), None) if other is None else (da, db)


class Swiglu(ReadsHalf):
    __slots__ = ("dim",)
    dim: int

    def forward(ctx, x: Array, other: Array | None, dim: int) -> Array:
        ctx.dim = dim
        ctx.save(x, other)
        return swiglu_forward(x, other, dim)

    def backward(ctx, dy: Array) -> tuple[Array, Array | None]:
        return swiglu_backward(dy, *ctx.saved, ctx.dim)  # type: ignore[no-any-return]


class Geglu(ReadsHalf):
    __slots__ = ("by_tanh", "dim")
    by_tanh: bool
    dim: int

    def forward(ctx, x: Array, other: Array | None, dim: int, by_tanh: bool) -> Array:
        ctx.by_tanh, ctx.dim = by_tanh, dim
        ctx.save(x, other)
        return geglu_forward(x, other, dim, by_tanh)

    def backward(ctx, dy: Array) -> tuple[Array, Array | None]:
        return geglu_backward(dy, *ctx.saved, ctx.dim, ctx.by_tanh)  # type: ignore[no-any-return]


class Reglu(ReadsHalf):
    __slots__ = ("dim",)
    dim: int

    def forward(ctx, x: Array, other: Array | None, dim: int) -> Array:
        ctx.dim = dim
        ctx.save(x, other)
        return reglu_forward(x, other, dim)

    def backward(ctx, dy: Array) -> tuple[Array, Array | None]:
        return reglu_backward(dy, *ctx.saved, ctx.dim)  # type: ignore[no-any-return]


def _checked(name: str, input: Tensor, other: Tensor | None, dim: int) -> int:
    """The dimension to halve, counted from the front; 0 where there is another tensor."""
    if other is None:
        return halved(name, input, dim)
    floating_only(name, input), floating_only(name, other)
    if input.shape != other.shape:
        raise ShapeError(f"{name}: input {input.shape} and other {other.shape} must have one shape; expand one")
    if input.dtype != other.dtype:
        raise RuntimeError(f"{name}: input is {input.dtype} and other {other.dtype}; cast one to the other's dtype")
    return 0


def swiglu(input: Tensor, other: Tensor | None = None, dim: int = -1) -> Tensor:
    """silu(input) * other, elementwise; PyTorch has no name for it. Alone, the halves of the input are taken.

    Args:
        input: what goes through the activation, floating point; without other both, the gate first, unlike glu's.
        other: what is multiplied, of the input's shape and dtype.
        dim: without other, the dimension of the input to halve.
    Returns: the input's dtype; its shape, with half the length along dim where that is halved.
    Raises: RuntimeError for integers and mixed dtypes; ShapeError (RuntimeError) if the shapes differ, for a 0-d input
        and for an odd length; IndexError if dim is out of range; DeviceError if the devices differ.
    Gradient: dy * other * silu'(input), dy * silu(input).
    Kernel: kernels/cuda/glu.cu with kernels/math/silu.cuh, 16 bytes of each operand a thread.
    Source: Shazeer 2020, arXiv:2002.05202.
    """
    return Swiglu.apply(input, other, _checked("swiglu", input, other, dim))  # type: ignore[no-any-return]


def geglu(input: Tensor, other: Tensor | None = None, dim: int = -1, approximate: str = "none") -> Tensor:
    """gelu(input) * other, elementwise; PyTorch has no name for it. Alone, the halves of the input are taken.

    Args:
        input, other, dim: as in swiglu.
        approximate: "none" | "tanh", as in gelu.
    Returns: as swiglu.
    Raises: as swiglu; RuntimeError for another approximation.
    Gradient: dy * other * gelu'(input), dy * gelu(input).
    Kernel: kernels/cuda/glu.cu with kernels/math/gelu.cuh, 16 bytes of each operand a thread.
    Source: Shazeer 2020, arXiv:2002.05202.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"geglu: approximate must be 'none' or 'tanh', got {approximate!r}")
    place = _checked("geglu", input, other, dim)
    return Geglu.apply(input, other, place, approximate == "tanh")  # type: ignore[no-any-return]


def reglu(input: Tensor, other: Tensor | None = None, dim: int = -1) -> Tensor:
    """relu(input) * other, elementwise; PyTorch has no name for it. Alone, the halves of the input are taken.

    Args:
        input, other, dim: as in swiglu.
    Returns: as swiglu.
    Raises: as swiglu.
    Gradient: dy * other where input > 0, else 0; dy * relu(input).
    Kernel: kernels/cuda/glu.cu with kernels/math/relu.cuh, 16 bytes of each operand a thread.
    Source: Shazeer 2020, arXiv:2002.05202.
    """
    return Reglu.apply(input, other, _checked("reglu", input, other, dim))  # type: ignore[no-any-return]
