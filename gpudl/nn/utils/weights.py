"""What weight and spectral normalization compute, whether by parametrizations or by hooks."""

from __future__ import annotations

import math

from gpudl.autograd.tensor import Tensor
from gpudl.nn import init
from gpudl.nn.module import Module
from gpudl.ops.create import zeros
from gpudl.ops.matmul import dot, mv
from gpudl.ops.matrix_norms import vector_norm
from gpudl.ops.normalize import normalize


def norm_except(weight: Tensor, dim: int) -> Tensor:
    """The 2-norm over all dimensions but one, which is kept; over all of them, in a 0-d tensor, if dim is -1."""
    if dim == -1:
        return vector_norm(weight)
    rows = rows_of(weight, dim)
    lengths = [1] * weight.ndim
    lengths[dim] = len(rows)
    return vector_norm(rows, dim=1).reshape(lengths)


def weight_of(magnitude: Tensor, direction: Tensor, dim: int) -> Tensor:
    """weight = magnitude direction / |direction|: weight normalization."""
    return direction * (magnitude / norm_except(direction, dim))


def rows_of(weight: Tensor, dim: int) -> Tensor:
    """A matrix: one dimension of the weight by all others."""
    front = weight.movedim(dim, 0)
    return front.reshape(front.shape[0], math.prod(front.shape[1:]))


def random_direction(weight: Tensor, length: int, eps: float) -> Tensor:
    """A vector of length 1, of the weight's dtype, on the host: from the stream of initial values."""
    return normalize(init.normal_(zeros(length, dtype=weight.dtype, device="cpu")), dim=0, eps=eps)


def output_dim(module: Module) -> int:
    """Which dimension of a module's weight is that of the outputs: of transposed convolutions, the second."""
    return 1 if getattr(module, "transposed", False) else 0


def scaled(weight: Tensor, rows: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """weight / sigma with sigma = u^T rows v, its largest singular value: spectral normalization."""
    return weight / dot(u, mv(rows, v))
