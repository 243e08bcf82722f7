"""What is missing is said in one line that names what to install."""

from __future__ import annotations

import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest
from emulated import needs_sim, output, run

import gpudl.sim
from gpudl.sim.errors import SimCompileError, SimError
from gpudl.sim.toolchain import NO_COMPILER, compile_cpp, compiler


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)


def test_no_compiler_is_said_in_one_line(no_compiler: None) -> None:
    assert gpudl.sim.why_unavailable() == NO_COMPILER and "\n" not in NO_COMPILER and "apt install g++" in NO_COMPILER
    with pytest.raises(SimError, match="install g"):
        compiler()


def test_install_without_a_compiler_fails_with_that_line(tmp_path: Path) -> None:
    done = run("import gpudl.sim; gpudl.sim.install()", PATH=str(tmp_path), CXX="")
    assert done.returncode and done.stderr.splitlines()[-1] == f"gpudl.sim.errors.SimError: {NO_COMPILER}"


def test_compiler_named_by_cxx_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "my-compiler -flag")
    assert gpudl.sim.why_unavailable() == (
        "CXX names the C++ compiler 'my-compiler', which was not found: correct CXX or unset it"
    )
    (tmp_path / "my-compiler").write_text("")
    (tmp_path / "my-compiler").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiler() == ["my-compiler", "-flag"]


def test_missing_cupy_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no compiler, which is said first")
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert gpudl.sim.why_unavailable() == (
        'the sim device runs the real CuPy, which is not installed: pip install "gpudl[sim]"'
    )


def test_install_without_cupy_fails_with_that_line() -> None:
    needs_sim()
    done = run("import sys; sys.modules['cupy'] = None; import gpudl.sim; gpudl.sim.install()")
    assert done.stderr.splitlines()[-1].endswith('which is not installed: pip install "gpudl[sim]"')


def test_other_version_of_cupy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needs_sim()
    monkeypatch.setattr(metadata, "version", lambda name: "13.6.0")
    assert gpudl.sim.why_unavailable() == (
        "the sim device needs cupy-cuda12x==14.*, and 13.6.0 is installed: pip install 'cupy-cuda12x==14.*'"
    )


def test_other_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert "this is linux on riscv64" in (gpudl.sim.why_unavailable() or "")


def test_compiler_errors_are_shown_in_its_first_lines(tmp_path: Path) -> None:
    needs_sim()
    (tmp_path / "a.cpp").write_text("".join(f"int f{i}() {{ return missing{i}; }}\n" for i in range(40)))
    with pytest.raises(SimCompileError) as caught:
        compile_cpp(["-c", tmp_path / "a.cpp", "-o", tmp_path / "a.o"])
    lines = str(caught.value).splitlines()
    assert "missing0" in lines[1] and len(lines) == 26 and lines[-1].startswith("... and ")


def test_asking_is_cheap() -> None:
    program = """
import sys, subprocess
def refuse(*arguments, **options): raise AssertionError("a process was started")
subprocess.Popen.__init__ = refuse
import gpudl.sim
gpudl.sim.why_unavailable()
print([name for name in ("cupy", "cupy_backends", "cuda") if name in sys.modules])
"""
    assert output(program) == "[]\n"
