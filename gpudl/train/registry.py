"""What a configuration can name: what gpudl's packages export, if TOML can describe it, and what a program registered.

A class added to one of these packages is known here without another line.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any

from gpudl import data, models, nn, optim
from gpudl.data import transforms
from gpudl.optim import lr_scheduler
from gpudl.train import callbacks, metrics
from gpudl.train.register import GIVEN, registered
from gpudl.train.schema import Fields, fields_of

Described = dict[str, tuple[Any, Fields]]
"""Name in the configuration -> the class or function, and what a table may say about it."""

_NO_LAYERS = {
    "LazyModuleMixin", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "RNNBase", "RNNCellBase",
    "Sequential",
}  # fmt: skip
_NO_MODELS = {"BasicBlock", "Bottleneck", "InvertedResidual", "Generator", "Discriminator", "vgg_features"}
_NO_METRICS = {"FunctionMetric", "MeanMetric", "Metric"}
_NO_SCHEDULERS = {"LambdaLR", "MultiplicativeLR"}  # of functions
_NO_CALLBACKS = {"Callback", "Checkpoint"}  # the run folder has its checkpoints


def known(kind: str) -> Described:
    """What can be named, of a kind that `register` has."""
    return {**_built_in(kind), **_described(kind, registered(kind).items())}


@functools.cache
def _built_in(kind: str) -> Described:
    return _described(kind, _BUILT_IN[kind]())


def _described(kind: str, members: Iterable[tuple[str, Any]]) -> Described:
    found = {}
    for name, member in sorted(members):
        fields = fields_of(member, GIVEN.get(kind, ()))
        if fields is not None:
            found[name] = (member, fields)
    return found


def has_test_part(dataset: Any) -> bool:
    """Whether a dataset comes in a part for training and one for testing: its argument `train` says which."""
    return "train" in inspect.signature(dataset).parameters


def _classes(package: Any, base: type, but: Iterable[str] = ()) -> Iterator[tuple[str, Any]]:
    for name, member in vars(package).items():
        if name.startswith("_") or name in but or not inspect.isclass(member):
            continue
        if issubclass(member, base) and member is not base:
            yield name, member


def _layers() -> Iterator[tuple[str, Any]]:
    """But for containers (the list of layers is one already) and bases of layers."""
    return ((name, member) for name, member in _classes(nn, nn.Module, _NO_LAYERS) if "Loss" not in name)


def _models() -> Iterator[tuple[str, Any]]:
    yield from _classes(models, nn.Module, _NO_MODELS)
    for name, member in vars(models).items():
        if isinstance(member, FunctionType) and _gives_a_model(member) and name not in _NO_MODELS:
            yield name, member


def _gives_a_model(function: FunctionType) -> bool:
    annotation = function.__annotations__.get("return")
    kind = getattr(models, annotation, None) if isinstance(annotation, str) else annotation
    return inspect.isclass(kind) and issubclass(kind, nn.Module)


def _losses() -> Iterator[tuple[str, Any]]:
    return ((name, member) for name, member in _classes(nn, nn.Module) if name.endswith("Loss"))


def _optimizers() -> Iterator[tuple[str, Any]]:
    """But for those that compute the loss themselves, which a training loop does."""
    found = _classes(optim, optim.Optimizer)
    return ((name, member) for name, member in found if not member.needs_closure)


def _datasets() -> Iterator[tuple[str, Any]]:
    """Datasets of files, by class name in lower case ("fashion_mnist", "csv"), and the synthetic ones."""
    for name, member in vars(data).items():
        if name.startswith("make_"):
            yield name, member
        elif inspect.isclass(member) and hasattr(member, "__getitem__") and hasattr(member, "__len__"):
            arguments = inspect.signature(member).parameters
            if {"train", "root", "path"} & arguments.keys():
                yield re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.removesuffix("Dataset")).lower(), member


_BUILT_IN: dict[str, Callable[[], Iterator[tuple[str, Any]]]] = {
    "model": _models,
    "dataset": _datasets,
    "layer": _layers,
    "loss": _losses,
    "optimizer": _optimizers,
    "scheduler": lambda: _classes(lr_scheduler, lr_scheduler.LRScheduler, _NO_SCHEDULERS),
    "metric": lambda: _classes(metrics, metrics.Metric, _NO_METRICS),
    "callback": lambda: _classes(callbacks, callbacks.Callback, _NO_CALLBACKS),
    "transform": lambda: _classes(transforms, transforms.Transform),
}
