"""A training that is stopped anywhere and resumed ends with the weights of one that was never stopped, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killable import EPOCHS, STEPS, make, outcome

import gpudl
from gpudl.data import DataLoader
from gpudl.train import Callback, CheckpointError, Trainer, TrainingInterrupted
from gpudl.train.callbacks import Checkpoint
from gpudl.train.checkpoint import checkpoints_in, load_checkpoint, save_checkpoint

sys.path.insert(0, str(Path(__file__).parent))


class Signal(Callback):
    """Sends this process a signal, after a step or in the validation that follows it."""

    def __init__(self, step: int, number: int = signal.SIGTERM) -> None:
        self.step, self.number = step, number

    def on_step_end(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            signal.raise_signal(self.number)


def run(folder: Path, *callbacks: Callback, **options: Any) -> Trainer:
    trainer, loader, validation = make(folder, *callbacks)
    options = {"resume": "auto", **options}
    trainer.fit(loader, validation=validation, epochs=EPOCHS, quiet=True, **options)
    return trainer


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
    """What comes of a training that nothing stops."""
    trainer = run(tmp_path_factory.mktemp("whole"))
    assert trainer.step == STEPS and not trainer.resumed
    return outcome(trainer), trainer.history


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_killed_at_ten_random_moments(tmp_path: Path, whole: Any) -> None:
    chosen = random.Random(5)
    folder = tmp_path / "run"
    kills = [*zip(sorted(chosen.sample(range(1, STEPS), 10)), ["step", "write"] * 5, strict=True), (0, "step")]
    triples = [f"{step},{place},{n % 3}" for n, (step, place) in enumerate(kills)]
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(Path(__file__).with_name("killable.py")), str(folder), *triples],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.stdout.split() == [str(-signal.SIGKILL)] * 10 + ["0"], ended.stderr
    assert_same(dict(np.load(folder / "outcome.npz")), whole[0])
    assert json.loads((folder / "history.json").read_text()) == whole[1]
    assert not list(folder.glob(".*.part"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("step", [1, 6, 11, STEPS])  # in an epoch, and before its validation
def test_signal_ends_the_step_and_saves(tmp_path: Path, whole: Any, step: int, number: int) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(TrainingInterrupted, match=rf"{signal.Signals(number).name} in epoch .*resume='auto'") as caught:
        run(tmp_path, Signal(step, number))
    assert caught.value.path == tmp_path / f"step-{step:08d}.safetensors" and caught.value.path.exists()
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    trainer = run(tmp_path, resume=True)
    assert trainer.resumed
    assert_same(outcome(trainer), whole[0])
    assert trainer.history == whole[1]


def test_signal_in_validation_saves_the_model_itself(tmp_path: Path, whole: Any) -> None:
    trainer, loader, validation = make(tmp_path)
    step = trainer.validation_step
    seen: list[int] = []

    def validation_step(batch: Any) -> Any:
        seen.append(1)
        if len(seen) == 2:
            signal.raise_signal(signal.SIGTERM)
        return step(batch)

    trainer.validation_step = validation_step  # type: ignore[method-assign]
    with pytest.raises(TrainingInterrupted):
        trainer.fit(loader, validation=[list(validation)] * 3, epochs=EPOCHS, quiet=True)
    assert len(seen) == 2 and trainer.model.training
    resumed, loader, validation = make(tmp_path)
    resumed.fit(loader, validation=validation, epochs=EPOCHS, resume="auto", quiet=True)
    assert_same(outcome(resumed), whole[0])


def test_second_signal_acts_at_once(tmp_path: Path) -> None:
    class Twice(Callback):
        def on_step_end(self, trainer: Trainer) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("the second one was only noted")

    with pytest.raises(KeyboardInterrupt) as caught:
        run(tmp_path, Twice())
    assert not isinstance(caught.value, TrainingInterrupted)


def test_without_a_checkpoint_callback_a_signal_says_that_nothing_is_saved(tmp_path: Path) -> None:
    trainer, loader, _ = make(tmp_path, Signal(1))
    trainer.callbacks = [each for each in trainer.callbacks if not isinstance(each, Checkpoint)]
    with pytest.raises(TrainingInterrupted, match="nothing was saved") as caught:
        trainer.fit(loader, quiet=True)
    assert caught.value.path is None


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
def test_damaged_newest_checkpoint_is_passed_over(
    tmp_path: Path, whole: Any, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TrainingInterrupted):
        run(tmp_path, Signal(9))
    newest, before = checkpoints_in(tmp_path)
    content = bytearray(newest.read_bytes())
    content[-3] ^= 1
    newest.write_bytes({"truncated": content[:-100], "changed": content, "empty": b""}[damage])
    trainer = run(tmp_path)
    assert f"warning: {newest}: damaged" in capsys.readouterr().err and before.name == "step-00000008.safetensors"
    assert_same(outcome(trainer), whole[0])
    assert load_checkpoint(checkpoints_in(tmp_path)[0])["counts"]["step"] == STEPS


def test_all_checkpoints_damaged_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingInterrupted):
        run(tmp_path, Signal(3))
    for path in checkpoints_in(tmp_path):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="none that is whole"):
        run(tmp_path)


def test_finished_training_resumes_to_its_end(tmp_path: Path, whole: Any) -> None:
    run(tmp_path)
    again = run(tmp_path)
    assert again.step == STEPS and again.history == whole[1]
    assert_same(outcome(again), whole[0])


def test_longer_training_goes_on_from_a_finished_one(tmp_path: Path) -> None:
    trainer, loader, _ = make(tmp_path / "short")
    trainer.fit(loader, epochs=2, quiet=True)
    trainer, loader, _ = make(tmp_path / "short")
    trainer.callbacks.pop(0)  # early stopping had brought the best weights back, after the last checkpoint
    trainer.fit(loader, epochs=3, resume=tmp_path / "short", quiet=True)
    other, loader, _ = make(tmp_path / "long")
    other.callbacks.pop(0)
    other.fit(loader, epochs=3, quiet=True)
    assert trainer.history == other.history and len(other.history) == 3
    assert_same(outcome(trainer), outcome(other))


def test_data_that_cannot_start_in_the_middle_is_gone_through_to_there(tmp_path: Path, whole: Any) -> None:
    class Stream:
        """Batches in the loader's order, without its set_epoch(epoch, batch)."""

        def __init__(self, loader: DataLoader) -> None:
            self.loader = loader

        def set_epoch(self, epoch: int) -> None:
            self.loader.set_epoch(epoch)

        def __iter__(self) -> Any:
            return iter(self.loader)

    for step in (4, 15, 0):
        trainer, loader, validation = make(tmp_path, Signal(step))
        try:
            trainer.fit(Stream(loader), validation=validation, epochs=EPOCHS, resume="auto", quiet=True)
        except TrainingInterrupted:
            assert step
    assert_same(outcome(trainer), whole[0])


def test_resume_asks_for_what_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint in this folder"):
        run(tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="no such file"):
        run(tmp_path, resume=tmp_path / "other.safetensors")
    trainer, loader, _ = make(tmp_path)
    trainer.callbacks = []
    with pytest.raises(ValueError, match="needs a Checkpoint callback"):
        trainer.fit(loader, resume="auto", quiet=True)


def test_new_training_does_not_start_where_there_are_checkpoints(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(CheckpointError, match="there are checkpoints in it; fit"):
        run(tmp_path, resume=None)


def test_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    trainer, _, _ = make(tmp_path)
    state = {**trainer.state_dict(), "metrics": {"accuracy": {}}}
    save_checkpoint(tmp_path / "metrics.safetensors", state)
    save_checkpoint(tmp_path / "other.safetensors", {"format": 99})
    save_checkpoint(tmp_path / "scaler.safetensors", {**trainer.state_dict(), "scaler": {"scale": 2.0}})
    for name, message in (
        ("metrics", "has the metrics"),
        ("other", "no state of a Trainer"),
        ("scaler", "with scaler"),
    ):
        with pytest.raises(ValueError, match=message):
            run(tmp_path, resume=tmp_path / f"{name}.safetensors")
    wrong = {**trainer.state_dict(), "model": {"0.weight": gpudl.zeros(3)}}
    save_checkpoint(tmp_path / "wrong.safetensors", wrong)
    with pytest.raises(RuntimeError, match="Missing key"):
        run(tmp_path, resume=tmp_path / "wrong.safetensors")
