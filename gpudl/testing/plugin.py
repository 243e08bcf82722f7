"""A pytest plugin: `pytest --device cpu,sim,cuda` runs every test that takes the fixture `device` once a device.

In a project's conftest.py: `pytest_plugins = ["gpudl.testing.plugin"]`. It is not loaded by itself, since its options
would clash with those of projects that only have gpudl installed. In pytest's settings, `gpudl_devices = "cpu,sim"`
is what runs without the option. A device that is missing skips its tests, and the header says why; but the command
line fails if it names sim, which can be everywhere, or no device that is there.

A process has either the real CUDA driver or the emulated one. Where both are wanted, and a GPU is there, the tests of
the sim device run in a second process after the others.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import gpudl
from gpudl.backend.device import Device, require
from gpudl.testing.devices import check_devices as _check_devices
from gpudl.testing.kernels import check_kernel as _check_kernel


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device",
        metavar="NAMES",
        help="devices for the tests that take the fixture `device`, separated by commas: cpu, sim, cuda, cuda:1",
    )
    parser.addini("gpudl_devices", "devices for tests when --device is not given, separated by commas", default="cpu")


def device_names(config: pytest.Config) -> list[str]:
    """The devices that tests were asked to run on, as they were named."""
    given = config.getoption("--device") or config.getini("gpudl_devices")
    return [name.strip() for name in given.split(",") if name.strip()]


def _why_missing(name: str) -> str | None:
    """None if tests can run on a device; starts it, so that CuPy is not imported before the sim device is there."""
    try:
        require(gpudl.device(name))
    except gpudl.DeviceError as error:
        return str(error)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Two processes where the devices of one cannot be those of the other."""
    names = device_names(config)
    emulated = [name for name in names if name.startswith("sim")]
    real = [name for name in names if name.startswith("cuda")]
    if not (emulated and real) or _why_missing(real[0]) is not None:
        return None
    arguments = [each for each in config.invocation_params.args if isinstance(each, str)]
    others = [name for name in names if name not in emulated]
    codes = []
    for devices in (others, emulated):
        command = [sys.executable, "-m", "pytest", *arguments, "--device", ",".join(devices)]
        codes.append(subprocess.run(command, check=False).returncode)
    return max(codes)


def pytest_configure(config: pytest.Config) -> None:
    names = device_names(config)
    for name in names:
        try:
            gpudl.device(name)
        except gpudl.DeviceError as error:
            raise pytest.UsageError(str(error)) from None
    missing = {name: why for name in names if (why := _why_missing(name)) is not None}
    needed = [name for name in missing if name.startswith("sim") or len(missing) == len(names)]
    if config.getoption("--device") and needed:
        raise pytest.UsageError(missing[needed[0]])


def pytest_report_header(config: pytest.Config) -> str:
    missing = [f"{name} ({why})" for name in device_names(config) if (why := _why_missing(name)) is not None]
    return f"gpudl: devices {', '.join(device_names(config))}" + (f"; missing: {'; '.join(missing)}" if missing else "")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", device_names(metafunc.config), indirect=True, scope="session")


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> Device:
    """The device under test; a test that makes its tensors there runs once for each name in --device."""
    why = _why_missing(request.param)
    if why is not None:
        pytest.skip(why)
    return gpudl.device(request.param)


@pytest.fixture(scope="session")
def check_kernel(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """gpudl.testing.check_kernel, on the sim device or, if only that is asked for, on the GPU."""
    return functools.partial(_check_kernel, device=_beside_the_cpu(request.config))


@pytest.fixture(scope="session")
def check_devices(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """gpudl.testing.check_devices, of the CPU and the sim device or, if only that is asked for, the GPU."""
    return functools.partial(_check_devices, devices=("cpu", _beside_the_cpu(request.config)))


def _beside_the_cpu(config: pytest.Config) -> str:
    """The device to check against the CPU; skips the test where it is missing."""
    names = [name for name in device_names(config) if name != "cpu"]
    chosen = names[0] if names else "sim"
    why = _why_missing(chosen)
    if why is not None:
        pytest.skip(why)
    return chosen
