"""gpudl predict: of files and of the test data, as a table, JSON and files."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import gpudl
from gpudl.cli import main
from gpudl.data import MNIST
from gpudl.train import open_run


@pytest.fixture
def expected(run: Path, images: Path) -> np.ndarray:
    """The probabilities of the run's model for its test data, also in x.npy."""
    x = MNIST(images, train=False, flatten=True).batch(range(43))[0]
    np.save("x.npy", x.numpy())
    with gpudl.no_grad():
        output = open_run(run).trainer.model.eval()(x).numpy().astype(np.float64)
    powers = np.exp(output - output.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def predicted(capsys: pytest.CaptureFixture[str], *line: str) -> list[dict]:
    assert main(["predict", "run", "--json", *line]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert err == "" and said["run"] == "run" and said["count"] == len(said["predictions"])
    return said["predictions"]


def test_test_data_and_files_give_the_models_probabilities(
    expected: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    of_data, of_file = predicted(capsys), predicted(capsys, "x.npy")
    assert [row["input"] for row in of_data[:2]] == ["test[0]", "test[1]"] and len(of_data) == 43
    assert [row["input"] for row in of_file[:2]] == ["x.npy[0]", "x.npy[1]"]
    for rows in (of_data, of_file):
        assert [row["class"] for row in rows] == [MNIST.classes[place] for place in expected.argmax(1)]
        np.testing.assert_allclose([row["probability"] for row in rows], expected.max(1), rtol=1e-5)


def test_top_k_and_limit(expected: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    whole = predicted(capsys, "--top-k", "3")
    for line in (["--limit", "3"], ["x.npy", "--limit", "3", "--batch-size", "2"]):
        rows = predicted(capsys, "--top-k", "3", *line)
        for row, other in zip(rows, whole[:3], strict=True):
            assert [each["class"] for each in row["top"]] == [each["class"] for each in other["top"]]
            assert row["top"][2]["probability"] == pytest.approx(other["top"][2]["probability"], rel=1e-5)
    assert [each["class"] for each in whole[5]["top"]] == [MNIST.classes[n] for n in np.argsort(-expected[5])[:3]]
    assert len(predicted(capsys, "--limit", "99")) == len(predicted(capsys, "x.npy", "--limit", "43")) == 43
    assert len(predicted(capsys, "x.npy", "x.npy", "--limit", "50", "--batch-size", "7")) == 50


def test_a_table_on_stdout(expected: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "run", "x.npy", "--limit", "2", "--top-k", "2"]) == 0
    out, err = capsys.readouterr()
    head, *rows = out.splitlines()
    assert err == "" and head.split() == ["Input", "Class", "Probability", "Then"] and len(rows) == 2
    first = ["x.npy[0]", MNIST.classes[expected[0].argmax()], f"{expected[0].max():.4f}"]
    assert re.split(r"  +", rows[0])[:3] == first


def test_out_is_written_in_the_form_of_its_ending(expected: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    for ending in ("csv", "json", "npy"):
        assert main(["predict", "run", "x.npy", "--out", f"p.{ending}", "--top-k", "2"]) == 0
        assert capsys.readouterr() == (f"43 predictions in p.{ending}\n", "")
    with open("p.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["input", "class", "probability", "class_2", "probability_2"]
    assert [row["class"] for row in rows] == [MNIST.classes[place] for place in expected.argmax(1)]
    assert [row["class"] for row in json.loads(Path("p.json").read_text())] == [row["class"] for row in rows]
    assert np.load("p.npy").argmax(1).tolist() == expected.argmax(1).tolist()
    assert main(["predict", "run", "--limit", "1", "--out", "one.csv", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["out"] == "one.csv" and said["count"] == 1 and "predictions" not in said


def test_numbers_where_the_data_has_no_classes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},{a + 2 * b:.3f}" for a, b in random.random((20, 2))]
    (here / "data.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (here / "numbers.toml").write_text(
        """
        [data]
        name = "csv"
        path = "data.csv"
        target = "y"
        test = 0.2
        [model]
        layers = [{ type = "Linear", in_features = 2, out_features = 1 }, { type = "Flatten", start_dim = 0 }]
        [optimizer]
        type = "SGD"
        lr = 0.1
        [loss]
        type = "MSELoss"
        [train]
        epochs = 1
        device = "cpu"
        report = false
        """
    )
    assert main(["train", "numbers.toml", "--out", "run", "-q", "--seed", "1"]) == 0
    (here / "new.csv").write_text("b,a,other\n1,2,x\n0,0,y\n")
    capsys.readouterr()
    first, second = predicted(capsys, "new.csv")
    weights = gpudl.train.open_run("run").trainer.model.state_dict()
    assert second["output"] == pytest.approx(weights["0.bias"].item(), rel=1e-5)
    assert first["output"] == pytest.approx((weights["0.weight"].numpy() @ [2, 1]).item() + second["output"], rel=1e-4)


@pytest.mark.usefixtures("expected")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nowhere", "nowhere: no such run folder"),
        ("run nowhere.npy x.npy gone.npy", "nowhere.npy, gone.npy: no such file"),
        ("run wrong.npy", "wrong.npy: it holds float64 (3, 5); the model takes (784,)"),
        ("run broken.npy", "broken.npy: "),
        ("run small.toml", "small.toml: no kind of file that is read here"),
        ("run x.npy --out p.txt", "--out: predictions are written as .csv, .json or .npy, not as 'p.txt'"),
        ("run x.npy --out gone/p.csv", "--out: there is no folder gone"),
        ("run x.npy --device cuda:99", "device 'cuda:99' is not available"),
        ("run --set data.root=gone", "--set: data.root: "),
        ("", "the following arguments are required: RUN"),
    ],
)
def test_wrong_input_is_one_line(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("wrong.npy", np.zeros((3, 5)))
    Path("broken.npy").write_bytes(Path("x.npy").read_bytes()[:1000])
    before = sorted(os.listdir())
    assert main(["predict", *line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.startswith("gpudl") and err.count("\n") == 1
    assert sorted(os.listdir()) == before


@pytest.mark.usefixtures("expected")
def test_out_that_cannot_be_written_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    Path("taken.csv").mkdir()
    assert main(["predict", "run", "x.npy", "--out", "taken.csv"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err == "gpudl: taken.csv: cannot write: Is a directory\n"
    assert os.listdir("taken.csv") == [] and not [
        name for name in os.listdir() if "taken" in name and name != "taken.csv"
    ]
