"""What a run was made by: program, machine and source, for its manifest."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

import gpudl
from gpudl.backend.surroundings import blas_threads, device_name, processor_name

_PACKAGES = (
    "numpy",
    "safetensors",
    "cupy-cuda12x",
    "cupy-cuda13x",
    "ml_dtypes",
    "scikit-learn",
    "pillow",
    "matplotlib",
)


def facts(device: gpudl.Device, folder: Path) -> dict[str, Any]:
    """Versions, machine and source control.

    Args:
        device: what is computed on.
        folder: that of the configuration, whose repository is looked at.
    """
    return {
        "gpudl": gpudl.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "cpu": processor_name(),
        "threads": blas_threads(),
        "device": str(device),
        "device_name": device_name(device),
        "packages": {name: version for name in _PACKAGES if (version := _version(name)) is not None},
        "git": _git(folder),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(folder: Path) -> dict[str, Any] | None:
    """The commit of the repository that a folder is in, and whether files in it were changed since."""

    def answer(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = answer("rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(answer("status", "--porcelain", "--untracked-files=no"))}
