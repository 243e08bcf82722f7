"""Whether CUDA can be used here, found out without CuPy: the driver through ctypes, CuPy by what pip installed."""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec
from typing import NamedTuple

_OLDEST = 12000  # CUDA 12.0, which CuPy 14 needs
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
_SYSTEM_NOT_READY = 802
_MISMATCH = 803  # CUDA_ERROR_SYSTEM_DRIVER_MISMATCH


emulated = False
"""Whether what answers as libcuda.so.1 in this process is the emulated device."""


class Driver(NamedTuple):
    """What the NVIDIA driver says.

    Attributes:
        version: the newest CUDA that it runs, 12040 for 12.4; 0 where there is none.
        devices: how many GPUs it offers to this process.
        problem: why it cannot be used, with what to do; None if it can.
    """

    version: int
    devices: int
    problem: str | None


def driver() -> Driver:
    """Ask the driver. Initializes it, which takes some 100 ms with a GPU and none without."""
    if emulated or getattr(sys.modules.get("gpudl.sim"), "installed", bool)():
        return Driver(0, 0, "this process runs the emulated device, which stands in for the driver")
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        what = f"no NVIDIA driver was found ({name}); on a machine with an NVIDIA GPU install its driver"
        return Driver(0, 0, f"{what}, else use device 'cpu' or 'auto'")
    version, devices = ctypes.c_int(0), ctypes.c_int(0)
    started = library.cuInit(0)
    library.cuDriverGetVersion(ctypes.byref(version))
    if started == 0:
        started = library.cuDeviceGetCount(ctypes.byref(devices))
    return Driver(version.value, devices.value, _problem(started, version.value, devices.value))


def _problem(code: int, version: int, devices: int) -> str | None:
    if code == _NO_DEVICE or (code == 0 and devices == 0):
        return (
            "the NVIDIA driver sees no GPU; check nvidia-smi and the variable CUDA_VISIBLE_DEVICES, "
            "or use device 'cpu' or 'auto'"
        )
    if code == _SYSTEM_NOT_READY:
        return "the GPU is not ready yet (CUDA error 802); start nvidia-fabricmanager, or use device 'cpu'"
    if code == _MISMATCH:
        return "the NVIDIA driver and its library differ in version (CUDA error 803); reboot, or use device 'cpu'"
    if code != 0:
        return f"the NVIDIA driver does not start (CUDA error {code}); check nvidia-smi, or use device 'cpu'"
    if version < _OLDEST:
        return (
            f"the NVIDIA driver is too old: it runs CUDA {version_text(version)}, and 12.0 is needed; "
            "install driver 525 or newer, or use device 'cpu'"
        )
    return None


def version_text(version: int) -> str:
    """12.4 for 12040."""
    return f"{version // 1000}.{version % 1000 // 10}"


def install_line(version: int) -> str:
    """What installs CuPy and the CUDA libraries for a driver of this version."""
    return f'pip install "gpudl[{"cuda13" if version >= 13000 else "cuda12"}]"'


def cupy_wheels() -> list[str]:
    """The names of the installed distributions that bring a package cupy, such as cupy-cuda12x."""
    from importlib.metadata import distributions

    names = {(found.metadata["Name"] or "").lower() for found in distributions()}
    return sorted(name for name in names if name == "cupy" or name.startswith(("cupy-cuda", "cupy-rocm")))


def cupy_problem(driver_version: int | None) -> str | None:
    """Why CuPy cannot be used with this driver, with what to do; None if it can.

    Args:
        driver_version: as in Driver; None for the emulated device, which takes every CuPy for CUDA 12 or 13.
    """
    line = 'pip install "gpudl[sim]"' if driver_version is None else install_line(driver_version)
    if find_spec("cupy") is None:
        return f"CuPy is not installed; run: {line}"
    wheels = cupy_wheels()
    if len(wheels) > 1:
        both = " ".join(wheels)
        return f"{' and '.join(wheels)} are both installed and spoil each other; run: pip uninstall -y {both} && {line}"
    major = _cuda_of(wheels[0]) if wheels else None
    if wheels and wheels[0].startswith("cupy-") and major not in (12, 13):
        return f"{wheels[0]} is not for CUDA 12 or 13; run: pip uninstall -y {wheels[0]} && {line}"
    if major is not None and driver_version is not None and major > driver_version // 1000:
        return (
            f"{wheels[0]} needs a driver for CUDA {major}, and this one runs CUDA {version_text(driver_version)}; "
            f"update the driver, or run: pip uninstall -y {wheels[0]} && {line}"
        )
    return None


def _cuda_of(wheel: str) -> int | None:
    """12 for cupy-cuda12x; None for a CuPy that was built here, and for other hardware."""
    digits = wheel.removeprefix("cupy-cuda").rstrip("x")
    if wheel == "cupy" or not digits.isdigit():
        return None
    return int(digits[:2])
