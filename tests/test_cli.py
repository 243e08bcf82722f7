"""The command line: what it prints where, its exit codes, and one line for each mistake."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import gpudl
from gpudl.cli import main
from gpudl.data import write_idx
from gpudl.random import initial_seed, manual_seed
from gpudl.train import load_config, run_folder


@pytest.fixture(autouse=True)
def keep_seed():
    before = initial_seed()
    yield
    manual_seed(before)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with MNIST's files, of 150 and 43 random images."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for part, count in (("train", 150), ("t10k", 43)):
        write_idx(folder / f"{part}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28)).astype(np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8))
    return folder


@pytest.fixture
def here(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a configuration small.toml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(
        f"""
        [data]
        name = "mnist"
        root = '{images}'
        flatten = true
        [model]
        layers = [{{ type = "Linear", in_features = 784, out_features = 10 }}]
        [optimizer]
        type = "SGD"
        lr = 0.1
        [train]
        epochs = 2
        seed = 0
        device = "cpu"
        """,
        encoding="utf-8",
    )
    return tmp_path


@pytest.mark.usefixtures("here")
def test_results_on_stdout_and_progress_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "small.toml", "--out", "run"]) == 0
    trained = capsys.readouterr()
    folder, result = trained.out.splitlines()
    assert folder == "run folder run"
    assert re.fullmatch(r"test accuracy 0\.\d{4} \(loss \d\.\d{4}\) after 2 epochs, \d+\.\d s, cpu", result)
    start, *epochs = trained.err.splitlines()
    assert start == "training on cpu, seed 0, run folder run"
    assert [line.split("  ")[0] for line in epochs] == ["epoch 1/2", "epoch 2/2"]
    assert re.fullmatch(
        r"epoch 2/2  train loss \d\.\d{4}  test loss \d\.\d{4}  test accuracy \d\.\d{4}  \d+\.\d\d s  \d+ samples/s",
        epochs[1],
    )
    assert main(["test", "run"]) == 0
    tested = capsys.readouterr()
    assert tested.out.startswith(result.split(" after ")[0] + " on 43 samples, ") and tested.err == ""


def test_data_that_moved_is_found_by_test_with_set(here: Path, images: Path) -> None:
    moved = here / "moved"
    shutil.copytree(images, moved)
    assert main(["train", "small.toml", "--out", "run", "-q", "--epochs", "1", "--set", f"data.root={moved}"]) == 0
    moved.rename(here / "again")
    assert main(["test", "run"]) == 2
    assert main(["test", "run", "--set", "data.root=again"]) == 0


@pytest.mark.usefixtures("here")
def test_quiet_prints_results_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "small.toml", "--out", "run", "--epochs", "1", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "" and " after 1 epoch, " in captured.out


def test_options_are_short_for_set_and_recorded(here: Path) -> None:
    options = ["--epochs", "1", "--batch-size", "10", "--seed", "-5", "--device", "cpu", "--set", "optimizer.lr=0.5"]
    assert main(["train", "small.toml", "--out", "run", "-q", *options]) == 0
    config = load_config(here / "run" / "config.toml")
    assert config.train == {"epochs": 1, "seed": -5, "device": "cpu"}
    assert config.data["batch_size"] == 10 and config.optimizer["lr"] == 0.5
    log = (here / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(log) == 2 and json.loads(log[0])["seed"] == -5


def test_last_of_option_and_set_counts(here: Path) -> None:
    assert main(["train", "small.toml", "--out", "a", "-q", "--epochs", "3", "--set", "train.epochs=1"]) == 0
    assert main(["train", "small.toml", "--out", "b", "-q", "--set", "train.epochs=3", "--epochs", "1"]) == 0
    for run in ("a", "b"):
        assert load_config(here / run / "config.toml").train["epochs"] == 1


def test_run_of_relative_paths_can_be_tested_from_elsewhere(
    here: Path, images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    relative = os.path.relpath(images, here)
    assert main(["train", "small.toml", "--out", "run", "-q", "--epochs", "1", "--set", f"data.root={relative}"]) == 0
    (here / "deeper").mkdir()
    monkeypatch.chdir(here / "deeper")
    assert main(["test", str(Path("..", "run"))]) == 0
    trained, tested = re.findall(r"test accuracy \S+ \(loss \S+\)", capsys.readouterr().out)
    assert trained == tested


WRONG = [
    ([], "COMMAND"),
    (["trian", "small.toml"], "trian"),
    (["train"], "CONFIG.toml"),
    (["train", "small.toml", "--epoch-count", "3"], "--epoch-count"),
    (["train", "small.toml", "--epochs"], "--epochs"),
    (["train", "small.toml", "--epoch", "3"], "--epoch"),
    (["train", "small.toml", "--set", "optimizer.lr"], "--set"),
    (["train", "nowhere.toml"], "nowhere.toml: no such file"),
    (["train", "."], ".: cannot read"),
    (["train", "broken.toml"], "broken.toml: not valid TOML: .*line 2"),
    (["train", "small.toml", "--epochs", "x"], "--epochs: train.epochs: expected an integer >= 1, got \"x\""),
    (["train", "small.toml", "--epochs", "0"], "train.epochs: expected an integer >= 1, got 0"),
    (["train", "small.toml", "--batch-size", "-1"], "data.batch_size: expected an integer >= 1, got -1"),
    (["train", "small.toml", "--seed", "1.5"], "train.seed: expected an integer"),
    (["train", "small.toml", "--device", "tpu"], "train.device: 'tpu' is not a device"),
    (["train", "small.toml", "--device", "cuda:99"], "train.device: device 'cuda:99' is not available: "),
    (["train", "small.toml", "--set", "optimizer.lrr=1"], "optimizer.lrr: unknown key; SGD takes lr"),
    (["train", "small.toml", "--set", "optimizer.lr=-1"], "optimizer.lr: "),
    (["train", "small.toml", "--set", "model.layers[0].out_feature=64"], "did you mean 'out_features'"),
    (["train", "small.toml", "--set", "model.layers[0].out_features=9"], "9 values for each sample"),
    (["train", "small.toml", "--set", "model.layers[0].in_features=9"], "expected .*, 9.*got .*32, 784"),
    (["train", "small.toml", "--set", "data.root=nowhere"], "data.root: .*nowhere"),
    (["train", "small.toml", "--out", "small.toml"], "small.toml: not a folder"),
    (["train", "small.toml", "--out", "taken"], "taken: there is a run in it already"),
    (["test"], "RUN_DIR"),
    (["test", "nowhere"], "nowhere: no such run folder"),
    (["test", "."], "config.toml: no such file"),
    (["test", "taken"], "taken.config.toml: not valid TOML"),
    (["test", "taken", "--epochs", "3"], "--epochs"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "problem"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_wrong_input_is_one_line_and_exit_code_2(
    here: Path, arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "broken.toml").write_text("a = 1\nb = = 2\n", encoding="utf-8")
    (here / "taken").mkdir()
    (here / "taken" / "config.toml").write_text("= not TOML", encoding="utf-8")
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and captured.err.startswith("gpudl")
    assert re.search(problem, captured.err)
    assert sorted(os.listdir(here)) == ["broken.toml", "small.toml", "taken"]


def test_folder_that_cannot_be_written_is_one_line_and_exit_code_1(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_folder, "_write_whole", full)
    assert main(["train", "small.toml", "--out", "run"]) == 1
    assert re.fullmatch(r"gpudl: run.config.toml: cannot write: No space left on device\n", capsys.readouterr().err)
    assert os.listdir(here) == ["small.toml"]


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["test", "--help"]])
def test_help_teaches_with_an_example(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert re.search(r"^  gpudl (train|test) \S+", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 120


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gpudl {gpudl.__version__}\n"
