"""What is built holds what is needed: the package, its kernel text, the examples, and nothing else."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# The build backend is called as pip and build call it, without the isolated environment they make by download.
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
PLANTED = (
    "examples/__pycache__/planted.pyc",
    "examples/planted~",
    "gpudl/ops/__pycache__/planted.pyc",
    "gpudl/planted.txt",
    "kernels/__pycache__/planted.pyc",
    "kernels/planted~",
)


class Built(NamedTuple):
    """What came of building a copy of the checkout.

    Attributes:
        expected: what belongs into a wheel, name there -> content.
        wheel: built from the copy.
        sdist: built from the copy.
    """

    expected: dict[str, bytes]
    wheel: Path
    sdist: Path


def _build(hook: str, folder: Path, out: Path) -> Path:
    out.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", BUILD, hook, out],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    # In a copy: a build leaves files behind, from which the next one would take what has been deleted since.
    folder = tmp_path_factory.mktemp("packaging")
    copy = folder / "copy"
    copy.mkdir()
    for path in ROOT.iterdir():
        if path.name in ("gpudl", "kernels", "tests", "examples", "benchmarks"):
            shutil.copytree(path, copy / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.is_file():
            shutil.copy(path, copy)
    files = [path for name in ("kernels", "examples") for path in (copy / name).rglob("*") if path.is_file()]
    expected = {f"gpudl/{path.relative_to(copy).as_posix()}": path.read_bytes() for path in files}
    native = [path for path in (copy / "gpudl" / "sim" / "native").rglob("*") if path.is_file()]
    for path in [*(copy / "gpudl").rglob("*.py"), copy / "gpudl" / "py.typed", *native]:
        expected[path.relative_to(copy).as_posix()] = path.read_bytes()
    for name in PLANTED:
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text("no part of the package")

    sdist = _build("build_sdist", copy, folder / "sdist")
    wheel = _build("build_wheel", copy, folder / "wheel")
    return Built(expected, wheel, sdist)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed, away from the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*pip, "--target", folder, built.wheel], check=True, capture_output=True)
    return folder


def _content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(wheel.read_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_declared_packages_are_the_folders_with_code_the_examples_and_the_kernels() -> None:
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "gpudl").rglob("__init__.py")}
    expected = {".".join(folder.parts) for folder in folders} | {"gpudl.examples", "gpudl.kernels"}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == expected


def test_wheel_holds_the_package_the_examples_and_the_kernel_text_and_nothing_else(built: Built) -> None:
    content = {name: data for name, data in _content(built.wheel).items() if ".dist-info/" not in name}
    assert any(name.startswith("gpudl/kernels/") for name in content)
    assert any(name.startswith("gpudl/sim/native/") for name in content)
    assert set(content) == set(built.expected)
    assert content == built.expected


def test_wheel_built_from_the_source_distribution_is_the_same(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path / "unpacked", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert _content(_build("build_wheel", unpacked, tmp_path / "wheel")) == _content(built.wheel)


def test_installed_package_finds_its_kernels_and_trains(installed: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-I", ROOT / "tests" / "installed.py", installed],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert str(installed.resolve()) in run.stdout


def test_installed_package_finds_and_copies_its_examples(installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from gpudl.examples_index import copy, examples, examples_folder\n"
        "print(examples_folder()); print(len(examples())); copy('text_classifier', 'here')"
    )
    command = [sys.executable, "-I", "-c", code, str(installed)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    count = len([path for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".toml")])
    assert run.stdout.split() == [str(installed / "gpudl" / "examples"), str(count)]
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"text_classifier.py", "surnames.csv"}


def test_installed_command_tells_its_version(installed: Path, tmp_path: Path) -> None:
    version = re.search(r'__version__ = "(.+)"', (ROOT / "gpudl" / "version.py").read_text(encoding="utf-8"))
    assert version
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    for command in ([installed / "bin" / "gpudl"], [sys.executable, "-m", "gpudl"]):
        run = subprocess.run(
            [*command, "--version"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.split() == ["gpudl", version[1]]


def test_core_needs_numpy_safetensors_and_tqdm_only() -> None:
    parts = [text.partition(";") for text in PROJECT["project"]["dependencies"]]
    markers = {re.split(r"[^\w-]", needed)[0]: marker.strip() for needed, _, marker in parts}
    # The standard library reads TOML from Python 3.11 on.
    assert markers == {"numpy": "", "safetensors": "", "tqdm": "", "tomli": "python_version < '3.11'"}


def test_extras_that_the_readme_names_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {name for names in re.findall(r"(?:gpudl|\.)\[([\w, -]+)\]", readme) for name in re.split(r", *", names)}
    assert named <= set(PROJECT["project"]["optional-dependencies"])
