"""CuPy's own tests on the sim device, as a check of the emulation by people who never heard of it.

    python -m tests.sim.cupy_suite            # about 15 minutes on two processors with a cold cache

Fetches the source distribution of the installed CuPy version into a temporary folder, runs a selection of its tests
(what a training framework stands on) and reports the counts. Exits with 1 if fewer pass than should.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = 2334

SELECTION = [
    *(
        f"core_tests/test_{name}.py"
        for name in (
            "elementwise",
            "ndarray_adv_indexing",
            "ndarray_copy_and_view",
            "ndarray_elementwise_op",
            "ndarray_indexing",
            "ndarray_reduction",
            "raw",
            "reduction",
            "scan",
            "userkernel",
        )
    ),
    "sorting_tests/test_search.py",
    "linalg_tests/test_product.py",
    "linalg_tests/test_einsum.py",
    "manipulation_tests/test_join.py",
    "indexing_tests/test_indexing.py",
    "indexing_tests/test_insert.py",
    "logic_tests",
    "creation_tests",
]

# What the sim device does not have, and says so: CUB, Jitify, machine code from files, textures, several contexts.
LEFT_OUT = (
    "not Cub and not cub_ and not jitify_True and not cubin and not ptx and not Texture and not Surface "
    "and not context_switch and not CooperativeGroups and not cooperative_groups and not MultiGPU and not multi_gpu "
    "and not dynamical_parallelism and not nvcc"
)


def fetch(folder: Path) -> Path:
    """The folder of CuPy's tests, of the version that is installed."""
    for name in ("cupy-cuda12x", "cupy-cuda13x"):
        try:
            wanted = version(name)
            break
        except PackageNotFoundError:
            continue
    else:
        sys.exit('CuPy is not installed; run: pip install "gpudl[sim]"')
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "cupy"]
    subprocess.run(
        [*command, f"cupy=={wanted}", "--dest", str(folder)],
        check=True,
        env={**os.environ, "CUPY_INSTALL_USE_STUB": "1"},
    )
    with tarfile.open(folder / f"cupy-{wanted}.tar.gz") as archive:
        members = [each for each in archive.getmembers() if each.name.startswith(f"cupy-{wanted}/tests/")]
        if sys.version_info >= (3, 12):
            archive.extractall(folder, members, filter="data")
        else:
            archive.extractall(folder, members)
    return folder / f"cupy-{wanted}" / "tests"


def run(tests: Path, workers: int, selection: list[str]) -> tuple[int, str]:
    """How many passed, and pytest's report."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.sim.under_sim", "-p", "no:cacheprovider"]
    command += ["-W", "ignore", "-n", str(workers), "-k", LEFT_OUT, "--tb=line", "-rfE"]
    paths = [f"cupy_tests/{each}" for each in selection]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, *paths], cwd=tests, env=environment, capture_output=True, text=True)
    report = done.stdout + done.stderr
    passed = re.findall(r"(\d+) passed", report)
    return int(passed[-1]) if passed else 0, report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("-n", "--workers", type=int, default=os.cpu_count() or 1, help="processes; default: processors")
    parser.add_argument("--tests", type=Path, help="CuPy's folder of tests, if it is there already")
    parser.add_argument("selection", nargs="*", default=SELECTION, help="files below cupy_tests; default: all selected")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        passed, report = run(arguments.tests or fetch(Path(folder)), arguments.workers, arguments.selection)
    print(report[-20000:])
    enough = passed >= EXPECTED or arguments.selection is not SELECTION
    print(f"{passed} passed; at least {EXPECTED} should, of the whole selection")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
