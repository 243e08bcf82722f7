"""Trainer: what data it takes, how it validates, evaluates and predicts, and the switches for trying things."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from test_trainer import SAMPLES, data, model, same, trainer, weights

import gpudl
from gpudl import nn, optim
from gpudl.backend.errors import ShapeError
from gpudl.data import DataLoader, TensorDataset
from gpudl.train import Callback, Trainer
from gpudl.train.callbacks import Checkpoint


class Accuracy:
    """A metric, as the Trainer takes them."""

    name = "accuracy"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.right: Any = 0
        self.count = 0

    def update(self, output: Any, target: Any) -> None:
        assert not output.requires_grad
        self.right = self.right + (output.argmax(1) == target).sum()
        self.count += len(target)

    def compute(self) -> Any:
        return self.right / self.count

    def state_dict(self) -> dict[str, Any]:
        return {"right": self.right, "count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.right, self.count = state_dict["right"], state_dict["count"]


class Pairs:
    """A dataset that makes one sample at a time."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> Any:
        return tuple(part[index] for part in data())


class Batches:
    """An iterable of batches without a length."""

    def __iter__(self) -> Iterator[Any]:
        x, y = data()
        return iter([(x[start : start + 10], y[start : start + 10]) for start in range(0, SAMPLES, 10)])


@pytest.mark.parametrize(
    "make",
    [
        data,
        lambda: tuple(part.numpy() for part in data()),
        lambda: (data()[0].numpy().astype(np.float64), data()[1].numpy()),
        lambda: TensorDataset(*data()),
        Pairs,
        Batches,
        lambda: list(Batches()),
        lambda: [[x.numpy(), y.numpy()] for x, y in Batches()],
        lambda: DataLoader(TensorDataset(*data()), 10),
    ],
)
def test_all_forms_of_data_train_alike(make: Any) -> None:
    one, other = trainer(), trainer()
    expected = one.fit(data(), validation=data(), epochs=2, batch_size=10, shuffle=False, quiet=True)
    found = other.fit(make(), validation=make(), epochs=2, batch_size=10, shuffle=False, quiet=True)
    assert same(one.model, other.model) and found == expected
    assert other.evaluate(make(), batch_size=10)["loss"] == pytest.approx(found[-1]["val_loss"])
    np.testing.assert_array_equal(other.predict(make(), batch_size=10).numpy(), other.predict(data()[0]).numpy())


@pytest.mark.parametrize("given", [3, None, "data"])
def test_what_is_no_data_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a DataLoader, a dataset|batch"):
        trainer().fit(given, quiet=True)


def test_data_without_samples_is_refused() -> None:
    x, y = data()
    with pytest.raises(ValueError, match="no samples"):
        trainer().fit((x[:0], y[:0]), quiet=True)
    with pytest.raises(ValueError, match="gives no batch in epoch 1"):
        trainer().fit([], quiet=True)
    with pytest.raises(ValueError, match="gives no batch in epoch 2; an iterator can be used only once"):
        trainer().fit(iter(Batches()), epochs=2, quiet=True)
    for ask in (trainer().evaluate, trainer().predict):
        with pytest.raises(ValueError, match="no batch"):
            ask([])
    with pytest.raises(ShapeError, match="equal first lengths"):
        trainer().fit((x, y[:3]), quiet=True)


def test_validation_share_is_drawn_by_the_seed_and_never_trained_on() -> None:
    seen: list[set[float]] = []

    class Watching(Trainer):
        def training_step(self, batch: Any) -> Any:
            seen[-1].update(batch[0][:, 0].tolist())
            return super().training_step(batch)

        def validation_step(self, batch: Any) -> Any:
            held[-1].update(batch[0][:, 0].tolist())
            return Trainer.training_step(self, batch)

    held: list[set[float]] = []
    for seed in (1, 1, 2):
        net = model()
        seen.append(set())
        held.append(set())
        fitted = Watching(net, nn.CrossEntropyLoss(), optim.SGD(net.parameters(), lr=0.1), device="cpu", seed=seed)
        fitted.fit(Pairs(), validation=0.3, epochs=2, quiet=True)
        assert len(held[-1]) == 15 and not seen[-1] & held[-1] and len(seen[-1] | held[-1]) == SAMPLES
    assert held[0] == held[1] != held[2]


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 0.001, 0.999])
def test_a_share_that_leaves_a_part_empty_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        trainer().fit(data(), validation=share, quiet=True)


@pytest.mark.parametrize("given", [DataLoader(TensorDataset(*data()), 5), Batches(), list(Batches())])
def test_batches_cannot_be_split(given: Any) -> None:
    with pytest.raises(TypeError, match="Split the dataset before"):
        trainer().fit(given, validation=0.5, quiet=True)


def test_evaluation_leaves_no_trace() -> None:
    net = model(nn.Dropout(0.5), nn.BatchNorm1d(8))
    net[1].eval()  # a layer that the user has frozen
    fitted = trainer(net=net)
    modes = [module.training for module in net.modules()]
    before, random = {name: value.clone() for name, value in net.state_dict().items()}, gpudl.get_rng_state()

    class Drawing(Accuracy):
        def update(self, output: Any, target: Any) -> None:
            gpudl.rand(1)
            super().update(output, target)

    fitted._validating = {"drawing": Drawing()}
    first = fitted.evaluate(data())
    assert fitted.evaluate(data()) == first and set(first) == {"loss", "drawing"}
    assert not fitted.predict(data()[0]).requires_grad
    assert [module.training for module in net.modules()] == modes
    assert (gpudl.get_rng_state() == random).all()
    assert all((net.state_dict()[name] == value).all() for name, value in before.items())


def test_training_is_the_same_with_and_without_validation() -> None:
    one, other = (trainer(net=model(nn.Dropout(0.5))) for _ in range(2))
    gpudl.manual_seed(5)
    one.fit(data(), epochs=2, quiet=True)
    gpudl.manual_seed(5)
    other.fit(data(), validation=data(1), epochs=2, quiet=True)
    assert same(one.model, other.model)


def test_metrics_are_exact_over_samples(device: str) -> None:
    fitted = trainer(device, metrics=[Accuracy()], lr=0.0)
    logs = fitted.fit(data(), validation=data(1), batch_size=16, quiet=True)[0]
    right = fitted.predict(data()[0]).numpy().argmax(1) == data()[1].numpy()
    assert logs["accuracy"] == pytest.approx(right.mean(), rel=1e-6)
    assert logs["val_accuracy"] == pytest.approx(fitted.evaluate(data(1))["accuracy"])
    assert list(logs) == ["loss", "accuracy", "val_loss", "val_accuracy", "lr"]


def test_metrics_of_several_values() -> None:
    class Several(Accuracy):
        def compute(self) -> Any:
            return {"share": super().compute(), "matrix": gpudl.ones(2, 2)}

    fitted = trainer(metrics={"mine": Several()})
    assert set(fitted.fit(data(), quiet=True)[0]) == {"loss", "mine_share", "lr"}
    assert fitted.evaluate(data())["mine_matrix"].shape == (2, 2)


def test_overfit_batches_brings_the_loss_to_zero() -> None:
    fitted = trainer(lr=1.0)
    logs = fitted.fit(data(), validation=data(1), epochs=150, batch_size=4, overfit_batches=1, quiet=True)[-1]
    assert fitted.step == 150 and logs["loss"] < 0.01
    assert logs["val_loss"] == pytest.approx(logs["loss"], rel=0.1)  # of the same batch


def test_fast_dev_run_does_one_of_everything(tmp_path: Any) -> None:
    called: list[str] = []

    class Watch(Callback):
        def __getattribute__(self, name: str) -> Any:
            if name.startswith("on_"):
                called.append(name)
            return super().__getattribute__(name)

    fitted = trainer(callbacks=[Checkpoint(tmp_path / "none"), Watch()])
    fitted.fit(data(), validation=data(1), epochs=9, batch_size=10, fast_dev_run=True, quiet=True)
    assert fitted.step == 1 and len(fitted.history) == 1 and "val_loss" in fitted.logs
    assert not (tmp_path / "none").exists()
    order = ["fit_start", "epoch_start", "step_end", "validation_end", "epoch_end", "fit_end"]
    assert called == [f"on_{name}" for name in order]
    fitted.fit(data(), batch_size=10, fast_dev_run=3, quiet=True)
    assert fitted.step == 3


def test_a_step_of_ones_own() -> None:
    class Reconstruction(Trainer):
        def training_step(self, batch: Any) -> Any:
            return self.loss(self.model(batch["x"]), batch["x"])

        def predict_step(self, batch: Any) -> Any:
            return self.model(batch["x"])

    net = nn.Linear(6, 6)
    fitted = Reconstruction(net, nn.MSELoss(), optim.SGD(net.parameters(), lr=0.1), device="cpu", accumulate=2)
    batches = [{"x": x, "note": "kept"} for x, _ in Batches()]
    history = fitted.fit(batches, validation=batches, epochs=2, quiet=True)
    assert history[1]["loss"] < history[0]["loss"] and fitted.predict(batches).shape == (SAMPLES, 6)
    with pytest.raises(TypeError, match="no Tensor in the batch"):
        fitted.fit([{"note": "alone"}], quiet=True)


def test_models_of_several_inputs() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model()

        def forward(self, a: Any, b: Any) -> Any:
            return self.inner(a + b)

    (x, y), net = data(), Sum()
    fitted = trainer(net=net)
    fitted.fit((x, x, y), quiet=True)
    assert fitted.predict((x, x, y)).shape == (SAMPLES, 3)


def test_errors_reach_the_callbacks_and_the_caller() -> None:
    seen: list[BaseException] = []

    class Watch(Callback):
        def on_step_end(self, trainer: Trainer) -> None:
            raise LookupError("mine")

        def on_exception(self, trainer: Trainer, error: BaseException) -> None:
            seen.append(error)

    with pytest.raises(LookupError, match="mine") as caught:
        trainer(callbacks=[Watch()]).fit(data(), quiet=True)
    assert seen == [caught.value]


def test_should_stop_ends_after_the_epoch() -> None:
    class Stop(Callback):
        def on_step_end(self, trainer: Trainer) -> None:
            trainer.should_stop = trainer.step == 3

    fitted = trainer(callbacks=[Stop()])
    fitted.fit(data(), epochs=5, batch_size=SAMPLES // 2 + 1, quiet=True)
    assert fitted.step == 10  # asked in the middle of epoch 2, and taken back at its end
    fitted.callbacks = [type("Stay", (Callback,), {"on_epoch_end": lambda self, t: setattr(t, "should_stop", True)})()]
    fitted.fit(data(), epochs=5, quiet=True)
    assert len(fitted.history) == 1


def test_weights_are_read_no_more_than_once_an_epoch() -> None:
    fitted = trainer()
    with gpudl.strict():
        fitted.fit(itertools.repeat(data(), 70), quiet=True)
    assert fitted.step == 70 and all(np.isfinite(value).all() for value in weights(fitted.model))
