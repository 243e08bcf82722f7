"""What a run leaves behind when it is interrupted, the disk is full, or its files are damaged."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from gpudl.train import (
    CheckpointError,
    ConfigError,
    RunError,
    Trainer,
    TrainingInterrupted,
    WriteError,
    callbacks,
    config_to_resume,
    evaluate_run,
    load_config,
    report,
    run_folder,
    train,
    weights,
)
from gpudl.train.register import registered


def _log(run: Path) -> list[dict[str, Any]]:
    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


class _StopAfter(callbacks.Callback):
    """Interrupts after so many steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step_end(self, trainer: Trainer) -> None:
        if trainer.step == self.steps:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configurations may have the callback."""
    monkeypatch.setitem(registered("callback"), "StopAfter", _StopAfter)


def test_interrupted_run_keeps_finished_epochs_and_goes_on(config_file: Path, tmp_path: Path, stops: None) -> None:
    three = train(load_config(config_file, {"train.epochs": 3}), tmp_path / "three", quiet=True)
    config = load_config(config_file, {"train.epochs": 3, "callbacks": [{"type": "StopAfter", "steps": 7}]})
    with pytest.raises(
        TrainingInterrupted, match=r"in epoch 2 of 3; .*run has the weights of epoch 1; to go on: gpudl"
    ):
        train(config, tmp_path / "run", quiet=True)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "interrupted" and manifest["finished"] is not None
    assert [record["epoch"] for record in _log(tmp_path / "run")] == [1]
    evaluate_run(tmp_path / "run")
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest | {"seconds": 1000.0}), encoding="utf-8")
    result = train(config_to_resume(tmp_path / "run"), resume=tmp_path / "run", quiet=True)
    assert result.scores == three.scores and result.epochs == 3
    seconds = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))["seconds"]
    assert seconds > 1000  # what both have taken, without the time between them
    for name in ("model.safetensors", "evaluation.json", "steps.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "three" / name).read_bytes(), name
    timeless = [
        [{name: value for name, value in row.items() if "second" not in name} for row in _log(tmp_path / run)]
        for run in ("run", "three")
    ]
    assert timeless[0] == timeless[1]
    assert json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))["status"] == "done"


def test_run_that_stopped_in_its_first_epoch_says_so(config_file: Path, tmp_path: Path, stops: None) -> None:
    config = load_config(config_file, {"callbacks": [{"type": "StopAfter", "steps": 1}]})
    with pytest.raises(TrainingInterrupted, match=r"in epoch 1 of 2; .* has no weights yet; to go on: gpudl"):
        train(config, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run" / "log.jsonl").exists()
    with pytest.raises(RunError, match="model.safetensors: no such file; the run stopped before its first epoch"):
        evaluate_run(tmp_path / "run")


def test_finished_run_goes_on_for_more_epochs(config_file: Path, tmp_path: Path) -> None:
    train(load_config(config_file), tmp_path / "run", quiet=True)
    three = train(load_config(config_file, {"train.epochs": 3}), tmp_path / "three", quiet=True)
    config = config_to_resume(tmp_path / "run", {"train.epochs": 3})
    more = train(config, resume=tmp_path / "run", quiet=True)
    assert more.scores == three.scores and len(_log(tmp_path / "run")) == 3
    assert load_config(tmp_path / "run" / "config.toml").train["epochs"] == 3
    again = train(config_to_resume(tmp_path / "run"), resume=tmp_path / "run", quiet=True)  # there is nothing to do
    assert again.scores == three.scores and len(_log(tmp_path / "run")) == 3


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"optimizer.lr": 0.5}, "optimizer.lr: cannot be changed in a run that goes on, but data.download, .* can"),
        ({"data.batch_size": 5}, "data.batch_size: cannot be changed"),
        ({"train.epochs": 3}, "train.epochs: the schedule, OneCycleLR, is made for 2 epochs"),
    ],
)
def test_what_a_checkpoint_says_cannot_be_changed(
    config_file: Path, tmp_path: Path, settings: dict[str, Any], problem: str
) -> None:
    config = load_config(config_file, {"scheduler": {"type": "OneCycleLR", "max_lr": 0.1}})
    train(config, tmp_path / "run", quiet=True)
    with pytest.raises(ConfigError, match=problem):
        config_to_resume(tmp_path / "run", settings)


def test_checkpoint_of_another_training_is_named(config_file: Path, tmp_path: Path) -> None:
    train(load_config(config_file), tmp_path / "run", quiet=True)
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("= 16", "= 17"), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"checkpoints: these are of another training: .*weight") as caught:
        train(config_to_resume(tmp_path / "run"), resume=tmp_path / "run", quiet=True)
    assert "\n" not in str(caught.value)


def test_unknown_name_to_look_at_is_one_line(config_file: Path, tmp_path: Path) -> None:
    config = load_config(config_file, {"callbacks": [{"type": "EarlyStopping", "monitor": "val_acc"}]})
    with pytest.raises(RunError, match="'val_acc' is not among the logs: loss, accuracy, val_loss, val_accuracy"):
        train(config, tmp_path / "run", quiet=True)
    assert json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))["status"] == "failed"


def _full_disk(*arguments: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_leaves_the_weights_of_the_epoch_before(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    real = weights.write_whole

    def fill_up(path: Path, *content: Any) -> None:
        written.append(path)
        if len(written) == 2:
            _full_disk()
        real(path, *content)

    monkeypatch.setattr(weights, "write_whole", fill_up)
    with pytest.raises(WriteError, match=r"model.safetensors: cannot write: No space left on device"):
        train(load_config(config_file), tmp_path / "run", quiet=True)
    monkeypatch.undo()
    (logged,) = _log(tmp_path / "run")
    assert evaluate_run(tmp_path / "run").scores == {"loss": logged["val_loss"], "accuracy": logged["val_accuracy"]}
    assert json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))["status"] == "failed"


def test_report_that_cannot_be_written_does_not_end_the_training(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "write_report", _full_disk)
    monkeypatch.setattr(report, "draw_plots", _full_disk)
    result = train(load_config(config_file, {"train.report": True}), tmp_path / "run")
    assert result.scores["accuracy"] > 0
    assert capsys.readouterr().err.count("plots/ could not be written: No space left on device") == 1


@pytest.mark.parametrize("existed", [False, True])
def test_folder_that_cannot_be_written_is_left_as_it_was(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existed: bool
) -> None:
    if existed:
        (tmp_path / "run").mkdir()
    real = run_folder.write_whole

    def fill_up(path: Path, *content: Any) -> None:
        if path.name == "manifest.json":
            _full_disk()
        real(path, *content)

    monkeypatch.setattr(run_folder, "write_whole", fill_up)
    with pytest.raises(WriteError, match=r"manifest.json: cannot write: No space left on device"):
        train(load_config(config_file), tmp_path / "run", quiet=True)
    assert (tmp_path / "run").exists() == existed and (not existed or not os.listdir(tmp_path / "run"))


def test_out_below_a_file_cannot_be_made(config_file: Path, tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="small.toml.run: cannot write"):
        train(load_config(config_file), config_file / "run", quiet=True)


def _break(run: Path, name: str, content: bytes | None) -> None:
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("config.toml", None, "config.toml: no such file; a run folder"),
        ("config.toml", b"[data", "config.toml: not valid TOML"),
        ("config.toml", b"", "config.toml: data: missing"),
        ("model.safetensors", None, "model.safetensors: no such file"),
        ("model.safetensors", b"", "model.safetensors: these are no weights"),
        ("model.safetensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ", "model.safetensors: these are no weights"),
        ("model.safetensors", b"garbage" * 100, "model.safetensors: these are no weights"),
    ],
)
def test_damaged_run_is_named(
    config_file: Path, tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    run = train(load_config(config_file, {"train.epochs": 1}), tmp_path / "run", quiet=True).run
    _break(run, name, content)
    with pytest.raises((RunError, ConfigError), match=problem) as caught:
        evaluate_run(run)
    assert str(caught.value).startswith(str(run)) and "\n" not in str(caught.value)


def test_truncated_weights_and_those_of_another_model_are_refused(config_file: Path, tmp_path: Path) -> None:
    run = train(load_config(config_file, {"train.epochs": 1}), tmp_path / "run", quiet=True).run
    path = run / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(RunError, match="these are no weights"):
        evaluate_run(run)
    save_file({"0.weight": np.zeros((3, 3), np.float32), "9.bias": np.zeros(3, np.float32)}, path)
    with pytest.raises(RunError, match=r"these are no weights of the model in config.toml: .*9.bias"):
        evaluate_run(run)
    path.write_bytes(whole)
    evaluate_run(run)


def test_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nowhere: no such run folder"):
        evaluate_run(tmp_path / "nowhere")
