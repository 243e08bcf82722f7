"""What to train, read from a TOML file and checked before anything runs.

A configuration has these tables; data, model and optimizer are needed. Examples are in the folder examples.

    python            on top of the file: files of one's own, such as ["my_net.py"], that are run first, for what they
                      register (see gpudl.train.register)
    [data]            name = "digits", "mnist", "csv", "image_folder", ... and the arguments of the dataset's class
                      (root, download, flatten); batch_size (64), of training and testing; shuffle (true) and drop_last
                      (false), of training only; num_workers (0) and workers ("thread").
                      test: what to test on, where the data has no such part: a share of the samples (0.2), or a table
                      of other arguments ({ root = "photos/test" }).
                      validation: a share of the training samples to look at after each epoch; without it, that is done
                      with the test data.
                      transforms: a list of { type = a class of gpudl.data.transforms, and its arguments };
                      test_transforms: those of the other parts; without it, the ones of transforms that draw nothing
    [model]           name = a model of gpudl.models, such as "resnet18", and its arguments; or
    [[model.layers]]  one for each layer, in order: type = a class of gpudl.nn, such as "Linear", and its arguments.
                      weights: a safetensors file to start from
    [optimizer]       type = a class of gpudl.optim, and its arguments
    [scheduler]       type = a class of gpudl.optim.lr_scheduler, and its arguments; interval = "epoch" or "step".
                      T_max and total_steps are the length of the training by themselves
    [loss]            type = a loss of gpudl.nn ("CrossEntropyLoss"), and its arguments
    metrics           on top of the file: a list of names ("accuracy", "f1", "mae"), or tables with type = a class of
                      gpudl.train.metrics and its arguments
    [[callbacks]]     type = a class of gpudl.train.callbacks, and its arguments
    [checkpoint]      arguments of Checkpoint but for its folder: every_epochs, every_minutes, monitor, mode, keep, ...
    [train]           epochs (10), seed (drawn, and recorded), device ("auto"), report (true: draw plots and
                      report.html), and arguments of Trainer: accumulate, clip_grad_norm, clip_grad_value, ema,
                      class_weight, micro_batch, monitor, deterministic

Keys, types and defaults are those of the constructors' signatures, so what gpudl's packages add is known here at once.
Arguments that a file cannot express (tensors, functions) are left at their defaults; so are device and dtype of a
layer, since a run has one device.

Relative paths (data.root) start from the folder of the file; on the command line, from the current folder. `~` is the
home folder in both. A resolved configuration holds absolute paths, and can be read from anywhere.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gpudl.train import registry
from gpudl.train.callbacks import Checkpoint
from gpudl.train.errors import ConfigError
from gpudl.train.metrics.names import names as metric_names
from gpudl.train.overrides import Override, Source, apply_override, as_overrides, nearest
from gpudl.train.register import registered, run_files
from gpudl.train.schema import Field, Fields, choose, fields_of, join, read_table, read_value, require_table, show
from gpudl.train.toml import read_toml, write_toml

Table = dict[str, Any]

_LOADER: Fields = {
    "batch_size": Field(int, 64, least=1),
    "shuffle": Field(bool, True),
    "drop_last": Field(bool, False),
    "num_workers": Field(int, 0, least=0),
    "workers": Field(Literal["thread", "process"]),
    "validation": Field(float),
}
_TRAIN: Fields = {
    "epochs": Field(int, 10, least=1),
    "seed": Field(int, least=-(2**63), most=2**64 - 1),
    "device": Field(str, "auto"),
    "report": Field(bool, True),
    "accumulate": Field(int, 1, least=1),
    "clip_grad_norm": Field(float),
    "clip_grad_value": Field(float),
    "ema": Field(float),
    "class_weight": Field(list[float]),
    "micro_batch": Field(int | Literal["auto"]),
    "monitor": Field(str),
    "deterministic": Field(bool | Literal["warn"]),
}
_EACH_STEP = ("OneCycleLR", "CyclicLR")
LENGTHS = {"CosineAnnealingLR": "T_max", "OneCycleLR": "total_steps"}
"""Arguments of schedules that are the length of the training where the configuration does not say them."""


@dataclass(frozen=True)
class Config:
    """A checked configuration, defaults filled in. Two are equal if they describe the same run.

    Attributes:
        data: name, the dataset's arguments, batch_size and what else a loader takes, transforms.
        model: name and arguments, or layers, a list of tables with type and the layer's arguments.
        optimizer, loss: type and arguments.
        train: epochs, device, accumulate, and what else there is.
        scheduler: type, interval and arguments; empty for none.
        metrics: names, and tables with type and arguments; empty to take what suits the data.
        callbacks: tables with type and arguments.
        checkpoint: arguments of Checkpoint.
        python: files that were run first.
        source: where the keys were written.
    """

    data: Table
    model: Table
    optimizer: Table
    loss: Table
    train: Table
    source: Source = field(compare=False, repr=False)
    scheduler: Table = field(default_factory=dict)
    metrics: list[Any] = field(default_factory=list)
    callbacks: list[Table] = field(default_factory=list)
    checkpoint: Table = field(default_factory=dict)
    python: list[str] = field(default_factory=list)

    def tables(self) -> Table:
        """All of it as one dict of plain values; what is empty is left out."""
        found = {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.compare}
        return {name: value for name, value in found.items() if value}

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
    Returns: the configuration with all defaults; the files in `python` have been run, and nothing else has been
        loaded, built or downloaded.
    Raises: ConfigError, one line with the file (or "overrides"), the dotted key and what is expected.
    """
    tables = read_toml(path)
    source = Source(os.fspath(path), Path(path).absolute().parent)
    for override in as_overrides(overrides):
        apply_override(tables, override, source)
    return read_config(tables, source)


def read_config(tables: Table, source: Source) -> Config:
    """Check parsed tables. Raises: ConfigError as load_config."""
    known = [each.name for each in dataclasses.fields(Config) if each.compare]
    for name in tables:
        if name not in known:
            inside: dict[str, Fields] = {"data": _LOADER, "train": _TRAIN}
            belongs = [f"; did you mean '{table}.{name}'?" for table, keys in inside.items() if name in keys]
            hint = belongs[0] if belongs else nearest(name, known)
            raise source.error(name, f"unknown key; the tables are {', '.join(known)}{hint}")
    for name in ("data", "model", "optimizer"):
        if name not in tables:
            raise source.error(name, "missing; a configuration needs the tables data, model and optimizer")
    python = read_value(_as_list(tables.get("python", [])), "python", Field(list[Path]), source)
    run_files(python, source)
    return Config(
        data=_data(tables["data"], source),
        model=_model(tables["model"], source),
        optimizer=_described(tables["optimizer"], "optimizer", "type", "optimizer", source),
        loss=_loss(tables.get("loss", {}), source),
        train=read_table(tables.get("train", {}), "train", _TRAIN, "train", source),
        scheduler=_scheduler(tables["scheduler"], source) if "scheduler" in tables else {},
        metrics=[
            _metric(entry, f"metrics[{place}]", source)
            for place, entry in enumerate(_list(tables.get("metrics", []), "metrics", source))
        ],
        callbacks=_list_of("callback", tables.get("callbacks", []), "callbacks", source),
        checkpoint=read_table(tables.get("checkpoint", {}), "checkpoint", _checkpoint(), "checkpoint", source),
        python=python,
        source=source,
    )


def layer_key(number: int) -> str:
    """The dotted key of a layer."""
    return f"model.layers[{number}]"


def _described(
    table: Any, key: str, name: str, kind: str, source: Source, more: Fields | None = None, but: str | None = None
) -> Table:
    """A table that names a class under `name` and says its arguments, and maybe `more`.

    Args:
        but: an argument that may be left out though the class needs it.
    """
    known = registry.known(kind)
    chosen = choose(table, key, name, known, kind, source)
    arguments = {entry: value for entry, value in table.items() if entry != name}
    fields = {**known[chosen][1], **(more or {})}
    if but in fields:
        fields[but] = dataclasses.replace(fields[but], required=False)
    advice = ""
    if source.override(f"{key}.{name}") is not None:  # the file's keys are for the class that it names
        advice = f"; --set '{key}={{ {name} = \"{chosen}\", ... }}' replaces the whole table"
    return {name: chosen, **read_table(arguments, key, fields, chosen, source, advice)}


def _list_of(kind: str, value: Any, key: str, source: Source) -> list[Table]:
    entries = _list(value, key, source)
    return [_described(entry, f"{key}[{number}]", "type", kind, source) for number, entry in enumerate(entries)]


def _list(value: Any, key: str, source: Source) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise source.error(key, f"expected a list, got {show(value)}")
    return list(value)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _data(table: Any, source: Source) -> Table:
    require_table(table, "data", source)
    apart = ("transforms", "test_transforms", "test")
    plain = {name: value for name, value in table.items() if name not in apart}
    found = _described(plain, "data", "name", "dataset", source, _LOADER)
    share = found.get("validation")
    if share is not None and not 0 < share < 1:
        raise source.error("data.validation", f"expected a share of the training samples in (0, 1), got {show(share)}")
    for name in ("transforms", "test_transforms"):
        if name in table:
            found[name] = _list_of("transform", table[name], f"data.{name}", source)
    member, fields = registry.known("dataset")[found["name"]]
    if registry.has_test_part(member):
        if "test" in table:
            raise source.error("data.test", f"unknown key; {found['name']} has samples to test on of its own")
    elif "test" not in table:
        first = next(iter(fields), "seed")
        raise source.error(
            "data.test",
            f"missing; {found['name']} has no samples to test on of its own: test = 0.2 for a share of them, or "
            f"test = {{ {first} = ... }} for others",
        )
    else:
        found["test"] = _test(table["test"], fields, found["name"], source)
    return found


def _test(value: Any, fields: Fields, owner: str, source: Source) -> Any:
    if isinstance(value, Mapping):
        optional = {name: Field(each.kind) for name, each in fields.items()}
        return read_table(value, "data.test", optional, owner, source)
    share = read_value(value, "data.test", Field(float | dict), source)
    if not 0 < share < 1:
        raise source.error("data.test", f"expected a share of the samples in (0, 1), or a table, got {show(value)}")
    return share


def _model(table: Any, source: Source) -> Table:
    require_table(table, "model", source)
    weights: Fields = {"weights": Field(Path)}
    if "name" in table:
        if "layers" in table:
            raise source.error("model", "there are both name and layers; a model is described by one of them")
        return _described(table, "model", "name", "model", source, weights)
    for name in table:
        if name not in ("layers", "weights"):
            taken = "model takes name, and that model's arguments, or layers, and weights"
            raise source.error(join("model", name), f"unknown key; {taken}{nearest(name, ['layers', 'name'])}")
    layers = table.get("layers")
    if not isinstance(layers, (list, tuple)) or not layers:
        got = "missing" if layers is None else f"got {show(layers)}"
        expected = "expected one table [[model.layers]] or more, each with a type; or a name"
        raise source.error("model.layers", f"{got}; {expected}")
    found = {"layers": _list_of("layer", layers, "model.layers", source)}
    rest = {name: value for name, value in table.items() if name == "weights"}
    return {**found, **read_table(rest, "model", weights, "model", source)}


def _loss(table: Any, source: Source) -> Table:
    require_table(table, "loss", source)
    return _described({"type": "CrossEntropyLoss", **table}, "loss", "type", "loss", source)


def _scheduler(table: Any, source: Source) -> Table:
    require_table(table, "scheduler", source)
    kind = str(table.get("type"))
    interval = Field(Literal["epoch", "step"], "step" if kind in _EACH_STEP else "epoch")
    return _described(table, "scheduler", "type", "scheduler", source, {"interval": interval}, LENGTHS.get(kind))


def _metric(entry: Any, key: str, source: Source) -> Any:
    if isinstance(entry, Mapping):
        return _described(entry, key, "type", "metric", source)
    named = [*metric_names(), *registered("metric")]
    return choose({"name": entry}, key, "name", dict.fromkeys(named), "metric", source)


def _checkpoint() -> Fields:
    return fields_of(Checkpoint, ("folder",)) or {}
