"""gpudl summary and gpudl time: of a configuration, a run, a model's name and a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gpudl.cli import main
from tests.user_files import NET

MODELS = f"""{NET}
def failing():
    raise OSError("no weights")

number = 3
"""


@pytest.fixture
def models(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("models", None)  # from the folder of another test
    (here / "models.py").write_text(MODELS)
    return here


def asked(capsys: pytest.CaptureFixture[str], *line: str) -> dict[str, object]:
    """What a command says as JSON; nothing else is said."""
    assert main([*line, "--json", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    said: dict[str, object] = json.loads(out)
    return said


@pytest.mark.parametrize("spec", ["small.toml", "run"])
def test_summary_of_a_configuration_and_a_run(run: Path, spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", spec]) == 0
    out, err = capsys.readouterr()
    assert err == "" and "Total params: 7,850" in out and "[64, 784]" in out
    said = asked(capsys, "summary", spec, "--batch-size", "3", "--set", "train.epochs=7")
    assert said["parameters"] == said["trainable_parameters"] == 7850 and said["device"] == "cpu"
    first, second = said["layers"]
    assert first["depth"] == 0 and second["type"] == "Linear" and second["output_size"] == [3, 10]


@pytest.mark.usefixtures("models")
def test_summary_of_a_file_and_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    said = asked(capsys, "summary", "models.py:Net", "--input-size", "3", "--depth", "1")
    assert said["parameters"] == 32 and [row["type"] for row in said["layers"]] == ["Net", "Sequential", "Linear"]
    assert len(asked(capsys, "summary", "models.py:Net")["layers"]) == 5
    said = asked(capsys, "summary", "LeNet5", "--batch-size", "2")
    assert said["name"] == "LeNet5" and said["layers"][0]["output_size"] == [2, 10]


@pytest.mark.parametrize("spec", ["small.toml", "run"])
def test_time_of_a_configuration_and_a_run(run: Path, spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["time", spec, "--repeats", "1"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and "CrossEntropyLoss" in out and "Forward" in out and "Backward" in out and "batch 64" in out
    said = asked(capsys, "time", spec, "--repeats", "2", "--batch-size", "5")
    assert said["name"] == spec and said["batch"] == 5 and said["repeats"] == 2
    assert [row["type"] for row in said["layers"]] == ["Sequential", "Linear", "CrossEntropyLoss"]


@pytest.mark.usefixtures("models")
def test_time_of_a_file_by_depth(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["time", "models.py:Net", "--repeats", "1", "--depth"]
    assert [row["path"] for row in asked(capsys, *line, "1")["layers"]] == ["", "body", "head", "loss"]
    assert len(asked(capsys, *line, "9")["layers"]) == 6


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("command", ["summary", "time"])
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nowhere.toml", "nowhere.toml: no such file"),
        ("resnet19", "did you mean 'resnet18'"),
        ("models.py:Nett", "did you mean 'Net'"),
        ("models.py:number", "models.py:number: "),
        ("models.py:failing", "no weights"),
        ("missing.py:Net", "missing.py: no such file"),
        ("models.py:Net --device cpu --input-size 4", "does not take samples of 4"),
        ("small.toml --input-size 784", "--input-size: small.toml has data of its own"),
        ("models.py:Net --set train.epochs=3", "--set: train.epochs: "),
        ("small.toml --set model.layers[0].in_features=3", "model.layers[0]"),
        ("models.py:Net --device tpu", "'tpu' is not a device"),
        ("small.toml --device cuda:99", "device 'cuda:99' is not available: "),
        ("", "the following arguments are required: SPEC"),
    ],
)
def test_wrong_input_is_one_line(command: str, line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, *line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.startswith("gpudl") and err.count("\n") == 1
