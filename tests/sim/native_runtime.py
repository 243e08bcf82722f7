"""Compiles CUDA text against the emulated device's headers and runs it on its runtime, by ctypes alone.

The product has its own compile layer; the runtime's tests stand below that.
"""

import atexit
import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

NATIVE = Path(__file__).resolve().parents[2] / "gpudl" / "sim" / "native"
COMPILER = os.environ.get("CXX") or shutil.which("g++")

requires_compiler = pytest.mark.skipif(
    COMPILER is None,
    reason="NO C++ COMPILER FOUND: the emulated device's runtime is not tested; install g++ or set CXX",
)

# The flags that cuda_on_host.hpp asks for.
OPTIMIZE = ["-std=c++17", "-O1", "-g1", "-gdwarf-4", "-fPIC", "-w", "-fvisibility=hidden", "-fno-gnu-unique"]
EXACT = ["-fno-strict-aliasing", "-fno-math-errno", "-ffp-contract=off", "-fno-threadsafe-statics"]
TRAPS = ["-fstack-clash-protection", "-fsanitize=alignment,bounds-strict,integer-divide-by-zero,shift-exponent"]
BASE = OPTIMIZE + EXACT + TRAPS
STRICT = ["-fsanitize=signed-integer-overflow"]
CHECKED = ["-fsanitize=thread", "--param=tsan-instrument-func-entry-exit=0"]
CHECKED_LINK = ["-Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset"]
ORDERS = {"forward": 0, "reverse": 1, "random": 2}


class _Variable(ctypes.Structure):
    _fields_ = [("low", ctypes.c_size_t), ("high", ctypes.c_size_t), ("name", ctypes.c_char_p)]


class _Module(ctypes.Structure):
    _fields_ = [
        ("path", ctypes.c_char_p),
        ("low", ctypes.c_size_t),
        ("high", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("variable_count", ctypes.c_int),
        ("variables", ctypes.POINTER(_Variable)),
    ]


class _Options(ctypes.Structure):
    _fields_ = [("order", ctypes.c_int), ("seed", ctypes.c_uint), ("limit_ms", ctypes.c_int)]


class _Report(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_char * 32),
        ("text", ctypes.c_char * 2000),
        ("switches", ctypes.c_long),
        ("barriers", ctypes.c_long),
    ]


class KernelError(Exception):
    def __init__(self, kind: str, text: str):
        super().__init__(f"[{kind}] {text}")
        self.kind = kind


def _run(command: Sequence[str], folder: str) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(" ".join(command) + "\n" + result.stderr[:3000])
    return result.stdout


class Array:
    """Device memory that holds a NumPy array."""

    def __init__(self, runtime: "Runtime", value: np.ndarray, written: bool = True):
        self.runtime, self.shape, self.dtype, self.bytes = runtime, value.shape, value.dtype, value.nbytes
        pointer = runtime.library.sim_malloc(value.nbytes)
        assert pointer, "no device memory"
        self.pointer = pointer
        if written:
            self.set(value)

    def set(self, value: np.ndarray) -> None:
        ctypes.memmove(self.pointer, np.ascontiguousarray(value).ctypes.data, self.bytes)
        self.runtime.library.sim_written(self.pointer, self.bytes)

    def get(self) -> np.ndarray:
        return np.frombuffer(ctypes.string_at(self.pointer, self.bytes), self.dtype).reshape(self.shape).copy()

    def free(self) -> None:
        assert self.runtime.library.sim_free(self.pointer) == 0

    def __del__(self) -> None:
        self.runtime.library.sim_free(self.pointer)


@functools.cache
def runtime(*flags: str) -> "Runtime":
    """The runtime of these tests, compiled once with these flags."""
    return Runtime(flags)


@functools.cache
def module(
    source: str, kernels: tuple[str, ...], *flags: str, checked: bool = False, relaxed: bool = False, include: str = ""
) -> "Module":
    """A compiled source on `runtime(*flags)`, compiled once."""
    folders = [f"-I{include}"] if include else []
    return Module(runtime(*flags), source, kernels, checked=checked, relaxed=relaxed, flags=folders)


@functools.cache
def _object_file(source: str, options: tuple[str, ...]) -> str:
    """The object file of a translation unit, which several runtimes may share."""
    folder = tempfile.mkdtemp(prefix="sim-unit-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Path(folder, "unit.cpp").write_text(source)
    assert COMPILER is not None
    _run([COMPILER, *options, f"-fdebug-prefix-map={folder}=.", "-c", "unit.cpp", "-o", "unit.o"], folder)
    return f"{folder}/unit.o"


def _load(path: str) -> ctypes.CDLL:
    # Another runtime, that of the product, may be in this process too, for everybody to see: each object of these
    # tests looks at its own dependencies first.
    return ctypes.CDLL(path, mode=os.RTLD_LOCAL | os.RTLD_NOW | os.RTLD_DEEPBIND)


class Runtime:
    """The runtime, compiled and loaded."""

    def __init__(self, flags: Sequence[str] = (), copy_of: "Runtime | None" = None):
        self.folder = tempfile.mkdtemp(prefix="sim-runtime-")
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        sources = sorted(str(path) for path in (NATIVE / "runtime").glob("*.cpp"))
        self.path = f"{self.folder}/runtime.so"
        assert COMPILER is not None
        options = ["-O2", "-g1", "-std=c++17", "-fPIC", "-shared", "-fvisibility=hidden", *flags]
        if copy_of:  # a runtime in its first state
            shutil.copy(copy_of.path, self.path)
        else:
            _run([COMPILER, *options, *sources, "-o", self.path], self.folder)
        self.library = library = _load(self.path)
        library.sim_malloc.restype = ctypes.c_void_p
        library.sim_malloc.argtypes = [ctypes.c_size_t]
        library.sim_free.argtypes = [ctypes.c_void_p]
        library.sim_written.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        library.sim_copied.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        library.sim_allocation.argtypes = [
            ctypes.c_void_p,
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.POINTER(ctypes.c_size_t),
        ]
        library.sim_memory_set_total.argtypes = [ctypes.c_size_t]
        for name in ("used", "peak", "total"):
            getattr(library, f"sim_memory_{name}").restype = ctypes.c_size_t

    def array(self, value: object, dtype: object = None) -> Array:
        return Array(self, np.asarray(value, dtype))

    def empty(self, shape: object, dtype: object = "f4") -> Array:
        return Array(self, np.empty(shape, dtype), written=False)  # type: ignore[call-overload]


class Module:
    """A compiled CUDA source; its kernels are called by name."""

    def __init__(
        self,
        runtime: Runtime,
        source: str,
        kernels: Sequence[str],
        *,
        checked: bool = False,
        relaxed: bool = False,
        name: str = "kernels/test.cu",
        flags: Sequence[str] = (),
    ):
        self.runtime = runtime
        entries = "".join(f"SIM_ENTRY({i}, {kernel})\n" for i, kernel in enumerate(kernels))
        unit = f'#include "cuda_on_host.hpp"\n#line 1 "{name}"\n{source}\n#line 1 "entries"\nSIM_IMAGE\n{entries}'
        options = [*BASE, f"-I{NATIVE / 'language'}", *flags]
        options += [] if relaxed else STRICT
        options += CHECKED if checked else []
        compiled = _object_file(unit, tuple(options))
        path = f"{tempfile.mkdtemp(dir=runtime.folder)}/unit.so"
        assert COMPILER is not None
        link = [COMPILER, "-shared", *(CHECKED_LINK if checked else []), compiled, runtime.path, "-o", path]
        _run(link, runtime.folder)
        self.library = _load(path)
        image = (ctypes.c_void_p * 2)()
        self.library.sim_image(image)
        low, high = image[0] or 0, image[1] or 0
        self._variables = self._shared_variables(path, low)
        flag_bits = checked * 1 | relaxed * 2
        self._module = _Module(path.encode(), low, high, flag_bits, len(self._variables), self._variables)
        self.entries = {kernel: getattr(self.library, f"sim_entry_{i}") for i, kernel in enumerate(kernels)}
        self.signatures = {kernel: self._signature(i) for i, kernel in enumerate(kernels)}

    def _shared_variables(self, path: str, low: int) -> "ctypes.Array[_Variable]":
        found = []
        for line in _run(["nm", "-S", "-C", "--defined-only", path], "/").splitlines():
            fields = line.split(maxsplit=3)
            # Statics of functions lie in .bss or .data and have a scope; the rest is the compiler's or a global.
            if len(fields) == 4 and fields[2] in "bBdDuV" and "::" in fields[3] and "guard" not in fields[3]:
                start = low + int(fields[0], 16)
                found.append((start, start + int(fields[1], 16), fields[3].split("::")[-1].encode()))
        return (_Variable * len(found))(*sorted(found))

    def _signature(self, index: int) -> list[str]:
        text = ctypes.create_string_buffer(4096)
        getattr(self.library, f"sim_signature_{index}")(text)
        return [code for code in text.value.decode().split(",") if code]

    def launch(
        self,
        kernel: str,
        grid: object,
        block: object,
        *arguments: object,
        shared: int = 0,
        order: str = "forward",
        seed: int = 0,
        limit_ms: int = 20000,
    ) -> _Report:
        """Runs a kernel; numbers are converted to what its signature says.

        Raises: KernelError with the runtime's report.
        """
        values = []
        for code, argument in zip(self.signatures[kernel], arguments, strict=True):
            if isinstance(argument, Array):
                argument = argument.pointer
            kind = "u8" if code[0] in "pP" else code
            values.append(argument if isinstance(argument, ctypes.Structure) else np.array([argument], kind))
        addresses = [
            ctypes.addressof(value) if isinstance(value, ctypes.Structure) else value.ctypes.data for value in values
        ]
        pointers = (ctypes.c_void_p * max(1, len(values)))(*addresses)

        def triple(size: object) -> "ctypes.Array[ctypes.c_uint]":
            sizes = (*size, 1, 1, 1)[:3] if isinstance(size, tuple) else (size, 1, 1)
            return (ctypes.c_uint * 3)(*sizes)

        report = _Report()
        failed = self.runtime.library.sim_launch(
            ctypes.byref(self._module),
            kernel.encode(),
            self.entries[kernel],
            pointers,
            triple(grid),
            triple(block),
            ctypes.c_size_t(shared),
            ctypes.byref(_Options(ORDERS[order], seed, limit_ms)),
            ctypes.byref(report),
        )
        if failed:
            raise KernelError(report.kind.decode(), report.text.decode())
        assert not report.kind
        return report
