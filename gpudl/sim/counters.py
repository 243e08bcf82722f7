"""How often the host has asked the emulated device for something: launches, copies, synchronizations."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass

from gpudl.sim.abi import SimCounters
from gpudl.sim.errors import SimError


@dataclass
class Counters:
    """Counts since the device was installed, or, as a difference of two, between two moments.

    The nodes of a replayed graph are not counted again: a replay is one graph launch.

    Attributes:
        launches: kernels launched.
        host_to_device: copies to the device.
        device_to_host: copies from it.
        device_to_device: copies on it.
        bytes_host_to_device: their bytes.
        bytes_device_to_host: their bytes.
        synchronizations: waits of the host for the device.
        allocations: of device memory.
        graph_launches: of captured graphs.
        library_calls: to cuBLAS and cuRAND.
    """

    launches: int = 0
    host_to_device: int = 0
    device_to_host: int = 0
    device_to_device: int = 0
    bytes_host_to_device: int = 0
    bytes_device_to_host: int = 0
    synchronizations: int = 0
    allocations: int = 0
    graph_launches: int = 0
    library_calls: int = 0

    def __sub__(self, earlier: Counters) -> Counters:
        return Counters(*(after - before for after, before in zip(astuple(self), astuple(earlier))))


_driver: ctypes.CDLL | None = None


def start(driver: ctypes.CDLL) -> None:
    """Count what passes this driver stand-in."""
    global _driver
    _driver = driver


def counters() -> Counters:
    """What has been counted since the device was installed.

    Raises: SimError if it is not installed.
    """
    if _driver is None:
        raise SimError("nothing is counted before gpudl.sim.install()")
    counted = SimCounters()
    _driver.sim_counters(ctypes.byref(counted))
    return Counters(*(getattr(counted, name) for name in vars(Counters())))


@contextmanager
def counting() -> Iterator[Counters]:
    """Count what happens inside a block: `with gpudl.sim.counting() as c: ...`, then `c.launches`.

    The counters are filled when the block ends.
    """
    inside = Counters()
    before = counters()
    try:
        yield inside
    finally:
        vars(inside).update(vars(counters() - before))
