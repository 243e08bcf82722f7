"""GELU of x + b in one pass, by PyTorch's names for its two forms; see gpudl.ops.bias_act."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.ops.bias_act import BiasAct
from gpudl.ops.columns import biased
from gpudl.ops.gelu import _is_by_tanh

__all__ = ["bias_gelu"]


def bias_gelu(input: Tensor, bias: Tensor, approximate: str = "none") -> Tensor:
    """gelu(input + bias) in one pass: for a matrix product whose bias is still to be added. PyTorch has no name for it.

    Args:
        input: (..., columns), floating point.
        bias: (columns,), of the input's dtype.
        approximate: "none" | "tanh", as in gelu.
    Returns: the input's shape and dtype.
    Raises: ShapeError if the columns differ; RuntimeError for other dtypes and for another approximation; DeviceError
        if the devices differ.
    Gradient: dx = dy * (Phi(z) + z * Phi'(z)) with z = input + bias; for bias the sum of dx over all rows.
    Kernel: kernels/cuda/bias_act.cu, 16 bytes of columns a thread.
    Source: Hendrycks & Gimpel 2016, arXiv:1606.08415; Shoeybi et al. 2019, arXiv:1909.08053.
    """
    act = "gelu_tanh" if _is_by_tanh("bias_gelu", approximate) else "gelu"
    return BiasAct.apply(*biased("bias_gelu", input, bias), act)  # type: ignore[no-any-return]
