"""What the tests of the emulated device share: CuPy on it, and programs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gpudl.sim

ROOT = Path(__file__).resolve().parents[2]


def needs_sim() -> None:
    """Skip, saying why, where the sim device cannot be used."""
    reason = gpudl.sim.why_unavailable()
    if reason is not None:
        pytest.skip(reason)


def cupy_on_sim() -> Any:
    """CuPy on the emulated device of this process."""
    needs_sim()
    gpudl.sim.install()
    import cupy

    return cupy


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, with gpudl of this checkout."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=240,
    )


def output(program: str, **environment: str) -> str:
    """What a program that must succeed writes on stdout."""
    done = run(program, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
