"""One case of benchmarks/kernels.py: a kernel of gpudl on a CUDA device, beside PyTorch's for the same work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import gpudl
from gpudl.backend.device import transfer
from gpudl.backend.dtypes import dtype_of
from gpudl.nn import functional

Program = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """A kernel to time.

    Attributes:
        name: what is computed, its dtype and its shape: "softmax forward float32 (8192, 4096)".
        ours: place -> a program that starts the kernel on arrays made there.
        theirs: a torch device's name -> a program that starts PyTorch's kernels for the same; None where it has none.
        bytes: what must be read and written at least, each array once.
        flops: additions and multiplications of the matrix products in it; 0 where memory is the limit.
    """

    name: str
    ours: Callable[[Any], Program]
    theirs: Callable[[str], Program] | None
    bytes: int
    flops: int = 0


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    """Normal numbers, float32."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def array(place: Any, values: np.ndarray[Any, Any], dtype: str = "") -> Any:
    """The values on one of gpudl's devices, as the bare array that kernels take."""
    return transfer(values.astype(dtype_of(dtype)) if dtype else values, gpudl.device(place))


def torch_tensor(device: str, values: np.ndarray[Any, Any], dtype: str = "") -> Any:
    """The values on one of PyTorch's devices."""
    import torch

    made = torch.from_numpy(values)
    return made.to(device, getattr(torch, dtype)) if dtype else made.to(device)


def of_arrays(
    name: str,
    call: Callable[..., Any],
    shapes: tuple[tuple[int, ...], ...],
    backward: bool,
    moved: int,
    leaves: int | None = None,
) -> Case:
    """A function of float32 arrays in both libraries.

    Args:
        call: of gpudl or torch, its functional, and the arrays.
        moved: numbers of 4 bytes that must be read and written at least.
        leaves: how many of the arrays, the first ones, get gradients backward; None for all.
    """

    def program(library: Any, layers: Any, arrays: list[Any]) -> Program:
        if not backward:
            return lambda: call(library, layers, *arrays)
        wanted = [each.requires_grad_() for each in arrays[:leaves]]
        with library.enable_grad():
            y = call(library, layers, *arrays)
        dy = y.detach()
        return lambda: library.autograd.grad([y], wanted, [dy], retain_graph=True)

    def values() -> list[Any]:
        return [numbers(shape, seed) for seed, shape in enumerate(shapes)]

    def ours(place: Any) -> Program:
        return program(gpudl, functional, [gpudl.tensor(each).to(place) for each in values()])

    def theirs(device: str) -> Program:
        import torch

        return program(torch, torch.nn.functional, [torch_tensor(device, each) for each in values()])

    return Case(f"{name} {'backward' if backward else 'forward'} float32 {shapes[0]}", ours, theirs, 4 * moved)
