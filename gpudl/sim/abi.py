"""The C structures that Python shares with the native parts: native/runtime/runtime.h and native/driver/driver.h."""

from __future__ import annotations

import ctypes
from pathlib import Path

NATIVE = Path(__file__).resolve().parent / "native"

CHECKED = 1  # SIM_CHECKED
RELAXED = 2  # SIM_RELAXED
ORDERS = {"forward": 0, "reverse": 1, "random": 2}  # SIM_FORWARD, ...


class SimVariable(ctypes.Structure):
    """A static __shared__ variable."""

    _fields_ = (("low", ctypes.c_size_t), ("high", ctypes.c_size_t), ("name", ctypes.c_char_p))


class SimModule(ctypes.Structure):
    """A compiled object as it lies in memory."""

    _fields_ = (
        ("path", ctypes.c_char_p),
        ("low", ctypes.c_size_t),
        ("high", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("variable_count", ctypes.c_int),
        ("variables", ctypes.POINTER(SimVariable)),
    )


class SimOptions(ctypes.Structure):
    """How kernels are run."""

    _fields_ = (("order", ctypes.c_int), ("seed", ctypes.c_uint), ("limit_ms", ctypes.c_int))


class SimCounters(ctypes.Structure):
    """What the host has asked the device to do."""

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in (
            "launches",
            "host_to_device",
            "device_to_host",
            "device_to_device",
            "bytes_host_to_device",
            "bytes_device_to_host",
            "synchronizations",
            "allocations",
            "graph_launches",
            "library_calls",
        )
    )
