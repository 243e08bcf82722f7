"""The host's C++ compiler and the CuPy wheel: whether they are there, and how the compiler is run."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from gpudl.sim.errors import SimCompileError, SimError

COMPILERS = ("c++", "g++", "clang++")  # g++ is what is tested
NO_COMPILER = (
    "the sim device compiles CUDA text with the host's C++ compiler, and none was found: "
    "install g++ (Debian: apt install g++) or set CXX"
)
_WHEELS = ("cupy-cuda12x", "cupy-cuda13x")
_MAJOR = 14
_ERROR_LINES = 25


def why_unavailable() -> str | None:
    """None if the sim device can be used on this machine, else one line that says what is missing.

    Nothing is compiled and CuPy is not imported.
    """
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in ("x86_64", "aarch64"):
        return f"the sim device runs on Linux on x86-64 and Arm (aarch64), and this is {sys.platform} on {machine}"
    return _why_no_compiler() or _why_no_cupy()


def compiler() -> list[str]:
    """The command that starts the C++ compiler: CXX, else the first of c++, g++ and clang++ that is there.

    Raises: SimError saying what to install.
    """
    reason = _why_no_compiler()
    if reason is not None:
        raise SimError(reason)
    return _command()


def compiler_identity() -> str:
    """What tells this compiler from others, for the cache's keys."""
    return _identity(tuple(compiler()))


def compile_cpp(arguments: Sequence[str | Path], folder: Path | None = None) -> str:
    """Run the compiler, in a folder if one is given.

    Returns: what it wrote on stdout.
    Raises: SimCompileError with its first lines if it fails.
    """
    command = [*compiler(), *map(str, arguments)]
    # Its messages are searched for words, so they must not be translated.
    language = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=language, cwd=folder)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"{command[0]} ended with status {done.returncode}"]
        more = [f"... and {len(lines) - _ERROR_LINES} more lines"] if len(lines) > _ERROR_LINES else []
        raise SimCompileError("\n".join(lines[:_ERROR_LINES] + more))
    return done.stdout


def _command() -> list[str]:
    asked = shlex.split(os.environ.get("CXX", ""))
    if asked:
        return asked
    return [next((name for name in COMPILERS if shutil.which(name)), "")]


def _why_no_compiler() -> str | None:
    command = _command()
    if shutil.which(command[0]):
        return None
    if os.environ.get("CXX", "").strip():
        return f"CXX names the C++ compiler {command[0]!r}, which was not found: correct CXX or unset it"
    return NO_COMPILER


@cache
def _identity(command: tuple[str, ...]) -> str:
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, errors="replace")
    return f"{' '.join(command)} {platform.machine()} {done.stdout}"


def _why_no_cupy() -> str | None:
    from importlib import metadata, util

    if util.find_spec("cupy") is None:
        return 'the sim device runs the real CuPy, which is not installed: pip install "gpudl[sim]"'
    versions = {}
    for wheel in _WHEELS:
        try:
            versions[wheel] = metadata.version(wheel)
        except metadata.PackageNotFoundError:
            continue
    if not versions:
        return (
            f'the sim device needs CuPy\'s wheel {" or ".join(_WHEELS)}, and another one is installed: use "gpudl[sim]"'
        )
    for wheel, version in versions.items():
        if version.split(".")[0] != str(_MAJOR):
            wanted = f"{wheel}=={_MAJOR}.*"
            return f"the sim device needs {wanted}, and {version} is installed: pip install '{wanted}'"
    return None
