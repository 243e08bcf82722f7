"""The quick start: examples/digits.toml reaches its accuracy, quickly, and repeats."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gpudl
from gpudl.cli import main

pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(gpudl.__file__).resolve().parents[1])}
EXAMPLE = str(Path(__file__).resolve().parents[2] / "examples" / "digits.toml")


def _gpudl(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gpudl", *arguments]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)


def test_quick_start_trains_tests_and_repeats(tmp_path: Path) -> None:
    start = time.perf_counter()
    trained = _gpudl("train", EXAMPLE, cwd=tmp_path)
    assert time.perf_counter() - start < 60
    assert trained.returncode == 0, trained.stderr
    folder, result = trained.stdout.splitlines()
    match = re.fullmatch(
        r"(test accuracy (0\.\d{4}) \(loss \d\.\d{4}\)) after 20 epochs, \d+\.\d s, [a-z]+(:\d)?", result
    )
    assert match is not None and float(match[2]) >= 0.97
    choice, start_line, *epochs = trained.stderr.splitlines()
    assert choice.startswith("gpudl: device auto is ") and start_line.startswith("training on ")
    assert len(epochs) == 20 and all(line.startswith("epoch ") for line in epochs)
    assert trained.stderr.isascii() and not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", trained.stderr)
    run = folder.removeprefix("run folder ")
    assert re.fullmatch(r"runs[/\\]digits-\d{8}-\d{6}", run)
    tested = _gpudl("test", run, cwd=tmp_path)
    assert tested.returncode == 0 and tested.stderr == ""
    assert tested.stdout.startswith(match[1] + " on 355 samples, ")
    again = _gpudl("train", str(tmp_path / run / "config.toml"), "--out", "again", "-q", cwd=tmp_path)
    assert again.returncode == 0 and again.stderr == ""
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in (run, "again")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("seed", range(1, 5))
def test_digits_reach_their_accuracy_with_any_seed(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--seed", str(seed), "--out", str(tmp_path / "run"), "--device", "cpu", "-q"]
    assert main(["train", EXAMPLE, *options]) == 0
    assert float(capsys.readouterr().out.split("test accuracy ")[1].split()[0]) >= 0.97
