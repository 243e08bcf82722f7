"""find_lr: the rates it tries, what it suggests, and that it leaves no trace."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim
from gpudl.train import Trainer
from gpudl.train.lr_finder import _steepest
from gpudl.train.state import state_of


def make(**settings: Any) -> tuple[Trainer, tuple[np.ndarray, np.ndarray]]:
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
    model[1].eval()  # frozen by the user, and to stay so
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, device="cpu", ema=0.9, **settings)
    x = np.random.default_rng(0).standard_normal((64, 6)).astype(np.float32)
    return trainer, (x, x[:, :3].argmax(1))


def flat(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: flat(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [flat(part) for part in value]
    return value.numpy().tolist() if isinstance(value, gpudl.Tensor) else value


@pytest.mark.parametrize("trained", [0, 2])
def test_all_is_as_before_afterwards(trained: int) -> None:
    trainer, data = make()
    if trained:
        trainer.fit(data, epochs=trained, quiet=True)
    before, modes = flat(copy.deepcopy(state_of(trainer))), [module.training for module in trainer.model.modules()]
    trainer.find_lr(data, steps=7, batch_size=16)
    assert flat(state_of(trainer)) == before
    assert [module.training for module in trainer.model.modules()] == modes
    assert all(parameter.grad is None for parameter in trainer.model.parameters())
    assert trainer.ema_decay == 0.9 and (trainer.ema is None) == (not trained)
    after = trainer.fit(data, epochs=1, quiet=True)
    other, _ = make()  # which seeds anew
    if trained:
        other.fit(data, epochs=trained, quiet=True)
    assert other.fit(data, epochs=1, quiet=True) == after


def test_rates_rise_evenly_and_the_data_is_gone_through_again() -> None:
    trainer, data = make()
    found = trainer.find_lr(data, start=1e-4, end=1e-2, steps=9, batch_size=32)
    np.testing.assert_allclose(found.lrs, np.geomspace(1e-4, 1e-2, 9))
    assert len(found.losses) == 9


def test_it_ends_where_the_loss_grows_or_is_no_number() -> None:
    trainer, data = make()
    found = trainer.find_lr(data, start=1e-3, end=1e6, steps=60)
    assert 3 < len(found.lrs) < 60
    assert np.isfinite(found.losses).all() and found.losses[-1] <= 4 * min(found.losses)
    assert found.suggestion in found.lrs and found.suggestion < found.lrs[-1]


def test_suggestion_is_where_the_loss_falls_fastest() -> None:
    rates = np.geomspace(1e-5, 1, 51)
    losses = 1 - 1 / (1 + np.exp(-8 * (np.log10(rates) + 3)))  # steepest at 1e-3
    assert _steepest(list(rates), list(losses)) == pytest.approx(1e-3)
    assert _steepest([1e-3, 1e-2, 1e-1], [1.0, 2.0, 3.0]) is None
    assert _steepest([1e-3, 1e-2], [2.0, 1.0]) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": 1.0, "end": 0.1}, "0 < start < end"),
        ({"start": 0.0}, "0 < start < end"),
        ({"steps": 1}, "steps must be 2 or more"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    trainer, data = make()
    with pytest.raises(ValueError, match=message):
        trainer.find_lr(data, **settings)


def test_data_and_model_that_cannot_be_used_are_refused() -> None:
    trainer, data = make()
    with pytest.raises(ValueError, match="gives no batch in epoch 1"):
        trainer.find_lr([])
    lazy = nn.LazyLinear(3)
    other = Trainer(lazy, nn.CrossEntropyLoss(), optim.SGD(lazy.parameters(), lr=0.1), device="cpu")
    with pytest.raises(ValueError, match="without a shape"):
        other.find_lr(data)
