"""NanLocator names the layer where the first number that is not finite came up: outputs, loss, gradients."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim
from gpudl.train import Trainer
from gpudl.train.callbacks import Callback, FiniteWatch, NanLocator, NonFiniteError


class Log(nn.Module):
    def forward(self, x):
        return x.log()


class Root(nn.Module):
    """The derivative at 0 is infinite."""

    def forward(self, x):
        return (x * 0).sqrt() + x


def fitted(*layers, device="cpu", loss=None, x=None, every=1, epochs=1):
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(*layers), nn.Linear(4, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    trainer = Trainer(model, loss or nn.MSELoss(), optimizer, device=device, callbacks=[NanLocator(every)])
    x = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32) if x is None else x
    try:
        with np.errstate(all="ignore"):
            trainer.fit((x, np.zeros((12, 2), np.float32)), epochs=epochs, batch_size=4, quiet=True)
    finally:
        assert not any(module._hooks for module in model.modules())
    return trainer


def test_finite_training_goes_on(device):
    trainer = fitted(nn.ReLU(inplace=True), nn.BatchNorm1d(4), device=device, epochs=2)
    assert len(trainer.history) == 2


def test_output_names_its_layer(device):
    with pytest.raises(NonFiniteError, match=r"the output of 1\.1 \(Log\) is not finite, though") as found:
        fitted(nn.Tanh(), Log(), nn.ReLU(), device=device)
    assert (found.value.where, found.value.layer) == ("output", "1.1")


def test_gradient_names_its_layer(device):
    with pytest.raises(NonFiniteError, match=r"the gradient that 1\.1 \(Root\) gives its input") as found:
        fitted(nn.Sigmoid(), Root(), nn.Tanh(), device=device)
    assert (found.value.where, found.value.layer) == ("gradient of the input", "1.1")


def test_gradient_that_comes_from_the_loss():
    def loss(output, target):
        return ((output * 0).sqrt() + output).sum()

    with pytest.raises(NonFiniteError, match="comes to the output of 2 .*look at what follows it"):
        fitted(nn.Tanh(), loss=loss)


def test_loss_and_input_and_weights():
    with pytest.raises(NonFiniteError, match="the loss is not finite, though all outputs are"):
        fitted(nn.Tanh(), loss=lambda output, target: (output * 0).mean().log())
    x = np.ones((12, 4), np.float32)
    x[7, 2] = np.inf
    with pytest.raises(NonFiniteError, match="the input of the model .* look at the data") as found:
        fitted(nn.Tanh(), x=x)
    assert found.value.layer == ""
    layer = nn.Linear(2, 2)
    with gpudl.no_grad():
        layer.weight[0, 1] = float("nan")
    watch = FiniteWatch(layer)
    layer(gpudl.ones(3, 2))
    with pytest.raises(NonFiniteError, match="the output of the model .* so is its weight"):
        watch.check()
    watch.check()  # once reported, it is past
    watch.remove()


def test_gradient_of_a_parameter():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(gpudl.zeros(()))

        def forward(self, x):
            return x + self.scale.sqrt()

    with pytest.raises(NonFiniteError, match=r"the gradient of 1\.0\.scale is not finite") as found:
        fitted(Scaled())
    assert (found.value.where, found.value.layer) == ("gradient", "1.0.scale")


def test_hooks_go_though_another_callback_fails_too():
    class Fails(Callback):
        def on_step_end(self, trainer):
            raise KeyError("first")

        def on_exception(self, trainer, error):
            raise ValueError("second")

    model = nn.Linear(4, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    trainer = Trainer(model, nn.MSELoss(), optimizer, device="cpu", callbacks=[Fails(), NanLocator()])
    with pytest.raises(ValueError, match="second") as found:
        trainer.fit((gpudl.ones(8, 4), gpudl.zeros(8, 2)), quiet=True)
    assert isinstance(found.value.__context__, KeyError) and not model._hooks


def test_gradients_are_left_to_a_scaler():
    class Skips:
        """The part of a GradScaler that a Trainer calls; steps with gradients that are not finite are not taken."""

        def scale(self, loss):
            return loss

        def unscale_(self, optimizer):
            pass

        def step(self, optimizer):
            pass

        def update(self):
            pass

    model = nn.Sequential(nn.Linear(4, 4), Root(), nn.Linear(4, 2))
    trainer = Trainer(
        model,
        nn.MSELoss(),
        optim.SGD(model.parameters(), lr=0.01),
        device="cpu",
        callbacks=[NanLocator()],
        scaler=Skips(),
    )
    with np.errstate(all="ignore"):
        assert trainer.fit((gpudl.ones(8, 4), gpudl.zeros(8, 2)), quiet=True)[0]["loss"] > 0
    assert not model[0].weight.grad.isfinite().all()


def test_looks_wait_only_at_check(device):
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.LSTM(3, 2)).to(device)
    x = gpudl.ones(5, 2, 3, device=device)
    watch = FiniteWatch(model)
    with gpudl.strict():
        for _ in range(2):
            model(x)[0].sum().backward()
        watch.check()
    with gpudl.no_grad():
        model(x * float("inf"))  # evaluation is not looked at
    watch.check()
    watch.remove()


def test_every_other_step_names_the_first():
    with pytest.raises(NonFiniteError, match=r"1\.0 \(Log\)"):
        fitted(Log(), every=2)
    with pytest.raises(NonFiniteError, match=r"1\.0 \(Log\)"):
        fitted(Log(), every=50)  # at the end
    for every in (0, 1.5, True):
        with pytest.raises(ValueError, match="every must be an integer >= 1"):
            NanLocator(every)
