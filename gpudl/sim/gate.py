"""The compile gate: every CUDA source that was used compiles for real GPUs, by NVRTC, on a machine that has none.

    GPUDL_SIM_RECORD=kernels.jsonl python -m pytest --device sim
    python -m gpudl.sim.gate kernels.jsonl

The host's compiler, which the sim device uses, takes things that NVRTC does not (host headers, for one), and knows
nothing of registers. NVRTC makes the machine code of each architecture and says how many registers each kernel
takes; a kernel whose registers do not suffice spills them to slow memory, which fails here.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import re
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gpudl.sim.install import installed

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
"""Turing, Ampere (data center and consumer), Ada, Hopper, Blackwell (data center and consumer)."""

GENERATED = "cupy/carray.cuh"
"""What CuPy's own generated kernels include; they are CuPy's to answer for."""

STATIC_SHARED = 48 * 1024
"""Bytes of shared memory that a kernel may declare, on every architecture."""

_USAGE = "ptxas info", "ptxas   "  # how lines of `ptxas -v` begin that tell what a kernel takes

_CUPYS = ("-ftz=true", "--device-as-default-execution-space")  # what CuPy adds to all options


@dataclass(frozen=True)
class Source:
    """A source as it was compiled: its text, CuPy's options, and the template instantiations asked for."""

    text: str
    options: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def is_generated(self) -> bool:
        """True for CuPy's own kernels."""
        return GENERATED in self.text

    @property
    def title(self) -> str:
        """The files it is joined of, or its kernels."""
        files = re.findall(r'^#line 1 "([^"]+)"', self.text, re.MULTILINE)
        kernels = re.findall(r"__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+(\w+)", self.text)
        return files[-1] if files else ", ".join(kernels[:3]) or "no kernel"


@dataclass(frozen=True)
class Usage:
    """What one kernel takes on one architecture, in registers a thread and bytes."""

    kernel: str
    architecture: int
    registers: int
    spilled: int
    stack: int
    shared: int


class GateError(RuntimeError):
    """A source that NVRTC refuses; the message is its log."""


def read_record(path: str | Path) -> list[Source]:
    """The distinct sources of a record that GPUDL_SIM_RECORD made.

    Raises: ValueError naming the line that is no record.
    """
    found: dict[Source, None] = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            found[Source(entry["source"], tuple(entry["options"]), tuple(entry["name_expressions"]))] = None
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path}:{number}: no record of a source: {error}") from None
    return list(found)


def compile_source(source: Source, architecture: int) -> list[Usage]:
    """What each kernel of a source takes on an architecture, such as 90.

    Raises: GateError with NVRTC's log if it does not compile.
    """
    library = _nvrtc()
    program = ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.text.encode(), b"kernel.cu", 0, None, None)
    try:
        for name in source.names:
            library.nvrtcAddNameExpression(program, name.encode())
        options = [option for option in source.options if not option.startswith(("-arch", "--gpu-architecture"))]
        options += [*_CUPYS, f"--gpu-architecture=sm_{architecture}", "--ptxas-options=-v"]
        encoded = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        failed = library.nvrtcCompileProgram(program, len(options), encoded)
        log = _log(library, program)
        if failed:
            raise GateError(f"{source.title} does not compile for sm_{architecture}:\n{_reason(log, architecture)}")
        lowered = {_lowered(library, program, name): name for name in source.names}
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))
    return list(usages(log, architecture, lowered))


def _reason(log: str, architecture: int) -> str:
    """Why NVRTC failed. Of shared memory that does not suffice, its log has the sizes and not a word."""
    large = [usage for usage in usages(log, architecture, {}) if usage.shared > STATIC_SHARED]
    said = [line for line in log.strip().splitlines() if not line.startswith(_USAGE)]
    said += [
        f"{usage.kernel} declares {usage.shared} bytes of shared memory; a block has {STATIC_SHARED}, "
        "and more only as dynamic shared memory"
        for usage in large
    ]
    return "\n".join(said) or log.strip()


_ENTRY = re.compile(
    r"Compiling entry function '(?P<name>[^']+)' for 'sm_\w+'.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)


def usages(log: str, architecture: int, lowered: dict[str, str]) -> Iterable[Usage]:
    """The kernels that a log of `ptxas -v` tells of, by the names that were asked for where those are known."""
    for entry in _ENTRY.finditer(log):
        shared = re.search(r"(\d+) bytes smem", entry["rest"])
        yield Usage(
            kernel=lowered.get(entry["name"], entry["name"]),
            architecture=architecture,
            registers=int(entry["registers"]),
            spilled=int(entry["stores"]) + int(entry["loads"]),
            stack=int(entry["stack"]),
            shared=int(shared[1]) if shared else 0,
        )


@cache
def _nvrtc() -> Any:
    """The NVRTC library, of the CUDA version that the installed CuPy is for where there are two.

    Raises: GateError if it is not installed, or if the emulated driver, with which it does not work, is loaded.
    """
    if installed():
        raise GateError("NVRTC does not run beside the emulated driver; use a process of its own")
    try:
        from cuda import pathfinder

        return ctypes.CDLL(str(pathfinder.load_nvidia_dynamic_lib("nvrtc").abs_path))
    except (ImportError, OSError, RuntimeError) as error:
        raise GateError(f'NVRTC is not installed ({error}); run: pip install "gpudl[sim]"') from None


def _log(library: Any, program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, text)
    return text.value.decode(errors="replace")


def _lowered(library: Any, program: ctypes.c_void_p, name: str) -> str:
    mangled = ctypes.c_char_p()
    library.nvrtcGetLoweredName(program, name.encode(), ctypes.byref(mangled))
    return (mangled.value or name.encode()).decode()


def check(sources: Sequence[Source], architectures: Sequence[int] = ARCHITECTURES) -> tuple[list[Usage], list[str]]:
    """Compile all sources for all architectures, on as many threads as there are processors.

    Returns: what each kernel takes, and what is wrong: one text for each source that does not compile and each
        kernel that spills.
    """

    def one(job: tuple[Source, int]) -> list[Usage] | str:
        try:
            return compile_source(*job)
        except GateError as error:
            return str(error)

    found: list[Usage] = []
    wrong: list[str] = []
    with ThreadPoolExecutor() as pool:
        for result in pool.map(one, [(source, each) for source in sources for each in architectures]):
            if isinstance(result, str):
                wrong.append(result)
                continue
            found += result
            wrong += [
                f"{usage.kernel} spills {usage.spilled} bytes on sm_{usage.architecture} "
                f"({usage.registers} registers); use fewer live values, or more threads with less each"
                for usage in result
                if usage.spilled
            ]
    return found, wrong


def table(found: Iterable[Usage]) -> str:
    """Registers of each kernel on each architecture, one line a kernel."""
    rows: dict[str, dict[int, Usage]] = {}
    for usage in found:
        rows.setdefault(usage.kernel, {})[usage.architecture] = usage
    columns = sorted({architecture for row in rows.values() for architecture in row})
    width = max([len("registers"), *map(len, rows)])
    lines = [f"{'registers':{width}}" + "".join(f"{f'sm_{column}':>8}" for column in columns) + "  shared"]
    for name, row in sorted(rows.items()):
        cells = "".join(f"{row[column].registers if column in row else '-':>8}" for column in columns)
        lines.append(f"{name:{width}}{cells}{max(usage.shared for usage in row.values()):>8}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m gpudl.sim.gate`: 0 if all compiles without spills, 1 if not, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m gpudl.sim.gate",
        description="Compile recorded CUDA sources for real GPUs by NVRTC, without a GPU; registers, and spills fail.",
    )
    parser.add_argument("record", help="the file that GPUDL_SIM_RECORD named while the sources were used")
    parser.add_argument(
        "--arch",
        default=",".join(map(str, ARCHITECTURES)),
        metavar="NUMBERS",
        help="compute capabilities without the point, separated by commas; default %(default)s",
    )
    parser.add_argument("--only", default="", metavar="PATH", help="sources of files whose path begins with this")
    parser.add_argument("--all", action="store_true", help="CuPy's generated kernels as well, which takes long")
    chosen = parser.parse_args(arguments)
    try:
        architectures = [int(each) for each in chosen.arch.split(",")]
        sources = read_record(chosen.record)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    own = [source for source in sources if chosen.all or not source.is_generated]
    own = [source for source in own if source.title.startswith(chosen.only)]
    found, wrong = check(own, architectures)
    print(table(found))
    others = 0 if chosen.all else sum(source.is_generated for source in sources)
    skipped = f"; {others} generated by CuPy not compiled (--all does)" if others else ""
    print(f"{len(own)} sources for {len(architectures)} architectures, {len(wrong)} wrong{skipped}")
    for each in wrong:
        print(f"\n{each}", file=sys.stderr)
    if not own:
        print("no source to compile was recorded", file=sys.stderr)
    return 1 if wrong or not own else 0


if __name__ == "__main__":
    sys.exit(main())
