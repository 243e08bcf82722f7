"""subject: a model and a batch for it from a configuration, a run, a name, or a file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gpudl import nn
from gpudl.train import ConfigError, RunError, load_config, subject, train


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "own_subject.py"
    path.write_text(
        "from gpudl import nn\nmade = nn.Linear(3, 2)\ndef net(): return nn.Conv2d(2, 4, 3)\n"
        "def wide(width): return nn.Linear(width, 2)\nnumber = 3\n",
        encoding="utf-8",
    )
    yield path
    sys.modules.pop("own_subject", None)


def test_configuration_gives_its_data(config_file: Path) -> None:
    found = subject(config_file, {"model.layers[0].out_features": 16}, batch_size=7)
    assert isinstance(found.model, nn.Sequential) and found.inputs[0].shape == (7, 784) and found.target.shape == (7,)
    assert found.loss(found.model(*found.inputs), found.target).ndim == 0 and str(found.device) == "cpu"


def test_run_gives_its_weights(config_file: Path, tmp_path: Path) -> None:
    run = train(load_config(config_file, {"train.epochs": 1}), tmp_path / "run", quiet=True).run
    trained, fresh = subject(run), subject(config_file)
    assert trained.inputs[0].shape == (32, 784)
    assert not (trained.model[0].weight == fresh.model[0].weight).all()


@pytest.mark.parametrize(
    ("name", "shape"),
    [("LeNet5", (2, 1, 28, 28)), ("resnet8", (2, 3, 32, 32)), ("VAE", (2, 784))],
)
def test_model_by_name_has_its_usual_input(name: str, shape: tuple[int, ...]) -> None:
    found = subject(name, batch_size=2, device="cpu")
    assert found.inputs[0].shape == shape and found.model.training
    assert (found.loss is None) == (name == "VAE")


def test_model_in_a_file(file: Path) -> None:
    assert subject(f"{file}:made", batch_size=4, device="cpu").inputs[0].shape == (4, 3)
    found = subject(f"{file}:net", input_size=(2, 8, 8), device="cpu")
    assert found.inputs[0].shape == (32, 2, 8, 8) and found.loss is None


def test_what_cannot_be_used_is_one_line(file: Path, config_file: Path, tmp_path: Path) -> None:
    for spec, settings, problem in [
        ("resnet17", {}, "resnet17: no such file, run folder or model; .*did you mean 'resnet1"),
        ("nowhere.toml", {}, "nowhere.toml: no such file"),
        (f"{tmp_path}/nowhere.py:net", {}, "nowhere.py: no such file"),
        (f"{file}:nett", {}, "there is no 'nett' in it; did you mean 'net'"),
        (f"{file}:wide", {}, "it needs width: name it in a configuration"),
        (f"{file}:number", {}, "own_subject.py:number: cannot be made without arguments"),
        (f"{file}:net", {}, "what does it take.*--input-size"),
        (f"{file}:net", {"input_size": (3, 8, 8)}, "does not take samples of 3x8x8"),
        (str(config_file), {"input_size": (3,)}, "--input-size: .*has data of its own"),
        ("LeNet5", {"overrides": {"a.b": 1}}, "a.b: LeNet5 is a model alone"),
    ]:
        with pytest.raises(ConfigError, match=problem) as caught:
            subject(spec, **{"device": "cpu", **settings})
        assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match=r"config.toml: no such file; a run folder"):
        subject(tmp_path)
