"""Lead the functions of the CUDA runtime inside CuPy's module to their stand-ins.

CuPy's wheel links the CUDA runtime statically, so no library can be put in its place; but the module's symbol table
names its functions. The first bytes of each are overwritten by a jump to the stand-in of the same name.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from gpudl.sim import elf
from gpudl.sim.errors import SimError

_CUDA = re.compile(r"cuda[A-Z]\w*$")
_PROT_READ, _PROT_WRITE, _PROT_EXEC = 1, 2, 4


def runtime_functions(module: Path) -> dict[str, int]:
    """The functions of the CUDA runtime that a module holds, with their addresses from its start.

    Raises: SimError if there are none, or if two lie so close that a jump would not fit.
    """
    room = len(jump(0))
    found: dict[str, int] = {}
    starts: set[int] = set()
    for symbol in elf.read(module).symbols:
        if symbol.kind == "function" and symbol.defined:
            starts.add(symbol.address)
            if _CUDA.match(symbol.name):
                found[symbol.name] = symbol.address
    if not found:
        raise SimError(
            f"{module.name} of CuPy holds no functions of the CUDA runtime: gpudl.sim works with the wheels "
            "cupy-cuda12x and cupy-cuda13x, not with a CuPy built otherwise"
        )
    ordered = sorted(starts)
    following = dict(pairwise(ordered))
    for name, address in found.items():
        if following.get(address, address + room) - address < room:
            raise SimError(f"{name} in {module.name} of CuPy is too short for a jump: this build of CuPy is not known")
    return found


def jump(target: int) -> bytes:
    """The machine code of a jump to an address anywhere."""
    machine = platform.machine()
    if machine == "x86_64":
        return b"\xff\x25\x00\x00\x00\x00" + target.to_bytes(8, "little")  # jmp [rip+0]; target
    if machine == "aarch64":
        return bytes.fromhex("50000058 00021fd6") + target.to_bytes(8, "little")  # ldr x16, #8; br x16; target
    raise SimError(f"gpudl.sim does not know how to jump on {machine}")


def overwrite(module: Path, functions: Mapping[str, int], targets: Mapping[str, int], clear_cache: object) -> None:
    """Write the jumps into a module that is loaded.

    Args:
        module: its file.
        functions: their addresses from its start.
        targets: where to jump to.
        clear_cache: the C function that makes the processor see new code between two addresses.
    """
    base = base_of(module)
    places = [base + address for address in functions.values()]
    page = mmap.PAGESIZE
    low = min(places) // page * page
    length = (max(places) + len(jump(0)) - low + page - 1) // page * page
    # Never writable and executable at once, which hardened systems refuse.
    _protect(low, length, _PROT_READ | _PROT_WRITE)
    for name, address in functions.items():
        code = jump(targets[name])
        ctypes.memmove(base + address, code, len(code))
    _protect(low, length, _PROT_READ | _PROT_EXEC)
    clear_cache(ctypes.c_void_p(low), ctypes.c_void_p(low + length))  # type: ignore[operator]


def base_of(module: Path) -> int:
    """Where a loaded file lies in this process.

    Raises: SimError if it is not loaded.
    """
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        parts = line.split(maxsplit=5)
        if len(parts) == 6 and int(parts[2], 16) == 0 and _same(parts[5], module):
            return int(parts[0].split("-")[0], 16)
    raise SimError(f"{module} is not loaded")


def loaded_libraries() -> list[str]:
    """The paths of everything that is loaded in this process."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return sorted({parts[5] for parts in (line.split(maxsplit=5) for line in lines) if len(parts) == 6})


def _same(path: str, module: Path) -> bool:
    return path == str(module) or (os.path.basename(path) == module.name and os.path.realpath(module) == path)


def _protect(low: int, length: int, protection: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(low), ctypes.c_size_t(length), protection):
        reason = os.strerror(ctypes.get_errno())
        raise SimError(f"the system does not let gpudl.sim change CuPy's code in memory: mprotect: {reason}")
