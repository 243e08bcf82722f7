"""Trainer: what fit computes equals a plain loop, and the same on large batches, in parts and averaged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim
from gpudl.data import DataLoader, TensorDataset
from gpudl.train import Callback, Trainer

SAMPLES = 50


def data(seed: int = 0, samples: int = SAMPLES) -> tuple[gpudl.Tensor, gpudl.Tensor]:
    x = np.random.default_rng(seed).standard_normal((samples, 6)).astype(np.float32)
    return gpudl.from_numpy(x), gpudl.from_numpy(x[:, :3].argmax(1))


def model(*between: nn.Module) -> nn.Sequential:
    gpudl.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), *between, nn.Tanh(), nn.Linear(8, 3))


def trainer(device: str = "cpu", lr: float = 0.1, net: Any = None, loss: Any = None, **settings: Any) -> Trainer:
    net = net or model()
    return Trainer(net, loss or nn.CrossEntropyLoss(), optim.SGD(net.parameters(), lr=lr), device=device, **settings)


def weights(net: nn.Module) -> list[np.ndarray]:
    return [parameter.detach().cpu().numpy().copy() for parameter in net.parameters()]


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def test_fit_is_the_plain_loop(device: str) -> None:
    x, y = data()
    plain = model().to(device)
    optimizer, criterion = optim.SGD(plain.parameters(), lr=0.1), nn.CrossEntropyLoss()
    loader = DataLoader(TensorDataset(x, y), 16, shuffle=True)
    losses = []
    for _ in range(3):
        total = 0.0
        for batch in loader:
            inputs, labels = (part.to(device) for part in batch)
            optimizer.zero_grad()
            loss = criterion(plain(inputs), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        losses.append(total / SAMPLES)
    fitted = trainer(device)
    history = fitted.fit((x, y), epochs=3, batch_size=16, quiet=True)
    assert same(fitted.model, plain)
    assert [logs["loss"] for logs in history] == pytest.approx(losses, rel=1e-6)
    assert fitted.step == 12 and fitted.epoch == 3 and history is fitted.history


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("settings", [{"accumulate": 3}, {"micro_batch": 5}, {"accumulate": 2, "micro_batch": 7}])
def test_parts_of_a_batch_make_the_step_of_the_whole(settings: dict[str, Any], reduction: str) -> None:
    x, y = data()
    size = 30 // settings.get("accumulate", 1)  # the last step of the epoch has 20 samples, in uneven parts
    loss = nn.CrossEntropyLoss(gpudl.tensor([1.0, 5.0, 0.3]), reduction=reduction)
    whole, parts = (trainer(loss=loss, lr=0.1 if reduction == "mean" else 0.003, **s) for s in ({}, settings))
    one = whole.fit((x, y), epochs=3, batch_size=30, shuffle=False, quiet=True)
    other = parts.fit((x, y), epochs=3, batch_size=size, shuffle=False, quiet=True)
    for a, b in zip(weights(whole.model), weights(parts.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert whole.step == parts.step == 6
    assert [logs["loss"] for logs in one] == pytest.approx([logs["loss"] for logs in other], rel=1e-5)
    assert float(whole.loss_value) == pytest.approx(float(parts.loss_value), rel=1e-5)


def test_a_batch_counts_by_the_targets_that_are_not_ignored() -> None:
    x, y = data()
    y[:13] = -100
    whole = trainer().evaluate((x, y), batch_size=SAMPLES)
    parts = trainer().evaluate((x, y), batch_size=16)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-6)


@pytest.mark.parametrize("settings", [{"clip_grad_norm": 0.05}, {"clip_grad_value": 0.01}])
def test_gradients_are_clipped_as_in_a_plain_loop(settings: dict[str, float]) -> None:
    x, y = data()
    plain = model()
    optimizer = optim.SGD(plain.parameters(), lr=0.5)
    for start in range(0, SAMPLES, 10):
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(plain(x[start : start + 10]), y[start : start + 10]).backward()
        if "clip_grad_norm" in settings:
            assert float(nn.utils.clip_grad_norm_(plain.parameters(), 0.05)) > 0.05
        else:
            nn.utils.clip_grad_value_(plain.parameters(), 0.01)
        optimizer.step()
    fitted = trainer(lr=0.5, **settings)
    fitted.fit((x, y), batch_size=10, shuffle=False, quiet=True)
    for a, b in zip(weights(fitted.model), weights(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_averaged_weights_are_evaluated_and_predicted_with() -> None:
    x, y = data()
    fitted, averages = trainer(ema=0.5), [weights(model())]
    seen: list[list[np.ndarray]] = []

    class Watch(Callback):
        def on_step_end(self, trainer: Trainer) -> None:
            seen.append(weights(trainer.model))

    fitted.callbacks = [Watch()]
    history = fitted.fit((x, y), validation=(x, y), epochs=2, batch_size=25, quiet=True)
    averages = seen[0]
    for step in seen[1:]:
        averages = [0.5 * average + 0.5 * value for average, value in zip(averages, step, strict=True)]
    assert fitted.ema is not None
    for average, found in zip(averages, weights(fitted.ema.module), strict=True):
        np.testing.assert_allclose(found, average, rtol=1e-5, atol=1e-7)
    expected = nn.CrossEntropyLoss()(fitted.ema.module(x), y)
    assert history[-1]["val_loss"] == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_array_equal(fitted.predict(x).numpy(), fitted.ema.module(x).detach().numpy())
    assert not same(fitted.model, fitted.ema.module)


@pytest.mark.parametrize("given", [[1.0, 4.0, 0.5], {2: 0.5, 0: 1.0, 1: 4.0}, np.array([1.0, 4.0, 0.5])])
def test_class_weights_are_those_of_the_loss(given: Any) -> None:
    loss = nn.CrossEntropyLoss()
    one = trainer(loss=loss, class_weight=given)
    other = trainer(loss=nn.CrossEntropyLoss(gpudl.tensor([1.0, 4.0, 0.5])))
    assert one.fit(data(), quiet=True) == other.fit(data(), quiet=True)
    assert same(one.model, other.model) and loss.weight is None


def test_schedules_step_with_epochs_or_steps() -> None:
    def lrs(interval: str) -> list[float]:
        net = model()
        optimizer = optim.SGD(net.parameters(), lr=1.0)
        schedule = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        fitted = Trainer(
            net, nn.CrossEntropyLoss(), optimizer, scheduler=schedule, scheduler_interval=interval, device="cpu"
        )
        fitted.fit(data(), epochs=2, batch_size=25, quiet=True)
        return [logs["lr"] for logs in fitted.history] + [optimizer.param_groups[0]["lr"]]

    assert lrs("epoch") == [1.0, 0.5, 0.25]  # the rate of the epoch, and the one after it
    assert lrs("step") == [0.25, 0.0625, 0.0625]


@pytest.mark.parametrize("monitor", [None, "loss"])
def test_plateau_is_given_the_monitored_value(monitor: str | None) -> None:
    net = model()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    fitted = Trainer(net, nn.CrossEntropyLoss(), optimizer, scheduler=schedule, monitor=monitor, device="cpu")
    logs = fitted.fit(data(), validation=data(1), quiet=True)[0]
    assert schedule.best == logs[monitor or "val_loss"] and logs["loss"] != logs["val_loss"]


def test_lbfgs_computes_its_own_losses() -> None:
    x, y = data()
    plain, net = model(), model()
    one, other = (optim.LBFGS(each.parameters(), lr=0.5, max_iter=3) for each in (plain, net))

    def closure() -> gpudl.Tensor:
        one.zero_grad()
        loss = nn.CrossEntropyLoss()(plain(x), y)
        loss.backward()
        return loss

    first = float(one.step(closure))
    fitted = Trainer(net, nn.CrossEntropyLoss(), other, device="cpu")
    logs = fitted.fit((x, y), batch_size=SAMPLES, shuffle=False, quiet=True)[0]
    assert same(net, plain) and logs["loss"] == pytest.approx(first)


def test_a_seed_repeats_the_training_whatever_went_before() -> None:
    def run() -> list[dict[str, float]]:
        return trainer(net=model(nn.Dropout(0.5)), seed=4).fit(data(), validation=0.2, epochs=2, quiet=True)

    first = run()
    gpudl.rand(3)
    assert run() == first


def test_each_fit_goes_on_with_the_weights_and_sees_the_data_in_new_orders() -> None:
    orders: list[list[float]] = []

    class Watching(Trainer):
        def training_step(self, batch: Any) -> Any:
            orders[-1].append(float(batch[0][0, 0]))
            return super().training_step(batch)

    net = model()
    fitted = Watching(net, nn.CrossEntropyLoss(), optim.SGD(net.parameters(), lr=0.1), device="cpu")
    first, before = [], []
    for _ in range(2):
        orders.append([])
        before = weights(net)
        first.append(fitted.fit(data(), batch_size=10, quiet=True)[0]["loss"])
        assert (fitted.epoch, fitted.step, len(fitted.history)) == (1, 5, 1)
    assert orders[0] != orders[1] and first[1] < first[0] and not np.array_equal(before[0], weights(net)[0])


def test_moving_the_model_leaves_its_parameters_in_one_piece(device: str) -> None:
    net = model().to(device)
    optimizer = optim.Adam(net.parameters())
    Trainer(net, nn.CrossEntropyLoss(), optimizer, device=device).fit(data(), quiet=True)
    assert [len(layout.stretches) for layout in optimizer._layouts] == [1]  # one kernel updates them all
