"""Checkpoint: when it saves, what it keeps, and what a full disk does; EarlyStopping: when it ends, and with what."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim
from gpudl.train import Callback, Trainer
from gpudl.train.callbacks import Checkpoint, EarlyStopping
from gpudl.train.callbacks import checkpoint as module
from gpudl.train.checkpoint import load_checkpoint


class Say(Callback):
    """Writes values into the logs, epoch by epoch, before the callbacks after it look."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def on_epoch_end(self, trainer: Trainer) -> None:
        trainer.logs["score"] = self.values[trainer.epoch - 1]


def fit(*callbacks: Callback, epochs: int = 4, ema: float | None = None, **options: Any) -> Trainer:
    gpudl.manual_seed(0)
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(model, nn.MSELoss(), optimizer, device="cpu", callbacks=callbacks, ema=ema)
    x = np.arange(12, dtype=np.float32).reshape(6, 2) / 12
    trainer.fit((x, x[:, :1]), epochs=epochs, batch_size=2, quiet=True, **options)  # three steps an epoch
    return trainer


def names(folder: Path) -> list[int]:
    return sorted(int(path.name[5:13]) for path in folder.iterdir())


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, [9, 12]),
        ({"keep_last": 1}, [12]),
        ({"keep_last": 9}, [3, 6, 9, 12]),
        ({"every_epochs": 3, "keep_last": 9}, [9]),
        ({"every_epochs": None, "every_steps": 5, "keep_last": 9}, [5, 10]),
        ({"every_steps": 2, "keep_last": 9}, [2, 3, 4, 6, 8, 9, 10, 12]),
        ({"every_epochs": None, "every_minutes": 1e-9, "keep_last": 9}, list(range(4, 13))),
        ({"every_epochs": None, "every_minutes": 60.0}, []),
    ],
)
def test_it_saves_when_it_is_due_and_keeps_the_newest(tmp_path: Path, settings: Any, steps: list[int]) -> None:
    fit(Checkpoint(tmp_path / "new" / "run", **settings))
    assert names(tmp_path / "new" / "run") == steps


@pytest.mark.parametrize(
    ("mode", "keep", "steps"), [("min", 1, [6, 12]), ("max", 1, [9, 12]), ("min", 2, [3, 6, 12]), ("min", 0, [12])]
)
def test_the_best_are_kept(tmp_path: Path, mode: str, keep: int, steps: list[int]) -> None:
    saver = Checkpoint(tmp_path, monitor="score", mode=mode, keep=keep, keep_last=1)
    fit(Say(0.4, 0.1, 0.9, 0.5), saver)
    assert names(tmp_path) == steps
    if keep:
        assert saver.best_path is not None
        assert load_checkpoint(saver.best_path)["counts"]["step"] == {"min": 6, "max": 9}[mode]
    assert (saver.best_path is None) == (not keep)


def test_nan_is_never_the_best(tmp_path: Path) -> None:
    saver = Checkpoint(tmp_path, monitor="score", keep_last=1)
    fit(Say(math.nan, 0.5, math.nan, 0.7), saver)
    assert saver.best == [[0.5, "step-00000006.safetensors"]]


def test_the_best_is_saved_also_where_no_other_is_due(tmp_path: Path) -> None:
    fit(Say(3, 1, 2, 5), Checkpoint(tmp_path, monitor="score", every_epochs=None, keep_last=1))
    assert names(tmp_path) == [6]


def test_the_best_are_known_after_a_resume(tmp_path: Path) -> None:
    fit(Say(3, 1), Checkpoint(tmp_path, monitor="score", keep_last=1), epochs=2)
    saver = Checkpoint(tmp_path, monitor="score", keep_last=1)
    trainer = fit(Say(3, 1, 2, 4), saver, resume="auto")
    assert trainer.resumed and saver.best == [[1, "step-00000006.safetensors"]] and names(tmp_path) == [6, 12]


def test_full_disk_does_not_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def save(path: Path, state: Any) -> None:
        if "00000006" in path.name or "00000009" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, state)

    real = module.save_checkpoint
    monkeypatch.setattr(module, "save_checkpoint", save)
    saver = Checkpoint(tmp_path, monitor="score", keep_last=1)
    fit(Say(3, 1, 2, 5), saver)
    said = capsys.readouterr().err
    assert said.count("cannot write the checkpoint: No space left on device; the training goes on; the last is ") == 2
    assert saver.failed == 2 and saver.best == [[3, "step-00000003.safetensors"]] and names(tmp_path) == [3, 12]


def test_training_goes_on_from_the_last_that_could_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpudl.train import files

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Fill(Callback):
        def on_step_end(self, trainer: Trainer) -> None:
            if trainer.step == 5:
                monkeypatch.setattr(files.os, "fsync", full)

    whole = fit()
    fit(Checkpoint(tmp_path, every_steps=2), Fill(), epochs=3)
    monkeypatch.undo()
    assert names(tmp_path) == [3, 4]
    resumed = fit(Checkpoint(tmp_path, every_steps=2), resume="auto")
    assert resumed.resumed and resumed.step == 12 and resumed.history == whole.history


@pytest.mark.parametrize(
    "settings", [{"every_steps": 0}, {"every_epochs": -1}, {"mode": "low"}, {"keep": -1}, {"keep_last": 0}]
)
def test_bad_settings_of_checkpoint_are_refused(tmp_path: Path, settings: Any) -> None:
    with pytest.raises(ValueError, match="Checkpoint: "):
        Checkpoint(tmp_path, **settings)


def test_a_name_that_the_logs_do_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="Checkpoint: 'score' is not among the logs: loss, lr"):
        fit(Checkpoint(tmp_path, monitor="score"))
    with pytest.raises(KeyError, match="EarlyStopping: 'val_loss' is not among the logs: loss, lr"):
        fit(EarlyStopping("val_loss"))


@pytest.mark.parametrize(
    ("settings", "values", "stopped", "best"),
    [
        ({"patience": 1}, [3, 2, 2, 1], 3, 2),
        ({"patience": 2}, [3, 2, 2, 1], None, 4),
        ({"patience": 1, "mode": "max"}, [3, 2, 2, 1], 2, 1),
        ({"patience": 1, "min_delta": 1}, [3, 1.5, 1, 0], 3, 2),
        ({"patience": 2}, [math.nan, math.nan, 1, 0], 2, 0),
    ],
)
def test_early_stopping_ends_after_patience(settings: Any, values: Any, stopped: int | None, best: int) -> None:
    stopping = EarlyStopping("score", **settings)
    trainer = fit(Say(*values), stopping)
    assert stopping.stopped_epoch == stopped and stopping.best_epoch == best
    assert len(trainer.history) == (stopped or 4)


def test_early_stopping_looks_at_the_loss_where_nothing_is_validated() -> None:
    stopping = EarlyStopping()
    trainer = fit(stopping)
    assert stopping.best == min(logs["loss"] for logs in trainer.history)


@pytest.mark.parametrize("ema", [None, 0.5])
def test_early_stopping_brings_the_best_weights_back(ema: float | None) -> None:
    trainer = fit(Say(3, 1, 2, 5), EarlyStopping("score", restore_best=True), ema=ema)
    best = fit(epochs=2, ema=ema)
    assert len(trainer.history) == 4
    for name, value in best.model.state_dict().items():
        np.testing.assert_array_equal(trainer.model.state_dict()[name].numpy(), value.numpy())
    if ema:
        assert trainer.ema is not None and best.ema is not None
        for name, value in best.ema.state_dict().items():
            np.testing.assert_array_equal(trainer.ema.state_dict()[name].numpy(), value.numpy())


def test_early_stopping_starts_anew_with_each_fit() -> None:
    stopping = EarlyStopping("score", patience=1)
    fit(Say(1, 2, 3, 4), stopping)
    assert stopping.stopped_epoch == 2
    fit(Say(9, 8, 7, 6), stopping)
    assert stopping.stopped_epoch is None and stopping.best == 6


@pytest.mark.parametrize("settings", [{"mode": "auto"}, {"patience": 0}, {"min_delta": -1}, {"min_delta": math.nan}])
def test_bad_settings_of_early_stopping_are_refused(settings: Any) -> None:
    with pytest.raises(ValueError, match="EarlyStopping: "):
        EarlyStopping(**settings)
