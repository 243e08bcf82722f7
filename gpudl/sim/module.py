"""Compile CUDA text to a shared object, load it, and know its kernels.

A test suite makes thousands, so that a compilation must be short. The headers are precompiled once for each set of
flags, without those that cost most where a text has no use for them; what a text defines by options is written above
it, since it would else ask for precompiled headers of its own; what of the headers is not used is dropped at once
(-fwhole-program); and one call of the compiler makes the object, without the C library's start files.
"""

from __future__ import annotations

import ctypes
import itertools
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from gpudl.sim import elf
from gpudl.sim.abi import CHECKED, NATIVE, RELAXED, SimModule, SimVariable
from gpudl.sim.cache import entry, key
from gpudl.sim.errors import SimCompileError
from gpudl.sim.settings import current
from gpudl.sim.text import for_preprocessor, kernels_in, needs_preprocessor, translation_unit
from gpudl.sim.toolchain import compile_cpp, compiler_identity

LANGUAGE = NATIVE / "language"
HEADER = "cuda_on_host.hpp"
# What CuPy puts above every text that it generates; precompiled with the language. Half of the time would go into the
# first, so that it is left out of a text without complex numbers.
COMPLEX = "cupy/complex.cuh"
CUPY_HEADERS = ("cupy/carray.cuh", "cupy/atomics.cuh", "cupy/math_constants.h")
_COMPLEX_INCLUDE = f"#include <{COMPLEX}>"
# C++17's special functions (Bessel's and the like) take longer to read than all else in <cmath>, and CUDA has none.
_BEFORE = """\
#if __has_include(<bits/c++config.h>)
#include <bits/c++config.h>
#undef _GLIBCXX_USE_STD_SPEC_FUNCS
#endif
"""
# A host asks for these by name.
_AFTER = """\
#undef __constant__
#define __constant__ __attribute__((visibility("protected"), externally_visible))
"""

# Why each is there is said in native/language/cuda_on_host.hpp. The last one does without a symbol of the start
# files, which are not linked.
_FLAGS = [
    *("-O1", "-g1", "-gdwarf-4", "-fPIC", "-w", "-fvisibility=hidden", "-fstack-clash-protection"),
    *("-fno-strict-aliasing", "-ffp-contract=off", "-fno-math-errno", "-fno-threadsafe-statics"),
    "-fno-use-cxa-atexit",
]
_GCC_FLAGS = ["-fno-gnu-unique", "-fwhole-program"]
_SANITIZERS = "alignment,bounds-strict,integer-divide-by-zero,shift-exponent"
_CHECKED = ["-fsanitize=thread"]
_GCC_CHECKED = ["--param=tsan-instrument-func-entry-exit=0"]
_LINK = ["-shared", "-nostdlib"]
_CHECKED_LINK = ["-Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset"]
_GCC_LINK = ["-fno-use-linker-plugin"]
_DEFINE = re.compile(r"(?:-D|--define-macro=)\s*(?P<name>\w+(?:\([^)]*\))?)(?:=(?P<value>.*))?$", re.S)
_UNDEFINE = re.compile(r"(?:-U|--undefine-macro=)\s*(?P<name>\w+)$")
_FOLDER = re.compile(r"(?:-I|--include-path=)\s*(?P<folder>.+)$")
_STANDARD = re.compile(r"--?std=(?P<standard>c\+\+\d+)$")
_OLD_STANDARDS = ("c++03", "c++11", "c++14")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)[>"]', re.M)
_VARIABLE = re.compile(r"(?:_\d|__\d+_)$")
_DIGITS = re.compile(r"\d+")

_tokens = itertools.count()


class Module:
    """A compiled and loaded CUDA text.

    Attributes:
        token: by which the driver stand-in knows it.
        names: of its kernels, in the order of their entry points.
        path: the shared object.
        struct: what the runtime wants to know of it.
    """

    def __init__(self, path: Path, names: Sequence[str], flags: int):
        self.path, self.names = path, list(names)
        self.token = f"gpudl-sim-{next(_tokens)}"
        self.library = ctypes.CDLL(str(path))
        tables = elf.read(path)
        image = (ctypes.c_size_t * 2)()
        self.library.sim_image(image)
        base = image[0] - tables.low
        found = sorted(
            (base + symbol.address, base + symbol.address + symbol.size, shared_name(symbol.name).encode())
            for symbol in tables.symbols
            if symbol.kind == "object" and symbol.writable and symbol.size and symbol.name.startswith("_ZZ")
        )
        self._variables = (SimVariable * len(found))(*itertools.starmap(SimVariable, found))
        self._path = str(path).encode()
        self.struct = SimModule(self._path, image[0], image[1], flags, len(found), self._variables)
        self._signatures: dict[str, list[str]] = {}

    def signature(self, name: str) -> list[str]:
        """The codes of a kernel's parameters, such as ["pf4", "Pf4", "i4"]; see native/language."""
        if name not in self._signatures:
            buffer = ctypes.create_string_buffer(16384)
            self.library[f"sim_signature_{self.names.index(name)}"](buffer)
            self._signatures[name] = [code for code in buffer.value.decode().split(",") if code]
        return self._signatures[name]


def compile_text(text: str, options: Sequence[str] = (), name_expressions: Sequence[str] = ()) -> Module:
    """Compile a CUDA text, or take it from the cache, and load it.

    Args:
        text: CUDA.
        options: NVRTC's; macros, include folders and the language standard count, the rest is the GPU's own.
        name_expressions: what to instantiate, such as "adam<float>"; kernels of C linkage are there always.
    Raises: SimCompileError with the compiler's first lines.
    """
    flags = (CHECKED if current().check == "check" else 0) | (RELAXED if "cupy/carray.cuh" in text else 0)
    standard, folders, defines = _options(options)
    command = [*_flags(flags, standard), *(f"-I{folder}" for folder in folders)]
    included: tuple[str, ...] = ()
    # Macros for CuPy's headers must come before them, so that those cannot be precompiled.
    if flags & RELAXED and not any("CUPY" in line for line in defines):
        included = CUPY_HEADERS
        if "complex" in text.replace(_COMPLEX_INCLUDE, ""):
            included = (COMPLEX, *included)
        else:
            text = text.replace(_COMPLEX_INCLUDE, "")
    header = _header(flags, standard, included, tuple(folders))
    headers = own_headers(text, options)
    entries = _entries(text, command, header, defines, name_expressions, headers)
    names = list(entries)
    shown = f"{names[0]}.cu" if names else "kernel.cu"
    unit = translation_unit(text, shown, list(entries.values()), defines)
    name = key(unit, " ".join(command), header.name, headers) + ".so"

    def make(work: Path, target: Path) -> None:
        source = work / "unit.cpp"
        source.write_text(unit, encoding="utf-8")
        names_as_written = f"-fdebug-prefix-map={work}=."  # not the folder's name before them
        compile_cpp(
            [*command, names_as_written, "-include", header, *_link(flags), source, "-lgcc", "-o", target], work
        )

    path = entry(current().cache, name, make, elf.is_whole)
    try:
        return Module(path, names, flags)
    except OSError as error:
        raise SimCompileError(f"{shown} calls what the emulated device does not have: {error}") from error


def own_headers(text: str, options: Sequence[str]) -> str:
    """A hash of the headers that a text takes from its user's folders, and those from there; CuPy's do not count."""
    folders = [Path(folder) for folder in _options(options)[1]]
    found: dict[Path, str] = {}
    waiting = [text]
    while waiting:
        for include in _INCLUDE.finditer(waiting.pop()):
            path = next((folder / include[1] for folder in folders if (folder / include[1]).is_file()), None)
            if path is not None and path not in found and not include[1].startswith("cupy/"):
                found[path] = path.read_text(encoding="utf-8", errors="replace")
                waiting.append(found[path])
    return key(*found.values()) if found else ""


def shared_name(mangled: str) -> str:
    """The name of a function's static variable from its mangled form, _ZZ<function>E<length><name>[_<number>]."""
    text = _VARIABLE.sub("", mangled)
    for found in _DIGITS.finditer(text):
        for start in range(found.start(), found.end()):
            if int(text[start : found.end()]) == len(text) - found.end():
                return text[found.end() :]
    return mangled


def _entries(
    text: str,
    command: Sequence[str],
    header: Path,
    defines: Sequence[str],
    name_expressions: Sequence[str],
    headers: str,
) -> dict[str, str]:
    """The kernels that get entry points, as name -> expression: all of C linkage, and what was asked for."""
    if needs_preprocessor(text):
        text = _preprocessed(text, command, header, defines, headers)
    asked = {name: name.lstrip("& ") for name in name_expressions}
    linked = [kernel for kernel in kernels_in(text) if kernel.c_linkage and not kernel.template]
    return {**{kernel.name: kernel.expression for kernel in linked}, **asked}


def _preprocessed(text: str, command: Sequence[str], header: Path, defines: Sequence[str], headers: str) -> str:
    whole = "\n".join([*defines, for_preprocessor(text)])

    def make(work: Path, target: Path) -> None:
        source = work / "unit.cpp"
        source.write_text(whole, encoding="utf-8")
        target.write_text(compile_cpp(["-E", "-P", *command, "-imacros", header, source]), encoding="utf-8")

    name = key(whole, " ".join(command), header.name, headers) + ".ii"
    return entry(current().cache, name, make).read_text(encoding="utf-8")


def _flags(flags: int, standard: str) -> list[str]:
    checks = _SANITIZERS if flags & RELAXED else f"{_SANITIZERS},signed-integer-overflow"
    chosen = [*_FLAGS, f"-std={standard}", f"-fsanitize={checks}", f"-I{LANGUAGE}"]
    if is_gcc():
        chosen += _GCC_FLAGS
    if flags & CHECKED:
        chosen += [*_CHECKED, *(_GCC_CHECKED if is_gcc() else ())]
    return chosen


def _link(flags: int) -> list[str]:
    return [*_LINK, *(_GCC_LINK if is_gcc() else ()), *(_CHECKED_LINK if flags & CHECKED else ())]


@cache
def is_gcc() -> bool:
    """Whether the compiler is GCC, and not clang, whose flags differ in places."""
    return "clang" not in compiler_identity().lower()


@cache
def language_key() -> str:
    """A hash of everything under native/language and of the compiler."""
    files = sorted(path for path in LANGUAGE.rglob("*") if path.is_file())
    return key(compiler_identity(), *(part for path in files for part in (path.name, path.read_bytes())))


@cache
def _header(flags: int, standard: str, included: tuple[str, ...], folders: tuple[str, ...]) -> Path:
    """The precompiled header for a set of flags: to be included by its path, beside which the compiler finds it."""
    body = _BEFORE + "".join(f"#include <{name}>\n" for name in (HEADER, *included)) + _AFTER
    command = [*_flags(flags, standard), *(f"-I{folder}" for folder in (folders if included else ()))]
    content = "".join(_content(folder, name) for folder in folders for name in included)
    name = key(body, " ".join(command), language_key(), content) + ".hpp"
    header = entry(current().cache, name, lambda _, target: _write(target, body))

    def make(_: Path, target: Path) -> None:
        compile_cpp([*command, "-x", "c++-header", header, "-o", target])

    entry(header.parent, name + (".gch" if is_gcc() else ".pch"), make)
    return header


def _content(folder: str, name: str) -> str:
    path = Path(folder, name)
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _write(target: Path, text: str) -> None:
    target.write_text(text, encoding="utf-8")


def _options(options: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """The language standard, the include folders, and the macros as lines of text."""
    standard, folders, defines = "c++17", [], []
    joined = iter(options)
    for option in joined:
        if option in ("-D", "-U", "-I"):
            option += next(joined, "")
        if found := _DEFINE.match(option):
            defines.append(f"#define {found['name']} {'1' if found['value'] is None else found['value']}")
        elif found := _UNDEFINE.match(option):
            defines.append(f"#undef {found['name']}")
        elif found := _FOLDER.match(option):
            if not _is_cuda(found["folder"]):
                folders.append(found["folder"])
        elif (found := _STANDARD.match(option)) and found["standard"] not in _OLD_STANDARDS:
            standard = found["standard"]
    return standard, folders, defines


def _is_cuda(folder: str) -> bool:
    """Whether a folder holds the headers of the real CUDA, in whose place stand the language's own."""
    return "/_cccl/" in folder or Path(folder, "cuda_runtime_api.h").is_file()
