"""gpudl train and gpudl test: what they print where, their exit codes, and one line for each mistake."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from gpudl.cli import main
from gpudl.cli.scores import scores_text
from gpudl.train import load_config, run_folder


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
        r"epoch 2/2  loss \S+  accuracy \S+  val_loss \S+  val_accuracy \S+  lr 0.1  \d+\.\d s", epochs[1]
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
    assert (config.train["epochs"], config.train["seed"], config.train["device"]) == (1, -5, "cpu")
    assert config.data["batch_size"] == 10 and config.optimizer["lr"] == 0.5
    manifest = json.loads((here / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == -5 and manifest["status"] == "done"
    assert manifest["command"] == ["gpudl", "train", "small.toml", "--out", "run", "-q", *options]


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
    (["train"], "give a CONFIG.toml to train from, or --resume RUN to go on with a run"),
    (["train", "small.toml", "--resume", "taken"], "leave out small.toml"),
    (["train", "--resume", "taken", "--out", "other"], "--resume goes on in taken; leave out --out"),
    (["train", "--resume", "nowhere"], "nowhere: no such run folder"),
    (["train", "--resume", "taken"], "taken.config.toml: not valid TOML"),
    (["train", "latin.toml"], "latin.toml: not TOML: line 2 is not UTF-8 text"),
    (["train", "bad\udcff.toml"], r"bad\\udcff.toml: no such file"),
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
    (["test", "nowhere"], "nowhere: no such run folder"),
    (["test", "."], "config.toml: no such file"),
    (["test", "taken"], "taken.config.toml: not valid TOML"),
    (["test", "taken", "--epochs", "3"], "there is no option --epochs"),
    (["test", "taken", "--set", "x=1"], "taken.config.toml: not valid TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "problem"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_wrong_input_is_one_line_and_exit_code_2(
    here: Path, arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "broken.toml").write_text("a = 1\nb = = 2\n", encoding="utf-8")
    (here / "latin.toml").write_bytes(b"a = 1\nb = '\xe9'\n")
    (here / "taken").mkdir()
    (here / "taken" / "config.toml").write_text("= not TOML", encoding="utf-8")
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and captured.err.startswith("gpudl")
    assert re.search(problem, captured.err)
    assert sorted(os.listdir(here)) == ["broken.toml", "latin.toml", "small.toml", "taken"]


def test_folder_that_cannot_be_written_is_one_line_and_exit_code_1(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_folder, "write_whole", full)
    assert main(["train", "small.toml", "--out", "run"]) == 1
    assert re.fullmatch(r"gpudl: run.config.toml: cannot write: No space left on device\n", capsys.readouterr().err)
    assert os.listdir(here) == ["small.toml"]


def test_a_run_goes_on_with_resume(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", "run", "--epochs", "3", "-q"]) == 0
    assert capsys.readouterr().out.startswith("run folder run\ntest accuracy ")
    log = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [record["epoch"] for record in log] == [1, 2, 3]
    assert main(["train", "small.toml", "--epochs", "3", "--out", "whole", "-q"]) == 0
    assert (run / "model.safetensors").read_bytes() == Path("whole", "model.safetensors").read_bytes()


def test_resume_refuses_what_cannot_change(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main(["train", "--resume", "run", "--batch-size", "3"]) == 2
    out, err = capsys.readouterr()
    assert (
        out == "" and err.startswith("gpudl: --batch-size: data.batch_size: cannot be changed") and err.count("\n") == 1
    )
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_resume_from_a_damaged_checkpoint_is_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(b"broken")
    assert main(["train", "--resume", "run", "--epochs", "3", "-q"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"gpudl: {run / 'checkpoints'}") and err.count("\n") == 1


@pytest.mark.usefixtures("here")
def test_json_of_train_and_test_say_the_same_scores(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "small.toml", "--out", "run", "--json"]) == 0
    out, err = capsys.readouterr()
    trained = json.loads(out)
    assert (
        trained["run"] == "run" and trained["epochs"] == 2 and trained["samples"] == 43 and trained["device"] == "cpu"
    )
    assert set(trained["scores"]) == {"loss", "accuracy"} and err.count("\n") == 3
    assert main(["test", "run", "--json", "-q"]) == 0
    tested = json.loads(capsys.readouterr().out)
    assert tested["scores"] == trained["scores"] and tested["samples"] == 43


@pytest.mark.usefixtures("here")
def test_verbose_shows_the_model_before_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "small.toml", "--out", "run", "--epochs", "1", "-v"]) == 0
    out, err = capsys.readouterr()
    assert "Total params: 7,850" in err.partition("training on cpu")[0] and err.startswith("gpudl ")
    assert "Total params" not in out


METRICS = 'metrics=["f1", "accuracy"]'


@pytest.mark.usefixtures("here")
def test_metrics_of_any_name_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "small.toml", "--out", "run", "-q", "--epochs", "1", "--set", METRICS]) == 0
    assert re.search(r"^test f1 \d\.\d{4}, accuracy \d\.\d{4} \(loss \d", capsys.readouterr().out, re.MULTILINE)
    assert scores_text({"loss": 0.25}) == "test loss 0.2500" and scores_text({"mae": 0.5}) == "test mae 0.5000"
    assert scores_text({"loss": float("nan"), "mae": float("inf")}) == "test mae inf (loss nan)"


def test_a_folder_without_rights_is_one_line_and_exit_code_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "file").write_text("no folder")
    assert main(["train", "small.toml", "--out", "file/run", "-q"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and re.fullmatch(r"gpudl: file.run: cannot write: Not a directory\n", err)


def test_image_that_is_damaged_is_one_line_when_its_turn_comes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    for kind in ("cat", "dog"):
        (here / "photos" / kind).mkdir(parents=True)
        for number in range(40):
            image.new("RGB", (8, 8), number).save(here / "photos" / kind / f"{number:02}.png")
    damaged = here / "photos" / "dog" / "39.png"  # the first samples are looked at before the training
    damaged.write_bytes(damaged.read_bytes()[:40])
    settings = {
        "data": "{name = 'image_folder', root = 'photos', test = {root = 'photos'}, batch_size = 4}",
        "model": "{layers = [{type = 'Flatten'}, {type = 'Linear', in_features = 192, out_features = 2}]}",
    }
    line = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    assert main(["train", "small.toml", "--out", "run", "-q", *line]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith(f"gpudl: {damaged}: not an image that Pillow can read")
    manifest = json.loads((here / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "failed" and str(damaged) in manifest["error"]
