"""gpudl test."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gpudl.cli.answer import Answer
from gpudl.cli.options import overrides, shared
from gpudl.cli.scores import data_of, scores_text

if TYPE_CHECKING:
    from gpudl.cli.parser import Arguments

SUMMARY = "evaluate a run folder"

ABOUT = """\
Evaluate the weights in a run folder on the test data.

  gpudl test runs/digits-20250131-120000
  gpudl test runs/mnist-20250131-120000 --device cpu --set data.root=~/data
  gpudl test runs/digits-20250131-120000 --json

With the device and batch size of the run, the figures are those that the run ended with. Nothing is written.
Exit codes: 0 done, 1 memory is spent, 2 wrong input, 130 interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("run_folder", metavar="RUN", help="the folder that gpudl train wrote")
    shared(parser, "device", "batch-size", "set", "json", "quiet", "verbose")


def run(arguments: Arguments) -> Answer:
    """Do it."""
    from gpudl.train import evaluate_run

    result = evaluate_run(arguments.run_folder, overrides(arguments))
    samples = "1 sample" if result.samples == 1 else f"{result.samples} samples"
    text = f"{scores_text(result.scores)} on {samples}, {result.seconds:.1f} s, {result.device}"
    return Answer(text, data_of(result))
