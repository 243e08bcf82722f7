"""The device that tests of the cuda backend run on, and fresh processes."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import gpudl
from gpudl.backend import device
from gpudl.testing.plugin import device_names

ROOT = Path(__file__).resolve().parents[2]


@cache
def has_gpu():
    """True if there is a GPU here; asked in another process, since asking decides what a process computes on."""
    return run("from gpudl.backend import device; print(device.available('cuda'))") == "True"


def cuda_like(config):
    """The GPU if the tests run with --device cuda, else the emulated device; skips where it is missing, saying why."""
    found = gpudl.device(next((name for name in device_names(config) if name.startswith("cuda")), "sim"))
    try:
        device.require(found)
    except gpudl.DeviceError as error:
        pytest.skip(str(error))
    return found


def run(code, fails=False, **variables):
    """What a fresh interpreter prints that runs the code; its stderr if it shall fail."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode != 0) is fails, done.stderr
    return (done.stderr if fails else done.stdout).strip()
