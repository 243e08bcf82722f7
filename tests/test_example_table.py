"""benchmarks/examples.py runs what it is told, names what failed, and puts its table where it belongs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import examples as table
from benchmarks import fresh_install
from benchmarks.example_rows import ROWS, Row
from benchmarks.fresh_install import Place, finished, of_user
from gpudl.examples_index import examples
from tests.test_examples import ROOT

LINE = "python examples/keras_line.py"  # whose place a tiny program takes here
TINY = """
import os, sys, time
print("progress", file=sys.stderr)
what = sys.argv[1] if len(sys.argv) > 1 else "works"
if what == "hangs":
    if os.fork():
        time.sleep(60)
    time.sleep(60)
if what == "fails":
    raise ValueError("it is broken")
time.sleep(0.2)
print("nothing" if what == "silent" else f"slope 2.{len(sys.argv)}, intercept 1.0")
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """With the tiny program, and this Python in the place of a fresh install's."""
    work, scripts = tmp_path / "work", tmp_path / "bin"
    for folder in (work / "examples", work / "data", scripts):
        folder.mkdir(parents=True)
    (work / "examples" / "keras_line.py").write_text(TINY)
    (scripts / "python").symlink_to(sys.executable)
    return Place(work, {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}, {"tune": "no such wheel"})


def row_of(arguments: str = "", **fields: Any) -> Row:
    return Row("keras_line", f"{LINE} {arguments}".strip(), r"slope (\S+), intercept \S+", **fields)


def test_every_example_has_a_row_whose_command_is_its_own() -> None:
    assert {row.name for row in ROWS} == {each.name for each in examples()}
    files = {each.name: each.path.name for each in examples()}
    for row in ROWS:
        for part in row.command.split(" && "):
            assert f"examples/{files[row.name]}" in part.split()
            assert part.split()[0] in ("python", "gpudl", "pytest")
        assert (f"data/{row.data}".startswith("data/fashion") or f"data/{row.data}" in row.command) or not row.data
        assert row.least < row.most


def test_a_row_is_measured(place: Place) -> None:
    found = table.measured(row_of(), place)
    assert (found["status"], found["result"], found["device"]) == ("ok", "slope 2.1, intercept 1.0", "cpu")
    assert found["command"] == LINE and 0.2 <= found["seconds"] < 60 and found["shows"].startswith("A line through")
    twice = table.measured(row_of(f"&& {LINE} again"), place)
    assert twice["result"] == "slope 2.2, intercept 1.0"


def test_a_device_is_added_or_takes_the_place_of_another(place: Place) -> None:
    found = table.measured(row_of("--device sim"), place, "cuda")
    assert (found["command"], found["device"]) == (f"{LINE} --device cuda", "cuda")
    assert table.device_of(row_of("--device sim"), None, "cuda") == "sim"
    assert table.device_of(row_of()._replace(command="gpudl train examples/digits.toml"), None, "cuda") == "cuda"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (row_of("fails"), "exit code 1: ValueError: it is broken"),
        (row_of(f"fails && {LINE}"), "exit code 1"),
        (row_of("silent"), "no result"),
        (row_of(least=2.5), "2.1 is to be from 2.5 to inf"),
        (row_of(most=2.0), "2.1 is to be from -inf to 2"),
        (row_of("hangs", limit=1), "not done after 1 s"),
        (row_of()._replace(command="no-such-program"), "no program no-such-program"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_fails_says_why(place: Place, row: Row, why: str) -> None:
    found = table.measured(row, place)
    assert found["status"] == "failed" and why in found["result"]
    assert table.cells(found)[-2] == ""


def test_what_is_not_there_is_said_and_has_not_failed(place: Place) -> None:
    found = table.measured(row_of(data="digits.txt"), place)
    assert (found["status"], found["result"]) == ("absent", "not run: data/digits.txt is not there")
    assert found["seconds"] is None and "not run" in table.cells(found)[-1]
    (place.folder / "data" / "digits.txt").write_text("")
    assert table.measured(row_of(data="digits.txt"), place)["status"] == "ok"
    found = table.measured(Row("tune", LINE, ""), place)
    assert (found["status"], found["result"]) == ("absent", "not run: gpudl[tune]: no such wheel")


def test_what_a_command_has_started_is_ended_with_it(place: Place) -> None:
    code, printed, progress = finished(["python", "examples/keras_line.py", "hangs"], place, 1)
    assert (code, printed, progress) == (None, "", "progress\n")


def test_users_have_no_variables_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH", "GPUDL_DEBUG", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    environment, left_out = of_user(None)
    assert {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH", "GPUDL_DEBUG"} <= set(left_out)
    assert not set(left_out) & set(environment) and "OMP_NUM_THREADS" not in environment and "PATH" in environment
    assert of_user(3)[0]["OMP_NUM_THREADS"] == "3"


def test_the_table_goes_between_its_markers_and_nowhere_else() -> None:
    text = f"# a\n{table.BEGIN}\nold\n{table.END}\nb\n"
    once = table.rewritten(text, "| new |")
    assert once == f"# a\n{table.BEGIN}\n\n| new |\n\n{table.END}\nb\n" == table.rewritten(once, "| new |")
    for wrong in ("", table.BEGIN, f"{table.END}\n{table.BEGIN}", text + text):
        with pytest.raises(ValueError, match="README.md must have"):
            table.rewritten(wrong, "")


@pytest.mark.parametrize("failing", [False, True])
def test_the_whole_of_it(
    place: Place, failing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"{table.BEGIN}\n{table.END}\n")
    monkeypatch.setattr(table, "README", readme)
    monkeypatch.setattr(table, "ROWS", (row_of("a|b"), row_of(data="none"), *[row_of("fails")] * failing))
    monkeypatch.setattr(table, "installed", lambda *_: (dict(place.environment), {}))
    machine = {"date": "2026-01-02", "processor": "an abacus", "cores": 2, "python": "3.13", "numpy": "2"}
    monkeypatch.setattr(table, "described", lambda *_: (place, dict(machine)))
    monkeypatch.setenv("OPENBLAS_CORETYPE", "1")
    monkeypatch.delenv("OPENBLAS_L2_SIZE", raising=False)
    assert table.main(["--json", str(tmp_path / "new" / "a.json"), "--readme", "--threads", "1"]) == failing
    record = json.loads((tmp_path / "new" / "a.json").read_text())
    assert (record["benchmark"], record["settings"]["threads"]) == ("examples", 1)
    assert record["environment"]["openblas_variables_unset"] == ["OPENBLAS_CORETYPE"]
    assert [row["status"] for row in record["rows"]] == ["ok", "absent", *["failed"] * failing]
    printed = capsys.readouterr()
    assert printed.out.count("keras_line") == 2 + failing and "installing" in printed.err
    written = readme.read_text()
    lines = written.split(table.BEGIN)[1].split(table.END)[0].strip().splitlines()
    assert lines[0] == "| example | what it shows | command | device | time | result |"
    assert lines[2].startswith("| [keras_line](examples/keras_line.py) | A line through noisy points")
    assert r"keras_line.py a\|b` | cpu | 0." in lines[2] and lines[2].endswith("s | slope 2.2, intercept 1.0 |")
    assert lines[-1].startswith("Measured 2026-01-02 by") and "an abacus, 2 cores, BLAS on 1 thread," in lines[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--only", "chess"], "chess"), (["--only", "tune", "--readme"], "--only"), (["--threads", "0"], "at least 1")],
)
def test_wrong_arguments_end_before_anything_is_installed(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "installed", None)
    with pytest.raises(SystemExit, match="2"):
        table.main(arguments)
    assert words in capsys.readouterr().err


def test_what_is_installed_is_there() -> None:
    for name in fresh_install.SOURCES:
        assert (ROOT / name).exists()
