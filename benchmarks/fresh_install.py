"""A virtual environment with gpudl of this checkout in it, as a user installs it, and commands that run in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("gpudl", "kernels", "examples", "pyproject.toml", "README.md", "LICENSE")
EXTRAS = ("digits", "image", "plot", "tune", "sim")
# What a user's environment does not have, or has for another Python.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "VIRTUAL_ENV")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Place(NamedTuple):
    """What the examples find where they run.

    Attributes:
        folder: with examples/ and data/.
        environment: variables, whose PATH begins with the fresh install.
        lacking: extra -> why it is not there.
        auto: the device that "auto" is.
    """

    folder: Path
    environment: Mapping[str, str]
    lacking: Mapping[str, str]
    auto: str = "cpu"


def of_user(threads: int | None) -> tuple[dict[str, str], list[str]]:
    """The variables of this process without those that a user's has not, and the names of the ones left out."""
    left_out = [name for name in os.environ if name in (*UNSET, *THREADS) or name.startswith("GPUDL_")]
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    return environment | ({} if threads is None else dict.fromkeys(THREADS, str(threads))), sorted(left_out)


def installed(
    folder: Path, environment: Mapping[str, str], extras: Sequence[str] = EXTRAS
) -> tuple[dict[str, str], dict[str, str]]:
    """Make folder/venv with gpudl of this checkout and the extras in it.

    Args:
        folder: an empty one.
        environment: variables of the user.
        extras: of gpudl's, each of which is tried alone if not all can be installed.
    Returns: the variables as where that environment is activated, and extra -> why it could not be installed.
    Raises: RuntimeError where gpudl itself cannot be.
    """
    # A copy: a build leaves files behind, and would take those that an earlier one has left.
    (folder / "source").mkdir()
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder / "source" / name)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], env=environment, check=True)
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    active = {**environment, "PATH": f"{scripts}{os.pathsep}{environment['PATH']}", "VIRTUAL_ENV": str(folder / "venv")}

    def pip(*wanted: str) -> str:
        command = [str(scripts / "python"), "-m", "pip", "install", "--quiet", *wanted]
        run = subprocess.run(command, env=active, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return "" if run.returncode == 0 else last_line(run.stdout) or f"pip ended with {run.returncode}"

    source = str(folder / "source")
    if not pip(f"{source}[{','.join(extras)}]", "pytest"):
        return active, {}
    if problem := pip(source, "pytest"):
        raise RuntimeError(f"gpudl cannot be installed: {problem}")
    return active, {extra: problem for extra in extras if (problem := pip(f"{source}[{extra}]"))}


PROBE = """
import json, sys, gpudl
from gpudl.backend.device import available
if sys.argv[1]: gpudl.zeros(1, device=sys.argv[1])
cuda = gpudl.cuda.is_available()
name = gpudl.cuda.get_device_name(0) if cuda else None
print(json.dumps([gpudl.__file__, "cuda" if cuda else "cpu", name, available("sim")]))
"""


MACHINE = "import json; from benchmarks import timing as t; print(json.dumps(t.environment(t.Clock(), 0)))"


def described(
    work: Path, environment: Mapping[str, str], lacking: Mapping[str, str], device: str | None
) -> tuple[Place, dict[str, Any]]:
    """What the fresh install can do, and what timing.environment says in it.

    Raises: ValueError if it cannot compute on the device, or is not where it should be.
    """
    place = Place(work, environment, lacking)
    code, printed, progress = finished(["python", "-c", PROBE, device or ""], place, 120)
    if code != 0:
        raise ValueError(last_line(progress))
    file, auto, name, sim = json.loads(printed)
    if not Path(file).is_relative_to(work.parent):
        raise ValueError(f"the examples would find gpudl in {file}, not in the fresh install")
    if device is not None and device != "sim":
        lacking = {extra: why for extra, why in lacking.items() if extra != "sim"}
    elif not sim:
        lacking = {"sim": "device sim does not start here (see: gpudl doctor)", **lacking}
    code, printed, progress = finished(
        [
            "python",
            "-c",
            "import json; from benchmarks import timing as t; print(json.dumps(t.environment(t.Clock(), 0)))",
        ],
        place._replace(folder=ROOT),
        120,
    )
    if code != 0:
        raise ValueError(last_line(progress))
    return Place(work, environment, lacking, auto), {**json.loads(printed), "gpu": name}


def finished(words: Sequence[str], place: Place, limit: float) -> tuple[int | None, str, str]:
    """Run a command and all that it starts; its exit code, None if it took too long, stdout and stderr."""
    path = shutil.which(words[0], path=place.environment.get("PATH"))
    if path is None:
        return 127, "", f"there is no program {words[0]}"
    process = subprocess.Popen(
        [path, *words[1:]],
        cwd=place.folder,
        env=dict(place.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, progress = process.communicate(timeout=max(0.0, limit))
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)  # with the workers of a loader
        printed, progress = process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        return None, printed, progress
    return process.returncode, printed, progress


def last_line(text: str) -> str:
    """The last line with something on it."""
    return (text.strip().splitlines() or [""])[-1].strip()
