"""Histograms of weights and gradients against NumPy's, and the file they go to."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim
from gpudl.train import Trainer, WriteError
from gpudl.train.callbacks import Checkpoint, Histograms


def fitted(histograms, device="cpu", epochs=2, net=None, resume=None, others=()):
    gpudl.manual_seed(0)
    net = net or nn.Sequential(nn.Linear(4, 30), nn.ReLU(), nn.Linear(30, 2))
    trainer = Trainer(
        net, nn.MSELoss(), optim.SGD(net.parameters(), lr=0.01), device=device, callbacks=[histograms, *others]
    )
    x = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    trainer.fit((x, x[:, :2]), epochs=epochs, batch_size=4, quiet=True, resume=resume)
    return net


def test_counts_equal_numpy(device):
    histograms = Histograms(bins=10)
    net = fitted(histograms, device)
    assert len(histograms.latest) == 2 * 4 and {line["epoch"] for line in histograms.latest} == {2}
    for line in histograms.latest:
        parameter = net.get_parameter(line["name"])
        values = (parameter if line["kind"] == "weight" else parameter.grad).detach().cpu().numpy().astype(float)
        counts, edges = np.histogram(values, 10)
        assert (line["low"], line["high"]) == (edges[0], edges[-1])
        np.testing.assert_array_equal(line["counts"], counts)
        assert line["not_finite"] == 0 and line["step"] == 6


def test_constant_and_broken_and_empty_weights(device):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 2)
            self.same = nn.Parameter(gpudl.ones(5), requires_grad=False)
            self.broken = nn.Parameter(gpudl.tensor([1.0, math.nan, 3.0, math.inf]), requires_grad=False)
            self.lost = nn.Parameter(gpudl.tensor([math.nan]), requires_grad=False)
            self.none = nn.Parameter(gpudl.zeros(0, 3), requires_grad=False)

        def forward(self, x):
            return self.linear(x)

    histograms = Histograms(bins=2, gradients=False)
    fitted(histograms, device, net=Odd())
    lines = {line["name"]: line for line in histograms.latest}
    assert lines["same"]["counts"] == [5, 0] and lines["same"]["low"] == lines["same"]["high"] == 1
    assert lines["broken"]["counts"] == [1, 1] and lines["broken"]["not_finite"] == 2
    assert lines["lost"]["counts"] == [0, 0] and lines["lost"]["low"] is lines["lost"]["high"] is None
    assert "none" not in lines and {line["kind"] for line in histograms.latest} == {"weight"}


def test_file_has_a_line_for_each_and_goes_on(tmp_path):
    path = tmp_path / "runs" / "histograms.jsonl"
    fitted(Histograms(path.parent, every=2), epochs=4)
    assert [json.loads(line)["epoch"] for line in path.read_text().splitlines()] == [2] * 8 + [4] * 8
    fitted(Histograms(path.parent), epochs=1)  # another training, another file
    assert len(path.read_text().splitlines()) == 8
    fitted(Histograms(path.parent), epochs=2, others=[Checkpoint(tmp_path / "saved")])
    whole = path.read_text()
    later = whole.splitlines()[-1].replace('"epoch": 2', '"epoch": 3')
    path.write_text(whole + later + "\n" + '{"epoch": 1, "na')  # killed in epoch 3, while it was writing
    fitted(Histograms(path.parent), epochs=3, resume=True, others=[Checkpoint(tmp_path / "saved")])
    resumed = path.read_text()
    assert resumed.startswith(whole)
    assert [json.loads(line)["epoch"] for line in resumed.splitlines()] == [1] * 8 + [2] * 8 + [3] * 8


def test_settings_and_folders_that_cannot_be(tmp_path):
    for settings in ({"bins": 0}, {"every": 0}, {"bins": 2.5}):
        with pytest.raises(ValueError, match="must be an integer >= 1"):
            Histograms(**settings)
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write"):
        fitted(Histograms(tmp_path / "file"))
