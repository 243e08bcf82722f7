"""The data that a configuration describes: its parts, their transforms, and loaders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpudl import data
from gpudl.data.transforms import Compose, MapDataset
from gpudl.train import registry
from gpudl.train.build_parts import REFUSALS, construct
from gpudl.train.config import Config
from gpudl.train.feeding import dataset_of, split


@dataclass(frozen=True)
class Samples:
    """One part of the data.

    Attributes:
        dataset: with its transforms.
        source: without them; what knows of columns, files and classes.
        classes: names of the classes; empty where there are none or they are not known.
    """

    dataset: Any
    source: Any
    classes: tuple[str, ...] = ()


def parts(config: Config) -> tuple[Samples, Samples | None, Samples]:
    """What to train on; what to look at after each epoch, where a share is for that; and what to test on."""
    whole = _whole(config)
    dataset = _cut(config, whole, "test")[0] if isinstance(config.data.get("test"), float) else whole
    validation = None
    if "validation" in config.data:
        dataset, share = _cut(config, dataset, "validation")
        validation = _seen(config, share, train=False)
    return _seen(config, dataset, train=True), validation, _testing(config, whole)


def testing(config: Config) -> Samples:
    """What to test on; what is for training is made only where a part of it, or what it knows, is needed."""
    member, fields = registry.known("dataset")[config.data["name"]]
    needed = not registry.has_test_part(member) and (isinstance(config.data["test"], float) or "categories" in fields)
    return _testing(config, _whole(config) if needed else None)


def _whole(config: Config) -> Any:
    """All samples but those of a part of their own for testing."""
    member, _ = registry.known("dataset")[config.data["name"]]
    part = {"train": True} if registry.has_test_part(member) else {}
    return _made(config, _place(config), member, **part, **_arguments(config))


def _testing(config: Config, whole: Any) -> Samples:
    member, fields = registry.known("dataset")[config.data["name"]]
    test, arguments = config.data.get("test"), _arguments(config)
    if isinstance(test, float):
        return _seen(config, _cut(config, whole, "test")[1], train=False)
    if test is None:
        return _seen(config, _made(config, _place(config), member, train=False, **arguments), train=False)
    arguments.update(test)
    if "categories" in fields and "categories" not in arguments:  # so that one text has one number in both files
        arguments["categories"] = whole.categories
    return _seen(config, _made(config, "data.test", member, **arguments), train=False)


def loader(config: Config, samples: Samples, *, train: bool) -> data.DataLoader:
    """Batches; of what is not trained on in its own order and to the last sample.

    Raises: ConfigError if there is no sample, or no batch.
    """
    table = config.data
    part = "training" if train else "test"
    if len(samples.dataset) == 0:
        raise config.error("data.name", f"there are no {part} samples")
    settings = {name: table[name] for name in ("num_workers", "workers") if name in table}
    drop_last = train and table["drop_last"]
    made = data.DataLoader(
        samples.dataset, table["batch_size"], train and table["shuffle"], drop_last=drop_last, **settings
    )
    if len(made) == 0:
        problem = f"drop_last leaves no batch of {table['batch_size']} from {len(samples.dataset)} {part} samples"
        raise config.error("data.batch_size", problem)
    return made


def _arguments(config: Config) -> dict[str, Any]:
    _, fields = registry.known("dataset")[config.data["name"]]
    found = {name: config.data[name] for name in fields if name in config.data}
    if "seed" in fields and "seed" in config.train:  # of samples that are drawn: each time the same
        found.setdefault("seed", config.train["seed"])
    return found


def _place(config: Config) -> str:
    """The key that says where the data is."""
    return next((f"data.{name}" for name in ("root", "path") if name in config.data), "data.name")


def _made(config: Config, key: str, member: Any, **arguments: Any) -> Any:
    try:
        return dataset_of(member(**arguments))
    except FileNotFoundError as error:
        raise config.error(key, str(error).replace("download=True", "data.download = true")) from error
    except (*REFUSALS, OSError, ImportError) as error:
        raise config.error(key, str(error)) from error


def _cut(config: Config, dataset: Any, name: str) -> tuple[Any, Any]:
    """The rest, and the share that the configuration wants, drawn by the seed."""
    try:
        return split(dataset, config.data[name], None)
    except (ValueError, TypeError) as error:
        raise config.error(f"data.{name}", str(error).removeprefix("fit: ")) from error


def _seen(config: Config, dataset: Any, *, train: bool) -> Samples:
    """The dataset through its transforms."""
    source = dataset
    while isinstance(source, data.Subset):
        source = source.dataset
    classes = tuple(map(str, getattr(source, "classes", ()) or _categories(source)))
    transforms = _transforms(config, train)
    return Samples(MapDataset(dataset, transforms) if transforms is not None else dataset, source, classes)


def _categories(source: Any) -> tuple[str, ...]:
    """The classes of a CSV file whose target is one column of categories."""
    names: tuple[str, ...] = getattr(source, "target_names", ())
    return tuple(getattr(source, "categories", {}).get(names[0], ())) if len(names) == 1 else ()


def _transforms(config: Config, train: bool) -> Any:
    own = not train and "test_transforms" in config.data
    name = "test_transforms" if own else "transforms"
    known = registry.known("transform")
    made = [
        construct(known, table, "type", f"data.{name}[{number}]", config)
        for number, table in enumerate(config.data.get(name, ()))
    ]
    if not train and not own:
        made = [each for each in made if not getattr(each, "numbers", 0)]
    return Compose(made) if made else None
