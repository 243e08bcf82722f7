"""What the figures depend on, for the record: machine, versions, threads, settings."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import gpudl
from gpudl.backend.surroundings import device_name, gpus
from gpudl.train.facts import facts
from gpudl.train.layer_table import processor_threads

_VARIABLES = ("OMP_", "MKL_", "OPENBLAS_", "BLIS_", "VECLIB_", "CUDA_", "CUPY_", "NVIDIA_TF32", "GPUDL_")
"""Beginnings of the variables that change how fast or how something is computed. Places of files are left out."""


def environment(places: list[gpudl.Device], seed: int, dtype: str = "float32") -> dict[str, Any]:
    """What is known of it.

    Args:
        places: the devices that are measured.
        seed: of weights, data and dropout.
        dtype: of weights and data.
    """
    root = Path(gpudl.__file__).resolve().parents[1]
    found = facts(places[0], root)
    inside = (root / "pyproject.toml").is_file()  # else the folder's repository, if any, is somebody else's
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "gpudl": found["gpudl"],
        "commit": found["git"] if inside else None,
        "python": found["python"],
        "packages": found["packages"],
        "platform": found["platform"],
        "cpu": found["cpu"],
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "blas": _blas(),
        "threads": found["threads"] or processor_threads(),
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(_VARIABLES) and not os.path.isabs(value)
        },
        "gpus": [finding.text for finding in gpus()],
        "clocks": clocks(),
        "devices": {str(place): device_name(place) for place in places},
        "dtype": dtype,
        "float32_products": gpudl.get_float32_matmul_precision(),
        "seed": seed,
    }


def _blas() -> str:
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def clocks() -> list[dict[str, str]]:
    """Clocks and power limits of the GPUs, as the driver's own tool says them; [] where there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    names = ("index", "clocks.sm", "clocks.max.sm", "clocks.mem", "power.limit")
    command = [tool, f"--query-gpu={','.join(names)}", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [dict(zip(names, map(str.strip, line.split(",")))) for line in said.splitlines() if line.strip()]
