"""gpudl time."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gpudl.cli.answer import Answer
from gpudl.cli.errors import REFUSALS, refused
from gpudl.cli.options import count, depth, model_to_look_at, shared, subject_of

if TYPE_CHECKING:
    from gpudl.cli.parser import Arguments

SUMMARY = "measure forward and backward of each layer"

ABOUT = """\
Measure how long each layer of a model takes, forward and backward, as `caffe time` does; beside the sum of the layers
stands a whole step that nothing disturbs. Times are medians. SPEC is as for `gpudl summary`.

  gpudl time examples/digits.toml
  gpudl time resnet18 --input-size 3,224,224 --batch-size 16 --device cuda --repeats 50
  gpudl time runs/digits-20250131-120000 --depth 1 --json

Nothing is trained or written. Exit codes: 0 done, 1 memory is spent, 2 wrong input, 130 interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    model_to_look_at(parser)
    parser.add_argument("--depth", metavar="N", type=depth, help="sum what is deeper inside; all if not given")
    parser.add_argument("--repeats", metavar="N", type=count, default=20, help="rounds to measure; 20 if not given")
    shared(parser, "device", "batch-size", "set", "json", "quiet", "verbose", plain="device batch-size")


def run(arguments: Arguments) -> Answer:
    """Do it."""
    from gpudl.train.layer_times import layer_times

    found = subject_of(arguments)
    try:
        times = layer_times(
            found.model,
            *found.inputs,
            loss=found.loss,
            target=found.target,
            repeats=arguments.repeats,
            depth=arguments.depth,
        )
    except REFUSALS as error:
        raise refused(error) from error
    return Answer(str(times), {"name": found.name, **times.to_dict()})
