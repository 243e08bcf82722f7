"""What CuPy gets in place of NVRTC: modules compiled for the emulated device, whose functions check their arguments.

Imported by install() only: it imports CuPy.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Sequence
from itertools import compress
from typing import Any

import cupy
from cupy.cuda import compiler, function

from gpudl.sim.arguments import check
from gpudl.sim.errors import SimCompileError, SimError
from gpudl.sim.module import Module, compile_text, own_headers
from gpudl.sim.recording import record
from gpudl.sim.settings import Settings, current, on_change

_driver: Any = None
_modules: dict[tuple[object, ...], Module] = {}
_Request = tuple[str, tuple[str, ...], tuple[str, ...], str]  # source, options, name expressions, headers


class CheckedFunction(function.Function):  # type: ignore[misc]
    """A kernel for which Python calls, as those of RawKernel and RawModule, are checked against its signature."""

    def __init__(self, module: EmulatedModule, name: str):
        super().__init__(module, name)
        self._made_for, self._name = module, name

    def __call__(self, grid: Any, block: Any, args: Any, *others: Any, **options: Any) -> None:
        compiled = self._made_for.compiled
        if compiled is not _compiled(self._made_for.request):  # the settings have changed: no cache of CuPy knows
            EmulatedModule(self._made_for.request).get_function(self._name)(grid, block, args, *others, **options)
            return
        check(self._name, compiled.signature(self._name), args, cupy.ndarray)
        super().__call__(grid, block, args, *others, **options)


class EmulatedModule(function.Module):  # type: ignore[misc]
    """A module on the emulated device."""

    def __init__(self, request: _Request):
        super().__init__()
        self.request = request
        self.compiled = _compiled(request)
        self.load(self.compiled.token.encode() + b"\0")
        # Name expressions stand for themselves: the driver stand-in knows kernels by the names they are asked for by.
        self._set_mapping({name: name for name in request[2]} if request[2] else None)

    def get_function(self, name: str) -> CheckedFunction:
        """The kernel of this name."""
        return CheckedFunction(self, name)


def start(driver: ctypes.CDLL) -> None:
    """Make CuPy compile for the emulated device."""
    global _driver
    _driver = driver
    compiler._compile_module_with_cache = compile_module_with_cache
    on_change(_forget)


def compile_module_with_cache(
    source: str,
    options: Sequence[str] = (),
    *,
    arch: str | None = None,
    extra_source: str | None = None,
    backend: str = "nvrtc",
    enable_cooperative_groups: bool = False,
    name_expressions: Sequence[str] | None = None,
    log_stream: Any = None,
    jitify: bool = False,
    to_ltoir: bool = False,
) -> EmulatedModule:
    """Take the place of cupy.cuda.compiler._compile_module_with_cache, with its parameters."""
    if enable_cooperative_groups:
        raise SimError("cooperative groups over the whole grid are not emulated on the sim device")
    if to_ltoir:
        raise SimError("link-time optimization (LTO-IR) is not emulated on the sim device")
    try:
        headers = own_headers(source, options)
        return EmulatedModule((source, tuple(options), tuple(name_expressions or ()), headers))
    except SimCompileError as error:
        raise compiler.CompileException(str(error), source, "", options, "the host's C++ compiler") from error


def _compiled(request: _Request) -> Module:
    checked = current().check
    found = _modules.get((request, checked))
    if found is None:
        source, options, names, _ = request
        record(source, options, names)
        found = _modules[request, checked] = compile_text(source, options, names)
        kernels = (ctypes.c_char_p * len(found.names))(*(name.encode() for name in found.names))
        handle = ctypes.c_void_p(found.library._handle)
        token = found.token.encode()
        if _driver.sim_register_module(token, handle, ctypes.byref(found.struct), len(found.names), kernels):
            raise SimError(_driver.sim_last_error().decode())
    return found


def _forget(before: Settings, after: Settings) -> None:
    """Make CuPy forget the kernels that it has generated, since they were compiled for other checks."""
    if before.check == after.check:
        return
    cupy.clear_memo()
    memos = dict.fromkeys(_with_subclasses(cupy.ufunc), "_kernel_memo")
    memos |= dict.fromkeys(_with_subclasses(cupy.ElementwiseKernel), "_elementwise_kernel_memo")
    things = gc.get_objects()
    # Without a loop in Python: a large program has millions of objects. isinstance would ask some for their __class__.
    for thing in compress(things, map(memos.__contains__, map(type, things))):
        getattr(thing, memos[type(thing)]).clear()


def _with_subclasses(kind: type) -> set[type]:
    return {kind}.union(*map(_with_subclasses, kind.__subclasses__()))
