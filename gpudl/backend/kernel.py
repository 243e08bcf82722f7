"""@kernel: one named computation, its reference body, and faster bodies for some devices and element types.

The reference body is the specification: NumPy-compatible code over `xp = xp_of(x)` that runs on every backend, and on
Tensors, where it records a graph. Optimized bodies take the same arguments and must agree with it to rounding:

    @kernel
    def relu_forward(x):
        return xp_of(x).maximum(x, 0)

    @relu_forward.cuda("float32", "float16")
    def relu_forward_cuda(x): ...

Dispatch is written once, in Kernel.__call__: if the first argument's backend has optimized bodies, and all
floating point arrays among the arguments share one listed dtype, the body for it runs; else the reference. A kernel
whose CUDA bodies say `beside_half` takes float32 arrays too, beside a first argument of half floats.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from gpudl.backend.arrays import Array
from gpudl.backend.device import Backend, backend_of
from gpudl.backend.dtypes import DType, bfloat16, dtype_of, float32

Body = TypeVar("Body", bound=Callable[..., Any])

KERNELS: dict[str, Kernel] = {}
"""Every kernel by name: one parity test sweeps them all."""


class Kernel:
    """A named computation on arrays; call it like the function it wraps.

    Attributes:
        name: unique; the reference body's name.
        reference: the body that specifies it.
        bodies: (family, dtype) -> optimized body; the family is "cpu" or "cuda".
        bfloat16: family -> optimized body, for the dtype is another package's, imported when arrays may have it.
        beside_half: whether the bodies for half floats know what to do with float32 arrays among the others: with the
            statistics that a forward kept, or with weights.
    """

    def __init__(self, reference: Callable[..., Any]):
        self.name = self.__name__ = reference.__name__
        self.__doc__ = reference.__doc__
        self.reference = reference
        self.bodies: dict[tuple[str, DType], Callable[..., Any]] = {}
        self.bfloat16: dict[str, Callable[..., Any]] = {}
        self.beside_half = False
        self._routes: dict[type, dict[DType, Callable[..., Any]]] | None = None
        known = KERNELS.get(self.name)
        # A program's own kernel may be made anew: a cell of a notebook is run twice.
        if known is not None and known.reference.__module__.startswith("gpudl."):
            raise ValueError(f"there is a kernel named {self.name!r} already; gpudl's own are not replaced")
        KERNELS[self.name] = self

    def __repr__(self) -> str:
        return f"<kernel {self.name}: reference{''.join(f', {family} {dtype}' for family, dtype in self.bodies)}>"

    def __call__(self, *args: Any) -> Any:
        routes = self._routes
        if routes is None:
            return self.reference(*args)
        first = args[0]
        bodies = routes.get(type(first))
        if bodies is None:
            bodies = self._route(first)
        dtype = first.dtype
        body = bodies.get(dtype)
        if body is None:
            return self.reference(*args)
        kind = type(first)
        for x in args:
            if type(x) is kind and x.dtype is not dtype and self._refuses(x.dtype, dtype):
                return self.reference(*args)
        return body(*args)

    def cpu(self, *dtypes: str) -> Callable[[Body], Body]:
        """Register a faster body for NumPy arrays of these dtypes."""
        return self._register("cpu", dtypes)

    def cuda(self, *dtypes: str, beside_half: bool = False) -> Callable[[Body], Body]:
        """Register a body for the arrays of CUDA devices, emulated ones among them, of these dtypes.

        Args:
            beside_half: whether the body for half floats takes float32 arrays beside its first argument.
        """
        self.beside_half = self.beside_half or beside_half
        return self._register("cuda", dtypes)

    def variants(self, like: Array) -> Iterator[Callable[..., Any]]:
        """Every body that may run for arrays such as `like`: the reference first, then the optimized one, if any."""
        yield self.reference
        body = self._route(like).get(like.dtype)
        if body is not None:
            yield body

    def _register(self, family: str, dtypes: tuple[str, ...]) -> Callable[[Body], Body]:
        def register(body: Body) -> Body:
            for name in dtypes:
                if name == "bfloat16":
                    self.bfloat16[family] = body
                else:
                    self.bodies[family, dtype_of(name)] = body
            self._routes = {}
            return body

        return register

    def _refuses(self, dtype: DType, wanted: DType) -> bool:
        """Whether an array of this dtype keeps the bodies for another from running."""
        if dtype.kind not in "fV" or dtype == wanted:
            return False
        return not (self.beside_half and wanted.itemsize == 2 and dtype == float32)

    def _route(self, first: Any) -> dict[DType, Callable[..., Any]]:
        """The optimized bodies for arrays of this type; none for Tensors, whose math must stay differentiable."""
        try:
            backend: Backend | None = backend_of(first)
        except TypeError:
            backend = None
        found = {dtype: body for (family, dtype), body in self.bodies.items() if backend and family == backend.family}
        if backend and backend.family in self.bfloat16:
            with contextlib.suppress(ImportError):
                found[bfloat16()] = self.bfloat16[backend.family]
        if self._routes is not None:
            self._routes[type(first)] = found
        return found


def kernel(reference: Callable[..., Any]) -> Kernel:
    """Make a named kernel of its reference body; see the head of this file."""
    return Kernel(reference)
