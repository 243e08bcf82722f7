"""`import gpudl` is light and leaves no trace: asked of a fresh interpreter."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Slow parts of the standard library that NumPy does without: to be imported where they are needed.
HEAVY = {
    "argparse", "asyncio", "concurrent", "csv", "decimal", "email", "ftplib", "gzip", "html", "http",
    "json", "logging", "lzma", "multiprocessing", "pdb", "shutil", "socket", "sqlite3", "ssl", "statistics",
    "subprocess", "tarfile", "tempfile", "tomllib", "unittest", "urllib", "uuid", "xml", "zipfile",
}  # fmt: skip

REPORT = """
import os, sys, threading, warnings
import numpy
before = set(sys.modules)
def state():
    return [numpy.geterr(), repr(warnings.filters), dict(os.environ), threading.active_count(), sys.getrecursionlimit()]
states = [state()]
import gpudl
states.append(state())
modules = {name: name in before for name in sorted(sys.modules)}
import json
with open(sys.argv[1], "w") as file:
    json.dump([modules, states], file)
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, bool], list[Any]]:
    """What a fresh interpreter prints on `import gpudl`, the modules it has then, and its state before and after.

    The modules are given with whether NumPy had imported them before.
    """
    path = tmp_path_factory.mktemp("imports") / "report.json"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{REPORT}"
    run = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", code, path], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    modules, states = json.loads(path.read_text())
    return run.stdout + run.stderr, modules, states


def test_nothing_but_numpy_and_the_standard_library_is_imported(report: Any) -> None:
    _, modules, _ = report
    assert modules["gpudl"] is False
    known = sys.stdlib_module_names | {"gpudl", "numpy", "__main__"}
    # What the environment loads at the start of every interpreter, before NumPy, is not ours either.
    foreign = [name for name, early in modules.items() if not early and name.partition(".")[0] not in known]
    assert not foreign


def test_no_heavy_module_is_imported(report: Any) -> None:
    _, modules, _ = report
    ours = {name.partition(".")[0] for name, early in modules.items() if not early}
    assert not ours & HEAVY


def test_no_wing_above_the_layers_is_imported(report: Any) -> None:
    _, modules, _ = report
    assert not [name for name in modules if name.startswith(("gpudl.models", "gpudl.train", "gpudl.cli"))]


def test_importing_says_nothing_and_changes_nothing(report: Any) -> None:
    output, _, (before, after) = report
    assert output == ""
    assert before == after


@pytest.mark.parametrize(
    "module", ["", ".autograd", ".data", ".linalg", ".nn", ".nn.functional", ".ops", ".optim", ".random", ".train"]
)
def test_every_exported_name_resolves(module: str) -> None:
    package = importlib.import_module(f"gpudl{module}")
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    # Names that are imported at first use still stand in the file, for a type checker.
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    written = [alias.asname or alias.name for node in imports for alias in node.names if alias.name != "*"]
    for name in {*written, *dir(package), *getattr(package, "__all__", ())}:
        getattr(package, name)
