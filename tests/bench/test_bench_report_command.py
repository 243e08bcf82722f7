"""gpudl bench: the page, the plots, and a record that was kept."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from bench_records import counted, record, timed

from gpudl.bench import measure, read_record
from gpudl.bench.html import as_html
from gpudl.cli import main

SMALL = ["bench", "--quick", "--suite", "ops", "--devices", "cpu", "--only", "cross_entropy", "-q"]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "kept.json"
    path.write_text(json.dumps(record(timed(1, 1, 1, share=0.5), counted())), encoding="utf-8")
    return path


def test_a_run_writes_its_report_and_a_kept_record_gives_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, first, second = tmp_path / "a.json", tmp_path / "a.html", tmp_path / "b.html"
    assert main([*SMALL, "--out", str(out), "--html", str(first), "--md", str(tmp_path / "a.md")]) == 0
    said = capsys.readouterr().out
    again = ["bench", "--from", str(out), "--html", str(second), "--md", str(tmp_path / "b.md")]
    assert main([*again, "--out", str(tmp_path / "b.json")]) == 0
    assert capsys.readouterr() == (said, "")
    assert first.read_bytes() == second.read_bytes() and b"softmax" in first.read_bytes()
    assert (tmp_path / "a.md").read_bytes() == (tmp_path / "b.md").read_bytes()
    assert out.read_bytes() == (tmp_path / "b.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json", "a.md", "b.html", "b.json", "b.md"]


def test_a_page_of_a_measured_record_is_that_of_what_was_written() -> None:
    made = measure(["ops"], ["cpu"], only=["cross_entropy"], quick=True)
    assert as_html(made) == as_html(json.loads(json.dumps(made)))


def test_a_kept_record_is_compared_with_a_baseline(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.json").write_text(json.dumps(record(timed(0.1, 0.1, 0.1))), encoding="utf-8")
    words = ["bench", "--from", str(kept), "--baseline", str(tmp_path / "old.json"), "--html", str(tmp_path / "a.html")]
    assert main(words) == 1
    assert "; 1 slower" in capsys.readouterr().out
    assert "✗ 1 slower than the baseline" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert main(["bench", "--from", str(kept), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == read_record(kept)


@pytest.mark.parametrize(
    "words", [["--suite", "ops"], ["--devices", "cpu"], ["--only", "exp"], ["--vs", "torch"], ["--quick"]]
)
def test_what_is_for_measuring_is_refused_with_a_kept_record(
    words: list[str], kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--from", str(kept), *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err == f"gpudl: {words[0]} is for measuring; --from shows a record as it was measured\n"


def test_plots_are_written_to_a_folder_that_is_made(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    assert main(["bench", "--from", str(kept), "--plots", str(tmp_path / "deep" / "plots")]) == 0
    found = sorted((tmp_path / "deep" / "plots").iterdir())
    assert [path.name for path in found] == ["launches-ops_sim_0.png", "share-cpu.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in found)


def test_without_matplotlib_plots_are_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with monkeypatch.context() as once:
        once.setattr("gpudl.bench.measure", lambda *given, **named: pytest.fail("measured"))
        assert main([*SMALL, "--plots", str(tmp_path / "plots"), "--html", str(tmp_path / "a.html")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err == 'gpudl: plots need matplotlib; install it with: pip install "gpudl[plot]"\n'
    assert list(tmp_path.iterdir()) == []
    assert main([*SMALL, "--html", str(tmp_path / "a.html")]) == 0  # the page needs none


@pytest.mark.parametrize("option", ["--html", "--plots", "--out"])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_measured(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("kept")
    monkeypatch.setattr("gpudl.bench.measure", lambda *given, **named: pytest.fail("measured"))
    assert main([*SMALL, option, str(tmp_path / "file" / "a")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.endswith(": Not a directory\n") and err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "kept"


def _damage(made: dict[str, Any], *path: Any, value: Any = None) -> None:
    *above, last = path
    for key in above:
        made = made[key]
    if value is None:
        del made[last]
    else:
        made[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("devices",), None),
        (("devices", 0, "limits"), 5),
        (("environment", "threads"), None),
        (("rows", 0, "share"), "half"),
        (("rows", 0, "share"), float("nan")),
        (("rows", 0, "bytes_per_second"), float("inf")),
        (("rows", 0, "wall", "median"), "1.0"),
        (("rows", 1, "counts", "launches"), "many"),
        (("settings",), []),
    ],
)
def test_a_damaged_record_is_one_line(
    path: tuple[Any, ...], value: Any, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = json.loads(kept.read_text(encoding="utf-8"))
    _damage(made, *path, value=value)
    kept.write_text(json.dumps(made), encoding="utf-8")
    words = ["bench", "--from", str(kept), "--html", str(tmp_path / "a.html"), "--out", str(tmp_path / "b.json")]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"gpudl: {kept}: damaged: ") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [kept]


def test_a_file_that_is_no_record_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text("[]")
    assert main(["bench", "--from", str(tmp_path / "a.json")]) == 2
    assert "a.json: not a record of gpudl bench" in capsys.readouterr().err
    assert main(["bench", "--from", str(tmp_path / "none.json")]) == 1


def test_a_link_stays_one_and_a_pipe_gets_the_text(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "target.html").write_text("old")
    (tmp_path / "link.html").symlink_to(tmp_path / "target.html")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        words = ["bench", "--from", str(kept), "--html", str(tmp_path / "link.html"), "--md", str(tmp_path / "pipe")]
        assert main([*words, "-q"]) == 0
        assert os.read(reader, 1 << 16).startswith(b"# gpudl bench")
    finally:
        os.close(reader)
    assert (tmp_path / "link.html").is_symlink() and (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "target.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
