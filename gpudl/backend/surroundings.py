"""What gpudl runs on and with, in lines for `gpudl doctor`: versions, BLAS, GPUs, extras, caches, variables."""

from __future__ import annotations

import ctypes
import difflib
import importlib
import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from gpudl.backend import cuda_probe
from gpudl.backend.device import Device, require
from gpudl.backend.doctor import Finding
from gpudl.version import __version__

_HERE = Path(__file__).resolve().parents[1]
_NOT_TOLD = (
    *("dev", "test"),  # for work on gpudl itself
    *("cuda12", "cuda13"),  # of which only the one that fits the driver may be installed: install_lines names it
)
_PREFIX = "GPUDL_"
_VARIABLES = ("GPUDL_CUBLASLT", "GPUDL_DEBUG")  # besides the settings of gpudl.sim


def programs() -> Iterator[Finding]:
    """gpudl, Python, and NumPy with its BLAS."""
    yield Finding("gpudl", True, f"{__version__}, {_HERE}")
    yield Finding("Python", True, f"{platform.python_version()}, {sys.executable}, {platform.platform()}")
    yield Finding("NumPy", True, f"{np.__version__}, {_blas()}, {_processors()}")


def _processors() -> str:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return "1 processor" if count == 1 else f"{count} processors"


def _blas() -> str:
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    threads = blas_threads()
    count = "" if threads is None else " with 1 thread" if threads == 1 else f" with {threads} threads"
    return f"BLAS {blas.get('name', 'unknown')} {blas.get('version', '')}".strip() + count


def blas_threads() -> int | None:
    """The threads of the OpenBLAS that comes with NumPy; None for any other BLAS."""
    package = Path(np.__file__).parent
    for path in (*package.parent.glob("numpy.libs/*openblas*"), *package.glob(".dylibs/*openblas*")):
        library = ctypes.CDLL(str(path))
        for prefix, suffix in (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "")):
            function = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", None)
            if function is not None:
                return int(function())
    return None


def processor_name() -> str:
    """The model of the CPU, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def device_name(device: Device) -> str:
    """The model of a device that can be used."""
    backend: Any = require(device)
    return processor_name() if device.type == "cpu" else str(backend.name_of(device.index))


def gpus() -> Iterator[Finding]:
    """Each GPU that the driver offers: name, memory, compute capability, and the driver's own version."""
    driver = cuda_probe.driver()
    if driver.problem is not None:
        return
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return
    release = _driver_release()
    for number in range(driver.devices):
        device, memory = ctypes.c_int(), ctypes.c_size_t()
        name = ctypes.create_string_buffer(256)
        library.cuDeviceGet(ctypes.byref(device), number)
        library.cuDeviceGetName(name, len(name), device)
        library.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
        capability = []
        for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, MINOR
            value = ctypes.c_int()
            library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
            capability.append(str(value.value))
        text = f"{name.value.decode(errors='replace')}, {memory.value / 2**30:.1f} GiB"
        yield Finding(f"GPU {number}", True, f"{text}, compute capability {'.'.join(capability)}{release}")


def _driver_release() -> str:
    """`, driver 550.54.15` by the NVIDIA management library; "" without it."""
    try:
        library = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
    except OSError:
        return ""
    text = ctypes.create_string_buffer(96)
    if library.nvmlInit_v2() != 0:
        return ""
    known = library.nvmlSystemGetDriverVersion(text, len(text)) == 0
    library.nvmlShutdown()
    return f", driver {text.value.decode(errors='replace')}" if known else ""


def extras() -> Iterator[Finding]:
    """Each extra of gpudl: what of it is installed, or the line that installs it."""
    for name, needed in _extras().items():
        if name in _NOT_TOLD:
            continue
        have = {package: _version_of(package) for package in needed}
        missing = [package for package, version in have.items() if version is None]
        if missing:
            yield Finding(name, False, f'{", ".join(missing)} not installed: pip install "gpudl[{name}]"')
        else:
            yield Finding(name, True, ", ".join(f"{package} {version}" for package, version in have.items()))


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> dict[str, list[str]]:
    """Extra -> the packages that it asks for, those of extras in it included; by what was installed, else the checkout.

    A checkout that is used without being installed has no metadata, but the file that they are made from.
    """
    project = _HERE.parent / "pyproject.toml"
    if project.is_file():
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
        written = toml.loads(project.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    else:
        written = {}
        for line in metadata.requires("gpudl") or []:
            needed, _, marker = line.partition(";")
            extra = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
            if extra is not None:
                written.setdefault(extra[1], []).append(needed.strip())
    return {name: list(dict.fromkeys(_packages(name, written))) for name in sorted(written)}


def _packages(extra: str, written: dict[str, list[str]]) -> Iterator[str]:
    for needed in written[extra]:
        own = re.match(r"gpudl\[([\w, -]+)\]", needed)
        if own is not None:
            for name in own[1].split(","):
                yield from _packages(name.strip(), written)
        else:
            yield re.split(r"[^\w.-]", needed)[0]


def caches() -> Iterator[Finding]:
    """The folders of compiled kernels, with their sizes."""
    from gpudl.sim.settings import default_cache

    for name, folder in (
        ("CuPy", Path(os.environ.get("CUPY_CACHE_DIR") or Path.home() / ".cupy" / "kernel_cache")),
        ("sim", Path(os.environ.get("GPUDL_SIM_CACHE") or default_cache(os.environ)).expanduser().absolute()),
    ):
        if folder.is_dir():
            count, size = _size(folder)
            yield Finding(name, True, f"{folder}, {count} files, {size / 1e6:.1f} MB")
        else:
            yield Finding(name, False, f"{folder} is not there yet")


def _size(folder: Path) -> tuple[int, int]:
    """Files in a folder, and their bytes; what goes away meanwhile does not count."""
    count = size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(path, name)).st_size
                count += 1
            except OSError:
                continue
    return count, size


def variables() -> Iterator[Finding]:
    """The variables GPUDL_* that are set, those that gpudl does not know with the one that is meant."""
    known = known_variables()
    endings = [name.removeprefix(_PREFIX) for name in known]
    for name in sorted(os.environ):
        if not name.startswith(_PREFIX):
            continue
        if name in known:
            yield Finding(name, True, os.environ[name])
        else:
            close = difflib.get_close_matches(name.removeprefix(_PREFIX), endings, 1)
            meant = f"did you mean {_PREFIX}{close[0]}?" if close else f"there are {', '.join(known)}"
            yield Finding(name, False, f"gpudl knows no such variable; {meant}")


def known_variables() -> list[str]:
    """All variables that gpudl reads."""
    from gpudl.sim.settings import known_variables

    return sorted((*_VARIABLES, *known_variables()))
