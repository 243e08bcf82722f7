"""layer_times: rows, sums and the table by a clock that ticks once a look; the model stays as it was."""

from __future__ import annotations

import importlib
import itertools
import json

import pytest

import gpudl
from gpudl import nn, optim
from gpudl.nn import functional as F

module, split = map(importlib.import_module, ("gpudl.train.layer_times", "gpudl.train.layer_split"))
layer_times = module.layer_times


def set_clock(monkeypatch, look):
    for each in (module, split):
        monkeypatch.setattr(each, "perf_counter", look)


@pytest.fixture
def ticks(monkeypatch):
    """A clock on which each span between two looks takes a second."""
    set_clock(monkeypatch, itertools.count().__next__)


def spans(found):
    """Path -> seconds of forward and backward."""
    return {row.path: (row.forward / 1e3, None if row.backward is None else row.backward / 1e3) for row in found.layers}


def lambda_module(function):
    made = nn.Module()
    made.forward = function
    return made


class Block(nn.Module):
    """A residual block whose sum and activation are its own."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return F.relu(self.linear(x * 2) + x)


class Net(nn.Module):
    """Embedding of integers, blocks in a list that nobody calls, the first of them twice."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(4, 3)

    def forward(self, numbers):
        x = self.table(numbers)
        for block in (self.blocks[0], self.blocks[1], self.blocks[0]):
            x = block(x)
        return {"scores": self.head(x.mean(1))}


def test_each_span_belongs_to_one_layer(ticks):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    found = layer_times(model, gpudl.rand(5, 3), loss=nn.CrossEntropyLoss(), target=gpudl.tensor([0, 1, 1, 0, 1]))
    assert spans(found) == {
        "": (4, None), "0": (1, 1), "1": (1, 1), "2": (3, None), "2.0": (1, None), "2.1": (1, 1), "loss": (1, 1),
    }  # fmt: skip
    assert [row.type for row in found.layers] == [
        "Sequential", "Linear", "ReLU", "Sequential", "Flatten", "Linear", "CrossEntropyLoss",
    ]  # fmt: skip
    assert [row.is_container for row in found.layers] == [True, False, False, True, False, False, False]
    assert [row.output_shape for row in found.layers] == [(5, 2), (5, 4), (5, 4), (5, 2), (5, 4), (5, 2), ()]
    assert [row.parameters for row in found.layers] == [0, 16, 0, 0, 0, 10, 0]
    assert found.forward_sum == 12e3 and found.backward_sum == 4e3
    assert (found.forward, found.backward, found.step) == (1e3, 1e3, 1e3)


def test_nested_and_repeated_modules_are_not_counted_twice(ticks):
    found = layer_times(model := Net(), gpudl.tensor([[1, 2], [3, 4]]), repeats=2, warmup=0)
    rows = {row.path: row for row in found.layers}
    assert list(rows) == ["", "table", "blocks.0", "blocks.0.linear", "blocks.1", "blocks.1.linear", "head"]
    assert [row.calls for row in found.layers] == [1, 1, 2, 2, 1, 1, 1]
    assert [row.is_container for row in found.layers] == [True, False, True, False, True, False, False]
    assert rows["head"].output_shape == rows[""].output_shape == (2, 3)
    # A block before and after its Linear; the model before, between and after its five calls, and for its mean.
    assert spans(found) == {
        "": (6, 1), "table": (1, 1), "blocks.0": (4, 4), "blocks.0.linear": (2, 2), "blocks.1": (2, 2),
        "blocks.1.linear": (1, 1), "head": (1, 1),
    }  # fmt: skip
    assert sum(row.parameters for row in found.layers) == sum(each.numel() for each in model.parameters())
    assert "Linear x2" in str(found) and "Block* x2" in str(found)
    model.blocks[1].linear.weight = model.blocks[0].linear.weight
    tied = layer_times(model, gpudl.tensor([[1, 2]]), repeats=1)
    assert [row.parameters for row in tied.layers] == [0, 28, 0, 20, 0, 4, 15]


def test_depth_sums_what_is_further_inside(ticks):
    model, numbers = Net(), gpudl.tensor([[1, 2], [3, 4]])
    found = layer_times(model, numbers, depth=1)
    assert [(row.path, row.type, row.calls) for row in found.layers] == [
        ("", "Net", 1), ("table", "Embedding", 1), ("blocks", "ModuleList", 2), ("head", "Linear", 1),
    ]  # fmt: skip
    assert found.layers[2].output_shape == (2, 2, 4) and found.layers[2].parameters == 40
    assert not found.layers[2].is_container and found.layers[0].is_container
    (whole,) = layer_times(model, numbers, depth=0).layers
    assert (whole.path, whole.calls, whole.is_container, whole.backward) == ("", 1, False, 1e3)
    assert whole.parameters == sum(each.numel() for each in model.parameters())


def test_frozen_layers_and_integers_have_no_backward(ticks):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2), nn.Tanh(), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    model[4].requires_grad_(False)  # gradients still go through it
    assert [time for _, time in spans(layer_times(model, gpudl.rand(2, 3))).values()] == [None, None, None, 1, 1, 1]
    model.requires_grad_(False)
    found = layer_times(model, gpudl.rand(2, 3))
    assert found.backward is None and found.backward_sum == 0 and "Backward" not in str(found)
    wanted = layer_times(model, gpudl.rand(2, 3, requires_grad=True))
    assert [time for _, time in spans(wanted).values()] == [None, 1, 1, 1, 1, 1]
    with gpudl.no_grad():
        assert layer_times(nn.Linear(3, 4), gpudl.rand(2, 3)).backward is None
    assert layer_times(lambda_module(lambda x: None), gpudl.rand(2)).layers[0].output_shape is None


def test_layers_with_several_results_and_hooks(ticks):
    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 4)
            self.head = nn.Linear(4, 1)

        def forward(self, x, *, scale=1.0):
            output, (hidden, _) = self.lstm(x)
            return self.head(output), hidden * scale

    model, seen = Several(), []
    handle = model.lstm.register_full_backward_hook(lambda *given: seen.append("lstm"))
    found = spans(layer_times(model, gpudl.rand(5, 2, 3), repeats=1, warmup=0))
    assert set(found) == {"", "lstm", "head"} and all(backward is not None for _, backward in found.values())
    assert len(seen) == 3  # the round's three backwards
    handle.remove()
    assert layer_times(nn.GRUCell(3, 4), gpudl.rand(2, 3)).layers[0].backward == 1e3


def test_figures_are_medians_of_the_rounds_after_warmup(monkeypatch):
    seconds, calls, now = (100, 100, 5, 1, 9), itertools.count(), [0, 0]

    def forward(x):
        now[1] = seconds[next(calls) // 3]  # of the round: each runs the model three times
        return x * 2

    def look():
        now[0] += now[1]
        return now[0]

    set_clock(monkeypatch, look)
    found = layer_times(lambda_module(forward), gpudl.rand(2, requires_grad=True), repeats=3, warmup=2)
    assert next(calls) == 15 and {found.layers[0].forward, found.layers[0].backward} == {5e3}
    assert {found.forward, found.backward, found.step} == {5e3}


def test_shares_add_up_and_plain_values_go_through_json(ticks):
    found = layer_times(Net(), gpudl.tensor([[1, 2]]), loss=lambda output: output["scores"].sum())
    plain = found.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    for name in ("forward", "backward"):
        assert sum(row[f"{name}_share"] or 0 for row in plain["layers"]) == pytest.approx(1)
        assert sum(row[f"{name}_ms"] or 0 for row in plain["layers"]) == plain["sum"][f"{name}_ms"]
    assert plain["layers"][-1]["path"] == "loss" and plain["layers"][-1]["type"] == "<lambda>"
    assert plain["batch"] == 1 and plain["undisturbed"] == {"forward_ms": 1e3, "backward_ms": 1e3, "step_ms": 1e3}


def test_table_says_what_was_measured(ticks, monkeypatch):
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "2")
    model = nn.Sequential(nn.Linear(3, 1000), nn.ReLU()).eval()
    assert (
        str(layer_times(model, gpudl.rand(2, 3), repeats=4))
        == """\
Layer              Type         Output  Parameters  Forward ms     %  Backward ms     %
---------------------------------------------------------------------------------------
(model)            Sequential*  2x1000           -    3000.000  60.0            -     -
0                  Linear       2x1000       4,000    1000.000  20.0     1000.000  50.0
1                  ReLU         2x1000           -    1000.000  20.0     1000.000  50.0
---------------------------------------------------------------------------------------
Sum of the layers                            4,000    5000.000           2000.000
Undisturbed                                           1000.000           1000.000

Whole step (forward and backward at once): 1000.000 ms, undisturbed. The layers are measured apart, waiting at each.
cpu, 2 threads, batch 2, evaluation mode, medians of 4 rounds.
* what it computes itself, without the layers in it
- no backward: it computes nothing that a gradient goes through"""
    )
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "x")
    assert layer_times(model, gpudl.rand(2, 3), repeats=1).threads == 2


class Drawing(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        return self.linear(self.drop(self.norm(x))) + gpudl.rand(3, device=x.device)


@pytest.mark.parametrize("training", [True, False])
def test_model_stays_as_it_was(training, device):
    gpudl.manual_seed(5)
    model = Drawing().to(device).train(training)
    model.drop.eval()
    told = []
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):  # the second time gradients lie in the optimizer's memory
        optimizer.zero_grad()
        model(gpudl.ones(4, 3, device=device)).square().sum().backward()
        optimizer.step()
    model.norm.weight.grad = None
    model.linear.weight.register_hook(lambda gradient: told.append("hook"))
    model.linear.bias.register_post_accumulate_grad_hook(lambda tensor: told.append("after"))
    state = {name: value.tolist() for name, value in model.state_dict().items()}
    gradients = [(each, each.grad, None if each.grad is None else each.grad.tolist()) for each in model.parameters()]
    hooks = [dict(each._hooks) for each in model.modules()]
    x = gpudl.ones(4, 3, device=device, requires_grad=True)
    gpudl.manual_seed(6)
    wanted = gpudl.rand(4).tolist()
    gpudl.manual_seed(6)
    found = layer_times(model, x * 2, repeats=2, warmup=1)
    assert found.training is training and found.backward is not None
    assert gpudl.rand(4).tolist() == wanted
    assert [each.training for each in model.modules()] == [training, training, False, training]
    assert {name: value.tolist() for name, value in model.state_dict().items()} == state
    for each, gradient, values in gradients:
        assert each.grad is gradient and (gradient is None or gradient.tolist() == values)
    assert hooks == [dict(each._hooks) for each in model.modules()] and x.grad is None
    assert set(told) == {"hook"}
    told.clear()
    model(x).sum().backward()
    assert sorted(told) == ["after", "hook"]  # each once again, so nothing of ours is left


def test_model_is_left_in_order_after_an_error():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(4, 2))
    with pytest.raises(gpudl.ShapeError):
        layer_times(model, gpudl.rand(2, 3))
    assert not any(each._hooks for each in model.modules())
    assert model[0].num_batches_tracked.item() == 0 and model.training


def test_every_boundary_waits_for_the_device(monkeypatch, device):
    waits, looks, real = [], [], module.synchronize
    monkeypatch.setattr(module, "synchronize", lambda place: (waits.append(str(place)), real(place)))
    set_clock(monkeypatch, lambda: looks.append(len(waits)) or float(len(looks)))
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU()).to(device)
    found = layer_times(model, gpudl.ones(2, 3, device=device), repeats=1, warmup=0)
    assert set(waits) == {found.device} == {str(model[0].weight.device)}
    # In pairs, a look after waiting ends a span, and one after the bookkeeping begins the next.
    forward, backward = looks[6:18], looks[18:]
    assert len(set(forward[::2])) == 6 and all(begun == ended for ended, begun in zip(forward[::2], forward[1::2]))
    assert len(set(backward[::2])) == 3


def test_lazy_layers_learn_their_shapes():
    model = nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d())
    found = layer_times(model, gpudl.rand(5, 3), repeats=1, warmup=0)
    assert model[0].in_features == 3 and sum(row.parameters for row in found.layers) == 16 + 8
    assert model[1].running_mean.tolist() == [0] * 4


def test_loss_with_parameters_is_a_row_of_its_own(ticks):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(gpudl.ones(3))

        def forward(self, output, target):
            return (self.scale * (output - target)).square().mean()

    loss, model = Scaled(), nn.Linear(2, 3)
    found = layer_times(model, gpudl.rand(4, 2), loss=loss, target=gpudl.rand(4, 3))
    # The loss in two spans: the gradient of the scale is put in its place when all else is done.
    assert [(row.path, row.parameters, row.backward) for row in found.layers] == [("", 9, 1e3), ("loss", 3, 2e3)]
    assert loss.scale.grad is None
    frozen = layer_times(model.requires_grad_(False), gpudl.rand(4, 2), loss=loss, target=gpudl.rand(4, 3))
    assert [row.backward for row in frozen.layers] == [None, 1e3] and frozen.backward == 1e3


@pytest.mark.parametrize(("name", "least"), [("repeats", 1), ("warmup", 0), ("depth", 0)])
def test_numbers_out_of_range(name, least):
    with pytest.raises(ValueError, match=f"{name} must be {least} or more, got {least - 1}"):
        layer_times(nn.Linear(2, 2), gpudl.rand(1, 2), **{name: least - 1})
    with pytest.raises(TypeError, match="expected a Module, got function"):
        layer_times(lambda_module)
