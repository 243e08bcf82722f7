"""CUDA text from kernels/, compiled when it is first launched, and launched on bare arrays.

    _TEXT = CudaText("math/numbers.cuh", "math/packs.cuh", "cuda/gelu.cu", kernels=("gelu_forward", "gelu_backward"))

    def gelu_forward_cuda(x, by_tanh):
        y = xp_of(x).empty(x.shape, x.dtype)
        _TEXT.launch("gelu_forward", *spread(x), x, y, x.size, by_tanh)

A kernel is a template of two types, <T, A>: that of the elements, and that of the arithmetic, which is float for
float16 and bfloat16, and the type itself for integers and bools. One of other parameters is named with them, such as
"map<{T}, {A}, Silu>", and launched by that name. It takes pointers, `long long` and A, nothing else, so that what a
Python argument becomes is known without a declaration: an array, or None for a null pointer; an int or bool; a float.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.device import backend_of
from gpudl.backend.dtypes import DType

Shape = tuple[int, ...]
_Ready = tuple[Any, Callable[[float], Any]]  # a kernel, and what a float is passed as

THREADS = 256
"""The threads of a block of an elementwise kernel."""
MOST_BLOCKS = 4096
"""More than run at once on any GPU; so few that what a block does once is little beside its elements."""
PACK_BYTES = 16
"""What a thread moves in one instruction."""
_WARP_ROW = 1024  # elements up to which a warp goes over a row
_FEW_ROWS = 256  # that one block has done before several could have met
_MOST_SUMS = 1024  # of blocks, which the last one adds up

FLOATS = ("float32", "float64", "float16", "bfloat16")
TEXTS: list[CudaText] = []
"""All CUDA texts that were made so far, most of them where their module is imported."""

# dtype name -> the types T and A, and the header that knows T.
_TYPES = {
    "float32": ("float", "float", ""),
    "float64": ("double", "double", ""),
    "float16": ("__half", "float", "#include <cuda_fp16.h>\n"),
    "bfloat16": ("__nv_bfloat16", "float", "#include <cuda_bf16.h>\n"),
    "bool": ("bool", "bool", ""),
    "uint8": ("unsigned char", "unsigned char", ""),
    "int8": ("signed char", "signed char", ""),
    "int16": ("short", "short", ""),
    "int32": ("int", "int", ""),
    "int64": ("long long", "long long", ""),
}


class CudaText:
    """Files of kernels/ that make one CUDA source, for each dtype of elements compiled once in a process.

    Args:
        files: paths inside kernels/, in the order the compiler needs.
        kernels: the names of the __global__ templates, with {T} and {A} in those that have other parameters.
        dtypes: of the elements, the first arguments of its launches, for which `gpudl warmup` compiles it.
    """

    def __init__(self, *files: str, kernels: tuple[str, ...], dtypes: tuple[str, ...] = FLOATS):
        self.files = files
        self.kernels = kernels
        self.dtypes = dtypes
        self._ready: dict[DType, dict[str, _Ready]] = {}
        TEXTS.append(self)

    def __repr__(self) -> str:
        return f"<CUDA text {', '.join(self.files)}>"

    def launch(self, name: str, grid: Shape, block: Shape, first: Array, *rest: Any) -> None:
        """Start a kernel on the device of its first argument, on CuPy's current stream there, and do not wait.

        Args:
            name: the kernel.
            grid: how many blocks there are, in up to three dimensions. With none in one of them nothing is started.
            block: how many threads a block has.
            first: an array, whose dtype is T. No view that has gaps: kernels see nothing but pointers.
            rest: the kernel's other arguments: arrays, None, ints, bools and floats.
        """
        ready = self._ready.get(first.dtype) or self._compiled(backend_of(first).namespace, first.dtype)
        if 0 in grid:
            return
        kernel, to_accumulator = ready[name]
        args = [first]
        for arg in rest:
            kind = type(arg)
            if arg is None:
                arg = 0
            elif kind is float:
                arg = to_accumulator(arg)
            elif kind is bool:
                arg = int(arg)
            args.append(arg)
        here = backend_of(first).namespace.cuda
        device = first.data.device_id
        if here.runtime.getDevice() == device:
            kernel(grid, block, args)
        else:
            with here.Device(device):
                kernel(grid, block, args)

    def text(self, dtype: DType) -> str:
        """The source for one dtype, as the compiler gets it."""
        from gpudl.backend.source import source  # here, since it imports what takes long

        return _TYPES[dtype.name][2] + source(*self.files)

    def name_expressions(self, dtype: DType) -> tuple[str, ...]:
        """The kernels' instances for one dtype."""
        element, accumulator, _ = _TYPES[dtype.name]
        forms = (name if "<" in name else name + "<{T}, {A}>" for name in self.kernels)
        return tuple(form.format(T=element, A=accumulator) for form in forms)

    def compile(self, namespace: Any, dtype: DType) -> None:
        """Compile the kernels for one dtype and CuPy's current device, or take them from the disk's cache."""
        for kernel, _ in (self._ready.get(dtype) or self._compiled(namespace, dtype)).values():
            kernel.compile()

    def _compiled(self, namespace: Any, dtype: DType) -> dict[str, _Ready]:
        """The kernels for elements of this dtype. CuPy compiles them, for each device, when one is asked for."""
        names = self.name_expressions(dtype)
        module = namespace.RawModule(code=self.text(dtype), name_expressions=names)
        number: Callable[[float], Any] = float if dtype.name == "float64" else np.float32
        ready = {name: (module.get_function(full), number) for name, full in zip(self.kernels, names)}
        self._ready[dtype] = ready
        return ready


def spread(x: Array) -> tuple[Shape, Shape]:
    """The grid and block of an elementwise kernel over x, whose threads take PACK_BYTES at a time."""
    blocks = -(-x.nbytes // (THREADS * PACK_BYTES))
    return (min(blocks, MOST_BLOCKS),), (THREADS,)


def one_each(count: int) -> tuple[Shape, Shape]:
    """The grid and block for so many elements, of which a thread takes one at a time."""
    return (min(-(-count // THREADS), MOST_BLOCKS),), (THREADS,)


def row_grid(rows: int, columns: int, meets: bool = False) -> tuple[Shape, Shape]:
    """The grid and block of a kernel over rows (see row_join in kernels/math/reduce.cuh), who share out the rows.

    Up to 1024 columns a row has a warp, threadIdx.y; above that a block.

    Args:
        rows, columns: of the array.
        meets: whether the blocks must meet in the end, so that few rows are worth having in one block.
    """
    if columns > _WARP_ROW:
        return (min(rows, _MOST_SUMS),), (THREADS, 1)
    if meets and rows <= _FEW_ROWS:
        return (1,), (32, 32)
    return (min(-(-rows // (THREADS // 32)), _MOST_SUMS),), (32, THREADS // 32)


def dense(x: Array) -> Array:
    """x without gaps in C order, itself where it is that already: what a kernel can be given."""
    if x.flags.c_contiguous:
        return x
    from gpudl.backend.strided_copy import copied  # which is launched from here

    return copied(x)
