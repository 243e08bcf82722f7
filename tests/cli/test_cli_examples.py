"""gpudl examples: the list, one of them, a copy, and a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gpudl
from gpudl import examples_index
from gpudl.cli import examples, main
from gpudl.examples_index import Example

ROOT = Path(gpudl.__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the examples' one: a program that prints its arguments, and ends as it is told."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "echo.py").write_text(
        '"""Prints.\n\n    python examples/echo.py [CODE]\n\nNeeds: paper; ink.\n"""\n'
        "import sys, gpudl\nprint(sys.argv[1:], gpudl.__version__, flush=True)\nsys.exit(int(sys.argv[1]))\n"
    )
    monkeypatch.setattr(examples_index, "examples_folder", lambda: folder)
    return folder


def test_all_are_listed_by_name_with_their_title(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["examples"]) == 0
    bare = capsys.readouterr()
    assert main(["examples", "list"]) == 0
    assert capsys.readouterr() == bare and bare.err == ""
    for each in examples_index.examples():
        assert any(line.split("  ")[0] == each.name and line.endswith(each.title) for line in bare.out.splitlines())


def test_json_says_all_that_is_known(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["examples", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "examples": [
            {
                "name": "echo",
                "title": "Prints.",
                "command": "python examples/echo.py [CODE]",
                "needs": ["paper", "ink"],
                "path": str(small / "echo.py"),
            }
        ]
    }


def test_show_prints_the_file(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (small / "echo.py").read_text()
    assert main(["examples", "show", "echo"]) == 0
    assert capsys.readouterr() == (text, "")
    assert main(["examples", "show", "echo.py", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == text


def test_copy_makes_the_folder_and_replaces_nothing(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["examples", "copy", "echo"]) == 0 and main(["examples", "copy", "echo", "mine/new"]) == 0
    assert capsys.readouterr().out.splitlines() == ["echo.py", os.path.join("mine", "new", "echo.py")]
    for path in (Path("echo.py"), Path("mine", "new", "echo.py")):
        assert path.read_bytes() == (small / "echo.py").read_bytes()
    Path("echo.py").write_text("changed")
    assert main(["examples", "copy", "echo"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gpudl: echo.py is there already") and Path("echo.py").read_text() == "changed"
    assert main(["examples", "copy", "echo", "echo.py/deeper"]) == 1
    assert capsys.readouterr().err == "gpudl: echo.py/deeper: Not a directory\n"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("line", "code"), [("0 --device cpu", 0), ("3 -- x", 3)])
def test_run_gives_what_is_behind_the_dashes_and_ends_as_the_example(
    line: str, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["examples", "run", "echo", "--", *line.split()]) == code
    assert capfd.readouterr() == (f"{line.split()} {gpudl.__version__}\n", "")


def test_the_command_of_each_example_runs_its_file() -> None:
    for each in examples_index.examples():
        program, *words = examples._command(each)
        assert program == sys.executable and words[-1] == str(each.path)
        assert (words[0] == "-m") == (not each.command.startswith("python "))
    path = Path("x.py")
    command = examples._command(Example("x", "", "pytest -p plugin examples/x.py [-q]", (), path))
    assert command == [sys.executable, "-m", "pytest", "-p", "plugin", "x.py"]


def test_an_example_of_each_kind_runs_from_anywhere(tmp_path: Path) -> None:
    for line in (["keras_line", "--", "--epochs", "1"], ["digits", "--", "--help"]):
        command = [sys.executable, "-m", "gpudl", "examples", "run", *line]
        done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and done.stdout and done.stderr == ""
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("show", "show needs the NAME of an example; gpudl examples lists them"),
        ("show eco", "there is no example named 'eco'; there is echo"),
        ("list echo", "list takes no NAME; did you mean: gpudl examples show echo"),
        ("echo", "invalid choice: 'echo'"),
        ("run echo 3", "run takes no DIR, got '3'; options of an example go behind --"),
        (
            "run echo --device cpu",
            "options of the example go behind --, as in: gpudl examples run NAME -- --device",
        ),
        ("run echo --json", "leave out --json"),
        ("show echo --device cpu", "there is no option --device"),
    ],
)
def test_wrong_usage_is_one_line(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["examples", *line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.count("\n") == 1


def test_an_installation_without_examples_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> Path:
        raise FileNotFoundError("the examples are neither in a nor in b; reinstall gpudl")

    monkeypatch.setattr(examples_index, "examples_folder", missing)
    assert main(["examples"]) == 1
    assert capsys.readouterr() == ("", "gpudl: the examples are neither in a nor in b; reinstall gpudl\n")
