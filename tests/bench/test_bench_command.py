"""gpudl bench: what is printed and written, and the exit codes; one tiny real run of each kind of device."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

import gpudl
from gpudl.backend.clocks import is_emulated, timed_event
from gpudl.bench import as_text, measure, measuring, read_record, startup_cases, tables
from gpudl.bench.case import Case, Make, Part
from gpudl.bench.environment import environment
from gpudl.bench.library import gpudl_on
from gpudl.bench.limits import Limits, limits
from gpudl.bench.measuring import _timed
from gpudl.bench.record import Row
from gpudl.bench.rival import rival_on
from gpudl.bench.suites import cases
from gpudl.bench.timing import FULL, QUICK, Lap, Times
from gpudl.cli import main

SMALL = ["bench", "--quick", "--suite", "ops", "--devices", "cpu", "--only", "cross_entropy"]


def test_a_run_on_the_cpu_prints_a_table_and_writes_what_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "a.json", tmp_path / "a.md"
    assert main([*SMALL, "--out", str(out), "--md", str(page)]) == 0
    text, progress = capsys.readouterr()
    assert progress.splitlines() == ["cpu: its limits", "cpu: softmax: cross_entropy"]
    record = read_record(out)
    forward, backward = record["rows"]
    assert (forward["part"], backward["part"]) == ("forward", "backward") and "counts" not in forward
    for row in record["rows"]:
        assert 0 < row["wall"]["low"] <= row["wall"]["median"] <= row["wall"]["high"]
        assert row["device_clock"] is None and row["rounds"] == 3 and row["limit"] == "copy"
        assert row["bytes_per_second"] == pytest.approx(row["bytes"] / row["wall"]["median"])
        assert row["share"] == pytest.approx(row["bytes_per_second"] / record["devices"][0]["limits"]["bandwidth"])
    known = record["environment"]
    assert known["gpudl"] == gpudl.__version__ and known["seed"] == 0 and known["dtype"] == "float32"
    assert known["cpu"] and known["threads"] >= 1 and known["float32_products"] == "highest" and known["blas"]
    assert "softmax: cross_entropy  16x40  forward" in text and "Limits, measured: a copy " in text
    assert "| softmax: cross_entropy | 16x40 | forward |" in page.read_text(encoding="utf-8")


def test_json_alone_is_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--json", "-q"]) == 0
    text, progress = capsys.readouterr()
    assert progress == "" and json.loads(text)["schema"] == "gpudl.bench"


def test_an_emulated_device_gives_counts_and_no_times(device: gpudl.Device, capsys: pytest.CaptureFixture[str]) -> None:
    if device.type != "sim":
        pytest.skip("this test is of sim")
    words = ["bench", "--quick", "--devices", "sim", "--only", "cross_entropy", "--only", "gemm: matmul", "--json"]
    assert main([*words, "--suite", "ops", "--vs", "torch", "-q"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["devices"][0]["emulated"] and record["devices"][0]["limits"] is None
    assert record["missing"] == ["not beside gpudl on sim:0: PyTorch does not run on sim:0"]
    rows = {(row["case"], row["part"]): row for row in record["rows"]}
    assert all("wall" not in row and "torch" not in row for row in record["rows"])
    assert rows["cross_entropy", "forward"]["counts"]["launches"] >= 1
    assert rows["cross_entropy", "forward"]["counts"]["synchronizations"] == 0
    assert rows["matmul", "forward"]["counts"]["library_calls"] == 1
    assert rows["matmul", "backward"]["counts"]["library_calls"] == 2


def test_torch_is_measured_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    assert main([*SMALL, "--vs", "torch", "--json", "-q"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["environment"]["torch"] == torch.__version__ and record["missing"] == []
    for row in record["rows"]:
        assert row["torch"]["wall"]["median"] > 0 and row["ratio"]["low"] <= row["ratio"]["median"]


def test_torch_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert rival_on(gpudl.device("cpu")) == "PyTorch is not installed"
    assert main([*SMALL, "--vs", "torch", "-q"]) == 0
    assert "not beside gpudl on cpu: PyTorch is not installed" in capsys.readouterr().out


@pytest.mark.parametrize("measured", [0, 1, 2])
def test_an_interrupt_keeps_what_was_measured(
    measured: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, done, rows = tmp_path / "a.json", [], measuring._rows

    def interrupted(case: Case, *given: Any) -> list[Row]:
        if len(done) == measured:
            raise KeyboardInterrupt
        done.append(case.name)
        return rows(case, *given)

    monkeypatch.setattr(measuring, "_rows", interrupted)
    words = ["bench", "--quick", "--suite", "ops", "--devices", "cpu", "--only", "optimizers", "--out", str(out)]
    assert main(words) == 130
    text, progress = capsys.readouterr()
    if not measured:
        assert not out.exists() and text == "" and progress.endswith("interrupted\n")
        return
    record = read_record(out)
    assert [row["case"] for row in record["rows"]] == done == ["SGD", "SGD, momentum"][:measured]
    assert record["interrupted"] and "interrupted: what was measured until then is here" in text and "SGD" in text
    assert main(["bench", "--from", str(out)]) == 0


def kept(tmp_path: Path, change: float, noise: float = 0.0) -> tuple[Path, dict[str, Any]]:
    """A record of a tiny run, its times multiplied."""
    record = measure(["ops"], ["cpu"], only=["cross_entropy"], quick=True)
    for row in record["rows"]:
        row["wall"] = {name: value * change for name, value in row["wall"].items()}
    path = tmp_path / "old.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return path, record


def test_what_has_become_slower_is_exit_code_1_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = kept(tmp_path, 1e-6)
    assert main([*SMALL, "--baseline", str(path), "--tolerance", "0.5", "-q"]) == 1
    text = capsys.readouterr().out
    assert "SLOWER than the baseline: cpu softmax: cross_entropy, forward" in text and "; 2 slower" in text
    assert main([*SMALL, "--baseline", str(path), "--json", "-q"]) == 1
    assert json.loads(capsys.readouterr().out)["baseline"]["regressions"] == 2


def test_what_has_become_faster_is_exit_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = kept(tmp_path, 1e6)
    assert main([*SMALL, "--baseline", str(path), "-q"]) == 0
    assert "; 2 faster" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--suite", "op"], "there is no suite 'op'; there are: ops, nets, "),
        (["--suite", "ops,"], "expected names with commas between them, got 'ops,'"),
        (["--only", "nothing"], "no case fits 'nothing'; groups are: elementwise, "),
        (["--devices", "gpu"], "'gpu' is not a device"),
        (["--devices", "cpu,sim:99"], "device 'sim:99' is not available"),
        (["--vs", "jax"], "invalid choice: 'jax'"),
        (["--baseline", "none.json"], "none.json: No such file or directory"),
        (["--baseline", "a.json"], "a.json: not a record of gpudl bench"),
        (["--tolerance", "0.1"], "name the earlier record with --baseline FILE"),
        (["--tolerance", "-1", "--baseline", "a.json"], "expected "),
        (["--tolerance=nan", "--baseline", "a.json"], "expected a number from 0, such as 0.1, got 'nan'"),
        (["--device", "cpu"], "there is no option --device; did you mean --devices?"),
    ],
)
def test_wrong_input_is_one_line(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text("{}")
    code = main(["bench", "--quick", *words])
    out, err = capsys.readouterr()
    assert code == (1 if "No such file" in said else 2)
    assert out == "" and err.count("\n") == 1 and said in err


def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, "--md", str(tmp_path / "no" / "a.md")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err == f"gpudl: {tmp_path / 'no' / 'a.md'}: No such file or directory\n"


def test_start_up_is_measured_in_processes_of_its_own() -> None:
    (row,) = measure(["start-up"], ["cpu"], only=["import"], quick=True)["rows"]
    assert (row["group"], row["case"], row["part"]) == ("start-up", "import", "import")
    assert row["rounds"] == 3 and row["runs"] == 1 and 1e-4 < row["wall"]["median"] < 60 and row["limit"] is None
    (case,) = cases(["start-up"], ["first training step"])
    (part,) = case.build(Make(gpudl, gpudl.device("cpu"))).values()  # nothing is compiled there
    assert part.says == "seconds" and 1e-4 < part.program() < 60


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="start-up: ZeroDivisionError: division by zero"):
        startup_cases._seconds("1 / 0")


def test_a_first_step_is_the_same_text_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    said: list[float] = []
    exec(startup_cases._STEP.format(lib=torch.__name__, place="cpu"), {"print": said.append})
    assert said[0] > 0


def test_start_up_says_nothing_of_an_emulated_device() -> None:
    try:
        record = measure(["start-up"], ["sim"], quick=True)
    except gpudl.DeviceError as error:
        pytest.skip(str(error))
    assert record["rows"] == [] and "sim:0" not in as_text(tables(record))


def test_only_what_is_no_emulation_is_timed_and_only_what_has_a_clock_by_its_own() -> None:
    assert [is_emulated(gpudl.Device(kind, 0)) for kind in ("cuda", "sim")] == [False, True]
    assert not is_emulated(gpudl.device("cpu")) and timed_event(gpudl.device("cpu")) is None
    assert isinstance(timed_event(gpudl.Device("cuda", 0)), gpudl.cuda.Event)


def test_rates_are_by_the_clock_of_the_device() -> None:
    times = Times(1, [Lap(wall=0.5, host=0.1, device=0.25)] * 9)
    most = Limits(bandwidth=1000.0, products=80.0, side=8)
    moved = _timed(times, Part(print, bytes=100), most, FULL)
    assert (moved["bytes_per_second"], moved["limit"], moved["share"]) == (400.0, "copy", 0.4)
    product = _timed(times, Part(print, bytes=100, flops=10, items=3), most, FULL)
    assert (product["flops_per_second"], product["limit"], product["share"]) == (40.0, "product", 0.5)
    assert product["items_per_second"] == 12.0 and product["device_clock"]["median"] == 0.25
    crossing = _timed(times, Part(print, bytes=100, crosses=True), most, FULL)
    assert (crossing["bytes_per_second"], crossing["limit"], crossing["share"]) == (400.0, None, None)


def test_no_device_is_an_error() -> None:
    with pytest.raises(ValueError, match="name a device at least: cpu, cuda, sim"):
        measure(["ops"], [])


def test_random_numbers_go_on_as_if_nothing_had_been_measured() -> None:
    gpudl.manual_seed(5)
    expected = gpudl.rand(3).tolist()
    gpudl.manual_seed(5)
    measure(["ops"], ["cpu"], only=["dropout"], quick=True)
    assert gpudl.rand(3).tolist() == expected


def test_limits_stop_growing_where_the_next_product_would_take_too_long() -> None:
    library = gpudl_on(gpudl.device("cpu"))
    found = limits(library, QUICK, copied=1000, sides=(8, 16))
    assert found.bandwidth > 0 and found.products > 0 and found.side in (8, 16)


def test_the_environment_names_what_changes_speed_but_no_places_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_PROC_BIND", "true")
    monkeypatch.setenv("CUPY_CACHE_DIR", str(Path.home() / "kernels"))
    known = environment([gpudl.device("cpu")], 0, "float32")["variables"]
    assert known["OMP_PROC_BIND"] == "true" and "CUPY_CACHE_DIR" not in known
