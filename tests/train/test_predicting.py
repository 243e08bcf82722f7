"""Predictions: classes and probabilities or numbers, as rows, table and files; predict runs a model over inputs."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import gpudl
from gpudl import nn
from gpudl.train import WriteError
from gpudl.train.predicting import Inputs, Predictions, predict, read_inputs

SCORES = np.log([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]]).astype(np.float32)


def test_scores_become_classes_with_probabilities():
    found = Predictions(["a", "b"], gpudl.tensor(SCORES + 5), ["x", "y", "z"])
    (one, two) = found.rows()
    assert (one["input"], one["class"], two["class"]) == ("a", "y", "x")
    assert one["probability"] == pytest.approx(0.5) and two["probability"] == pytest.approx(0.7)
    top = found.rows(top=2)[0]
    assert [each["class"] for each in top["top"]] == ["y", "z"] and len(found.rows(top=9)[0]["top"]) == 3
    assert sum(each["probability"] for each in found.rows(top=3)[0]["top"]) == pytest.approx(1)
    with pytest.raises(ValueError, match="top must be 1 or more, got 0"):
        found.rows(0)


def test_probabilities_and_log_probabilities_stay_what_they_are():
    for outputs in (np.exp(SCORES), SCORES):
        found = Predictions(["a", "b"], outputs, "xyz")
        np.testing.assert_allclose(found.probabilities, np.exp(SCORES), rtol=1e-5)
    one_is_negative = Predictions(["a"], np.array([[1.5, -0.5]]), "xy")
    assert one_is_negative.rows()[0]["probability"] == pytest.approx(1 / (1 + np.exp(-2)))
    huge = Predictions(["a"], np.array([[1e4, -1e4]]), "xy")
    assert huge.probabilities.tolist() == [[1, 0]]


def test_one_score_of_two_classes_is_that_of_the_second():
    for outputs in (np.array([0.0, 1000.0, -1000.0]), np.array([[0.0], [1000.0], [-1000.0]])):
        found = Predictions("abc", outputs, ["no", "yes"])
        assert found.probabilities.tolist() == [[0.5, 0.5], [0, 1], [1, 0]]
        assert [row["class"] for row in found.rows()] == ["no", "yes", "no"]  # of equals the first


def test_outputs_beyond_the_names_of_classes_have_numbers():
    found = Predictions(["a"], np.array([[0.0, 1.0, 9.0]]), ["x", "y"])
    assert found.classes == ["x", "y", "2"] and found.rows()[0]["class"] == "2"
    for outputs in (np.zeros((1, 1)), np.zeros((1, 3, 4)), np.zeros(1), np.zeros((1, 3), np.int64)):
        assert Predictions(["a"], outputs, "xyz").classes is None


def test_numbers_stay_numbers():
    assert Predictions("ab", np.array([[1.5], [2.0]])).rows() == [
        {"input": "a", "output": 1.5}, {"input": "b", "output": 2.0},
    ]  # fmt: skip
    assert Predictions("a", np.array([[[1, 2]]])).rows() == [{"input": "a", "output": [[1, 2]]}]
    assert Predictions("a", gpudl.tensor([1.5], dtype=gpudl.bfloat16)).rows() == [{"input": "a", "output": 1.5}]
    assert Predictions([], np.zeros((0, 2))).rows() == []
    for outputs in (np.zeros(3), np.zeros(())):
        with pytest.raises(ValueError, match="2 names, but outputs of shape"):
            Predictions("ab", outputs)


def test_what_is_not_a_number_has_no_class():
    found = Predictions("ab", np.array([[np.nan, 1.0], [0.0, np.inf]]), "xy")
    assert [row["class"] for row in found.rows()] == [None, None]
    assert found.rows(top=2)[0]["top"] == [] and found.table(2).splitlines()[1].split() == ["a", "-", "nan"]


def test_tables():
    found = Predictions(["a.png", "b\x1b[2J\n.png"], SCORES, ["x", "y", "z"])
    assert str(found).splitlines() == [
        "Input       Class  Probability", "a.png       y      0.5000", "b?[2J?.png  x      0.7000",
    ]  # fmt: skip
    assert found.table(top=3).splitlines()[1] == "a.png       y      0.5000       z 0.3000, x 0.2000"
    numbers = Predictions(["a"], np.arange(10.0).reshape(1, 10) / 3)
    assert numbers.table().splitlines() == [
        "Input  Output", "a      0, 0.333333, 0.666667, 1, 1.33333, 1.66667, 2, 2.33333, ... (10 numbers)",
    ]  # fmt: skip


def test_csv_json_and_npy(tmp_path):
    found = Predictions(["a,b", 'c"d'], SCORES, ["x", "y, z", "ü"])
    found.write(tmp_path / "p.csv", top=2)
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["input"] for row in rows] == ["a,b", 'c"d']
    assert (rows[0]["class"], rows[0]["class_2"]) == ("y, z", "ü")
    assert float(rows[0]["probability"]) == found.rows()[0]["probability"]
    found.write(tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text(encoding="utf-8").startswith("input,class,probability\n")
    found.write(tmp_path / "p.JSON", top=3)
    assert json.loads((tmp_path / "p.JSON").read_text()) == found.rows(top=3)
    found.write(tmp_path / "p.npy")
    assert (np.load(tmp_path / "p.npy") == SCORES).all()


def test_files_of_numbers(tmp_path):
    path = tmp_path / "n.csv"
    Predictions("ab", np.array([1.5, np.nan])).write(path)
    assert path.read_text() == "input,output\na,1.5\nb,nan\n"
    Predictions("a", np.array([[[1, 2], [3, 4]]])).write(path)
    assert path.read_text() == "input,output_0,output_1,output_2,output_3\na,1,2,3,4\n"
    Predictions([], np.zeros((0, 1))).write(path)
    assert path.read_text() == "input,output\n"
    Predictions("ab", np.array([[np.nan, 1.0], [0.0, 1.0]]), "xy").write(path, top=2)
    assert path.read_text().splitlines()[1] == "a,,,,"
    Predictions("ab", np.array([np.inf, 1.0])).write(tmp_path / "n.json")
    assert [row["output"] for row in json.loads((tmp_path / "n.json").read_text())] == [None, 1.0]


def test_files_that_cannot_be_written(tmp_path):
    found = Predictions("a", np.zeros(1))
    with pytest.raises(ValueError, match=r"p\.txt: predictions are written as \.csv, \.json or \.npy"):
        found.write(tmp_path / "p.txt")
    with pytest.raises(WriteError, match=r"gone/p\.csv: cannot write: No such file"):
        found.write(tmp_path / "gone" / "p.csv")
    assert list(tmp_path.iterdir()) == []


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop, self.linear = nn.Dropout(0.9), nn.Linear(4, 3)

    def forward(self, x):
        assert not gpudl.is_grad_enabled()
        return self.linear(self.drop(x))


def test_model_is_run_in_evaluation_on_its_device(tmp_path, device):
    model = Net().to(device)
    model.linear.eval()
    x = np.random.default_rng(0).random((5, 4), np.float32)
    np.save(tmp_path / "x.npy", x)
    inputs = read_inputs([tmp_path / "x.npy"], gpudl.zeros(4), None, batch_size=2)
    found = predict(model, inputs, ["x", "y", "z"])
    weight, bias = (each.detach().cpu().numpy() for each in (model.linear.weight, model.linear.bias))
    np.testing.assert_allclose(found.outputs, x @ weight.T + bias, rtol=1e-5, atol=1e-6)
    assert found.names[4] == f"{tmp_path / 'x.npy'}[4]" and found.classes == ["x", "y", "z"]
    assert [each.training for each in model.modules()] == [True, True, False]


def test_models_that_give_something_else():
    inputs = Inputs(["a", "b"], [gpudl.zeros(2, 3)])
    with pytest.raises(ValueError, match=r"the model gives shape \(6,\) for 2 samples; expected one Tensor, a row"):
        predict(nn.Flatten(0), inputs)
    with pytest.raises(ValueError, match="the model gives tuple for 2 samples"):
        predict(nn.LSTM(3, 3), inputs)
