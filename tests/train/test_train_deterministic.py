"""deterministic, of Trainer and of [train]: what may give other bits in the next run ends the training by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_described import _config
from test_trainer import data, model, same, trainer

import gpudl
from gpudl import nn
from gpudl.autograd import Function, nondeterministic
from gpudl.cli import main
from gpudl.train import Callback, ConfigError, evaluate_run, load_config, open_run, train


class Jitter(Function):
    @staticmethod
    @nondeterministic("asks the clock", instead="gpudl.randn", op="jitter")
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        return dy * 2


class Jittering(nn.Module):
    def forward(self, x: gpudl.Tensor) -> gpudl.Tensor:
        return Jitter.apply(x)  # here


USES = {
    "fit": lambda fitted: fitted.fit(data(), quiet=True),
    "evaluate": lambda fitted: fitted.evaluate(data()),
    "predict": lambda fitted: fitted.predict(data()[0]),
    "find_lr": lambda fitted: fitted.find_lr(data(), steps=2),
}


@pytest.mark.parametrize("use", USES)
def test_what_is_not_deterministic_ends_it_with_name_and_line(use: str) -> None:
    fitted = trainer(net=model(Jittering()), deterministic=True)
    assert not gpudl.is_deterministic()  # before it works
    with pytest.raises(
        gpudl.DeterminismError, match=rf"{Path(__file__).name}:\d+: jitter is not deterministic: it asks"
    ):
        USES[use](fitted)
    assert not gpudl.is_deterministic()


@pytest.mark.parametrize("use", USES)
def test_warn_warns_and_goes_on(use: str) -> None:
    with pytest.warns(UserWarning, match="jitter is not deterministic"):
        USES[use](trainer(net=model(Jittering()), deterministic="warn"))
    assert not gpudl.is_deterministic()


def test_without_it_the_mode_is_that_of_the_program() -> None:
    trainer(net=model(Jittering())).fit(data(), quiet=True)
    with gpudl.deterministic():
        with pytest.raises(gpudl.DeterminismError):
            trainer(net=model(Jittering())).fit(data(), quiet=True)
        assert gpudl.is_deterministic()


def test_callbacks_are_under_it_too() -> None:
    class Looking(Callback):
        def on_epoch_end(self, trainer: Any) -> None:
            seen.append(gpudl.is_deterministic())

    for given in (True, False):
        seen: list[bool] = []
        trainer(callbacks=[Looking()], deterministic=given).fit(data(), epochs=2, quiet=True)
        assert seen == [given, given]


def test_a_training_under_it_gives_the_same_bits_twice(device: str) -> None:
    def fitted(deterministic: bool) -> Any:
        layers = nn.BatchNorm1d(8), nn.Dropout(0.2)
        found = trainer(device, net=model(*layers), metrics=["accuracy", "f1"], seed=4, deterministic=deterministic)
        found.fit(data(), validation=0.2, epochs=2, batch_size=16, quiet=True)
        return found

    one, other, free = fitted(True), fitted(True), fitted(False)
    assert same(one.model, other.model) and one.history == other.history
    assert same(one.model, free.model) and one.history == free.history


@pytest.mark.parametrize("given", ["always", None, 2])
def test_other_words_are_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="deterministic must be True, False or 'warn', got"):
        trainer(deterministic=given)


@pytest.mark.parametrize("given", [True, "warn"])
def test_a_configuration_has_it_and_the_run_keeps_it(tmp_path: Path, given: Any) -> None:
    config = _config(tmp_path, train__deterministic=given, train__epochs=1)
    result = train(config, tmp_path / "run", quiet=True)
    assert load_config(result.run / "config.toml").train["deterministic"] == given
    assert open_run(result.run).trainer.deterministic == given and evaluate_run(result.run).scores == result.scores
    assert train(_config(tmp_path, train__epochs=1), tmp_path / "free", quiet=True).scores == result.scores
    assert "deterministic" not in (tmp_path / "free" / "config.toml").read_text(encoding="utf-8")


def test_a_configuration_with_another_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='train.deterministic: expected true or false or one of "warn", got "yes"'):
        _config(tmp_path, train__deterministic="yes")


MODEL = """
import gpudl
from gpudl.autograd import Function, nondeterministic
from gpudl.train import register

class Jitter(Function):
    @staticmethod
    @nondeterministic("asks the clock", instead="gpudl.randn", op="jitter")
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, dy):
        return dy * 2

@register("model")
class JitteringNet(gpudl.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = gpudl.nn.Linear(2, 2)

    def forward(self, x):
        return Jitter.apply(self.linear(x))
"""


def test_the_command_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text(MODEL, encoding="utf-8")
    _config(tmp_path)
    run, config = tmp_path / "run", str(tmp_path / "moons.toml")
    settings = ["--set", "train.deterministic=true", "--set", "train.epochs=1"]
    assert main(["train", config, "--out", str(run), "-q", *settings]) == 0
    assert load_config(run / "config.toml").train["deterministic"] is True
    capsys.readouterr()
    own = ["--set", f'python=["{tmp_path / "net.py"}"]', "--set", 'model={name="JitteringNet"}']
    assert main(["train", config, "--out", str(tmp_path / "other"), *settings, *own]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"{tmp_path / 'net.py'}:" in last and "jitter is not deterministic: it asks the clock" in last
    manifest = json.loads((tmp_path / "other" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "failed" and "jitter" in manifest["error"]
