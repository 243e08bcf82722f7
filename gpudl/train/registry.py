"""The classes that a configuration can name: what gpudl.nn, gpudl.optim and gpudl.data export, if TOML can describe it.

A class added to one of these packages is known here without another line.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from gpudl import data, nn, optim
from gpudl.train.schema import Fields, fields_of

Described = dict[str, tuple[type, Fields]]
"""Name in the configuration -> the class and what a table may say about it."""

_NO_LAYERS = {
    "LazyModuleMixin", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "RNNBase", "RNNCellBase",
    "Sequential",
}  # fmt: skip
_CHOSEN_BY_TRAINING = ("train", "transform", "target_transform")


def layers() -> Described:
    """Layers by class name, but for containers (the list of layers is one already) and bases of layers."""
    found = _described(nn, nn.Module)
    return {name: entry for name, entry in found.items() if name not in _NO_LAYERS and "Loss" not in name}


def losses() -> Described:
    """Losses by class name: the modules whose name ends in Loss."""
    return {name: entry for name, entry in _described(nn, nn.Module).items() if name.endswith("Loss")}


def optimizers() -> Described:
    """Optimizers by class name, but for those that compute the loss themselves, which a training loop does."""
    found = _described(optim, optim.Optimizer, ("params",))
    return {name: entry for name, entry in found.items() if not entry[0].needs_closure}  # type: ignore[attr-defined]


def datasets() -> Described:
    """Datasets that come in a part for training and one for testing, by class name in lower case: "fashion_mnist"."""
    found = _described(data, object, _CHOSEN_BY_TRAINING)
    return {
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower(): entry
        for name, entry in found.items()
        if "train" in inspect.signature(entry[0]).parameters
    }


def _described(package: Any, base: type, leave_out: tuple[str, ...] = ()) -> Described:
    found = {}
    for name, member in sorted(vars(package).items()):
        if not name.startswith("_") and inspect.isclass(member) and issubclass(member, base) and member is not base:
            fields = fields_of(member, leave_out)
            if fields is not None:
                found[name] = (member, fields)
    return found
