"""Benchmarks run, print and write what they say; the arithmetic of their figures is right. No time is asserted."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import eager, kernels, op_cases, ops, timing, train_step
from benchmarks.kernel_cases.case import Case, array, numbers, torch_tensor

ROOT = Path(__file__).resolve().parents[1]
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


def run(benchmark, *arguments, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", "--quick", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=600)


def record_of(benchmark, tmp_path, *arguments, **variables):
    """The JSON file of a run that succeeded, and what it printed."""
    path = tmp_path / "results" / "record.json"
    process = run(benchmark, "--json", path, *arguments, **variables)
    assert process.returncode == 0, process.stderr
    record = json.loads(path.read_text(encoding="utf-8"))
    assert (record["schema"], record["benchmark"]) == (timing.SCHEMA, benchmark)
    assert record["rows"]
    for row in record["rows"]:
        assert row["case"] in process.stdout
    return record, process.stdout


def assert_ratio(row):
    assert 0 < row["ratio_low"] <= row["ratio"] <= row["ratio_high"]


@needs_torch
def test_eager_compares_every_operation_in_every_mode(tmp_path):
    record, _ = record_of("eager", tmp_path)
    found = {(row["case"], row["mode"]) for row in record["rows"]}
    assert found >= {(case, mode) for case in eager.CHAINS for mode in eager.MODES}
    assert set(eager.CHECKED) <= set(eager.CHAINS)
    for row in record["rows"]:
        assert row["gpudl_ns"] > 0 and row["torch_ns"] > 0
        assert_ratio(row)


@needs_torch
def test_ops_compares_every_case_in_both_modes(tmp_path):
    record, printed = record_of("ops", tmp_path, "--only", "embedding", "argmax", "--slower", "1e-9")
    found = {(row["case"], row["mode"], row["threads"]) for row in record["rows"]}
    assert found == {("embedding", "forward", 1), ("embedding", "backward", 1), ("argmax, rows", "forward", 1)}
    for row in record["rows"]:
        assert_ratio(row)
    assert "slower than 1e-09 times PyTorch: " in printed and "embedding backward (1 thr)" in printed


@needs_torch
def test_every_case_of_ops_runs_in_both_libraries():
    for name in op_cases.CASES:
        for library in ops.LIBRARIES:
            for program in ops.programs(timing.library(library), name).values():
                program()


def test_ops_says_when_no_case_has_the_name():
    process = run("ops", "--only", "nonesuch")
    assert process.returncode == 2 and "no case has nonesuch" in process.stderr


@needs_torch
@pytest.mark.parametrize(("bound", "code"), [("1e9", 0), ("1e-9", 1)])
def test_eager_check_sets_the_exit_code(bound, code):
    process = run("eager", "--processes", "1", "--check", bound)
    assert process.returncode == code
    assert [f"{name}: forward+backward takes" in process.stderr for name in eager.CHECKED] == [bool(code)] * 3


def test_eager_without_an_opponent(tmp_path):
    record, printed = record_of("eager", tmp_path, "--vs", "none")
    assert not any("ratio" in row or "torch_ns" in row for row in record["rows"])
    assert "ratio" not in printed
    assert run("eager", "--vs", "none", "--check", "0.8").returncode == 2


def test_dispatch_goes_every_way_through_a_kernel(tmp_path):
    record, _ = record_of("dispatch", tmp_path)
    assert len(record["rows"]) == len({row["case"] for row in record["rows"]}) >= 5
    assert run("dispatch", "--check=-1e9").returncode == 1


def test_import_time_is_a_difference_to_numpy(tmp_path):
    record, _ = record_of("import_time", tmp_path)
    rows = {row["case"]: row for row in record["rows"]}
    assert rows["numpy"]["on_top_ms"] == 0
    assert rows["gpudl"]["ms"] - rows["numpy"]["ms"] == pytest.approx(rows["gpudl"]["on_top_ms"], abs=0.11)
    assert run("import_time", "--check", "1e9").returncode == 0
    assert run("import_time", "--check=-1e9").returncode == 1


def test_trainer_is_measured_beside_a_loop_that_computes_the_same(tmp_path):
    record, _ = record_of("trainer", tmp_path)
    for row in record["rows"]:
        assert_ratio(row)


@pytest.mark.parametrize("benchmark", ["data_loader", "eager", "train_step"])
def test_without_an_opponent_to_run_there_is_one_line_of_error(benchmark, monkeypatch, capsys):
    main = importlib.import_module(f"benchmarks.{benchmark}").main
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as end:
        main(["--quick"])
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("PyTorch is not installed")


@needs_torch
def test_train_step_compares_with_both_optimizers(tmp_path):
    record, _ = record_of("train_step", tmp_path, "--threads", "1", "--cases", "small", "lstm")
    assert {(row["case"], row["opponent"]) for row in record["rows"]} == {
        (case, opponent) for case in ("small", "lstm") for opponent in ("torch", "torch, fused Adam")
    }
    for row in record["rows"]:
        assert row["threads"] == 1
        assert_ratio(row)


@needs_torch
@pytest.mark.parametrize("case", train_step.CASES)
def test_steps_of_both_libraries_lose_the_same(case):
    ours, theirs = (train_step.training_step(importlib.import_module(name), case) for name in ("gpudl", "torch"))
    for _ in range(3):
        assert ours().item() == pytest.approx(theirs().item(), rel=1e-3)


@needs_torch
def test_data_loader_compares_the_same_samples(tmp_path):
    record, _ = record_of("data_loader", tmp_path, "--cases", "python, 2 processes")
    (row,) = record["rows"]
    assert row["workers"] == 2 and row["gpudl_per_second"] > 0 and row["torch_per_second"] > 0
    assert_ratio(row)


def test_environment_is_recorded_with_the_pins_taken_off(tmp_path):
    pins = {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512"}
    record, printed = record_of("dispatch", tmp_path, **pins)
    found = record["environment"]
    assert found["openblas_variables_unset"] == sorted(pins)
    assert "OPENBLAS_CORETYPE, OPENBLAS_L2_SIZE" in printed
    assert found["threads"] == 1
    for key in (
        "date",
        "commit",
        "processor",
        "cores",
        "python",
        "numpy",
        "torch",
        "blas",
        "others_share_of_processors",
    ):
        assert key in found
    assert str(ROOT) not in json.dumps(record)


def test_rounds_alternate_and_turn_around():
    calls = []

    def program(name):
        def sample(number):
            calls.append((name, number))
            return number * {"a": 0.5, "b": 0.25}[name]

        return sample

    times = timing.alternate({"a": program("a"), "b": program("b")}, rounds=4, seconds=1)
    assert times == {"a": [0.5] * 4, "b": [0.25] * 4}
    assert calls[-8:] == [("a", 2), ("b", 4), ("b", 4), ("a", 2)] * 2


def test_ratio_is_the_median_of_the_ratios_within_rounds():
    times = {"mine": [1.0, 20.0, 3.0], "other": [2.0, 10.0, 4.0]}
    assert timing.ratio(times, "mine", "other") == (0.75, 0.625, 1.375)
    assert timing.spread([7.0]) == (7.0, 7.0, 7.0)


def test_check_looks_at_forward_and_backward_of_the_three_operations():
    rows = [
        {"case": case, "mode": mode, "ratio": ratio}
        for case, mode, ratio in [
            ("add", "forward+backward", 0.81),
            ("add", "forward", 2.0),
            ("mul", "forward+backward", 0.8),
            ("relu", "forward+backward", 2.0),
        ]
    ]
    assert eager.too_slow(rows, 0.8) == ["add: forward+backward takes 0.81 of PyTorch's time, more than 0.8"]


def test_table_lines_up():
    assert timing.table(("case", "ns"), [("add", "5"), ("a b", "1234")]).splitlines() == [
        "case    ns",
        "add      5",
        "a b   1234",
    ]


def in_process(monkeypatch, small, *arguments):
    """Run the kernel benchmark here with these cases."""
    monkeypatch.setattr(timing, "restart_clean", lambda threads: None)
    monkeypatch.setattr(kernels, "cases", lambda: iter(small))
    return kernels.main([*arguments])


def small_cases():
    def case(name, **others):
        return Case(name, lambda place: partial(np.negative, array(place, numbers((4, 5)))), **others)

    def theirs(device):
        return torch_tensor(device, numbers((4, 5))).neg

    return [
        case("negative float32 (4, 5)", theirs=theirs if needs_torch.args[0] is False else None, bytes=160),
        case("product float16 (4, 5)", theirs=None, bytes=160, flops=1000),
    ]


def test_kernels_runs_its_cases_without_a_gpu_and_tells_no_time(device, monkeypatch, capsys, tmp_path):
    if device.type != "sim":
        pytest.skip("for the emulated device")
    path = tmp_path / "k.json"
    assert in_process(monkeypatch, small_cases(), "--device", "sim", "--quick", "--json", str(path)) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("negative float32 (4, 5): runs\nproduct float16 (4, 5): runs\n") and "GB/s" not in printed
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["environment"]["device"]["name"] == "emulated, no GPU"
    assert [set(row) for row in record["rows"]] == [{"case", "bytes", "flops"}] * 2
    for arguments in (("--device", "sim"), ("--device", "cpu", "--quick")):
        with pytest.raises(SystemExit, match="2"):
            in_process(monkeypatch, small_cases(), *arguments)
        assert "is no GPU, and times on it mean nothing" in capsys.readouterr().err


def test_kernels_figures_are_shares_of_what_the_card_does():
    case = Case("product float16 (4, 5)", lambda place: lambda: None, None, bytes=1 << 30, flops=1 << 32)
    ticks = kernels.Clocked(None)
    ticks.sample = lambda program, number: 0.5 * number
    most = {"copy": 4.0 * (1 << 30), "float16": 16.0 * (1 << 30)}
    row = kernels.measure(case, "cuda", {"gpudl": ticks}, most, 3, 0.0)
    assert (row["gpudl_us"], row["of_copy_bandwidth"], row["of_product_rate"]) == (500000, 0.5, 0.5)
    assert kernels.printed(row)[:4] == ("product float16 (4, 5)", "500000.0", "", "50 % product")


def test_cases_of_kernels_have_names_of_their_own():
    names = [case.name for case in kernels.cases()]
    assert names and len(set(names)) == len(names) and all(case.bytes > 0 for case in kernels.cases())
