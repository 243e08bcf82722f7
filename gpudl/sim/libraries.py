"""Build the native libraries and load them: the runtime, the driver stand-in, and those for CUDA's libraries.

CuPy's modules name functions that the stand-ins do not have: each gets a stub that says so when it is called.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gpudl.sim import elf
from gpudl.sim.abi import NATIVE
from gpudl.sim.cache import entry, key
from gpudl.sim.errors import SimError
from gpudl.sim.settings import current
from gpudl.sim.toolchain import compile_cpp, compiler_identity

_FLAGS = ["-O2", "-g1", "-std=c++17", "-fPIC", "-w"]
_NOT_SUPPORTED = 801  # cudaErrorNotSupported
_LIBRARY_NOT_SUPPORTED = 15  # CUBLAS_STATUS_NOT_SUPPORTED; cuRAND has no such code, but shows this one as unknown
_APART = ("cublas.cpp", "cublaslt.cpp", "curand.cpp")  # libraries of their own


def load_runtime() -> ctypes.CDLL:
    """Build and load the runtime; kernels find its functions by their names."""
    return _load(_build("runtime", _sources("runtime")))


def load_driver() -> ctypes.CDLL:
    """Build and load the stand-in for the CUDA runtime and driver, as libcuda.so.1."""
    sources = [path for path in _sources("driver") if path.name not in _APART]
    return _load(_build("driver", sources, ["-Wl,-soname,libcuda.so.1"]))


def load_library(name: str, module: Path | None) -> tuple[ctypes.CDLL, Path]:
    """Build and load the stand-in for cuBLAS, cuBLASLt or cuRAND.

    Args:
        name: "cublas", "cublasLt" or "curand".
        module: CuPy's module for it, which says what it needs and of which version; None where CuPy has none.
    Returns: the library and its path.
    """
    source = NATIVE / "driver" / f"{name.lower()}.cpp"
    if module is None:
        path = _build(name, [source])
        return _load(path), path
    tables = elf.read(module)
    soname = next((needed for needed in tables.needed if needed.startswith(f"lib{name}.so")), None)
    if soname is None:
        raise SimError(
            f"{module.name} of CuPy is not linked with lib{name}: this build of CuPy is not known to gpudl.sim"
        )
    defined = {symbol.name for symbol in elf.read(_object(source)).symbols if symbol.defined}
    missing = [symbol.name for symbol in tables.dynamic if not symbol.defined and symbol.name.startswith(name)]
    stubs = _stubs(sorted(set(missing) - defined), _LIBRARY_NOT_SUPPORTED)
    path = _build(name, [source, stubs], [f"-Wl,-soname,{soname}"])
    return _load(path), path


def load_stubs(names: Iterable[str]) -> ctypes.CDLL:
    """Build and load stubs for functions of the CUDA runtime that have no stand-in."""
    return _load(_build("stubs", [_stubs(sorted(names), _NOT_SUPPORTED)]))


def _stubs(names: Sequence[str], code: int) -> Path:
    """A C++ file with a function for each name that says on stderr that it is not emulated, and returns the code."""
    lines = [
        'extern "C" void sim_complain(const char* format, ...);',
        "static int refuse(const char* name) {",
        '  sim_complain("%s is not emulated on the sim device", name);',
        f"  return {code};",
        "}",
        'extern "C" {',
        # Of use to who overwrites functions: code that was written as data is not yet what the processor fetches.
        "void sim_clear_cache(char* low, char* high) { __builtin___clear_cache(low, high); }",
        *(f'int {name}() {{ return refuse("{name}"); }}' for name in names),
        "}",
    ]
    text = "\n".join(lines) + "\n"
    return entry(current().cache, key(text) + ".cpp", lambda _, target: _write(target, text))


def _sources(folder: str) -> list[Path]:
    found = sorted((NATIVE / folder).glob("*.cpp"))
    if not found:
        raise SimError(f"the native sources of gpudl.sim are not in {NATIVE / folder}: reinstall gpudl")
    return found


def _build(name: str, sources: Sequence[Path], link: Sequence[str] = ()) -> Path:
    """Compile the sources, each on a thread of its own, and link them to a shared library."""
    compiler_identity()  # asked once, before all threads want to know it
    with ThreadPoolExecutor() as pool:
        objects = list(pool.map(_object, sources))

    def make(_: Path, target: Path) -> None:
        compile_cpp(["-shared", *objects, *link, "-ldl", "-lpthread", "-o", target])

    # An object's name says what is in it.
    return entry(current().cache, f"{name}-{key(*(path.name for path in objects), *link)}.so", make, elf.is_whole)


def _object(source: Path) -> Path:
    def make(_: Path, target: Path) -> None:
        compile_cpp([*_FLAGS, "-c", source, "-o", target])

    return entry(current().cache, _object_key(source) + ".o", make)


def _object_key(source: Path) -> str:
    headers = sorted(path for path in NATIVE.rglob("*.h*") if path.is_file()) if NATIVE in source.parents else []
    parts = [part for path in [source, *headers] for part in (path.name, path.read_bytes())]
    return key(compiler_identity(), " ".join(_FLAGS), *parts)


def _load(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise SimError(f"a native library of gpudl.sim does not load; remove {path} and try again: {error}") from error


def _write(target: Path, text: str) -> None:
    target.write_text(text, encoding="utf-8")
