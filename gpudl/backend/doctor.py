"""What there is to compute with: found or not, where, and what to install. `gpudl doctor` prints it.

Each kind of device is tried in a process of its own, since one process has real GPUs or emulated ones, and since what
is broken may end the process.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from shutil import which
from typing import Any, NamedTuple

import numpy as np

from gpudl.backend import cuda_probe
from gpudl.backend.cuda import CudaBackend, SimBackend
from gpudl.backend.device import Device, require
from gpudl.backend.errors import DeviceError

_PATIENCE = 300  # seconds for a device to show that it works; a cold start compiles

_SOURCE = r"""
extern "C" __global__ void gpudl_doctor(const float* x, float* y, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) y[i] = 3.0f * x[i] + 1.0f;
}
"""


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        name: what was looked for.
        found: whether it is there and works.
        text: version and place, or what is wrong and what to do.
    """

    name: str
    found: bool
    text: str


def parts() -> Iterator[Finding]:
    """What CUDA needs, each found or not, with version and place."""
    driver = cuda_probe.driver()
    if driver.version:
        what = f"for CUDA {cuda_probe.version_text(driver.version)}, {driver.devices} GPUs"
        yield Finding("driver", driver.problem is None, what if driver.problem is None else driver.problem)
    else:
        yield Finding("driver", False, "not found (libcuda.so.1)")
    wheels = cuda_probe.cupy_wheels()
    problem = cuda_probe.cupy_problem(driver.version if driver.problem is None else None)
    yield Finding("CuPy", problem is None, problem or _versions(wheels) or "built here")
    yield from _libraries()
    host = _compiler()
    yield Finding("compiler", host is not None, host or "no C++ compiler found; only the emulated device needs one")


def _compiler() -> str | None:
    """The C++ compiler that the emulated device uses, with its place; None if there is none."""
    named = shlex.split(os.environ.get("CXX", ""))[:1]
    for name in named or ["c++", "g++", "clang++"]:
        path = which(name)
        if path is not None:
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            return f"{said.splitlines()[0] if said else name}, {path}"
    return None


def _versions(distributions: list[str]) -> str:
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in distributions)


def _libraries() -> list[Finding]:
    """CUDA's libraries, looked for in another process: once loaded they would be in the way of the emulated device."""
    if find_spec("cuda") is None or find_spec("cuda.pathfinder") is None:
        return [Finding(name, False, "not looked for, as CuPy is not installed") for name in _LIBRARIES]
    code = "from gpudl.backend.doctor import look; look()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return [Finding(name, found == "True", text) for name, found, text in lines]


def look() -> None:
    """Print what is found of CUDA's libraries, a line each."""
    for name, (short, version_of) in _LIBRARIES.items():
        print(*_library(name, short, version_of), sep="\t", flush=True)


def _library(name: str, short: str, version_of: Any) -> Finding:
    from cuda import pathfinder

    try:
        path = str(pathfinder.load_nvidia_dynamic_lib(short).abs_path)
        return Finding(name, True, f"{version_of(ctypes.CDLL(path))}, {path}")
    except (RuntimeError, OSError):
        return Finding(name, False, "not found")


def _runtime_version(library: Any) -> str:
    version = ctypes.c_int()
    library.cudaRuntimeGetVersion(ctypes.byref(version))
    return cuda_probe.version_text(version.value)


def _nvrtc_version(library: Any) -> str:
    major, minor = ctypes.c_int(), ctypes.c_int()
    library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}"


def _cublas_version(library: Any) -> str:
    numbers = []
    for part in range(3):
        number = ctypes.c_int()
        library.cublasGetProperty(part, ctypes.byref(number))
        numbers.append(str(number.value))
    return ".".join(numbers)


_LIBRARIES = {
    "runtime": ("cudart", _runtime_version),
    "NVRTC": ("nvrtc", _nvrtc_version),
    "cuBLAS": ("cublas", _cublas_version),
}


def prove(place: Device) -> str:
    """Compile a kernel on a device, run it and check what it wrote; likewise an operation, and a matrix product.

    Returns: what works, in words.
    Raises: DeviceError with the reason if the device does not work.
    """
    backend = require(place)
    if not isinstance(backend, CudaBackend):
        ones = np.ones((8, 8), np.float32)
        if not np.array_equal(ones @ ones, 8 * ones):
            raise DeviceError("a matrix product is wrong")
        return f"NumPy {np.__version__}"
    values = np.arange(1000, dtype=np.float32)
    try:
        xp = backend.namespace
        with backend.on(place.index or 0):
            x = backend.from_host(values, place)
            y = xp.zeros_like(x)
            xp.RawKernel(_SOURCE, "gpudl_doctor")((8,), (128,), (x, y, np.int32(x.size)))
            _compare("a kernel", backend.to_host(y), 3 * values + 1)
            _compare("an operation", backend.to_host(x - y), -2 * values - 1)
            square = backend.from_host(np.eye(8, dtype=np.float32) * 2, place)
            _compare("a matrix product", backend.to_host(square @ square), np.eye(8) * 4)
    except DeviceError:
        raise
    except Exception as error:  # CuPy's and CUDA's have no common base; a compiler's first word is often its command
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DeviceError(next((line for line in lines if "error" in line.lower()), lines[0])) from error
    return f"{backend.name_of(place.index or 0)}: a kernel was compiled, run and checked"


def _compare(what: str, got: Any, expected: Any) -> None:
    if not np.array_equal(got, expected):
        raise DeviceError(f"{what} gives wrong numbers")


_TRIAL = """
import sys
from gpudl.backend.device import device
from gpudl.backend.doctor import prove
try:
    print("works:", prove(device(sys.argv[1])))
except Exception as error:
    sys.exit(str(error).strip() or type(error).__name__)
"""


def trial(place: Device) -> Finding:
    """Whether a device works, tried in a process of its own."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRIAL, str(place)],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding(str(place), False, f"no answer within {_PATIENCE} s")
    if done.returncode == 0:
        return Finding(str(place), True, done.stdout.strip())
    said = (done.stderr.strip().split("\n") or [""])[-1] or f"the process ended with {done.returncode}"
    return Finding(str(place), False, said.removeprefix(f"device {str(place)!r} is ").removeprefix("not available: "))


def installed() -> tuple[list[Device], list[Device]]:
    """The devices that should work here by what is installed, and the others."""
    gpu = cuda_probe.driver().problem is None
    cupy = find_spec("cupy") is not None
    cuda, sim = Device("cuda", 0), Device(SimBackend.type, 0)
    wanted = [Device("cpu"), *([cuda] if gpu and cupy else []), *([sim] if cupy and not gpu else [])]
    return wanted, [place for place in (cuda, sim) if place not in wanted]


def install_lines() -> list[str]:
    """What to run for a GPU here, and for the emulated device."""
    driver = cuda_probe.driver()
    line = cuda_probe.install_line(driver.version) if driver.version else 'pip install "gpudl[cuda12]" (or cuda13)'
    return [f"for an NVIDIA GPU: {line}", 'for the emulated device: pip install "gpudl[sim]", and a C++ compiler']
