"""What a run leaves behind when it is interrupted, the disk is full, or its files are damaged."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from gpudl.train import (
    ConfigError,
    RunError,
    Scores,
    TrainingInterrupted,
    WriteError,
    evaluate,
    evaluate_run,
    load_config,
    loop,
    run_folder,
    train,
)


def _log(run: Path) -> list[dict[str, Any]]:
    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_interrupted_run_keeps_finished_epochs(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(load_config(config_file, {"train.epochs": 2}), tmp_path / "two", quiet=True)
    evaluations = iter([0, 0])

    def evaluate_twice(*arguments: Any) -> Scores:
        if next(evaluations, None) is None:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    monkeypatch.setattr(loop, "evaluate", evaluate_twice)
    with pytest.raises(TrainingInterrupted, match=r"interrupted after epoch 2 of 5; .* has the weights of epoch 2"):
        train(load_config(config_file, {"train.epochs": 5}), tmp_path / "five", quiet=True)
    monkeypatch.undo()
    assert [record.get("epoch") for record in _log(tmp_path / "five")] == [None, 1, 2]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("two", "five")]
    assert weights[0] == weights[1]
    assert evaluate_run(tmp_path / "five").scores == evaluate_run(tmp_path / "two").scores


def test_run_that_stopped_in_its_first_epoch_says_so(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: Any) -> Scores:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "evaluate", interrupt)
    with pytest.raises(TrainingInterrupted, match="after epoch 0 of 2; .* has no weights yet"):
        train(load_config(config_file), tmp_path / "run", quiet=True)
    assert len(_log(tmp_path / "run")) == 1
    with pytest.raises(RunError, match="model.safetensors: no such file; the run stopped before its first epoch"):
        evaluate_run(tmp_path / "run")


def _full_disk(*arguments: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_leaves_the_weights_of_the_epoch_before(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacements = 0

    def fill_up(fileno: int) -> None:
        nonlocal replacements
        replacements += 1  # the configuration, and the weights of two epochs
        if replacements == 3:
            _full_disk()

    monkeypatch.setattr(run_folder.os, "fsync", fill_up)
    with pytest.raises(WriteError, match=r"model.safetensors: cannot write: No space left on device"):
        train(load_config(config_file), tmp_path / "run", quiet=True)
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path / "run")) == ["config.toml", "log.jsonl", "model.safetensors"]
    assert len(_log(tmp_path / "run")) == 2
    logged = _log(tmp_path / "run")[1]
    assert evaluate_run(tmp_path / "run").scores == (logged["test_loss"], logged["test_accuracy"])


@pytest.mark.parametrize("existed", [False, True])
def test_folder_that_cannot_be_written_is_left_as_it_was(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existed: bool
) -> None:
    if existed:
        (tmp_path / "run").mkdir()
    monkeypatch.setattr(run_folder, "_append", _full_disk)
    with pytest.raises(WriteError, match=r"log.jsonl: cannot write: No space left on device"):
        train(load_config(config_file), tmp_path / "run", quiet=True)
    assert (tmp_path / "run").exists() == existed and (not existed or not os.listdir(tmp_path / "run"))


def test_out_below_a_file_cannot_be_made(config_file: Path, tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="small.toml.run: cannot write"):
        train(load_config(config_file), config_file / "run", quiet=True)


def test_log_ends_with_a_whole_line_when_the_disk_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_folder.RunFolder(tmp_path)
    folder.log({"epoch": 1})
    real_open = open

    def open_small(path: Any, mode: str, **options: Any) -> Any:
        file = real_open(path, mode, **options)

        class Small:
            def __enter__(self) -> Small:
                return self

            def __exit__(self, *error: object) -> None:
                file.close()

            def write(self, content: bytes) -> int:
                return int(file.write(content[:5]))

            seek, truncate = file.seek, file.truncate

        return Small()

    monkeypatch.setattr(run_folder, "open", open_small, raising=False)
    with pytest.raises(WriteError, match=r"log.jsonl: cannot write: No space left on device"):
        folder.log({"epoch": 2})
    monkeypatch.undo()
    assert _log(tmp_path) == [{"epoch": 1}]
    folder.log({"epoch": 2})
    assert _log(tmp_path) == [{"epoch": 1}, {"epoch": 2}]


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
