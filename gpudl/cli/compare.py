"""gpudl compare."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gpudl.cli.answer import Answer
from gpudl.cli.errors import REFUSALS, UsageError, refused
from gpudl.cli.files import check_file, write
from gpudl.cli.options import depth, model_to_look_at, overrides, shared

if TYPE_CHECKING:
    from gpudl.cli.parser import Arguments

SUMMARY = "run a model on two devices, and say where they differ"

ABOUT = """\
Run a model on several devices from one seed, on the same batch: each operation by itself, forward and backward, and
each layer, against float64 on the CPU; then the losses of a training on each. The first operation that departs is named
with its layer and line, and so are implicit transfers and synchronizations. SPEC is as for `gpudl summary`.

  gpudl compare examples/digits.toml
  gpudl compare resnet8 --batch-size 4 --devices cpu,cuda --steps 3
  gpudl compare net.py:Net --input-size 3,32,32 --strict --json
  gpudl compare examples/digits.toml --steps 100 --html report.html

A configuration is trained as `gpudl train` does, without its callbacks; a model alone by SGD, lr=0.01, on one random
batch. Where there are steps, the optimizer's own is compared, too. Nothing is written but the files named.
Exit codes: 0 the devices agree, 1 they do not, a file could not be written or memory is spent, 2 wrong input, 130
interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    model_to_look_at(parser)
    parser.add_argument(
        "--devices",
        metavar="NAMES",
        help="two or more, with commas between; cpu,cuda if not given, and cpu,sim where there is no GPU",
    )
    parser.add_argument(
        "--steps", metavar="N", type=depth, default=10, help="of the training; 10 if not given, 0 for none"
    )
    parser.add_argument(
        "--tolerance", metavar="FACTOR", type=_positive, default=1.0, help="on what operations are allowed; 1"
    )
    parser.add_argument(
        "--loss-tolerance",
        metavar="SHARE",
        type=_positive,
        help="how far losses may be apart, as a share of the larger; if not given, what gpudl/PARITY.md publishes: in "
        "float32 1e-5 of 1 + the loss, times the number of the step",
    )
    parser.add_argument("--strict", action="store_true", help="implicit transfers and synchronizations fail, too")
    parser.add_argument("--all", action="store_true", help="a row for each operation, not only those that stand out")
    parser.add_argument(
        "--speed", action="store_true", help="also how long each operation takes, on devices that are not emulated"
    )
    parser.add_argument("--md", metavar="FILE", help="write the report to this file, too, as Markdown")
    parser.add_argument(
        "--html", metavar="FILE", help="write a report with charts to this file, too: one page, which needs no network"
    )
    shared(parser, "seed", "batch-size", "set", "json", "quiet", "verbose", plain="seed batch-size")


def run(arguments: Arguments) -> Answer:
    """Do it."""
    from gpudl.backend.device import available
    from gpudl.compare import compare_spec

    names = arguments.devices or ("cpu,cuda" if available("cuda") else "cpu,sim")
    devices = [name.strip() for name in names.split(",") if name.strip()]
    if len(devices) < 2:
        raise UsageError(f"--devices {names}: give two or more, as in cpu,sim")
    for path in (arguments.md, arguments.html):
        if path is not None:
            check_file(path)  # before the work
    try:
        found = compare_spec(
            arguments.spec,
            overrides(arguments),
            devices=devices,
            steps=arguments.steps,
            batch_size=arguments.batch_size,
            input_size=arguments.input_size,
            seed=arguments.seed,
            tolerance=arguments.tolerance,
            loss_tolerance=arguments.loss_tolerance,
            speed=arguments.speed,
        )
    except REFUSALS as error:
        raise refused(error) from error
    if arguments.md is not None:
        write(arguments.md, found.markdown(arguments.all).encode(errors="replace"))
    if arguments.html is not None:
        write(arguments.html, found.html().encode(errors="replace"))
    asked = any(found.implicit.values())
    failed = not found.agrees or (arguments.strict and asked)
    return Answer(found.text(arguments.all), found.to_dict(), int(failed))


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value
