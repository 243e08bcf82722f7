"""register: a program's own models, data sets and other parts, under names that a configuration can say."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gpudl.train.overrides import Source, nearest
from gpudl.train.schema import fields_of

KINDS = ("model", "dataset", "layer", "loss", "optimizer", "scheduler", "metric", "callback", "transform")
GIVEN: dict[str, tuple[str, ...]] = {
    "dataset": ("train", "transform", "target_transform"),
    "optimizer": ("params",),
    "scheduler": ("optimizer", "last_epoch"),
}
"""Arguments that training gives itself, and a table does not say."""

_registered: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
T = TypeVar("T", bound=Callable[..., Any])


def register(kind: str, name: str | None = None) -> Callable[[T], T]:
    """Make a class or function known to configurations, as a decorator.

        @register("model")
        class Net(nn.Module):
            def __init__(self, width: int = 64, classes: int = 10): ...

        @register("dataset", "spirals")
        def my_spirals(train: bool, noise: float = 0.1): ...

    With `python = ["my_file.py"]` on top of the configuration, its tables can then say `name = "Net"`, `width = 128`.
    Keys, types and defaults are those of the signature; what has no annotation takes any value.

    Args:
        kind: "model" | "dataset" | "layer" | "loss" | "optimizer" | "scheduler" | "metric" | "callback" | "transform".
            A dataset with an argument `train` is made twice, with True for the samples to train on and False for those
            to test on. It may be a function that gives a dataset, or a tuple of Tensors or arrays. An optimizer takes
            the parameters first, a scheduler the optimizer.
        name: how configurations call it; None for its own name.
    Raises: ValueError for another kind, a name that is taken, or an argument without a default that TOML cannot say.
    """
    if kind not in KINDS:
        raise ValueError(f"register: expected one of {', '.join(KINDS)}, got {kind!r}{nearest(str(kind), KINDS)}")

    def add(member: T) -> T:
        called = name or member.__name__
        before = _registered[kind].get(called)
        if before is not None and _place(before) != _place(member):
            raise ValueError(f"register: there is a {kind} {called!r} already, {' of '.join(reversed(_place(before)))}")
        if fields_of(member, GIVEN.get(kind, ())) is None:
            raise ValueError(
                f"register: {called} has an argument without a default that a configuration cannot say; it can say "
                "numbers, strings, booleans, lists and tables of them"
            )
        _registered[kind][called] = member
        return member

    return add


def registered(kind: str) -> dict[str, Any]:
    """What was registered, by name."""
    return _registered[kind]


def run_files(paths: Sequence[str], source: Source) -> None:
    """Import Python files, each once, for what they register.

    They are modules under the names of the files, so that worker processes find them too.

    Raises: ConfigError for a file that is not there, has the name of another module, or fails, with its line.
    """
    for number, path in enumerate(paths):
        key = f"python[{number}]"
        if not os.path.isfile(path):
            raise source.error(key, f"{path}: no such file")
        try:
            import_file(path)
        except Exception as error:
            raise source.error(key, _place_of(error, path)) from error


def import_file(path: str | os.PathLike[str]) -> Any:
    """The module of a Python file, under the file's name.

    Raises: ImportError if a module of another file has the name; what the file raises.
    """
    file = Path(path).resolve()
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    module = importlib.import_module(file.stem)
    found = getattr(module, "__file__", None)
    if found is None or Path(found).resolve() != file:
        raise ImportError(f"{path}: a module named {file.stem!r} is there already ({found}); rename the file")
    return module


def _place(member: Any) -> tuple[str, str]:
    """The file that it is in, whatever module that is run as, and its name there."""
    try:
        place = inspect.getfile(member)
    except (TypeError, OSError):  # of a notebook, for one
        place = getattr(member, "__module__", "?")
    return place, getattr(member, "__qualname__", "?")


def _place_of(error: Exception, path: str) -> str:
    """The message, with the last line of the file that took part."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{error.filename}:{error.lineno}: {error.msg}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if os.path.realpath(frame.filename) == path
    ]
    where = f"{path}:{lines[-1]}" if lines else path
    return f"{where}: {type(error).__name__}: {error}"
