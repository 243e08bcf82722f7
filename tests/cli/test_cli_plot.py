"""gpudl plot: the pictures and the report of a run, or of several."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from gpudl.cli import main

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def drawn(run: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, list[str]]:
    """A run that was drawn, and the lines that were printed."""
    pytest.importorskip("matplotlib")
    assert main(["plot", "run"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return run, out.splitlines()


def test_paths_of_pictures_and_report_are_printed(drawn: tuple[Path, list[str]]) -> None:
    run, lines = drawn
    assert {str(run / "plots" / name) for name in ("loss.png", "accuracy.png", "learning_rate.png")} < set(lines)
    assert lines[-1] == str(run / "report.html") and len(set(lines)) == len(lines)
    for line in lines[:-1]:
        assert Path(line).read_bytes().startswith(PNG)
    assert sorted(lines[:-1]) == sorted(map(str, (run / "plots").iterdir()))
    assert "</html>" in (run / "report.html").read_text(encoding="utf-8")


def test_json_tells_them_apart(drawn: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "run", "run/", "--json"]) == 0  # which is one
    said = json.loads(capsys.readouterr().out)
    assert [*said["plots"], *said["reports"]] == drawn[1]


def test_several_runs_are_drawn_into_out(drawn: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("run", "other")
    assert main(["plot", "run", "other", "--out", "deep/er"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [str(Path("run", "report.html")), str(Path("other", "report.html"))]
    assert str(Path("deep", "er", "loss.png")) in lines and all(Path(line).is_file() for line in lines)
    assert main(["plot", "run", "other", "-q"]) == 0
    assert str(Path("plots", "loss.png")) in capsys.readouterr().out.splitlines()


def test_without_matplotlib_there_is_the_report_and_the_line_that_installs_it(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["plot", "run"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and 'pip install "gpudl[plot]"' in err
    assert (run / "report.html").is_file()


def test_a_folder_that_is_no_run_ends_it_before_anything_is_written(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    for wrong in ("empty", "nowhere"):
        assert main(["plot", "run", wrong, "--out", "new"]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith(f"gpudl: {wrong}: no ") and err.count("\n") == 1
    assert not (run / "report.html").exists() and not Path("new").exists()


def test_out_that_cannot_be_written_is_one_line_and_exit_code_1(
    drawn: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()
    assert main(["plot", "run", "--out", "file/new"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err == "gpudl: file/new: cannot write: Not a directory\n"
