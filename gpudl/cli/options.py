"""The options that commands share: everywhere the same names, in the same order, with the same help."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpudl.train import Override, Subject

ORDER = ("device", "seed", "epochs", "batch-size", "resume", "out", "set", "json", "quiet", "verbose")

DEVICES = ("auto", "cpu", "cuda", "sim")
"""Names to offer for --device; cuda:1 and so on are devices, too."""

SETS_OF_DEVICES = ("cpu", "cuda", "sim", "cpu,cuda", "cpu,sim")
"""What to offer for --devices: a process has cuda or sim, not both."""

_HELP = {
    "device": "where to compute: auto, cpu, cuda, cuda:N or sim; auto is a GPU if there is one, else the CPU",
    "seed": "of all random numbers; where none is given or configured, train draws and records one, compare takes 0",
    "epochs": "passes over the training data",
    "batch-size": "samples at a time",
    "resume": "go on with the run in this folder, exactly where it was",
    "set": "replace a key of the configuration, or add one; the value is TOML, else taken as a string. Entries of a "
    "list by number: model.layers.0.out_features=64 or 'model.layers[0].out_features=64'. A whole table: "
    "'optimizer={type=\"Adam\"}'. May be given several times; the last one counts, also between this and the options "
    "above",
    "json": "print the results as one JSON object on stdout; errors stay a line on stderr",
    "quiet": "nothing on stderr but errors",
    "verbose": "versions at the start, more on the way, and the traceback of an error, on stderr",
}
_KEYS = {"device": "train.device", "seed": "train.seed", "epochs": "train.epochs", "batch-size": "data.batch_size"}
_METAVARS = {"device": "DEVICE", "seed": "N", "epochs": "N", "batch-size": "N", "resume": "RUN"}


def shared(parser: argparse.ArgumentParser, *names: str, plain: str = "", out: tuple[str, str] = ("", "")) -> None:
    """Add shared options to a command, in their order.

    Args:
        names: of ORDER. --device, --seed, --epochs and --batch-size are short for --set KEY=...; all are kept in the
            order in which they were given.
        plain: names, with blanks between them, of those that are values of their own, where there is no configuration.
        out: metavar and help of --out, which each command has to say for itself.
    """
    for name in ORDER:
        if name not in names:
            continue
        text = _HELP.get(name, "")
        if name in plain.split():
            kind: Any = {"batch-size": count, "seed": depth}.get(name, str)
            parser.add_argument(f"--{name}", metavar=_METAVARS[name], type=kind, help=text)
        elif name in _KEYS:
            _overriding(parser, f"--{name}", _KEYS[name], _METAVARS[name], f"{text} ({_KEYS[name]})")
        elif name == "resume":
            parser.add_argument("--resume", metavar=_METAVARS[name], help=text)
        elif name == "out":
            parser.add_argument("--out", metavar=out[0], help=out[1])
        elif name == "set":
            parser.add_argument("--set", action="append", dest="overrides", metavar="KEY=VALUE", type=_set, help=text)
        elif name == "json":
            parser.add_argument("--json", action="store_true", help=text)
    if "quiet" in names or "verbose" in names:
        group = parser.add_mutually_exclusive_group()
        for name in ("quiet", "verbose"):
            if name in names:
                group.add_argument(f"-{name[0]}", f"--{name}", action="store_true", help=_HELP[name])


def _overriding(parser: argparse.ArgumentParser, flag: str, key: str, metavar: str, help: str) -> None:
    def given(text: str) -> tuple[str, str, str]:
        return flag, key, text

    parser.add_argument(flag, action="append", dest="overrides", metavar=metavar, type=given, help=help)


def _set(text: str) -> tuple[str, str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    return "--set", key, value


def model_to_look_at(parser: argparse.ArgumentParser) -> None:
    """SPEC and --input-size, for commands that look at a model; `subject_of` makes it."""
    spec = "a CONFIG.toml, a run folder, a model of gpudl.models such as resnet18, or FILE.py:NAME"
    shape = "the shape of one sample, such as 3,224,224; not needed where there is a configuration with data"
    parser.add_argument("spec", metavar="SPEC", help=spec)
    parser.add_argument("--input-size", metavar="SIZE", type=size, help=shape)


def subject_of(arguments: argparse.Namespace) -> Subject:
    """The model that a command is to look at, and a batch for it."""
    from gpudl.train import subject

    return subject(
        arguments.spec,
        overrides(arguments),
        batch_size=arguments.batch_size,
        input_size=arguments.input_size,
        device=arguments.device,
    )


def overrides(arguments: argparse.Namespace) -> list[Override]:
    """What the options of a command line replace in a configuration."""
    from gpudl.train import Override

    return [Override.parse(key, text, flag) for flag, key, text in arguments.overrides]


def count(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def depth(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {text!r}")
    return int(text)


def size(text: str) -> tuple[int, ...]:
    """The shape of a sample, such as 3,224,224."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"expected whole numbers with commas, such as 3,224,224, got {text!r}")
    return tuple(map(int, parts))
