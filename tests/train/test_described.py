"""What configurations describe beyond layers: models by name, data of files, schedules, metrics, callbacks, weights."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpudl.data import Subset
from gpudl.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau
from gpudl.train import Config, ConfigError, evaluate_run, load_config, open_run, train
from gpudl.train.build import build
from gpudl.train.callbacks import EarlyStopping

MOONS = """
[data]
name = "make_moons"
n_samples = 200
noise = 0.1
test = 0.25
[model]
name = "MLP"
in_channels = 2
hidden_channels = [16, 2]
[optimizer]
type = "Adam"
lr = 0.02
[train]
epochs = 3
seed = 0
device = "cpu"
report = false
"""


def _config(folder: Path, text: str = MOONS, **overrides: Any) -> Config:
    path = folder / "moons.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, {name.replace("__", "."): value for name, value in overrides.items()})


def _table(path: Path, rows: list[list[Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def test_a_share_is_tested_on_and_another_looked_at(tmp_path: Path) -> None:
    result = train(_config(tmp_path, data__validation=0.2), tmp_path / "run", quiet=True)
    manifest = json.loads((result.run / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["train_samples"], manifest["validation_samples"], manifest["test_samples"]) == (120, 30, 50)
    assert manifest["scores"] == result.scores and result.samples == 50
    log = [json.loads(line) for line in (result.run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert log[-1]["val_loss"] != result.scores["loss"]
    assert evaluate_run(result.run).scores == result.scores
    parts = build(load_config(result.run / "config.toml"))
    shares = [samples.dataset for samples in (parts.train, parts.validation, parts.test) if samples is not None]
    points = [tuple(share[index][0].numpy().tolist()) for share in shares for index in range(len(share))]
    assert all(isinstance(share, Subset) for share in shares) and len(set(points)) == 200


def test_rows_of_a_csv_file_are_classified(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [[x, y, "high" if x + y > 1 else "low"] for x, y in random.random((60, 2)).round(3).tolist()]
    _table(tmp_path / "train.csv", [["x", "y", "level"], *rows[:40]])
    _table(tmp_path / "test.csv", [["x", "y", "level"], *sorted(rows[40:], key=lambda row: row[2], reverse=True)])
    text = MOONS.replace('name = "make_moons"\nn_samples = 200\nnoise = 0.1\ntest = 0.25', """
name = "csv"
path = "train.csv"
target = "level"
test = { path = "test.csv" }
columns = { level = "category" }
""")  # fmt: skip
    config = _config(tmp_path, text, train__epochs=30)
    result = train(config, tmp_path / "run", quiet=True)
    assert result.samples == 20 and result.scores["accuracy"] >= 0.8
    manifest = json.loads((result.run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["classes"] == list(build(config).train.source.categories["level"])
    # One text is one number in both files, in whatever order they have them.
    assert build(config).test.source.categories == build(config).train.source.categories
    assert evaluate_run(result.run).scores == result.scores


def test_numbers_are_predicted_with_another_loss(tmp_path: Path) -> None:
    rows = [[x, 2 * x + 1] for x in np.linspace(-1, 1, 50).tolist()]
    _table(tmp_path / "line.csv", [["x", "y"], *rows])
    text = MOONS[MOONS.index("[model]") :].replace("in_channels = 2", "in_channels = 1").replace("[16, 2]", "[1]")
    data = '[data]\nname = "csv"\npath = "line.csv"\ntarget = ["y"]\ntest = 0.2\n[loss]\ntype = "MSELoss"\n'
    result = train(_config(tmp_path, data + text, train__epochs=60, optimizer__lr=0.1), tmp_path / "run", quiet=True)
    assert set(result.scores) == {"loss", "mae"} and result.scores["mae"] < 0.05
    evaluation = json.loads((result.run / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["confusion"] is None
    for sample in evaluation["samples"]:
        assert sample["predicted"] == pytest.approx(sample["target"], abs=0.1) and len(sample["input"]) == 1


def test_images_in_folders_go_through_transforms(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    random = np.random.default_rng(0)
    for part in ("train", "test"):
        for number, kind in enumerate(("dark", "light")):
            (tmp_path / part / kind).mkdir(parents=True)
            for index in range(6):
                pixels = random.integers(0, 100, (12 + index, 14, 3)) + 150 * number
                image.fromarray(pixels.astype(np.uint8)).save(tmp_path / part / kind / f"{index}.png")
    text = """
    [data]
    name = "image_folder"
    root = "train"
    test = { root = "test" }
    transforms = [
        { type = "Resize", size = [8, 8] },
        { type = "RandomHorizontalFlip" },
        { type = "Normalize", mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] },
    ]
    [model]
    name = "resnet8"
    num_classes = 2
    width = 4
    """ + MOONS[MOONS.index("[optimizer]") :]
    config = _config(tmp_path, text, data__batch_size=4)
    result = train(config, tmp_path / "run", quiet=True)
    assert result.samples == 12
    opened = open_run(result.run)
    assert opened.test.classes == ("dark", "light") and opened.fit.inputs[0].shape == (4, 3, 8, 8)
    kinds = [type(each).__name__ for each in opened.test.dataset.transform.children()]
    assert kinds == ["Resize", "Normalize"]  # what draws is for training alone
    own = _config(tmp_path, text, data__test_transforms=[{"type": "Resize", "size": [8, 8]}])
    assert [type(each).__name__ for each in build(own).test.dataset.transform.children()] == ["Resize"]


@pytest.mark.parametrize(
    ("table", "kind", "interval"),
    [
        ({"type": "CosineAnnealingLR"}, CosineAnnealingLR, "epoch"),
        ({"type": "CosineAnnealingLR", "interval": "step"}, CosineAnnealingLR, "step"),
        ({"type": "OneCycleLR", "max_lr": 0.1}, OneCycleLR, "step"),
        ({"type": "ReduceLROnPlateau", "patience": 0}, ReduceLROnPlateau, "epoch"),
    ],
)
def test_schedules_have_the_length_of_the_training(tmp_path: Path, table: Any, kind: type, interval: str) -> None:
    config = _config(tmp_path, scheduler=table, train__accumulate=2)
    parts = build(config)
    assert isinstance(parts.scheduler, kind) and config.scheduler["interval"] == interval
    steps = -(-len(parts.training) // 2) * 3
    assert (
        getattr(parts.scheduler, "T_max", 3) in (3, steps) and getattr(parts.scheduler, "total_steps", steps) == steps
    )
    log = train(config, tmp_path / "run", quiet=True).run / "log.jsonl"
    rates = [json.loads(line)["lr"] for line in log.read_text(encoding="utf-8").splitlines()]
    assert len(rates) == 3 and (kind is ReduceLROnPlateau or len(set(rates)) > 1)


def test_metrics_callbacks_and_settings_of_the_trainer(tmp_path: Path) -> None:
    config = _config(
        tmp_path,
        metrics=["accuracy", {"type": "F1Score", "average": "macro", "num_classes": 2, "name": "macro_f1"}],
        callbacks=[{"type": "EarlyStopping", "monitor": "val_loss", "min_delta": 10.0, "patience": 1}],
        checkpoint={"monitor": "val_accuracy", "mode": "max"},
        train__epochs=9,
        train__clip_grad_norm=1.0,
        train__ema=0.9,
        train__class_weight=[1, 2],
        train__accumulate=2,
    )
    assert isinstance(build(config).callbacks[0], EarlyStopping)
    result = train(config, tmp_path / "run", quiet=True)
    assert result.epochs == 2 and set(result.scores) == {"loss", "accuracy", "macro_f1"}
    again = evaluate_run(result.run).scores  # of the averaged weights, which are those that were saved
    assert again["accuracy"] == result.scores["accuracy"] and again["macro_f1"] == result.scores["macro_f1"]
    assert load_config(result.run / "config.toml").tables() == config.with_train(**config.train).tables()


def test_training_starts_from_weights(tmp_path: Path) -> None:
    first = train(_config(tmp_path), tmp_path / "first", quiet=True)
    for file in (first.run / "model.safetensors", sorted((first.run / "checkpoints").iterdir())[-1]):
        config = _config(tmp_path, model__weights=str(file), optimizer__lr=0.0, train__epochs=1)
        again = train(config, tmp_path / file.stem, quiet=True)
        assert again.scores == first.scores


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"data__test": 1.5}, r"data.test: expected a share of the samples in \(0, 1\)"),
        ({"data__test": 0.001}, "data.test: a share of 0.001 of 200 samples leaves none"),
        ({"data__validation": -0.5}, "data.validation: expected a share"),
        ({"data__transforms": [{"type": "Resiz"}]}, r'data.transforms\[0\].type: "Resiz" is no transform; .*Resize'),
        ({"data__transforms": [{"type": "Resize", "size": [0, 8]}]}, r"data.transforms\[0\].size: Resize: size "),
        ({"data": {"name": "make_moons"}}, "data.test: missing; make_moons has no samples to test on of its own"),
        ({"data": {"name": "digits", "test": 0.2}}, "data.test: unknown key; digits has samples"),
        ({"model__name": "resnet"}, 'model.name: "resnet" is no model; .*did you mean'),
        ({"model": {"name": "resnet8"}}, r"model \(resnet8\): .*conv1"),
        ({"model": {"name": "MLP", "layers": []}}, "model: there are both name and layers"),
        ({"model__weights": "nowhere.safetensors"}, "model.weights: .*nowhere.safetensors"),
        ({"scheduler": {"type": "StepLR"}}, "scheduler.step_size: missing; StepLR needs it: an integer"),
        ({"scheduler": {"type": "StepLR", "step_size": 1, "interval": "day"}}, "scheduler.interval: expected one of"),
        ({"scheduler": {"type": "ReduceLROnPlateau", "interval": "step"}}, "ReduceLROnPlateau looks at the logs"),
        ({"metrics": ["acuracy"]}, r'metrics\[0\].*"acuracy" is no metric; .*did you mean \'accuracy\''),
        ({"metrics": ["accuracy", "accuracy"]}, "a second value named 'accuracy'"),
        ({"metrics": "accuracy"}, 'metrics: expected a list, got "accuracy"'),
        ({"callbacks": [{"type": "EarlyStoping"}]}, "did you mean 'EarlyStopping'"),
        ({"callbacks": [{"type": "EarlyStopping", "patience": 0}]}, r"callbacks\[0\].*: EarlyStopping: .*0.0 and 0"),
        ({"checkpoint__keep_last": 0}, "checkpoint.keep.*: Checkpoint: .*got 1 and 0"),
        ({"checkpoint__folder": "x"}, "checkpoint.folder: unknown key"),
        ({"train__ema": 1.5}, r"train.ema: ema is a decay in \[0, 1\)"),
        ({"train__clip_grad_norm": 0.0}, "train.clip_grad_norm: clip_grad_norm must be above 0"),
        ({"train__micro_batch": "some"}, "train.micro_batch: expected an integer or one of \"auto\""),
        ({"data__num_workers": -1}, "data.num_workers: expected an integer >= 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line_before_anything_is_written(
    tmp_path: Path, overrides: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        train(_config(tmp_path, **overrides), tmp_path / "run", quiet=True)
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()
