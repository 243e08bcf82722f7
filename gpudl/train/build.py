"""All that a configuration describes, made, and a check that it fits together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import gpudl
from gpudl import data, nn, optim
from gpudl.optim.lr_scheduler import LRScheduler
from gpudl.train import build_data
from gpudl.train.build_data import Samples
from gpudl.train.build_parts import (
    REFUSALS,
    blamed,
    build_callbacks,
    build_loss,
    build_metrics,
    build_model,
    build_optimizer,
    build_scheduler,
)
from gpudl.train.callbacks import Callback
from gpudl.train.config import Config, layer_key

_CHECKED_SAMPLES = 32


@dataclass(frozen=True)
class Fit:
    """What the model makes of a few samples.

    Attributes:
        inputs, target: of the samples.
        output: of the model.
        labels: whether the targets are numbers of classes, one for each sample.
    """

    inputs: tuple[gpudl.Tensor, ...]
    target: gpudl.Tensor
    output: Any

    @property
    def labels(self) -> bool:
        return self.target.ndim == 1 and self.target.dtype.kind in "iu"

    @property
    def metric(self) -> str:
        """The name of the metric that suits."""
        return "accuracy" if self.target.dtype.kind in "iu" else "mae"


@dataclass(frozen=True)
class Parts:
    """What a configuration describes, made.

    Attributes:
        model, loss, optimizer, scheduler, metrics, callbacks: as a Trainer takes them.
        train, validation, test: the samples; None to validate on those to test on.
        training, validating, testing: batches of them.
        fit: what the model makes of a few.
    """

    model: nn.Module
    loss: Any
    optimizer: optim.Optimizer
    scheduler: LRScheduler | None
    metrics: list[Any]
    callbacks: list[Callback]
    train: Samples
    validation: Samples | None
    test: Samples
    training: data.DataLoader
    validating: data.DataLoader
    testing: data.DataLoader
    fit: Fit


def build(config: Config) -> Parts:
    """Make all that training needs, on the CPU, and run a few samples through it.

    Raises: ConfigError naming the key, for data that is missing, arguments that a constructor refuses, and layers that
        do not fit together.
    """
    model, loss = build_model(config), build_loss(config)
    optimizer = build_optimizer(config, model)
    train, validation, test = build_data.parts(config)
    training = build_data.loader(config, train, train=True)
    testing = build_data.loader(config, test, train=False)
    validating = testing if validation is None else build_data.loader(config, validation, train=False)
    scheduler = build_scheduler(config, optimizer, len(training))
    fit = check(config, model, loss, train)
    metrics, callbacks = build_metrics(config, fit.metric), build_callbacks(config)
    return Parts(
        model,
        loss,
        optimizer,
        scheduler,
        metrics,
        callbacks,
        train,
        validation,
        test,
        training,
        validating,
        testing,
        fit,
    )


def check(config: Config, model: nn.Module, loss: Any, samples: Samples) -> Fit:
    """Run a few samples through the model and the loss, in evaluation mode, which draws no random numbers.

    Raises: ConfigError naming the layer that does not fit.
    """
    count = min(_CHECKED_SAMPLES, config.data["batch_size"], len(samples.dataset))
    batch = next(iter(data.DataLoader(samples.dataset, count)))
    if not isinstance(batch, (list, tuple)) or len(batch) < 2:
        raise config.error("data", "samples are (input, target), or have more inputs; this data has no target")
    *inputs, target = batch
    model.eval()
    with gpudl.no_grad():
        output = _output(config, model, inputs)
        _check_classes(config, loss, output, target, len(samples.classes))
        try:
            result = loss(output, target)
        except REFUSALS as error:
            raise config.error(blamed("loss", error, config.loss), _without_op(error)) from error
    if result.ndim:
        raise config.error(
            "loss.reduction" if "reduction" in config.loss else "loss",
            f'training needs a loss that is one number, this one has shape {result.shape}; set reduction = "mean"',
        )
    model.train()
    return Fit(tuple(inputs), target, output)


def _output(config: Config, model: nn.Module, inputs: list[Any]) -> Any:
    if "layers" not in config.model:
        try:
            return model(*inputs)
        except REFUSALS as error:
            raise config.error(f"model ({config.model['name']})", str(error)) from error
    assert isinstance(model, nn.Sequential)
    value: Any = inputs[0]
    for number, layer in enumerate(model):
        try:
            value = layer(value)
        except REFUSALS as error:
            raise config.error(f"{layer_key(number)} ({type(layer).__name__})", _without_op(error)) from error
    return value


def _check_classes(config: Config, loss: Any, output: Any, target: Any, classes: int) -> None:
    """That a classifier gives a number for each class."""
    if not isinstance(loss, (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss)) or target.ndim != 1:
        return
    key = layer_key(len(config.model["layers"]) - 1) if "layers" in config.model else "model"
    if not isinstance(output, gpudl.Tensor) or output.ndim != 2:
        got = f"shape {output.shape}" if isinstance(output, gpudl.Tensor) else f"a {type(output).__name__}"
        raise config.error(key, f"the model's output must be (samples, classes), it is {got}; a Flatten may help")
    if output.shape[1] < classes:
        problem = f"the model's output has {output.shape[1]} values for each sample, the data has {classes} classes"
        raise config.error(key, problem)


def _without_op(error: Exception) -> str:
    """The message without the names of operation and module, which the key of the layer makes superfluous."""
    return re.sub(r"^[\w.]+: (\w+: )?", "", str(error))
