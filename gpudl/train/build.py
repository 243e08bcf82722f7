"""From a configuration to the objects that it describes, and a check that they fit together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import gpudl
from gpudl import data, nn, optim
from gpudl.backend.device import require
from gpudl.train import registry
from gpudl.train.config import Config, layer_key

# What layers, losses and constructors raise for arguments that do not fit; all else is an error of ours.
_REFUSALS = (ValueError, RuntimeError, TypeError, IndexError)
_CHECKED_SAMPLES = 32


@dataclass(frozen=True)
class Parts:
    """What a configuration describes, made.

    Attributes:
        model: the layers, named "0", "1", ... as in any Sequential.
        loss: the loss.
        optimizer: over the model's parameters.
        training, testing: batches of each part of the data.
    """

    model: nn.Sequential
    loss: nn.Module
    optimizer: optim.Optimizer
    training: data.DataLoader
    testing: data.DataLoader


def build(config: Config) -> Parts:
    """Make all that training needs, on the CPU, and run a few samples through it.

    Raises: ConfigError naming the key, for data that is missing, arguments that a constructor refuses, and layers that
        do not fit together.
    """
    model, loss = build_model(config), build_loss(config)
    optimizer = build_optimizer(config, model)
    parts = Parts(model, loss, optimizer, build_loader(config, train=True), build_loader(config, train=False))
    check(config, model, loss, parts.training)
    return parts


def build_model(config: Config) -> nn.Sequential:
    """The layers, initialized in order from gpudl's seed."""
    known = registry.layers()
    layers = config.model["layers"]
    made = [_construct(known, layer, "type", layer_key(number), config) for number, layer in enumerate(layers)]
    return nn.Sequential(*made)


def build_loss(config: Config) -> nn.Module:
    """The loss."""
    loss: nn.Module = _construct(registry.losses(), config.loss, "type", "loss", config)
    return loss


def build_optimizer(config: Config, model: nn.Module) -> optim.Optimizer:
    """The optimizer, over all parameters of the model."""
    parameters = list(model.parameters())
    if not parameters:
        raise config.error("model.layers", "no layer has parameters to train")
    made = _construct(registry.optimizers(), config.optimizer, "type", "optimizer", config, parameters)
    assert isinstance(made, optim.Optimizer)
    return made


def build_loader(config: Config, *, train: bool) -> data.DataLoader:
    """Batches of the training data, or of the test data in its own order and to the last sample."""
    table = config.data
    kind, fields = registry.datasets()[table["name"]]
    arguments = {name: table[name] for name in fields if name in table}
    key = "data.root" if "root" in arguments else "data.name"
    try:
        dataset = kind(train=train, **arguments)
    except FileNotFoundError as error:
        raise config.error(key, str(error).replace("download=True", "data.download = true")) from error
    except (*_REFUSALS, OSError, ImportError) as error:
        raise config.error(key, str(error)) from error
    shuffle, drop_last = train and table["shuffle"], train and table["drop_last"]
    loader = data.DataLoader(dataset, table["batch_size"], shuffle, drop_last=drop_last)
    part = "training" if train else "test"
    if len(dataset) == 0:
        raise config.error(key, f"there are no {part} samples")
    if len(loader) == 0:
        problem = f"drop_last leaves no batch of {table['batch_size']} from {len(dataset)} {part} samples"
        raise config.error("data.batch_size", problem)
    return loader


def check_device(config: Config) -> None:
    """Raises: ConfigError if the device has no such name or cannot be used here. "auto" is not decided yet."""
    try:
        if config.train["device"] != "auto":
            require(gpudl.device(config.train["device"]))
    except gpudl.DeviceError as error:
        raise config.error("train.device", str(error)) from error


def check(config: Config, model: nn.Sequential, loss: nn.Module, loader: data.DataLoader) -> None:
    """Run a few samples through the layers and the loss, in evaluation mode, which draws no random numbers.

    Raises: ConfigError naming the layer that does not fit.
    """
    count = min(_CHECKED_SAMPLES, config.data["batch_size"], len(loader.dataset))
    value, target = next(iter(data.DataLoader(loader.dataset, count)))
    classes = len(getattr(loader.dataset, "classes", ()))
    model.eval()
    with gpudl.no_grad():
        for number, layer in enumerate(model):
            try:
                value = layer(value)
            except _REFUSALS as error:
                place = f"{layer_key(number)} ({type(layer).__name__})"
                raise config.error(place, _without_op(error)) from error
        last = layer_key(len(model) - 1)
        if not isinstance(value, gpudl.Tensor) or value.ndim != 2:
            got = f"shape {value.shape}" if isinstance(value, gpudl.Tensor) else f"a {type(value).__name__}"
            raise config.error(last, f"the model's output must be (samples, classes), it is {got}; a Flatten may help")
        if value.shape[1] < classes:
            problem = f"the model's output has {value.shape[1]} values for each sample, the data has {classes} classes"
            raise config.error(last, problem)
        try:
            result = loss(value, target)
        except _REFUSALS as error:
            raise config.error(_blamed("loss", error, config.loss), _without_op(error)) from error
    if result.ndim:
        raise config.error(
            "loss.reduction" if "reduction" in config.loss else "loss",
            f'training needs a loss that is one number, this one has shape {result.shape}; set reduction = "mean"',
        )
    model.train()


def _construct(
    known: registry.Described, table: dict[str, Any], name: str, key: str, config: Config, *first: Any
) -> Any:
    """An object of the class that a table names, from the table's other entries."""
    arguments = {entry: value for entry, value in table.items() if entry != name}
    try:
        return known[table[name]][0](*first, **arguments)
    except (ValueError, TypeError) as error:
        raise config.error(_blamed(key, error, arguments), str(error)) from error


def _blamed(key: str, error: Exception, arguments: Iterable[str]) -> str:
    """The key of the first argument that the message speaks of, else that of the table."""
    words = re.findall(r"\w+", str(error))
    return next((f"{key}.{word}" for word in words if word in arguments), key)


def _without_op(error: Exception) -> str:
    """The message without the names of operation and module, which the key of the layer makes superfluous."""
    return re.sub(r"^[\w.]+: (\w+: )?", "", str(error))
