"""What is counted, and over what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emulated import cupy_on_sim, run

import gpudl.sim
from gpudl.sim import Counters, counters, counting


@pytest.fixture(scope="module")
def cp() -> Any:
    return cupy_on_sim()


def test_copies_and_launches_are_counted(cp: Any) -> None:
    host = np.arange(1000, dtype="f4")
    with counting() as to_device:
        x = cp.asarray(host)
    assert (to_device.host_to_device, to_device.bytes_host_to_device, to_device.launches) == (1, 4000, 0)
    x + x
    with counting() as inside:
        y = x + x
    assert (inside.launches, inside.host_to_device, inside.device_to_host, inside.allocations) == (1, 0, 0, 1)
    with counting() as to_host:
        y.get()
    assert (to_host.device_to_host, to_host.bytes_device_to_host, to_host.launches) == (1, 4000, 0)
    with counting() as waiting:
        cp.cuda.get_current_stream().synchronize()
    assert waiting.synchronizations == 1


def test_library_calls_are_counted(cp: Any) -> None:
    a = cp.ones((4, 4), "f4")
    a @ a
    with counting() as inside:
        a @ a
    assert inside.library_calls == 1


def test_nothing_is_counted_outside_of_the_block(cp: Any) -> None:
    x = cp.zeros(3)
    with counting() as inside:
        pass
    x += 1
    assert inside == Counters()


def test_counters_are_filled_when_the_block_fails(cp: Any) -> None:
    x = cp.zeros(3)
    x += 1
    with pytest.raises(KeyError), counting() as inside:
        x += 1
        raise KeyError
    assert inside.launches == 1


def test_snapshots_subtract(cp: Any) -> None:
    before = counters()
    x = cp.zeros(3)
    x += 1
    after = counters()
    assert (after - before).launches >= 1 and (before - before) == Counters()
    assert vars(after - before) == {name: value - vars(before)[name] for name, value in vars(after).items()}


def test_counting_before_install_is_an_error() -> None:
    done = run("import gpudl.sim; gpudl.sim.counters()")
    assert done.stderr.splitlines()[-1] == ("gpudl.sim.errors.SimError: nothing is counted before gpudl.sim.install()")
    assert "counters" in gpudl.sim.__all__
