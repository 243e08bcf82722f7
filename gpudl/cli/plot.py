"""gpudl plot."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gpudl.cli.answer import Answer
from gpudl.cli.options import shared

if TYPE_CHECKING:
    from gpudl.cli.parser import Arguments

SUMMARY = "draw a run's curves and report anew, or several runs in one chart"

ABOUT = """\
Draw the plots of a run as PNG and its report.html anew; or the curves of several runs over each other. Also while they
are trained. The paths of what was written are printed.

  gpudl plot runs/digits-20250131-120000
  gpudl plot runs/digits-* --out comparison

Writes plots/*.png and report.html in each run folder; PNGs of several runs go to --out. PNGs need Matplotlib
(pip install "gpudl[plot]"), the report does not. Exit codes: 0 done, 1 something cannot be written, 2 wrong input or
no Matplotlib, 130 interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folders that gpudl train wrote")
    out = ("DIR", "where the PNGs go; plots in the run folder if not given, for several runs the folder plots")
    shared(parser, "out", "json", "quiet", "verbose", out=out)


def run(arguments: Arguments) -> Answer:
    """Do it."""
    from pathlib import Path

    from gpudl.train.report import draw_plots, read_run, write_report

    runs = list(dict.fromkeys(map(Path, arguments.runs)))
    for folder in runs:  # one that is none ends it before anything is written
        read_run(folder)
    try:
        plots = draw_plots(runs, arguments.out or ("plots" if len(runs) > 1 else None))
    finally:  # the report does without Matplotlib, and names the plots
        reports = [write_report(folder) for folder in runs]
    data = {"plots": list(map(str, plots)), "reports": list(map(str, reports))}
    return Answer("\n".join([*data["plots"], *data["reports"]]), data)
