"""From the tables of a configuration to the objects that they describe."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

import gpudl
from gpudl import nn, optim
from gpudl.backend.device import require
from gpudl.optim.lr_scheduler import LRScheduler
from gpudl.train import registry
from gpudl.train.callbacks import Callback
from gpudl.train.config import LENGTHS, Config, layer_key
from gpudl.train.register import registered
from gpudl.train.weights import read_weights

# What layers, losses and constructors raise for arguments that do not fit; all else is an error of ours.
REFUSALS = (ValueError, RuntimeError, TypeError, LookupError)


def build_model(config: Config) -> nn.Module:
    """The model, initialized in order from gpudl's seed, then from the file of weights, if there is one.

    Layers that a configuration lists are a Sequential.
    """
    if "layers" in config.model:
        known = registry.known("layer")
        layers = enumerate(config.model["layers"])
        made = [construct(known, layer, "type", layer_key(number), config) for number, layer in layers]
        model: nn.Module = nn.Sequential(*made)
    else:
        table = {name: value for name, value in config.model.items() if name != "weights"}
        model = construct(registry.known("model"), table, "name", "model", config)
        if not isinstance(model, nn.Module):
            raise config.error("model.name", f"gave a {type(model).__name__}, which is no gpudl.nn.Module")
    if "weights" in config.model:
        try:
            model.load_state_dict(read_weights(config.model["weights"]))
        except (*REFUSALS, OSError) as error:
            raise config.error("model.weights", str(error)) from error
    return model


def build_loss(config: Config) -> Any:
    """The loss."""
    return construct(registry.known("loss"), config.loss, "type", "loss", config)


def build_optimizer(config: Config, model: nn.Module) -> optim.Optimizer:
    """The optimizer, over all parameters of the model that are to be trained."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        key = "model.layers" if "layers" in config.model else "model"
        raise config.error(key, "no layer has parameters to train")
    made = construct(registry.known("optimizer"), config.optimizer, "type", "optimizer", config, parameters)
    assert isinstance(made, optim.Optimizer)
    return made


def build_scheduler(config: Config, optimizer: optim.Optimizer, batches: int) -> LRScheduler | None:
    """The schedule, if there is one.

    Args:
        batches: of an epoch.
    """
    if not config.scheduler:
        return None
    table = {name: value for name, value in config.scheduler.items() if name != "interval"}
    length = LENGTHS.get(table["type"])
    if length is not None and not {length, "epochs"} & table.keys():
        steps = -(-batches // config.train["accumulate"])
        table[length] = config.train["epochs"] * (steps if config.scheduler["interval"] == "step" else 1)
    made = construct(registry.known("scheduler"), table, "type", "scheduler", config, optimizer)
    assert isinstance(made, LRScheduler)
    return made


def build_metrics(config: Config, default: str) -> list[Any]:
    """The metrics, or names of them, that a Trainer takes.

    Args:
        default: the name of the one that suits the data.
    """
    known, found = registry.known("metric"), []
    for number, entry in enumerate(config.metrics or [default]):
        key = f"metrics[{number}]"
        if isinstance(entry, str) and entry in registered("metric"):
            member = registered("metric")[entry]
            found.append(construct(known, {"type": entry}, "type", key, config) if inspect.isclass(member) else member)
        else:
            found.append(entry if isinstance(entry, str) else construct(known, entry, "type", key, config))
    return found


def build_callbacks(config: Config) -> list[Callback]:
    """The callbacks, in their order."""
    known = registry.known("callback")
    entries = enumerate(config.callbacks)
    return [construct(known, table, "type", f"callbacks[{number}]", config) for number, table in entries]


def check_device(config: Config) -> None:
    """Raises: ConfigError if the device has no such name or cannot be used here. "auto" is not decided yet."""
    try:
        if config.train["device"] != "auto":
            require(gpudl.device(config.train["device"]))
    except gpudl.DeviceError as error:
        raise config.error("train.device", str(error)) from error


def construct(
    known: registry.Described, table: dict[str, Any], name: str, key: str, config: Config, *first: Any
) -> Any:
    """An object of the class that a table names, from the table's other entries.

    Raises: ConfigError naming the argument that the class refuses.
    """
    arguments = {entry: value for entry, value in table.items() if entry != name}
    try:
        return known[table[name]][0](*first, **arguments)
    except (ImportError, *REFUSALS) as error:
        raise config.error(blamed(key, error, arguments), str(error)) from error


def blamed(key: str, error: Exception, arguments: Iterable[str]) -> str:
    """The key of the first argument that the message speaks of, else that of the table."""
    words = re.findall(r"\w+", str(error))
    return next((f"{key}.{word}" for word in words if word in arguments), key)
