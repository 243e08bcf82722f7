"""A new interpreter for what must begin from nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import gpudl


def output_of(what: str, code: str, **variables: str) -> str:
    """What a new interpreter writes to stdout when it runs some code.

    Args:
        what: is measured, for the error.
        code: Python.
        variables: of the environment, besides those of this process.
    Raises: RuntimeError with the last line of what it wrote to stderr, if it fails.
    """
    done = subprocess.run([sys.executable, "-c", code], env=environment() | variables, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{what}: {(done.stderr.strip().splitlines() or ['the process failed'])[-1]}")
    return done.stdout


def environment() -> dict[str, str]:
    """This process's environment, in which another one finds the same gpudl."""
    root = str(Path(gpudl.__file__).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
