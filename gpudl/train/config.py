"""What to train, read from a TOML file and checked before anything runs.

A configuration has up to five tables. Examples are in the folder examples of the source.

    [data]            name = "digits", "mnist" or "fashion_mnist", and the arguments of the dataset's class (root,
                      download, flatten); batch_size (64), of training and testing; shuffle (true) and drop_last
                      (false), of training only
    [[model.layers]]  one for each layer, in order: type = a class of gpudl.nn, such as "Linear", and its arguments
    [optimizer]       type = a class of gpudl.optim, and its arguments
    [loss]            optional: type = a loss of gpudl.nn ("CrossEntropyLoss"), and its arguments
    [train]           optional: epochs (10), seed (drawn, and recorded), device ("auto")

Keys, types and defaults are those of the constructors' signatures, so what gpudl.nn, gpudl.optim and gpudl.data add is
known here at once. Arguments that a file cannot express (tensors, functions) are left at their defaults; so are device
and dtype of a layer, since a run has one device.

Relative paths (data.root) start from the folder of the file; on the command line, from the current folder. `~` is the
home folder in both. A resolved configuration holds absolute paths, and can be read from anywhere.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpudl.train import registry
from gpudl.train.errors import ConfigError
from gpudl.train.overrides import Override, Source, apply_override, as_overrides, nearest
from gpudl.train.schema import Field, Fields, choose, join, read_table, require_table, show
from gpudl.train.toml import read_toml, write_toml

Table = dict[str, Any]

_LOADER: Fields = {
    "batch_size": Field(int, 64, least=1),
    "shuffle": Field(bool, True),
    "drop_last": Field(bool, False),
}
_TRAIN: Fields = {
    "epochs": Field(int, 10, least=1),
    "seed": Field(int, least=-(2**63), most=2**64 - 1),
    "device": Field(str, "auto"),
}


@dataclass(frozen=True)
class Config:
    """A checked configuration, defaults filled in. Two are equal if they describe the same run.

    Attributes:
        data: name, the dataset's arguments, batch_size, shuffle, drop_last.
        model: layers, a list of tables with type and the layer's arguments.
        optimizer: type and arguments.
        loss: type and arguments.
        train: epochs, device, and seed if there is one.
        source: where the keys were written.
    """

    data: Table
    model: Table
    optimizer: Table
    loss: Table
    train: Table
    source: Source = dataclasses.field(compare=False, repr=False)

    def tables(self) -> Table:
        """All of it as one dict of plain values."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.compare}

    def to_toml(self) -> str:
        """A TOML document that load_config reads as this configuration."""
        return write_toml(self.tables())

    def with_train(self, **settings: Any) -> Config:
        """The same configuration with other entries in `train`."""
        changed = {**self.train, **settings}
        return dataclasses.replace(self, train={name: changed[name] for name in _TRAIN if name in changed})

    def error(self, key: str, problem: str) -> ConfigError:
        """An error about a key, which says where it was written."""
        return self.source.error(key, problem)


def load_config(path: str | os.PathLike[str], overrides: Mapping[str, Any] | Iterable[Override] = ()) -> Config:
    """Read and check a configuration.

    Args:
        path: a TOML file.
        overrides: dotted keys and values that replace what the file says: {"optimizer.lr": 0.01,
            "model.layers[0].out_features": 64}; a whole table can be replaced too. The last one counts.
    Returns: the configuration with all defaults; nothing has been loaded, built or downloaded.
    Raises: ConfigError, one line with the file (or "overrides"), the dotted key and what is expected.
    """
    tables = read_toml(path)
    source = Source(os.fspath(path), Path(path).absolute().parent)
    for override in as_overrides(overrides):
        apply_override(tables, override, source)
    return read_config(tables, source)


def read_config(tables: Table, source: Source) -> Config:
    """Check parsed tables. Raises: ConfigError as load_config."""
    known = [field.name for field in dataclasses.fields(Config) if field.compare]
    for name in tables:
        if name not in known:
            inside: dict[str, Fields] = {"data": _LOADER, "train": _TRAIN}
            belongs = [f"; did you mean '{table}.{name}'?" for table, keys in inside.items() if name in keys]
            hint = belongs[0] if belongs else nearest(name, known)
            raise source.error(name, f"unknown key; the tables are {', '.join(known)}{hint}")
    for name in ("data", "model", "optimizer"):
        if name not in tables:
            raise source.error(name, "missing; a configuration needs the tables data, model and optimizer")
    return Config(
        data=_described(tables["data"], "data", "name", registry.datasets(), "dataset", source, _LOADER),
        model=_model(tables["model"], source),
        optimizer=_described(tables["optimizer"], "optimizer", "type", registry.optimizers(), "optimizer", source),
        loss=_loss(tables.get("loss", {}), source),
        train=read_table(tables.get("train", {}), "train", _TRAIN, "train", source),
        source=source,
    )


def layer_key(number: int) -> str:
    """The dotted key of a layer."""
    return f"model.layers[{number}]"


def _described(
    table: Any, key: str, name: str, known: registry.Described, what: str, source: Source, more: Fields | None = None
) -> Table:
    """A table that names a class under `name` and says its arguments, and maybe `more`."""
    chosen = choose(table, key, name, known, what, source)
    arguments = {entry: value for entry, value in table.items() if entry != name}
    fields = {**known[chosen][1], **(more or {})}
    advice = ""
    if source.override(f"{key}.{name}") is not None:  # the file's keys are for the class that it names
        advice = f"; --set '{key}={{ {name} = \"{chosen}\", ... }}' replaces the whole table"
    return {name: chosen, **read_table(arguments, key, fields, chosen, source, advice)}


def _model(table: Any, source: Source) -> Table:
    require_table(table, "model", source)
    for name in table:
        if name != "layers":
            raise source.error(join("model", name), f"unknown key; model takes layers{nearest(name, ['layers'])}")
    layers = table.get("layers")
    if not isinstance(layers, (list, tuple)) or not layers:
        got = "missing" if layers is None else f"got {show(layers)}"
        raise source.error("model.layers", f"{got}; expected one table [[model.layers]] or more, each with a type")
    known = registry.layers()
    return {
        "layers": [
            _described(layer, layer_key(number), "type", known, "layer", source) for number, layer in enumerate(layers)
        ]
    }


def _loss(table: Any, source: Source) -> Table:
    require_table(table, "loss", source)
    return _described({"type": "CrossEntropyLoss", **table}, "loss", "type", registry.losses(), "loss", source)
