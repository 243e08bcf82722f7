"""Kernel text is found wherever gpudl stands, and joined so that errors name the real file and line."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from gpudl.backend import source as module
from gpudl.backend.source import kernels_folder, source


def standing_in(folder: Path) -> ModuleType:
    """The module as it would be if gpudl stood in this folder."""
    path = folder / "gpudl" / "backend" / "source.py"
    path.parent.mkdir(parents=True)
    shutil.copy(Path(str(module.__file__)), path)
    spec = importlib.util.spec_from_file_location("source_elsewhere", path)
    assert spec is not None and spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def test_text_of_every_kernel_file_is_found() -> None:
    paths = [path for path in kernels_folder().rglob("*") if path.is_file()]
    assert paths
    for path in paths:
        name = path.relative_to(kernels_folder()).as_posix()
        assert source(name) == f'#line 1 "kernels/{name}"\n{path.read_text(encoding="utf-8")}'


def test_checkout_has_its_kernels_beside_the_package(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "")
    write(tmp_path, "kernels/math/a.cuh", "checkout\n")
    assert standing_in(tmp_path).source("math/a.cuh") == '#line 1 "kernels/math/a.cuh"\ncheckout\n'


def test_installed_package_has_its_kernels_inside(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "")
    write(tmp_path, "kernels/math/a.cuh", "checkout\n")
    write(tmp_path, "gpudl/kernels/math/a.cuh", "installed\n")
    assert "installed" in standing_in(tmp_path).source("math/a.cuh")


def test_another_projects_kernels_beside_an_installed_package_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "kernels/__init__.py", "")
    with pytest.raises(FileNotFoundError, match="reinstall gpudl") as caught:
        standing_in(tmp_path).kernels_folder()
    for place in (tmp_path / "gpudl" / "kernels", tmp_path / "kernels"):
        assert str(place) in str(caught.value)


def test_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"math/nothing\.cuh"):
        source("math/nothing.cuh")


def test_texts_are_joined_in_the_given_order(tmp_path: Path) -> None:
    write(tmp_path, "gpudl/kernels/a.cuh", "int a;\n")
    write(tmp_path, "gpudl/kernels/b.cuh", "// ü\nint b;\n")
    elsewhere = standing_in(tmp_path)
    assert elsewhere.source("b.cuh", "a.cuh") == (
        '#line 1 "kernels/b.cuh"\n// ü\nint b;\n#line 1 "kernels/a.cuh"\nint a;\n'
    )
    assert elsewhere.source() == ""


def test_compiler_names_the_real_file_and_line(tmp_path: Path) -> None:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++ or clang++) on this machine")
    write(tmp_path, "gpudl/kernels/first.cuh", "// one\nint first;\n")
    write(tmp_path, "gpudl/kernels/second.cuh", "// one\n// two\nint second = nonsense;\n")
    write(tmp_path, "joined.cpp", standing_in(tmp_path).source("first.cuh", "second.cuh"))
    run = subprocess.run(
        [compiler, "-fsyntax-only", tmp_path / "joined.cpp"], capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert "kernels/second.cuh:3" in run.stderr
