"""register: a user's own parts in configurations, and the files that they are in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gpudl import nn
from gpudl.train import ConfigError, evaluate_run, load_config, register, train
from gpudl.train.register import registered

OWN = """
import numpy as np
import gpudl
from gpudl import nn
from gpudl.train import register

@register("model")
class OwnNet(nn.Module):
    def __init__(self, width: int = 8):
        super().__init__()
        self.inside, self.out = nn.Linear(2, width), nn.Linear(width, 2)

    def forward(self, x):
        return self.out(self.inside(x).relu())

@register("dataset", "own_points")
def points(train: bool, count: int = 40):
    x = gpudl.tensor(np.random.default_rng(int(train)).normal(size=(count, 2)).astype("float32"))
    return x, (x[:, 0] > 0).long()

@register("loss")
class OwnLoss(nn.CrossEntropyLoss):
    pass

@register("metric", "zeros")
def zeros(output, target):
    return (output.argmax(1) == 0).double().mean()

@register("callback")
class Told(gpudl.train.Callback):
    def __init__(self, path: str):
        self.path = path

    def on_fit_end(self, trainer):
        with open(self.path, "w") as file:
            file.write(str(trainer.epoch))
"""
TOML = """
python = "{file}"
metrics = ["accuracy", "zeros"]
[data]
name = "own_points"
count = 50
[model]
name = "OwnNet"
[optimizer]
type = "Adam"
lr = 0.05
[loss]
type = "OwnLoss"
[train]
epochs = 5
seed = 0
device = "cpu"
report = false
[[callbacks]]
type = "Told"
path = '{told}'
"""


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch):
    """What a test registers, and the modules that it imports."""
    before = {kind: dict(registered(kind)) for kind in ("model", "dataset", "layer", "loss", "metric", "callback")}
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for kind, members in before.items():
        registered(kind).clear()
        registered(kind).update(members)
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def _config(folder: Path, name: str = "registered_parts.py", text: str = OWN) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    path = folder / "own.toml"
    path.write_text(TOML.format(file=name, told=folder / "told.txt"), encoding="utf-8")
    return path


def test_own_parts_are_trained(tmp_path: Path) -> None:
    config = load_config(_config(tmp_path), {"model.width": 16})
    assert config.python == [str(tmp_path / "registered_parts.py")] and config.model == {"name": "OwnNet", "width": 16}
    result = train(config, tmp_path / "run", quiet=True)
    assert result.samples == 50 and result.scores["accuracy"] > 0.7 and 0 < result.scores["zeros"] < 1
    assert (tmp_path / "told.txt").read_text(encoding="utf-8") == "5"
    assert evaluate_run(result.run).scores == result.scores


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import gpudl\n\n1 / 0\n", r"python\[0\]: .*broken_parts.py:3: ZeroDivisionError: division by zero"),
        ("def (\n", r"python\[0\]: .*broken_parts.py:1: "),
        ("from gpudl.train import register\nregister('modle')(int)", "expected one of model, .*did you mean 'model'"),
        ("", 'data.name: "own_points" is no dataset'),
    ],
)
def test_file_that_fails_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        load_config(_config(tmp_path, "broken_parts.py", text))
    assert "\n" not in str(caught.value)


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = _config(tmp_path)
    (tmp_path / "registered_parts.py").unlink()
    with pytest.raises(ConfigError, match=r"python\[0\]: .*registered_parts.py: no such file"):
        load_config(path)


def test_file_with_the_name_of_another_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a module named 'json' is there already .*; rename the file"):
        load_config(_config(tmp_path, "json.py"))


def test_names_are_taken_once(tmp_path: Path) -> None:
    @register("layer", "Twice")
    class First(nn.Module):
        pass

    register("layer", "Twice")(First)  # the same again, as a module that is reloaded does
    with pytest.raises(ValueError, match="there is a layer 'Twice' already, .*First of "):

        @register("layer", "Twice")
        class Second(nn.Module):
            pass


def test_arguments_that_no_file_can_say_are_refused() -> None:
    with pytest.raises(ValueError, match="Wrapper has an argument without a default that a configuration cannot say"):

        @register("layer")
        class Wrapper(nn.Module):
            def __init__(self, inside: nn.Module):
                super().__init__()
