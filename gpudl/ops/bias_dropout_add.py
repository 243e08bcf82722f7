"""What follows the last Linear of a block with a way around it, in one pass: y = residual + dropout(x + b).

Shoeybi et al. 2019, arXiv:1909.08053.
"""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.ops.columns import biased
from gpudl.ops.dropout import Dropout
from gpudl.ops.operands import floating_only
from gpudl.ops.random_bits import Drop
from gpudl.random import sampling_stream

__all__ = ["bias_dropout_add"]


def bias_dropout_add(
    input: Tensor, bias: Tensor | None, residual: Tensor | None = None, p: float = 0.0, training: bool = True
) -> Tensor:
    """residual + dropout(input + bias, p, training) in one pass: for a matrix product whose bias is still to be added.

    PyTorch has no name for it.

    Args:
        input: (..., columns), floating point.
        bias: (columns,), of the input's dtype; None for none.
        residual: what the result is added to, of the input's shape and dtype; None for nothing.
        p: the probability of 0, in [0, 1], exact to 2**-33.
        training: False: nothing is dropped.
    Returns: the input's shape and dtype.
    Raises: ShapeError if the shapes differ; RuntimeError for other dtypes; ValueError for p out of range; DeviceError
        if the devices differ.
    Gradient: for input dx = dy / (1 - p) where the element was kept, else 0; for bias the sum of dx over all rows; for
        residual dy.
    Kernel: kernels/cuda/dropout.cu, one launch each way, and one more for the sums over many rows.
    Source: Shoeybi et al. 2019, arXiv:1909.08053.
    """
    if bias is not None:
        input, bias = biased("bias_dropout_add", input, bias)
    else:
        floating_only("bias_dropout_add", input)
    if residual is not None and residual.shape != input.shape:
        raise ShapeError(f"bias_dropout_add: input {input.shape} needs a residual like it, got {residual.shape}")
    if residual is not None and residual.dtype != input.dtype:
        raise RuntimeError(f"bias_dropout_add: the input is {input.dtype}, the residual {residual.dtype}; use to()")
    if not 0 <= p <= 1:
        raise ValueError(f"bias_dropout_add: p must be in [0, 1], got {p}")
    drop = None
    if training and p and input.array.size:
        stream = sampling_stream()
        drop = Drop(stream.key, stream.index, p, 1 / (1 - p) if p < 1 else 0.0)
    if drop is None and bias is None:
        return input if residual is None else residual + input
    return Dropout.apply(input, bias, residual, drop)  # type: ignore[no-any-return]
