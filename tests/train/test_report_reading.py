"""read_run: all that a run folder holds, and folders that are under way, old, or damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fake_runs import CONFIG, epochs, make_run, manifest, samples

from gpudl.train import RunError
from gpudl.train.report import read_run
from gpudl.train.report.record import lower_is_better


def test_a_finished_run_is_read_whole(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run"))
    assert (run.name, run.status, run.asked, run.notes) == ("digits", "done", 12, [])
    assert run.config == CONFIG and run.tables["data"]["name"] == "digits"
    assert [record["epoch"] for record in run.epochs] == list(range(1, 13))
    assert run.metrics == ["loss", "accuracy"]
    assert run.points("val_loss") == [(record["epoch"], record["val_loss"]) for record in epochs(12)]
    assert run.steps["step"] == list(range(1, 541)) and set(run.steps) == {"step", "epoch", "loss", "lr"}
    assert run.evaluated == 12 and run.confusion is not None and run.confusion.shape == (10, 10)
    assert [sample.right for sample in run.samples] == [place % 5 != 4 for place in range(16)]
    assert run.class_name(3) == "3" and run.class_name(99) == "99"
    assert run.files["checkpoints/step-540.safetensors"] == 21000 and run.files["model.safetensors"] == 7000


def test_best_is_the_first_of_equals_and_follows_the_kind_of_metric(tmp_path: Path) -> None:
    values = [(2.0, 0.5), (1.0, 0.7), (None, 0.7), (1.0, None)]
    records = [
        {"epoch": epoch, "loss": loss, "accuracy": share, "strangeness": 1.0}
        for epoch, (loss, share) in enumerate(values, 1)
    ]
    run = read_run(make_run(tmp_path / "run", records))
    assert run.best("loss") == (2, 1.0) and run.best("accuracy") == (2, 0.7)
    assert run.best("strangeness") is None and run.best("absent") is None
    assert run.last("accuracy") is None and run.last("absent") is None


@pytest.mark.parametrize(
    ("name", "lower"),
    [
        ("val_loss", True), ("mean_squared_error", True), ("RMSE", True), ("kl-divergence", True), ("d_loss", True),
        ("accuracy", False), ("top_5_accuracy", False), ("val_f1", False), ("reward", False), ("map", False),
        ("temperature", None), ("lossless", None),
    ],
)  # fmt: skip
def test_better_is_told_by_the_words_of_a_name(name: str, lower: bool | None) -> None:
    assert lower_is_better(name) is lower


def test_a_run_without_an_epoch_is_read(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", [], manifest(status="running")))
    assert run.status == "running" and run.epochs == [] and run.metrics == [] and run.confusion is None
    assert run.last("loss") is None and run.best("loss") is None


def test_of_an_epoch_that_was_done_again_the_later_counts(tmp_path: Path) -> None:
    records = [{"epoch": epoch, "loss": loss} for epoch, loss in ((1, 3.0), (2, 2.0), (3, 9.0), (2, 1.5), (3, 1.0))]
    assert read_run(make_run(tmp_path / "run", records)).points("loss") == [(1, 3.0), (2, 1.5), (3, 1.0)]


def test_an_old_folder_needs_its_log_alone(tmp_path: Path) -> None:
    facts = {"gpudl": "0.0", "seed": 7, "device": "cpu"}
    record = {"epoch": 1, "train_loss": 1.0, "test_loss": 2.0, "test_accuracy": 0.5, "seconds": 1.0}
    (tmp_path / "log.jsonl").write_text(f"{json.dumps(facts)}\n{json.dumps(record)}\n")
    run = read_run(tmp_path)
    assert run.manifest == facts and run.name == tmp_path.name and run.status == "unknown" and run.notes == []
    assert run.epochs == [{"epoch": 1, "loss": 1.0, "val_loss": 2.0, "val_accuracy": 0.5, "seconds": 1.0}]


@pytest.mark.parametrize("damage", ['{"epoch": 13, "lo', "null\n", "\x00\x00\n", "[1]\n", "[" * 100_000])
def test_a_damaged_line_of_the_log_is_left_out(tmp_path: Path, damage: str) -> None:
    run = read_run(make_run(tmp_path / "run", damage=damage))
    assert len(run.epochs) == 12 and run.notes == ["line 13 of log.jsonl is damaged and was left out"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'"text"'])
@pytest.mark.parametrize("name", ["manifest.json", "evaluation.json"])
def test_damaged_json_is_left_out(tmp_path: Path, name: str, content: bytes) -> None:
    folder = make_run(tmp_path / "run")
    (folder / name).write_bytes(content)
    run = read_run(folder)
    assert run.notes == [f"{name} is damaged and was left out"] and len(run.epochs) == 12


def test_what_is_no_number_is_no_metric(tmp_path: Path) -> None:
    text = '{"epoch": 1, "loss": NaN, "accuracy": 1e999, "word": "x", "flag": true, "list": [1], "nothing": null}'
    (tmp_path / "log.jsonl").write_text(text)
    assert read_run(tmp_path).epochs == [{"epoch": 1, "loss": None, "accuracy": None, "nothing": None}]


def test_damaged_steps_and_configuration_are_noted(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "steps.csv").write_text("step,epoch,loss,lr\n1,1,2.5,0.1\n2,1,,nan\n3,1,2.0\n4,1,x,0.1\n5,1,1.0,0.1")
    (folder / "config.toml").write_text("[data\n")
    run = read_run(folder)
    assert run.steps["step"] == [1, 2, 5] and run.steps["loss"] == [2.5, None, 1.0] and run.steps["lr"][1] is None
    assert run.config == "[data\n" and run.tables == {} and len(run.notes) == 2


@pytest.mark.parametrize("matrix", [[[1, 2]], [1, 2], [[1, -1], [0, 1]], [["a"]], "x", [[1, 2], [3]], [[None]]])
def test_a_confusion_matrix_that_is_none_is_left_out(tmp_path: Path, matrix: object) -> None:
    run = read_run(make_run(tmp_path / "run", evaluation={"epoch": 1, "confusion": matrix, "samples": []}))
    assert run.confusion is None and len(run.notes) == 1


def test_samples_of_any_kind_are_read(tmp_path: Path) -> None:
    given = [
        {"index": 0, "target": 1, "predicted": 1, "probability": None, "input": None},
        {"index": 1, "target": 1.5, "predicted": 2, "probability": None, "input": [1, None, 3]},
        {"index": 2, "target": None, "predicted": [1, 2], "probability": 0.5, "input": "some text"},
        {"target": 3, "predicted": 4, "input": [[[0, 1]], [[1, 0]], [[1, 1]]]},
        {"index": 5, "target": 1},
        "no sample",
    ]
    run = read_run(make_run(tmp_path / "run", evaluation={"epoch": 1, "confusion": None, "samples": given}))
    assert len(run.samples) == 4 and len(run.notes) == 2
    assert [sample.right for sample in run.samples] == [True, None, None, False]
    features, picture = run.samples[1].input, run.samples[3].input
    assert isinstance(features, np.ndarray) and np.array_equal(features, [1, np.nan, 3], equal_nan=True)
    assert isinstance(picture, np.ndarray) and picture.shape == (3, 1, 2)
    assert run.samples[2].input == "some text" and run.samples[2].predicted == [1.0, 2.0]


@pytest.mark.parametrize("kind", ["absent", "file", "empty"])
def test_what_is_no_run_folder_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "place"
    if kind == "file":
        path.write_text("")
    if kind == "empty":
        path.mkdir()
    with pytest.raises(RunError, match="run folder") as caught:
        read_run(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_fakes_are_as_the_contract_says() -> None:
    assert set(samples(1)[0]) == {"index", "target", "predicted", "probability", "input"}
