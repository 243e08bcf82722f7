"""train and evaluate_run: the run folder, repeatability, and what is left when something goes wrong."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import gpudl
from gpudl import nn
from gpudl.train import ConfigError, RunError, evaluate_run, load_config, open_run, run_folder, train
from gpudl.train.register import registered

FILES = [
    "checkpoints",
    "config.toml",
    "evaluation.json",
    "log.jsonl",
    "manifest.json",
    "metrics.csv",
    "model.safetensors",
    "steps.csv",
]


def _log(run: Path) -> list[dict[str, Any]]:
    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def _seed(run: Path) -> int:
    return int(json.loads((run / "manifest.json").read_text(encoding="utf-8"))["seed"])


def test_run_folder_has_configuration_weights_and_log(config_file: Path, tmp_path: Path) -> None:
    result = train(load_config(config_file), tmp_path / "run", quiet=True, command=["a", "b"])
    assert result.run == tmp_path / "run" and result.epochs == 2 and result.samples == 43 and result.device == "cpu"
    assert sorted(path.name for path in result.run.iterdir()) == FILES
    manifest = json.loads((result.run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == 3 and manifest["device"] == "cpu" and manifest["gpudl"] == gpudl.__version__
    assert manifest["parameters"] == 784 * 16 + 16 + 16 * 10 + 10
    assert (manifest["train_samples"], manifest["test_samples"], manifest["validation_samples"]) == (150, 43, None)
    assert manifest["status"] == "done" and manifest["error"] is None and manifest["finished"] is not None
    assert manifest["scores"] == result.scores and manifest["command"] == ["a", "b"] and manifest["name"] == "small"
    assert manifest["classes"][0] == "0 - zero" and len(manifest["classes"]) == 10 and "Linear" in manifest["model"]
    first, last = _log(result.run)
    assert (first["epoch"], last["epoch"]) == (1, 2) and last["loss"] < first["loss"]
    assert list(last) == [
        "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds", "samples_per_second",
    ]  # fmt: skip
    assert {"loss": last["val_loss"], "accuracy": last["val_accuracy"]} == result.scores


def test_tables_and_evaluation_say_the_same(config_file: Path, tmp_path: Path) -> None:
    result = train(load_config(config_file), tmp_path / "run", quiet=True)
    with open(result.run / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [{name: float(value) for name, value in row.items()} for row in rows] == _log(result.run)
    with open(result.run / "steps.csv", newline="", encoding="utf-8") as file:
        steps = list(csv.DictReader(file))
    assert [int(row["step"]) for row in steps] == list(range(1, 11)) and {row["lr"] for row in steps} == {"0.01"}
    losses = [float(row["loss"]) for row in steps[5:]]
    weighted = sum(loss * size for loss, size in zip(losses, [32] * 4 + [22], strict=True)) / 150
    assert weighted == pytest.approx(_log(result.run)[1]["loss"], rel=1e-5)
    evaluation = json.loads((result.run / "evaluation.json").read_text(encoding="utf-8"))
    matrix = np.array(evaluation["confusion"])
    assert matrix.shape == (10, 10) and matrix.sum() == 43
    assert matrix.trace() / 43 == pytest.approx(result.scores["accuracy"])
    shown = evaluation["samples"]
    assert len(shown) == 16 and shown[0]["index"] == 0 and shown[-1]["index"] == 42
    opened = open_run(result.run)
    for sample in shown:
        image, label = opened.test.dataset[sample["index"]]
        output = opened.trainer.model(image.unsqueeze(0))
        assert sample["target"] == int(label) and sample["predicted"] == int(output.argmax())
        assert sample["probability"] == pytest.approx(float(output.softmax(1).max()), rel=1e-4)
        assert np.allclose(sample["input"], image.reshape(1, 28, 28).numpy(), atol=1e-4)


def test_report_and_plots_are_drawn(config_file: Path, tmp_path: Path) -> None:
    run = train(load_config(config_file, {"train.report": True}), tmp_path / "run", quiet=True).run
    assert "small" in (run / "report.html").read_text(encoding="utf-8")
    if importlib.util.find_spec("matplotlib") is not None:
        names = {path.name for path in (run / "plots").iterdir()}
        assert {"loss.png", "accuracy.png", "learning_rate.png", "confusion_matrix.png", "predictions.png"} <= names


def test_without_matplotlib_one_line_says_so(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = train(load_config(config_file, {"train.epochs": 1, "train.report": True}), tmp_path / "run").run
    said = [line for line in capsys.readouterr().err.splitlines() if "plots" in line]
    assert len(said) == 1 and 'pip install "gpudl[plot]"' in said[0]
    assert (run / "report.html").exists() and not list(run.glob("plots/*.png"))


def test_weights_are_plain_safetensors(config_file: Path, tmp_path: Path) -> None:
    run = train(load_config(config_file), tmp_path / "run", quiet=True).run
    weights = load_file(run / "model.safetensors")
    shapes = {name: array.shape for name, array in weights.items()}
    assert shapes == {"0.weight": (16, 784), "0.bias": (16,), "2.weight": (10, 16), "2.bias": (10,)}
    with safe_open(run / "model.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt", "gpudl": gpudl.__version__}


def test_resolved_configuration_repeats_the_run(config_file: Path, tmp_path: Path) -> None:
    config = load_config(config_file, {"train.epochs": 1})
    config.train.pop("seed")
    first = train(config, tmp_path / "first", quiet=True)
    resolved = load_config(first.run / "config.toml")
    assert resolved.train["device"] == "cpu" and 0 <= resolved.train["seed"] < 2**32
    assert resolved == config.with_train(seed=resolved.train["seed"])
    second = train(resolved, tmp_path / "second", quiet=True)
    assert second.scores == first.scores
    for name in ("model.safetensors", "config.toml"):
        assert (first.run / name).read_bytes() == (second.run / name).read_bytes()


def test_one_seed_gives_identical_weights_whatever_went_before(config_file: Path, tmp_path: Path) -> None:
    config = load_config(config_file, {"train.epochs": 1})
    first = train(config, tmp_path / "first", quiet=True)
    gpudl.manual_seed(99)
    gpudl.rand(10)
    second = train(config, tmp_path / "a" / "b", quiet=True)
    other = train(config.with_train(seed=4), tmp_path / "other", quiet=True)
    weights = [(result.run / "model.safetensors").read_bytes() for result in (first, second, other)]
    assert weights[0] == weights[1] != weights[2]


def test_drawn_seeds_differ(config_file: Path, tmp_path: Path) -> None:
    config = load_config(config_file, {"train.epochs": 1})
    config.train.pop("seed")
    seeds = {_seed(train(config, tmp_path / name, quiet=True).run) for name in ("a", "b")}
    assert len(seeds) == 2


def test_evaluation_gives_the_figures_of_the_last_epoch(config_file: Path, tmp_path: Path) -> None:
    trained = train(load_config(config_file), tmp_path / "run", quiet=True)
    tested = evaluate_run(tmp_path / "run")
    assert tested.scores == trained.scores and tested.samples == 43
    other = evaluate_run(tmp_path / "run", {"data.batch_size": 5})
    assert other.scores["accuracy"] == trained.scores["accuracy"]
    assert other.scores["loss"] == pytest.approx(trained.scores["loss"], rel=1e-5)


def test_evaluation_needs_no_training_data(config_file: Path, images: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for file in images.iterdir():
        (tmp_path / "data" / file.name).write_bytes(file.read_bytes())
    trained = train(load_config(config_file, {"data.root": str(tmp_path / "data")}), tmp_path / "run", quiet=True)
    for file in (tmp_path / "data").glob("train-*"):
        file.unlink()
    assert evaluate_run(tmp_path / "run").scores == trained.scores


def test_training_loss_is_the_mean_over_samples(config_file: Path, tmp_path: Path) -> None:
    # Nothing is learned, so the mean over the batches, the last of which is not full, is that of the initial weights.
    config = load_config(config_file, {"optimizer.lr": 0.0, "train.epochs": 1})
    record = _log(train(config, tmp_path / "mean", quiet=True).run)[0]
    summed = load_config(config_file, {"optimizer.lr": 0.0, "train.epochs": 1, "loss.reduction": "sum"})
    assert _log(train(summed, tmp_path / "sum", quiet=True).run)[0]["loss"] == pytest.approx(record["loss"], rel=1e-5)
    one_batch = load_config(config_file, {"optimizer.lr": 0.0, "train.epochs": 1, "data.batch_size": 150})
    assert _log(train(one_batch, tmp_path / "one", quiet=True).run)[0]["loss"] == pytest.approx(
        record["loss"], rel=1e-5
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"model.layers[0].out_features": 17}, r"model.layers\[2\] \(Linear\): expected \(\*, 16\), got .*\(32, 17\)"),
        ({"model.layers[0].in_features": 64}, r"model.layers\[0\] \(Linear\): expected \(\*, 64\), got .*\(32, 784\)"),
        ({"data.flatten": False}, r"model.layers\[0\] \(Linear\): expected \(\*, 784\), got .*\(32, 1, 28, 28\)"),
        ({"model.layers[2].out_features": 9}, r"model.layers\[2\]: .*9 values for each sample.* 10 classes"),
        ({"model.layers": [{"type": "ReLU"}]}, "model.layers: no layer has parameters"),
        ({"optimizer.lr": -1}, "optimizer.lr: .*got -1"),
        ({"optimizer.betas": [0.5, 1.5]}, "optimizer.betas: "),
        ({"loss.reduction": "men"}, "loss.reduction: .*'men'"),
        ({"loss.reduction": "none"}, r"loss.reduction: training needs a loss that is one number"),
        ({"loss.label_smoothing": 2}, "loss.label_smoothing: "),
        ({"loss": {"type": "MSELoss"}}, r"loss: input \(32, 10\) and target \(32,\)"),
        (
            {"data.batch_size": 151, "data.drop_last": True},
            "data.batch_size: drop_last leaves no batch of 151 from 150",
        ),
        ({"data.root": "nowhere"}, "data.root: .*nowhere.*data.download = true"),
        ({"train.device": "tpu"}, "train.device: 'tpu' is not a device"),
        ({"train.device": "cuda:99"}, "train.device: device 'cuda:99' is not available: "),
    ],
)
def test_what_does_not_fit_is_found_before_anything_is_written(
    config_file: Path, tmp_path: Path, settings: dict[str, Any], problem: str
) -> None:
    config = load_config(config_file, settings)
    with pytest.raises(ConfigError, match=problem) as caught:
        train(config, tmp_path / "run", quiet=True)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_layers_that_draw_or_count_are_not_disturbed_by_the_check(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []

    class Watch(nn.Module):
        def forward(self, input: gpudl.Tensor) -> gpudl.Tensor:
            modes.append((self.training, gpudl.is_grad_enabled()))
            return input

    monkeypatch.setitem(registered("layer"), "Watch", Watch)
    config = load_config(config_file, {"model.layers[1].type": "Watch", "train.epochs": 1})
    train(config, tmp_path / "run", quiet=True)
    assert (
        modes == [(False, False)] + [(True, True)] * 5 + [(False, False)] * 3
    )  # the check, steps, test batches and samples


def test_default_folder_is_named_after_file_and_time(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_folder.time, "strftime", lambda form: "20250131-120000")
    config = load_config(config_file, {"train.epochs": 1})
    names = [train(config, quiet=True).run.as_posix() for _ in range(3)]
    assert names == [f"runs/small-20250131-120000{end}" for end in ("", "-2", "-3")]
    assert all(sorted(path.name for path in (tmp_path / name).iterdir()) == FILES for name in names)


@pytest.mark.parametrize("name", ["config.toml", "manifest.json", "model.safetensors", "log.jsonl"])
def test_run_is_never_overwritten(config_file: Path, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / name).write_text("precious", encoding="utf-8")
    with pytest.raises(RunError, match=f"there is a run in it already .{name}"):
        train(load_config(config_file), run, quiet=True)
    assert [path.name for path in run.iterdir()] == [name] and (run / name).read_text(encoding="utf-8") == "precious"


def test_folder_with_other_files_can_take_a_run(config_file: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine", encoding="utf-8")
    train(load_config(config_file, {"train.epochs": 1}), tmp_path / "run", quiet=True)
    assert (tmp_path / "run" / "notes.txt").exists() and (tmp_path / "run" / "log.jsonl").exists()


def test_out_that_is_a_file_is_refused(config_file: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="run: not a folder"):
        train(load_config(config_file), tmp_path / "run", quiet=True)


def test_log_is_json_also_when_training_diverges(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"optimizer": {"type": "SGD", "lr": 1e30}, "train.epochs": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = train(load_config(config_file, settings), tmp_path / "run")
    assert not math.isfinite(result.scores["loss"])
    assert _log(tmp_path / "run")[-1]["loss"] is None
    assert capsys.readouterr().err.count("the training loss is not finite any more") == 1
