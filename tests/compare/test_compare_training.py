"""gpudl compare of a configuration or a Trainer: its steps are those of the training, with all its settings."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim
from gpudl.cli import main
from gpudl.compare import compare_devices, compare_spec
from gpudl.data import write_idx
from gpudl.train import Trainer

SETTINGS = """
[data]
name = "mnist"
root = "."
batch_size = 20
{data}
[model]
layers = [
    {{ type = "Flatten" }}, {{ type = "Linear", in_features = 784, out_features = 12 }}, {{ type = "ReLU" }},
    {{ type = "Dropout", p = 0.3 }}, {{ type = "Linear", in_features = 12, out_features = 10 }},
]
[optimizer]
type = "Adam"
lr = 0.01
[train]
epochs = 2
seed = 4
device = "cpu"
report = false
{train}
{more}
"""


def written(data: str = "", train: str = "", more: str = "") -> None:
    Path("small.toml").write_text(SETTINGS.format(data=data, train=train, more=more), encoding="utf-8")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small data set in MNIST's files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    random = np.random.default_rng(0)
    for part, count in (("train", 50), ("t10k", 10)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28)).astype(np.uint8))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8))


def said(capsys: pytest.CaptureFixture[str], gpu: str, *line: str, code: int = 0) -> dict:
    assert main(["compare", "small.toml", "--devices", f"cpu,{gpu}", "--json", *line]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def trained_losses(capsys: pytest.CaptureFixture[str]) -> list[float]:
    assert main(["train", "small.toml", "--out", "run", "-q"]) == 0
    capsys.readouterr()
    with open("run/steps.csv", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


ONE_CYCLE = '[scheduler]\ntype = "OneCycleLR"\nmax_lr = 0.05\ninterval = "step"'
WEIGHTS = ", ".join(str(0.5 + place / 5) for place in range(10))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"train": "clip_grad_norm = 0.01", "more": ONE_CYCLE},
        {"train": "accumulate = 2\nclip_grad_value = 0.001", "more": '[scheduler]\ntype = "StepLR"\nstep_size = 1'},
        {"train": f"class_weight = [{WEIGHTS}]", "data": "drop_last = true\nvalidation = 0.1"},
        {"train": "micro_batch = 7\nema = 0.9", "data": 'transforms = [{ type = "RandomHorizontalFlip" }]'},
    ],
)
def test_losses_are_those_of_the_training(gpu, capsys, settings):
    written(**settings)
    losses = trained_losses(capsys)
    assert len(losses) >= 4
    found = said(capsys, gpu, "--steps", str(len(losses)))
    assert found["agrees"] and found["seed"] == 4 and found["batch"] == 20 and found["name"] == "small.toml"
    np.testing.assert_allclose(found["curves"]["losses"]["cpu"], losses, rtol=2e-6)
    assert len(set(losses)) == len(losses) and found["notes"] == []
    assert found["implicit"] == {"cpu": [], gpu: []}


def test_options_replace_settings(gpu, capsys):
    written()
    losses = said(capsys, gpu, "--steps", "3")["curves"]["losses"]["cpu"]
    other = said(capsys, gpu, "--steps", "3", "--set", "optimizer.lr=0.1")["curves"]["losses"]["cpu"]
    assert other[0] == losses[0] and other[1] != losses[1]
    clipped = said(capsys, gpu, "--steps", "3", "--set", "train.clip_grad_norm=1e-6", "--set", "optimizer.type=SGD")
    assert clipped["curves"]["losses"]["cpu"][0] == losses[0]
    other = said(capsys, gpu, "--steps", "1", "--seed", "5", "--batch-size", "7")
    assert other["seed"] == 5 and other["batch"] == 7 and other["curves"]["losses"]["cpu"][0] != losses[0]
    trained_losses(capsys)
    assert main(["compare", "run", "--devices", f"cpu,{gpu}", "--steps", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["curves"]["losses"]["cpu"] != losses[:1]  # from the weights of the run


def test_optimizer_of_the_configuration_is_compared(gpu, capsys):
    written()
    (row,) = [row for row in said(capsys, gpu, "--steps", "1")["ops"] if row["direction"] == "step"]
    assert row["op"] == "Adam" and row["file"] is None and row["devices"].keys() == {"cpu", gpu}
    assert [row for row in said(capsys, gpu, "--steps", "0")["ops"] if row["direction"] == "step"] == []


def test_operations_are_those_of_the_weighted_loss(gpu, monkeypatch):
    written(train=f"class_weight = [{WEIGHTS}]")
    seen = []

    def watched(*args, **settings):
        seen.append(settings["loss"])
        return compare_devices(*args, **settings)

    monkeypatch.setattr("gpudl.compare.spec.compare_devices", watched)
    assert compare_spec("small.toml", devices=("cpu", gpu)).agrees
    assert seen[0].weight.tolist() == pytest.approx([float(each) for each in WEIGHTS.split(",")])


def test_what_takes_no_part_is_said(gpu, capsys):
    plateau = '[scheduler]\ntype = "ReduceLROnPlateau"'
    written(more=f'{plateau}\n[[callbacks]]\ntype = "EarlyStopping"\npatience = 3')
    found = said(capsys, gpu, "--steps", "9")
    assert len(found["curves"]["losses"]["cpu"]) == 6
    assert found["notes"] == [
        "The training ends after 6 steps",
        "Callbacks took no part: EarlyStopping",
        "Nothing was validated: ReduceLROnPlateau looked at the loss of the training",
    ]
    assert main(["compare", "small.toml", "--devices", f"cpu,{gpu}", "--steps", "9"]) == 0
    assert "\nCallbacks took no part: EarlyStopping\n" in capsys.readouterr().out


def test_losses_that_part_fail(gpu, capsys):
    written()
    line = ["compare", "small.toml", "--devices", f"cpu,{gpu}", "--steps", "4", "--loss-tolerance", "1e-12"]
    assert main(line) == 1
    out = capsys.readouterr().out
    assert "Operations: all 16 agree" in out and "Losses: part at step " in out


def test_trainer_of_ones_own(gpu):
    rates = []

    def trainer(model, place):
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        rates.append(optimizer)
        schedule = optim.lr_scheduler.StepLR(optimizer, 1)
        return Trainer(
            model, nn.MSELoss(), optimizer, scheduler=schedule, scheduler_interval="step", clip_grad_norm=0.01,
            device=place,
        )  # fmt: skip

    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x, y = gpudl.rand(6, 3), gpudl.rand(6, 2)
    settings = {"loss": nn.MSELoss(), "target": y, "devices": ("cpu", gpu), "steps": 4}
    found = compare_devices(model, x, trainer=trainer, **settings)
    assert found.agrees and len(found.curves.losses["cpu"]) == 4
    assert rates[-1].param_groups[0]["lr"] < 1e-3
    plain = compare_devices(model, x, optimizer=lambda model: optim.SGD(model.parameters(), lr=0.1), **settings)
    assert plain.curves.losses["cpu"][0] == found.curves.losses["cpu"][0]
    assert plain.curves.losses["cpu"][1] != found.curves.losses["cpu"][1]  # clipped
    found = compare_devices(model, x, trainer=trainer, batches=[(x[:3], y[:3]), (x[3:], y[3:])], **settings)
    assert found.agrees and len(found.curves.losses[gpu]) == 4
    with pytest.raises(ValueError, match="a Trainer has its own optimizer and steps"):
        compare_devices(model, x, trainer=trainer, optimizer=lambda model: None, **settings)
