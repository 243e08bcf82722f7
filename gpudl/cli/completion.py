"""gpudl completion."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gpudl.cli.answer import Answer

if TYPE_CHECKING:
    from gpudl.cli.parser import Arguments

SUMMARY = "print a script that completes gpudl's commands in a shell"

ABOUT = """\
Print a script with which a shell completes gpudl's commands, options, devices and files.

  source <(gpudl completion bash)                                    bash: in this shell; in ~/.bashrc for all
  gpudl completion zsh > ~/.zfunc/_gpudl                             zsh: where ~/.zfunc is in fpath
  gpudl completion fish > ~/.config/fish/completions/gpudl.fish      fish

Nothing is written but stdout. Exit codes: 0 done, 2 wrong input.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    shells = ("bash", "zsh", "fish")
    parser.add_argument("shell", metavar="SHELL", choices=shells, help=", ".join(shells))


def run(arguments: Arguments) -> Answer:
    """Do it."""
    from gpudl.cli.completion_scripts import script
    from gpudl.cli.parser import commands_of, make_parser, summaries
    from gpudl.examples_index import examples

    try:
        names = [each.name for each in examples()]
    except FileNotFoundError:  # an installation without them
        names = []
    return Answer(script(arguments.shell, commands_of(make_parser()), summaries(), names), {})
