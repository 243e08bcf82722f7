"""A model and something to feed it with, from whatever a user names: for commands that look at a model."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gpudl
from gpudl import models, nn
from gpudl.data import DataLoader
from gpudl.train import build_data
from gpudl.train.build import check
from gpudl.train.build_parts import build_loss, build_model, check_device
from gpudl.train.config import load_config
from gpudl.train.errors import ConfigError
from gpudl.train.loop import Overrides
from gpudl.train.overrides import as_overrides, nearest
from gpudl.train.register import import_file
from gpudl.train.registry import known
from gpudl.train.run_folder import RunFolder

_IMAGES = {"LeNet5": (1, 28, 28), "CifarResNet": (3, 32, 32), "VAE": (784,), "Autoencoder": (784,)}
_LARGE_IMAGES = (3, 224, 224)


@dataclass(frozen=True)
class Subject:
    """A model on its device, and a batch for it.

    Attributes:
        name: what the user named.
        model: in training mode.
        inputs: the batch.
        loss: of (output, target); None where the sum of the output will do.
        target: None where there is no loss.
        device: where all of it is.
    """

    name: str
    model: nn.Module
    inputs: tuple[gpudl.Tensor, ...]
    loss: Any
    target: Any
    device: gpudl.Device


def subject(
    spec: str | os.PathLike[str],
    overrides: Overrides = (),
    *,
    batch_size: int | None = None,
    input_size: tuple[int, ...] | None = None,
    device: str | None = None,
) -> Subject:
    """What a user names, ready to run.

    Args:
        spec: a configuration (FILE.toml) or a run folder, whose data is the input; a model of gpudl.models, such as
            "resnet18"; or FILE.py:NAME, a Module, or a class or function that gives one.
        overrides: of a configuration or a run.
        batch_size: samples; None for that of the configuration, and 32 for a model alone.
        input_size: shape of a sample for a model alone; None for what it is usually given. For a model of tokens,
            their number.
        device: None for that of the configuration, and "auto" for a model alone.
    Raises: ConfigError or RunError, one line, for what cannot be used.
    """
    text = os.fspath(spec)
    if Path(text).is_dir() or text.endswith(".toml"):
        if input_size is not None:
            raise ConfigError("--input-size", f"{text} has data of its own; it is for a model alone", "")
        return _of_config(text, overrides, batch_size, device)
    for override in as_overrides(overrides):
        raise ConfigError(
            override.key, f"{text} is a model alone and has no configuration to set it in", override.origin
        )
    model = _of_file(text) if ".py:" in text else _of_name(text)
    place = gpudl.device(device or "auto")
    inputs = _inputs(text, model, batch_size or 32, input_size).to(place)
    model = model.to(place)
    try:
        with gpudl.no_grad():
            output = model.eval()(inputs)
    except (ValueError, RuntimeError, TypeError, LookupError) as error:
        shape = "x".join(map(str, inputs.shape[1:]))
        problem = f"does not take samples of {shape}; give their shape by --input-size: {error}"
        raise ConfigError(text, problem, "") from error
    finally:
        model.train()
    if isinstance(output, gpudl.Tensor) and output.ndim == 2:
        target = (gpudl.arange(output.shape[0]) % output.shape[1]).to(place)
        return Subject(text, model, (inputs,), nn.CrossEntropyLoss(), target, place)
    return Subject(text, model, (inputs,), None, None, place)


def _of_config(text: str, overrides: Overrides, batch_size: int | None, device: str | None) -> Subject:
    folder = RunFolder(Path(text))
    is_run = Path(text).is_dir()
    config = folder.load_config(overrides) if is_run else load_config(text, overrides)
    if device is not None:
        config = config.with_train(device=device)
    check_device(config)
    gpudl.manual_seed(config.train.get("seed", 0))
    model, loss = build_model(config), build_loss(config)
    if is_run and (folder.path / "model.safetensors").exists():
        folder.load_weights(model)
    samples, _, _ = build_data.parts(config)
    check(config, model, loss, samples)
    place = gpudl.device(config.train["device"])
    *inputs, target = next(iter(DataLoader(samples.dataset, batch_size or config.data["batch_size"])))
    moved = tuple(each.to(place) for each in inputs)
    return Subject(
        text, model.to(place), moved, loss.to(place) if hasattr(loss, "to") else loss, target.to(place), place
    )


def _of_name(text: str) -> nn.Module:
    if text not in known("model"):
        names = list(known("model"))
        problem = f"no such file, run folder or model; the models are {', '.join(names)}{nearest(text, names)}"
        raise ConfigError(text, problem, "")
    return _made(text, known("model")[text][0])


def _of_file(text: str) -> nn.Module:
    path, _, name = text.rpartition(":")
    if not Path(path).is_file():
        raise ConfigError(text, f"{path}: no such file", "")
    try:
        module = import_file(path)
    except Exception as error:
        raise ConfigError(text, f"{type(error).__name__}: {error}", "") from error
    if not hasattr(module, name):
        public = [each for each in vars(module) if not each.startswith("_")]
        raise ConfigError(text, f"there is no {name!r} in it{nearest(name, public)}", "")
    return _made(text, getattr(module, name))


def _made(text: str, maker: Any) -> nn.Module:
    if isinstance(maker, nn.Module):
        return maker
    try:
        model = maker()
    except Exception as error:
        needed = [
            name for name, each in inspect.signature(maker).parameters.items() if each.default is each.empty
        ] if callable(maker) else []  # fmt: skip
        advice = f"; it needs {', '.join(needed)}: name it in a configuration, [model] name = ..." if needed else ""
        raise ConfigError(text, f"cannot be made without arguments: {error}{advice}", "") from error
    if not isinstance(model, nn.Module):
        raise ConfigError(text, f"gives a {type(model).__name__}, which is no gpudl.nn.Module", "")
    return model


def _inputs(text: str, model: nn.Module, count: int, size: tuple[int, ...] | None) -> gpudl.Tensor:
    first = next((each for each in model.modules() if not list(each.children()) and list(each.parameters())), None)
    if isinstance(first, nn.Embedding):
        tokens = size or (getattr(model, "max_seq_len", 64),)
        return gpudl.arange(count * tokens[0]).reshape(count, tokens[0]) % first.num_embeddings
    return gpudl.rand(count, *(size or _usual_size(text, model, first)))


def _usual_size(text: str, model: nn.Module, first: Any) -> tuple[int, ...]:
    if type(model).__name__ in _IMAGES:
        return _IMAGES[type(model).__name__]
    if isinstance(first, nn.Linear):
        return (first.in_features,)
    if text in vars(models):
        return _LARGE_IMAGES
    raise ConfigError(text, "what does it take? Give the shape of a sample: --input-size 3,32,32", "")
