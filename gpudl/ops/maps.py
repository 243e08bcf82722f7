"""Elementwise kernels on CUDA devices: a room writes their scalar math, and kernels/cuda/map.cu is around it.

    @kernel
    def elu_forward(x, depth, scale, rate): ...

    @kernel
    def elu_backward(dy, x, depth, scale, rate): ...

    cuda_maps("math/elu.cuh", elu_forward, elu_backward)

where the file has a struct Elu with the functions forward(x, depth, scale, rate) and backward(dy, x, depth, scale,
rate) of numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.inplace import assign, rebind, require_writable
from gpudl.autograd.tensor import Tensor, node_of
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense, spread
from gpudl.backend.kernel import Kernel

_WRITERS: dict[Kernel, Callable[..., Array]] = {}  # what CUDA devices run for a forward


class Map(ReadsHalf):
    """Base of elementwise functions of an array and numbers: apply(x, None, *numbers).

    Attributes:
        kernels: forward(x, *numbers) and backward(dy, x, *numbers).
        of_result: whether backward takes the result in the place of x.
    """

    __slots__ = ("numbers",)
    kernels: ClassVar[tuple[Kernel, Kernel]]
    of_result: ClassVar[bool] = False
    numbers: tuple[Any, ...]

    def forward(ctx, x: Array, into: Array | None = None, *numbers: Any) -> Array:
        kernel = ctx.kernels[0]
        y: Array = kernel(x, *numbers) if into is None else _WRITERS[kernel](x, *numbers, into=into)
        ctx.save(y if ctx.of_result else x)
        ctx.numbers = numbers
        return y

    def backward(ctx, dy: Array) -> Array:
        dx: Array = ctx.kernels[1](dy, *ctx.saved, *ctx.numbers)
        return dx


def mapped_over(cls: type[Map], name: str, input: Tensor, *numbers: Any) -> Tensor:
    """The input, with cls.apply(input, None, *numbers) written over it, on a CUDA device as that is computed.

    Raises: as autograd.inplace.assign.
    """
    kept = mode.enabled and input.requires_grad and not cls.of_result  # what backward reads must stay
    x = input.array
    if type(x) is np.ndarray or x.dtype.kind not in "fV" or not x.flags.c_contiguous:
        return assign(input, cls.apply(input.clone() if kept else input, None, *numbers), name)
    require_writable(input, name)
    node = node_of(cls.apply(input.clone() if kept else input, x, *numbers))
    rebind(input, node)
    if cls.of_result and isinstance(node, Map) and input._version is not None:
        node._guards = ((0, input._version, input._version[0]),)  # the result's changes are now the input's
    return input


def cuda_maps(file: str, *kernels: Kernel) -> None:
    """Let CUDA devices run elementwise kernels in one launch each.

    Args:
        file: the path inside kernels/ of the file that has a struct for each op, named like its Primitive.
        kernels: <op>_forward(x, *numbers), and <op>_backward(dy, x, *numbers), where x may be the result instead. The
            results are like the first argument.
    """
    names = tuple(map(_instance, kernels))
    text = CudaText("math/numbers.cuh", "math/packs.cuh", file, "cuda/map.cu", kernels=names)
    for kernel, name in zip(kernels, names):
        make = _forward if kernel.name.endswith("_forward") else _backward
        body = make(text, name)
        body.__name__ = f"{kernel.name}_cuda"
        if make is _forward:
            _WRITERS[kernel] = body
        kernel.cuda("float32", "float64", "float16", "bfloat16")(body)


def _instance(kernel: Kernel) -> str:
    """The kernel of map.cu for a kernel of Python, as CudaText names it."""
    op, _, way = kernel.name.rpartition("_")
    numbers = kernel.reference.__code__.co_argcount - (1 if way == "forward" else 2)
    return f"map_{way}<{{T}}, {{A}}, {''.join(map(str.capitalize, op.split('_')))}{', {A}' * numbers}>"


def _forward(text: CudaText, name: str) -> Callable[..., Array]:
    def body(x: Array, *numbers: float, into: Array | None = None) -> Array:
        x = dense(x)
        y: Array = xp_of(x).empty(x.shape, x.dtype) if into is None else into
        text.launch(name, *spread(x), x, y, x.size, *map(float, numbers))
        return y

    return body


def _backward(text: CudaText, name: str) -> Callable[..., Array]:
    def body(dy: Array, x: Array, *numbers: float) -> Array:
        dy = dense(dy)
        dx = xp_of(dy).empty(dy.shape, dy.dtype)
        text.launch(name, *spread(dy), dy, dense(x), dx, dy.size, *map(float, numbers))
        return dx

    return body
