"""A device beside the CPU, and errors planted in kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpudl
from gpudl.backend.kernel import Kernel
from gpudl.random import initial_seed, manual_seed
from gpudl.testing.plugin import device_names


@pytest.fixture(autouse=True)
def keep_seed():
    before = initial_seed()
    yield
    manual_seed(before)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "gpu" in metafunc.fixturenames:
        names: list[Any] = [name for name in device_names(metafunc.config) if name != "cpu"]
        missing = pytest.param(
            "", marks=pytest.mark.skip("compares the CPU with another device; give --device cpu,sim")
        )
        metafunc.parametrize("gpu", names or [missing], indirect=True, scope="session")


@pytest.fixture(scope="session")
def gpu(request: pytest.FixtureRequest) -> str:
    """The name of a device that is not the CPU."""
    place = gpudl.device(request.param)
    try:
        gpudl.zeros(1).to(place)
    except gpudl.DeviceError as error:
        pytest.skip(str(error))
    return str(place)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Kernel, Callable[[Any], Any]], None]:
    """Has `change` made of what a kernel gives on CUDA devices, in float32."""

    def planted(kernel: Kernel, change: Callable[[Any], Any]) -> None:
        key = "cuda", np.dtype("float32")
        body = kernel.bodies[key]
        monkeypatch.setitem(kernel.bodies, key, lambda *args: change(body(*args)))
        monkeypatch.setattr(kernel, "_routes", {})

    return planted
