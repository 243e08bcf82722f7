"""gpudl compare: of a configuration, a run, a model's name and a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gpudl.cli import main
from gpudl.ops.relu import relu_forward
from gpudl.random import initial_seed
from tests.user_files import NET

MODELS = f"""{NET}
class Waiting(Net):
    def forward(self, x):
        return super().forward(x / x.max().item())

class Images(Net):
    def forward(self, x):
        return super().forward(x).reshape(-1, 2, 1)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("models", None)  # from the folder of another test
    (tmp_path / "models.py").write_text(MODELS)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], gpu: str, *line: str, code: int = 0) -> dict:
    assert main(["compare", *line, "--devices", f"cpu,{gpu}", "--json"]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


@pytest.mark.usefixtures("here")
def test_model_of_a_file(gpu, capsys):
    seed = initial_seed()
    found = said(capsys, gpu, "models.py:Net", "--batch-size", "6", "--steps", "3", "--seed", "5")
    assert initial_seed() == seed
    assert found["format"] == 1 and found["agrees"] and found["first_departure"] is None and found["seed"] == 5
    assert found["name"] == "models.py:Net" and found["batch"] == 6 and found["devices"] == ["cpu", gpu]
    ops = [(row["op"], row["layer"]) for row in found["ops"] if row["direction"] == "forward"]
    assert [each for each in ops if each not in (("Linear", "body.0"), ("BiasAct", "body.0"))] == [
        ("Relu", "body.1"), ("Linear", "head"), ("CrossEntropy", "loss"),
    ]  # fmt: skip
    assert ops.count(("Linear", "body.0")) == 2 and ops.count(("BiasAct", "body.0")) == 1  # alone, and with the ReLU
    assert {row["path"] for row in found["layers"]} == {"", "body", "body.0", "body.1", "head", "loss"}
    curves = found["curves"]
    assert [len(losses) for losses in curves["losses"].values()] == [3, 3] and curves["parted"] is None
    assert curves["losses"]["cpu"][2] < curves["losses"]["cpu"][0]
    assert found["implicit"] == {"cpu": [], gpu: []}
    assert said(capsys, gpu, "models.py:Net", "--batch-size", "6", "--steps", "3", "--seed", "5") == found
    assert said(capsys, gpu, "models.py:Net", "--steps", "0")["curves"] is None


@pytest.mark.usefixtures("here")
def test_counts_of_the_emulated_device(gpu, capsys):
    counts = said(capsys, gpu, "models.py:Net", "--steps", "0")["counts"]
    assert counts.keys() == ({gpu} if gpu.startswith("sim") else set())
    assert all(count["launches"] > 0 and count["synchronizations"] == 0 for count in counts.values())


@pytest.mark.usefixtures("here")
def test_departure_is_told_and_fails(gpu, capsys, plant):
    plant(relu_forward, lambda results: (results[0] * 1.001, *results[1:]) if isinstance(results, tuple) else results * 1.001)  # fmt: skip  # noqa: E501
    found = said(capsys, gpu, "models.py:Net", "--steps", "0", code=1)
    first = found["first_departure"]
    assert (first["op"], first["direction"], first["layer"], first["device"]) == ("Relu", "forward", "body.1", gpu)
    assert first["file"].endswith("models.py") and first["line"] == 11 and first["devices"][gpu]["departs"]
    assert main(["compare", "models.py:Net", "--devices", f"cpu,{gpu}", "--steps", "0"]) == 1
    out = capsys.readouterr().out
    assert f"The first: forward of Relu on {gpu}, in layer body.1, models.py:11" in out and "departs" in out
    assert main(["compare", "models.py:Net", "--devices", f"cpu,{gpu}", "--steps", "0", "--tolerance", "1e9"]) == 1
    assert "Relu" in capsys.readouterr().out  # what moves has no rounding, whatever the factor


@pytest.mark.usefixtures("here")
def test_item_is_told_and_fails_where_strict(gpu, capsys):
    found = said(capsys, gpu, "models.py:Waiting", "--steps", "2")
    (one,) = found["implicit"][gpu]
    assert one["filename"].endswith("models.py") and one["lineno"] == 15 and one["count"] == 2
    assert one["kind"] == "transfer" and found["agrees"]
    assert said(capsys, gpu, "models.py:Waiting", "--steps", "2", "--strict", code=1)["agrees"]
    said(capsys, gpu, "models.py:Net", "--steps", "2", "--strict")


@pytest.mark.usefixtures("here")
def test_model_without_a_loss_is_trained_for_small_squares(gpu, capsys):
    losses = said(capsys, gpu, "models.py:Images", "--steps", "3")["curves"]["losses"]["cpu"]
    assert losses == sorted(losses, reverse=True) and losses[2] > 0


@pytest.mark.parametrize("all_rows", [False, True])
def test_text_of_a_model_of_gpudl(gpu, capsys, all_rows):
    line = ["compare", "LeNet5", "--batch-size", "2", "--steps", "1", "--devices", f"cpu,{gpu}"]
    assert main([*line, *["--all"] * all_rows]) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.startswith(f"LeNet5 on cpu and {gpu}, a batch of 2, seed 0\nOperations: all 27 agree")
    # Two devices; those of conv1 stand in the shorter table only where they are the farthest.
    assert out.count("Tanh          forward") == (8 if all_rows else 2)
    assert "gpudl/models/lenet.py:" in out and "Losses: together for 1 steps" in out
    assert f"on {gpu} in the steps: none" in out


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nowhere.toml", "nowhere.toml: no such file"),
        ("models.py:Nett", "did you mean 'Net'"),
        ("models.py:Net --devices cpu", "--devices cpu: give two or more"),
        ("models.py:Net --devices cpu,cpu", "each may stand there once"),
        ("models.py:Net --devices cpu,tpu", "'tpu' is not a device"),
        ("models.py:Net --devices cpu,cuda:99", "device 'cuda:99' is not available"),
        ("models.py:Net --devices cpu,sim --input-size 4", "does not take samples of 4"),
        ("models.py:Net --steps -1", "--steps"),
        ("models.py:Net --tolerance 0", "expected a number above 0, got '0'"),
        ("models.py:Net --loss-tolerance x", "expected a number above 0, got 'x'"),
        ("models.py:Net --set train.epochs=3 --devices cpu,sim", "--set: train.epochs: "),
        ("", "the following arguments are required: SPEC"),
    ],
)
def test_wrong_input_is_one_line(line, problem, capsys):
    assert main(["compare", *line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and problem in err and err.startswith("gpudl") and err.count("\n") == 1
