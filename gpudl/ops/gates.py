"""What gated products share, the activation of one array times another: halves of an array, and CUDA's launches."""

from __future__ import annotations

import math

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense, spread
from gpudl.backend.errors import ShapeError
from gpudl.ops.operands import floating_only, one_dim


class GateText:
    """The kernels of kernels/cuda/glu.cu for some activations.

    Args:
        files: paths inside kernels/ of the files with the activations' structs.
        gates: the names of these structs; forward and backward are told which by its place.
        first: whether the first half is the gate, else the second.
    """

    def __init__(self, *files: str, gates: tuple[str, ...], first: bool):
        self.names = [[f"glu_{way}<{{T}}, {{A}}, {gate}>" for way in ("forward", "backward")] for gate in gates]
        texts = "math/numbers.cuh", "math/packs.cuh", *files, "cuda/glu.cu"
        self.text = CudaText(*texts, kernels=tuple(name for pair in self.names for name in pair))
        self.first = first

    def forward(self, x: Array, other: Array | None, dim: int, which: int = 0) -> Array:
        """The activation of x times other, or of one half of x along dim times the other half."""
        shape, layout = self._layout(x, other, dim)
        x = dense(x)
        y = xp_of(x).empty(shape, x.dtype)
        value = x if other is None else dense(other)
        self.text.launch(self.names[which][0], *spread(y), x, value, y, y.size, *layout)
        return y

    def backward(
        self, dy: Array, x: Array, other: Array | None, dim: int, which: int = 0
    ) -> tuple[Array, Array | None]:
        """The gradients of x and other."""
        _, layout = self._layout(x, other, dim)
        x, dy, xp = dense(x), dense(dy), xp_of(x)
        dx = xp.empty(x.shape, x.dtype)
        value = x if other is None else dense(other)
        dother = None if other is None else xp.empty(x.shape, x.dtype)
        dvalue = dx if dother is None else dother
        self.text.launch(self.names[which][1], *spread(dy), dy, x, value, dx, dvalue, dy.size, *layout)
        return dx, dother

    def _layout(self, x: Array, other: Array | None, dim: int) -> tuple[tuple[int, ...], tuple[int, int, int, int]]:
        """The shape of y, and how gate and value lie, as the kernels are told."""
        if other is not None:
            return x.shape, (x.size, 0, 0, 0)
        half: int = x.shape[dim] // 2
        columns = half * math.prod(x.shape[dim + 1 :])
        return (*x.shape[:dim], half, *x.shape[dim + 1 :]), (
            columns,
            columns,
            0 if self.first else columns,
            columns if self.first else 0,
        )


def halves(x: Array, dim: int) -> tuple[Array, Array]:
    """Both halves of x along dim, which is counted from the front."""
    half = x.shape[dim] // 2
    front: tuple[slice, ...] = (slice(None),) * dim
    first, second = (*front, slice(half)), (*front, slice(half, None))
    return x[first], x[second]


def halved(name: str, input: Tensor, dim: int) -> int:
    """The dimension to halve, counted from the front.

    Raises: RuntimeError for integers; ShapeError (RuntimeError) for a 0-d input and for an odd length; IndexError if
        dim is out of range.
    """
    if not input.ndim:
        raise ShapeError(f"{name}: a 0-d input has no dimension to halve; give it one with reshape")
    place = one_dim(name, dim, input.ndim)
    if input.shape[place] % 2:
        raise ShapeError(f"{name}: dimension {dim} of an input {input.shape} has odd length, and no halves")
    floating_only(name, input)
    return place
