"""gpudl train."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gpudl.cli.answer import Answer
from gpudl.cli.errors import UsageError
from gpudl.cli.options import overrides, shared
from gpudl.cli.scores import data_of, scores_text

if TYPE_CHECKING:
    from gpudl.cli.parser import Arguments

SUMMARY = "train from a configuration file, or go on with a run"

ABOUT = """\
Train the network that a TOML file describes: its data, layers, optimizer and training; or go on with a run.

  gpudl train examples/digits.toml
  gpudl train examples/mnist.toml --set data.root=~/data --epochs 3 --device cpu
  gpudl train examples/digits.toml --seed 1 --set optimizer.lr=0.01 --set model.layers.0.bias=false
  gpudl train --resume runs/digits-20250131-120000 --epochs 30

The run folder gets, while training goes on: the weights after each epoch (model.safetensors), checkpoints, a line for
each epoch (log.jsonl, metrics.csv), plots, report.html, what it ran on (manifest.json), and the configuration with all
defaults, the seed and the device (config.toml; training from it repeats the run). Ctrl-C leaves a run that can be gone
on with. Exit codes: 0 done, 1 the run folder cannot be written or memory is spent, 2 wrong input, 130 interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "config", metavar="CONFIG.toml", nargs="?", help="the configuration; the folder examples has some"
    )
    names = ("device", "seed", "epochs", "batch-size", "resume", "out", "set", "json", "quiet", "verbose")
    shared(parser, *names, out=("DIR", "the run folder; runs/<name of CONFIG>-<date>-<time> if not given"))


def run(arguments: Arguments) -> Answer:
    """Do it."""
    from gpudl.train import config_to_resume, load_config, train

    if arguments.config is None and arguments.resume is None:
        raise UsageError("give a CONFIG.toml to train from, or --resume RUN to go on with a run")
    if arguments.config is not None and arguments.resume is not None:
        raise UsageError(f"--resume goes on with a run by its own configuration; leave out {arguments.config}")
    if arguments.resume is not None and arguments.out is not None:
        raise UsageError(f"--resume goes on in {arguments.resume}; leave out --out")
    replaced = overrides(arguments)
    resume = arguments.resume
    result = train(
        load_config(arguments.config, replaced) if resume is None else config_to_resume(resume, replaced),
        arguments.out,
        resume=resume,
        quiet=arguments.quiet,
        verbose=arguments.verbose,
        command=arguments.line,
    )
    epochs = "1 epoch" if result.epochs == 1 else f"{result.epochs} epochs"
    text = f"{scores_text(result.scores)} after {epochs}, {result.seconds:.1f} s, {result.device}"
    return Answer(f"run folder {result.run}\n{text}", data_of(result))
