"""Trainer: micro-batches found when memory is spent, scalers, devices, and settings that make no sense."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_trainer import SAMPLES, data, model, same, trainer, weights

import gpudl
from gpudl import nn, optim
from gpudl.backend.errors import OutOfMemoryError, ShapeError
from gpudl.train import Trainer
from gpudl.train.feeding import pieces_of
from gpudl.train.state import restore


class Small(nn.Module):
    """Has no memory for more than some samples: it raises after its layers have changed what they change."""

    def __init__(self, inner: nn.Module, most: int) -> None:
        super().__init__()
        self.inner, self.most, self.failures = inner, most, 0

    def forward(self, x: Any) -> Any:
        output = self.inner(x)
        if self.training and len(x) > self.most:
            self.failures += 1
            raise OutOfMemoryError("no memory")
        return output


def close(a: nn.Module, b: nn.Module) -> None:
    for x, y in zip(weights(a), weights(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)


def test_memory_that_is_spent_changes_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    small = Small(model(), 7)
    one, other = trainer(), trainer(net=small, micro_batch="auto")
    expected = one.fit(data(), epochs=2, batch_size=40, quiet=True)
    found = other.fit(data(), epochs=2, batch_size=40, quiet=True)
    close(one.model, small)
    assert [logs["loss"] for logs in found] == pytest.approx([logs["loss"] for logs in expected], rel=1e-5)
    assert (other.step, other.micro_batch_size, small.failures) == (4, 5, 3)  # 40, 20 and 10 are too many
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "Small: no memory: goes on with 5 samples at a time" and len(said) == 3


def test_a_step_made_again_starts_from_where_it_started(capsys: pytest.CaptureFixture[str]) -> None:
    nets = [model(nn.Dropout(0.5), nn.BatchNorm1d(8)) for _ in range(2)]
    one = trainer(net=nets[0], micro_batch=10, seed=3)
    other = trainer(net=Small(nets[1], 10), micro_batch="auto", seed=3)
    one.fit(data(), batch_size=40, quiet=True)
    other.fit(data(), batch_size=40, quiet=True)
    assert other.micro_batch_size == 10 and same(*nets)
    for name, value in nets[0].state_dict().items():  # running statistics have not seen the steps that failed
        np.testing.assert_array_equal(nets[1].state_dict()[name].numpy(), value.numpy(), err_msg=name)
    assert "batch norm has the statistics of these" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "size", "parts"), [(10, 9, [5, 5]), (11, 4, [3, 4, 4]), (3, 3, [3]), (3, 1, [1] * 3)]
)
def test_pieces_are_about_alike(count: int, size: int, parts: list[int]) -> None:
    pieces = pieces_of((gpudl.arange(count), {"y": [gpudl.ones(count, 2), "text"]}), size)
    assert [len(piece[0]) for piece in pieces] == [len(piece[1]["y"][0]) for piece in pieces] == parts
    assert np.concatenate([piece[0].numpy() for piece in pieces]).tolist() == list(range(count))
    assert all(piece[1]["y"][1] == "text" for piece in pieces)


def test_one_sample_that_has_no_memory_is_an_error() -> None:
    with pytest.raises(OutOfMemoryError):
        trainer(net=Small(model(), 0), micro_batch="auto").fit(data(), quiet=True)
    with pytest.raises(OutOfMemoryError):  # without "auto", at once
        trainer(net=Small(model(), 7)).fit(data(), quiet=True)


def test_the_size_that_was_found_is_part_of_the_state() -> None:
    one, other, fixed = (trainer(micro_batch=given) for given in ("auto", "auto", 9))
    one.micro_batch_size = 6
    for each in (other, fixed):
        restore(each, one.state_dict())
    assert other.micro_batch_size == 6 and fixed.micro_batch_size == 9


def test_parts_of_a_batch_that_does_not_fit_together_are_refused() -> None:
    x, y = data()
    with pytest.raises(ShapeError, match="must have one first length, got 10 and"):
        trainer(micro_batch=4).fit([(x[:10], y)], quiet=True)


class Scaler:
    """A GradScaler that notes what it is asked."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def scale(self, loss: Any) -> Any:
        self.calls.append("scale")
        return loss * 8

    def unscale_(self, optimizer: Any) -> None:
        self.calls.append("unscale")
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad /= 8

    def step(self, optimizer: Any) -> None:
        if self.calls[-1] != "unscale":
            self.unscale_(optimizer)
        self.calls.append("step")
        optimizer.step()

    def update(self) -> None:
        self.calls.append("update")

    def state_dict(self) -> dict[str, Any]:
        return {"scale": 8.0}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert state == {"scale": 8.0}


@pytest.mark.parametrize("settings", [{}, {"clip_grad_norm": 0.1}, {"accumulate": 2}])
def test_a_scaler_changes_no_result(settings: Any) -> None:
    scaler = Scaler()
    one, other = trainer(**settings), trainer(scaler=scaler, **settings)
    one.fit(data(), batch_size=25, quiet=True)
    other.fit(data(), batch_size=25, quiet=True)
    close(one.model, other.model)
    each = ["scale"] * settings.get("accumulate", 1) + ["unscale", "step", "update"]
    assert scaler.calls == each * other.step
    restore(other, other.state_dict())


def test_a_fit_is_the_same_on_every_device(device: str) -> None:
    def run(place: str) -> tuple[Trainer, list[dict[str, float]]]:
        net = model(nn.BatchNorm1d(8), nn.Dropout(0.3))
        optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        settings: Any = {"accumulate": 2, "clip_grad_norm": 1.0, "ema": 0.9, "class_weight": [1.0, 2.0, 3.0]}
        fitted = Trainer(net, nn.CrossEntropyLoss(), optimizer, device=place, micro_batch=9, seed=1, **settings)
        with gpudl.strict():
            history = fitted.fit(data(), validation=0.2, epochs=2, batch_size=14, quiet=True)
        return fitted, history

    (one, expected), (other, found) = run("cpu"), run(device)
    for a, b in zip(weights(one.model), weights(other.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    for a_logs, b_logs in zip(expected, found, strict=True):
        assert a_logs == pytest.approx(b_logs, rel=1e-4)
    assert next(other.model.parameters()).device == gpudl.device(device)
    assert other.loss_value is not None and other.loss_value.device == gpudl.device(device)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accumulate": 0}, "accumulate must be"),
        ({"accumulate": True}, "accumulate must be"),
        ({"micro_batch": 0}, "micro_batch must be"),
        ({"micro_batch": "most"}, "micro_batch must be"),
        ({"scheduler_interval": "batch"}, "scheduler_interval must be"),
        ({"clip_grad_norm": 0}, "clip_grad_norm must be above 0"),
        ({"clip_grad_value": -1}, "clip_grad_value must be above 0"),
        ({"ema": 1}, "ema is a decay"),
        ({"ema": -0.1}, "ema is a decay"),
        ({"loss": nn.CrossEntropyLoss(reduction="none")}, "set reduction='mean'"),
        ({"class_weight": {0: 1.0, 2: 1.0}}, "every class from 0 on; 1 is not there"),
        ({"class_weight": [1.0], "loss": nn.NLLLoss(gpudl.ones(3))}, "has a weight already"),
        ({"metrics": {"loss": type("M", (), dict.fromkeys(("update", "compute", "reset"), print))()}}, "named 'loss'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trainer(**settings)


def test_class_weights_are_for_losses_of_classes() -> None:
    with pytest.raises(TypeError, match="class_weight is for CrossEntropyLoss and NLLLoss, not MSELoss"):
        trainer(loss=nn.MSELoss(), class_weight=[1.0, 2.0])


def test_schedules_and_closures_that_do_not_fit_are_refused() -> None:
    net, other = model(), optim.SGD(model().parameters(), lr=0.1)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    for schedule, interval, message in (
        (plateau, "step", "ReduceLROnPlateau looks at the logs"),
        (optim.lr_scheduler.StepLR(other, 1), "epoch", "of another optimizer"),
    ):
        with pytest.raises(ValueError, match=message):
            Trainer(net, nn.MSELoss(), optimizer, scheduler=schedule, scheduler_interval=interval, device="cpu")
    with pytest.raises(ValueError, match="LBFGS computes the loss itself"):
        Trainer(net, nn.MSELoss(), optim.LBFGS(net.parameters()), clip_grad_norm=1.0, device="cpu")


def test_a_loss_that_is_no_number_is_refused() -> None:
    fitted = trainer(loss=lambda output, target: (output - 1) ** 2)
    with pytest.raises(ShapeError, match=rf"one number, this one has shape \({SAMPLES}, 3\)"):
        fitted.fit(data(), batch_size=SAMPLES, quiet=True)


def test_lazy_layers_are_averaged_once_they_have_weights() -> None:
    net = nn.Sequential(nn.LazyLinear(4), nn.Tanh(), nn.LazyLinear(3))
    fitted = Trainer(net, nn.CrossEntropyLoss(), optim.SGD(net.parameters(), lr=0.1), device="cpu", ema=0.5)
    fitted.fit(data(), quiet=True)
    assert fitted.ema is not None and fitted.ema.module[0].weight.shape == (4, 6)
