"""The steps of optimizers, compared: what is right agrees, and what is planted in a kernel is named."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim
from gpudl.compare import compare_devices
from gpudl.optim.adam import adam_step_
from gpudl.optim.lamb import lamb_step_
from gpudl.optim.sgd import sgd_step_


def model_and_batch():
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 5))
    return model, gpudl.rand(6, 6), gpudl.arange(6) % 5


def compared(gpu, make, model=None, steps=1):
    plain, x, target = model_and_batch()
    settings = {"loss": nn.CrossEntropyLoss(), "target": target, "steps": steps, "optimizer": make}
    return compare_devices(model or plain, x, devices=("cpu", gpu), **settings)


def step_of(found):
    (row,) = [row for row in found.ops if row.direction == "step"]
    assert row is found.ops[-1]
    return row


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SGD", {"lr": 0.01}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-2}),
        ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
        ("AdamW", {}),
        ("RMSprop", {"centered": True, "momentum": 0.9}),
        ("Adadelta", {}),
        ("Rprop", {}),
        ("RAdam", {}),
        ("LAMB", {}),
        ("Adafactor", {}),
    ],
)
def test_optimizers_that_are_right_agree(gpu, name, settings):
    row = step_of(compared(gpu, lambda model: getattr(optim, name)(model.parameters(), **settings)))
    assert row.op == name and row.notes == {} and row.differences.keys() == {"cpu", gpu}
    assert all(0 < each.excess < 0.5 for each in row.differences.values())
    names = ["", " (", "0.weight", "0.bias", "2.weight", "2.bias", "3.weight", "3.bias"]
    assert row.layer.split(" (")[0] in names[2:] and row.where is None


def planted(monkeypatch, kernel, change):
    """Have a kernel's CUDA body given other arguments."""
    key = "cuda", np.dtype("float32")
    body = kernel.bodies[key]
    monkeypatch.setitem(kernel.bodies, key, lambda *args: change(body, *args))
    monkeypatch.setattr(kernel, "_routes", {})


@pytest.mark.parametrize("size", [1e-3, -1e-4])
def test_wrong_step_is_named(gpu, monkeypatch, size):
    def change(body, p, dp, m, lr, *rest):
        body(p, dp, m, lr * (1 + size), *rest)

    planted(monkeypatch, sgd_step_, change)
    found = compared(gpu, lambda model: optim.SGD(model.parameters(), lr=1e-3), steps=2)
    row, device = found.first_departure
    assert (row.op, row.direction, device) == ("SGD", "step", gpu) and not found.agrees
    assert row.layer in dict(model_and_batch()[0].named_parameters())
    assert not row.differences["cpu"].departs and found.curves.parted is None  # too little to show in two losses
    assert f"The first: step of SGD on {gpu}, at {row.layer}\n" in str(found)


def test_rounding_of_large_weights_hides_no_step(gpu, monkeypatch):
    planted(monkeypatch, sgd_step_, lambda body, p, dp, m, lr, *rest: body(p, dp, m, lr * 1.001, *rest))
    model, *_ = model_and_batch()
    with gpudl.no_grad():
        for parameter in model[3].parameters():
            parameter.mul_(1e3)
    for parameter in model[:3].parameters():
        parameter.requires_grad_(False)
    row, device = compared(gpu, lambda model: optim.SGD(model[3].parameters(), lr=1e-3), model).first_departure
    assert (row.op, device) == ("SGD", gpu)


def test_wrong_state_is_named(gpu, monkeypatch):
    def change(body, p, dp, m, v, *rest):
        body(p, dp, m, v, *rest)
        v *= 1.001

    planted(monkeypatch, adam_step_, change)
    row, device = compared(gpu, lambda model: optim.Adam(model.parameters())).first_departure
    assert (row.op, device) == ("Adam", gpu) and row.layer.endswith(" (exp_avg_sq)")


def test_error_in_the_norms_of_layers_is_named(gpu, monkeypatch):
    def change(body, p, *rest):
        before = p.copy()
        body(p, *rest)
        p += (p - before) * p.dtype.type(2e-3)

    planted(monkeypatch, lamb_step_, change)
    row, device = compared(gpu, lambda model: optim.LAMB(model.parameters())).first_departure
    assert (row.op, device) == ("LAMB", gpu)


def test_parameters_that_are_frozen_shared_or_without_gradient(gpu):
    model, *_ = model_and_batch()
    model[0].weight.requires_grad_(False)
    model[2].bias = model[2].weight
    model.add_module("4", nn.Identity())
    model[4].unused = nn.Parameter(gpudl.ones(2))
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    row = step_of(compared(gpu, lambda model: optim.AdamW(model.parameters()), model))
    assert not any(each.departs for each in row.differences.values())
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_what_cannot_be_compared_is_said(gpu):
    found = compared(gpu, lambda model: optim.LBFGS(model.parameters(), max_iter=2))
    assert found.agrees and step_of(found).notes == {"float64": "it computes the loss at other weights, too"}
    model, x, target = model_and_batch()
    found = compare_devices(model.half(), x.half(), loss=nn.CrossEntropyLoss(), target=target, devices=("cpu", gpu),
                            steps=2)  # fmt: skip
    assert found.agrees and "in float16" in step_of(found).notes["float64"]
    assert "1 not compared everywhere" in str(found)


@pytest.mark.parametrize("has_parameters", [False, True])
def test_model_with_nothing_to_train(gpu, has_parameters):
    model = nn.Sequential(nn.Linear(6, 5) if has_parameters else nn.Identity(), nn.Softmax(1))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for loss, target in ((None, None), (nn.MSELoss(), gpudl.rand(4, 5 if has_parameters else 6))):
        found = compare_devices(model, gpudl.rand(4, 6), loss=loss, target=target, devices=("cpu", gpu), steps=3)
        assert found.agrees and len(set(found.curves.losses["cpu"])) == 1 and len(found.notes) == 1
        assert found.notes[0].startswith("Nothing is trained") and found.notes[0] in str(found)
        assert {row.direction for row in found.ops} == {"forward"}
    with pytest.raises(ValueError, match="no result of the model is a floating Tensor"):
        compare_devices(nn.Sequential(Chosen()), gpudl.rand(4, 6), devices=("cpu", gpu), steps=1)


class Chosen(nn.Module):
    def forward(self, x):
        return x.argmax(1)


def test_inputs_of_any_form_and_lazy_layers(gpu):
    from typing import NamedTuple

    class Pair(NamedTuple):
        x: gpudl.Tensor
        y: gpudl.Tensor

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.LazyLinear(3)

        def forward(self, pair, more):
            return {"sum": self.linear(pair.x) + self.linear(pair.y) * more["scale"][0]}

    pair = Pair(gpudl.rand(4, 5), gpudl.rand(4, 5))
    found = compare_devices(Net(), pair, {"scale": [gpudl.rand(3)]}, devices=("cpu", gpu), steps=2)
    assert found.agrees and step_of(found).op == "SGD"
    assert found.layers and all(each.max_abs < 1e-6 for row in found.layers for each in row.forward.values())


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(4, 5, batch_first=True)
        norms = nn.utils.parametrizations
        self.head = nn.Sequential(norms.weight_norm(nn.Linear(5, 4)), nn.Tanh(), norms.spectral_norm(nn.Linear(4, 3)))

    def forward(self, sequences):
        return self.head(self.gru(sequences)[1][0])


def test_packed_sequences_and_parametrized_layers(gpu):
    gpudl.manual_seed(0)
    lengths = gpudl.tensor([2, 6, 4])
    packed = nn.utils.rnn.pack_padded_sequence(gpudl.rand(3, 6, 4), lengths, batch_first=True, enforce_sorted=False)
    settings = {"loss": nn.CrossEntropyLoss(), "target": gpudl.arange(3), "devices": ("cpu", gpu), "steps": 3}
    found = compare_devices(Packed(), packed, **settings)
    assert found.agrees and found.implicit == {"cpu": (), gpu: ()} and found.no_layers is None
    assert not any(row.notes for row in found.ops) and len(set(found.curves.losses["cpu"])) == 3


def test_gradients_that_are_not_finite(gpu):
    class Large(nn.Linear):
        def forward(self, x):
            return (super().forward(x) * 1e38 * 10).exp()

    gpudl.manual_seed(0)
    found = compare_devices(Large(4, 3), gpudl.rand(3, 4), devices=("cpu", gpu), steps=2)
    assert found.agrees, str(found)
