"""What is planted is found: an error of 1e-3 in one kernel, and an .item() in a loop."""

from __future__ import annotations

import inspect

import pytest

import gpudl
from gpudl import nn, optim
from gpudl.compare import compare_devices, implicit_work
from gpudl.ops.bias_act import bias_act_backward, bias_act_forward
from gpudl.ops.gelu import gelu_backward, gelu_forward
from gpudl.ops.layer_norm import layer_norm_backward, layer_norm_forward
from gpudl.ops.softmax import softmax_forward


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 16), nn.GELU())
        self.head = nn.Linear(16, 5)

    def forward(self, x: gpudl.Tensor) -> gpudl.Tensor:
        return self.head(self.body(x) * 0.5)


class Waiting(Net):
    def forward(self, x: gpudl.Tensor) -> gpudl.Tensor:
        for _ in range(3):
            x = x + x.abs().max().item()
        return super().forward(x)


def line_of(function, text: str) -> int:
    lines, first = inspect.getsourcelines(function)
    (found,) = [first + number for number, line in enumerate(lines) if text in line]
    return found


def compared(gpu: str, model: nn.Module | None = None, **settings):
    gpudl.manual_seed(3)
    model = model or Net()
    x, target = gpudl.rand(7, 12), gpudl.arange(7) % 5
    return compare_devices(model, x, loss=nn.CrossEntropyLoss(), target=target, devices=("cpu", gpu), **settings)


def test_nothing_is_found_where_nothing_is_planted(gpu):
    found = compared(gpu, steps=3)
    assert found.agrees and found.first_departure is None and found.curves.parted is None
    assert found.implicit == {"cpu": (), gpu: ()}
    names = [row.op for row in found.ops if row.direction == "forward"]
    alone = ["Linear", "Gelu", "LayerNorm", "Linear", "Gelu", "Mul", "Linear", "CrossEntropy"]
    together = ["Linear", "BiasAct"] * 2  # products, and what is computed with their biases
    assert sorted(names) == sorted(alone + together)
    assert sorted(row.op for row in found.ops if row.direction == "backward") == sorted(names)
    assert [row.layer for row in found.ops if row.op == "BiasAct"] == ["body.0", "body.3", "body.3", "body.0"]
    assert [row.op for row in found.ops if row.direction == "step"] == ["SGD"] == [found.ops[-1].op]
    assert all(row.differences.keys() == {"cpu", gpu} and not row.notes for row in found.ops)
    assert "all 25 agree with float64" in str(found) and "together for 3 steps" in str(found)


@pytest.mark.parametrize("size", [1e-3, -1e-3])
def test_op_with_an_error_is_named_first(gpu, plant, size):
    plant(gelu_forward, lambda results: (results[0] * (1 + size), results[1]))
    found = compared(gpu)
    row, device = found.first_departure
    assert (row.op, row.direction, row.layer, device) == ("Gelu", "forward", "body.1", gpu)
    # Both calls of it, and nothing after them: each operation is given the same inputs on both devices.
    assert [(row.op, row.layer) for row, _ in found.departures()] == [("Gelu", "body.1"), ("Gelu", "body.4")]
    assert not found.agrees and row.differences[gpu].max_rel == pytest.approx(1e-3, rel=0.01)
    assert not row.differences["cpu"].departs
    assert f"The first: forward of Gelu on {gpu}, in layer body.1" in str(found)


@pytest.mark.parametrize(
    ("kernel", "change", "op"),
    [
        (gelu_backward, lambda dx: dx * 1.001, "Gelu"),
        (layer_norm_backward, lambda grads: (grads[0] * 1.001, *grads[1:]), "LayerNorm"),
        (layer_norm_backward, lambda grads: (*grads[:2], grads[2] * 1.001), "LayerNorm"),
    ],
)
def test_backward_with_an_error_is_named_and_no_forward(gpu, plant, kernel, change, op):
    plant(kernel, change)
    found = compared(gpu)
    departed = [(row.op, row.direction, device) for row, device in found.departures()]
    assert departed and set(departed) == {(op, "backward", gpu)}


@pytest.mark.parametrize("kernel", [bias_act_forward, bias_act_backward])
def test_error_in_what_layers_are_computed_by_together_is_named(gpu, plant, kernel):
    plant(kernel, lambda results: (results[0] * 1.001, *results[1:]))
    found = compared(gpu)
    departed = [(row.op, row.direction, row.layer, device) for row, device in found.departures()]
    direction = "forward" if kernel is bias_act_forward else "backward"
    assert sorted(departed) == [("BiasAct", direction, "body.0", gpu), ("BiasAct", direction, "body.3", gpu)]


@pytest.mark.parametrize("activation", [nn.Tanh, nn.SiLU])
def test_what_one_device_alone_computes_together_is_compared(gpu, plant, activation):
    plant(bias_act_forward, lambda results: (results[0] * 1.001, *results[1:]))
    model = nn.Sequential(nn.Linear(12, 6), activation(), nn.Linear(6, 5))
    row, device = compared(gpu, model).first_departure
    assert (row.op, row.direction, row.layer, device) == ("BiasAct", "forward", "0", gpu)


@pytest.mark.parametrize("swapped", [False, True])
def test_forms_that_are_for_one_device_alone(gpu, swapped):
    gpudl.manual_seed(0)
    model = gpudl.models.GPT(17, 6, num_layers=1, num_heads=2, embed_dim=8, rotary=True, num_kv_heads=1)
    tokens = gpudl.arange(12).reshape(2, 6) % 17
    devices = (gpu, "cpu") if swapped else ("cpu", gpu)
    found = compare_devices(model, tokens, devices=devices, steps=1)
    assert found.agrees and found.curves.apart(1) < 1e-5
    judged = [row for row in found.ops if row.op == "ScaledDotProductAttention" and row.differences]
    assert judged and all(row.differences.keys() == set(devices) for row in judged)
    assert swapped or not any(row.notes for row in found.ops)


def test_error_in_one_element_is_found(gpu, plant):
    def change(results):
        results[0][3, 5] += 1e-3
        return results

    plant(layer_norm_forward, change)
    row, device = compared(gpu).first_departure
    assert (row.op, row.direction, device) == ("LayerNorm", "forward", gpu)
    assert row.differences[gpu].max_abs == pytest.approx(1e-3, rel=0.01)


def test_users_line_is_named(gpu, plant):
    class Attending(Net):
        def forward(self, x):
            weights = x.softmax(1)  # here
            return super().forward(x * weights)

    plant(softmax_forward, lambda y: y * 1.001)
    row, _ = compared(gpu, Attending()).first_departure
    assert row.op == "Softmax" and row.where == (__file__, line_of(Attending.forward, "# here"))
    outside = [row.where for row in compared(gpu).ops if row.layer == "body.1"]
    assert outside == [(__file__, line_of(Net.forward, "self.body(x)"))] * 2


def test_losses_part_where_only_the_loop_differs(gpu):

    def step(model, optimizer, batch):
        x, target = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), target)
        (loss if x.device.type == "cpu" else 1.2 * loss).backward()
        optimizer.step()
        return loss

    found = compared(gpu, steps=4, step=step, optimizer=lambda model: optim.SGD(model.parameters(), lr=0.5))
    assert found.first_departure is None and not found.agrees
    assert found.curves.parted == 2 and found.curves.apart(1) < 1e-6
    assert "Losses: part at step 2 of 4" in str(found)


def test_item_in_a_forward_is_named_by_file_and_line(gpu):
    found = compared(gpu, Waiting())
    (one,) = found.implicit[gpu]
    assert (one.kind, one.filename, one.lineno, one.count) == (
        "transfer", __file__, line_of(Waiting.forward, ".item()"), 3,
    )  # fmt: skip
    assert found.implicit["cpu"] == () and found.agrees
    assert f"{__file__}:{one.lineno}: transfer, 3 times" in str(found)
    (one,) = compared(gpu, Waiting(), steps=4).implicit[gpu]
    assert one.count == 12


def test_item_in_a_training_loop_is_named_by_file_and_line(gpu):
    shown = []

    def step(model, optimizer, batch):
        x, target = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        shown.append(loss.item())
        return loss

    found = compared(gpu, steps=5, step=step)
    (one,) = found.implicit[gpu]
    assert (one.kind, one.filename, one.lineno, one.count) == ("transfer", __file__, line_of(step, ".item()"), 5)
    assert found.curves.losses["cpu"] == tuple(shown[:5]) and found.curves.losses[gpu] == tuple(shown[5:])


def test_implicit_work_of_a_loop_of_ones_own(gpu):
    x = gpudl.rand(3, 4).to(gpu)
    with implicit_work() as found:
        for _ in range(3):
            if x.sum() > 0:  # transfer
                x.nonzero()  # synchronization
            x.cpu()
            x.to("cpu").tolist()
            with gpudl.strict(False):
                x.tolist()
        assert found == []
    here = test_implicit_work_of_a_loop_of_ones_own
    lines = [(each.kind, each.lineno, each.count) for each in found]
    assert lines == [(kind, line_of(here, f"# {kind}"), 3) for kind in ("transfer", "synchronization")]
    with implicit_work() as none:
        gpudl.rand(3).tolist()
    assert none == []


def test_strict_mode_inside_is_stronger(gpu):
    x = gpudl.rand(3).to(gpu)
    with implicit_work() as found, gpudl.strict(), pytest.raises(gpudl.StrictError):
        x.tolist()
    with implicit_work() as found, pytest.raises(KeyError):
        x.tolist()
        raise KeyError
    assert len(found) == 1
    with gpudl.strict(), pytest.raises(gpudl.StrictError):
        x.tolist()
