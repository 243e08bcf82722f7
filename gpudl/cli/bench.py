"""gpudl bench."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from gpudl.cli.answer import Answer
from gpudl.cli.errors import UsageError
from gpudl.cli.files import check_file, check_folder, write
from gpudl.cli.options import shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpudl.cli.parser import Arguments

SUMMARY = "measure operations and networks, and compare with an earlier run"

ABOUT = """\
Measure how fast gpudl computes on the devices of this machine, beside what the machine can do: of each operation and
network forward, backward, an optimizer's step or a copy, with medians and quartiles, GB/s or GFLOP/s, and the share of
a plain copy's bandwidth or a matrix product's rate, which are measured once. Of the emulated device there are no
times, but counts of launches, copies and waits.

  gpudl bench                                       all devices that can be used here in one process
  gpudl bench --devices cpu,sim --only conv --quick
  gpudl bench --suite nets --devices cpu --vs torch --md report.md
  gpudl bench --out before.json                     keep the record; and after a change:
  gpudl bench --baseline before.json --tolerance 0.1
  gpudl bench --from before.json --html report.html --plots plots

Against a baseline a time counts as slower if its median is by more than the tolerance and the quartiles of both are
apart; memory, if its peak is by more than the tolerance; a count, if it has grown. Nothing is written but the files
named. Exit codes: 0 done, 1 something is slower than the baseline, a training has not reached its accuracy, a file
could not be written or memory is spent, 2 wrong input, 130 interrupted: what was measured until then is kept.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--suite",
        metavar="NAMES",
        type=_names,
        help="what to measure, with commas: ops, nets, end-to-end (seconds to an accuracy), memory (peak of a step), "
        "crossover (the batch from which a GPU is faster), start-up; ops,nets if not given",
    )
    parser.add_argument(
        "--devices",
        metavar="NAMES",
        type=_names,
        help="where, with commas: cpu, cuda, cuda:N or sim; all that can be used here in one process if not given",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only cases with this in their group or name, as in --only norms; with * or ? it is a pattern for the "
        "whole, as in --only 'gemm: *'. May be given several times",
    )
    parser.add_argument(
        "--vs",
        choices=("torch",),
        metavar="LIBRARY",
        help="take times of torch in turn with gpudl's; on the CPU torch has a process of its own",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16", "float64"),
        help="of weights and data; float32 if not given, as start-up and end-to-end are always measured",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes and three samples: shows that all runs")
    parser.add_argument(
        "--from",
        dest="kept",
        metavar="FILE",
        help="measure nothing: show a record that --out kept. Not with the options above",
    )
    parser.add_argument("--md", metavar="FILE", help="write the tables to this file, too, as Markdown")
    parser.add_argument(
        "--html", metavar="FILE", help="write a report with charts to this file, too: one page, which needs no network"
    )
    parser.add_argument("--plots", metavar="DIR", help="write the charts to this folder, too, as PNG; needs Matplotlib")
    parser.add_argument("--baseline", metavar="FILE", help="a record of an earlier run, to compare with")
    parser.add_argument(
        "--tolerance",
        metavar="SHARE",
        type=_share,
        help="of the baseline's time that may come on top; 0.1 if not given",
    )
    out = ("FILE", "write the record to this file, too, as JSON, for --baseline")
    shared(parser, "out", "json", "quiet", "verbose", out=out)


def run(arguments: Arguments) -> Answer:
    """Do it."""
    from gpudl.bench import RecordError, against, as_text, read_record, tables

    given: Any = arguments
    if given.tolerance is not None and given.baseline is None:
        raise UsageError("--tolerance is for a comparison; name the earlier record with --baseline FILE")
    if given.kept is not None:
        for name in ("suite", "devices", "only", "vs", "dtype", "quick"):
            if getattr(given, name):
                raise UsageError(f"--{name} is for measuring; --from shows a record as it was measured")
    _check(given)
    try:
        older = None if given.baseline is None else read_record(given.baseline)
        record = _measured(given) if given.kept is None else read_record(given.kept)
        if older is not None:
            record = against(record, older, 0.1 if given.tolerance is None else given.tolerance)
    except (RecordError, ValueError) as error:
        raise UsageError(str(error)) from error
    try:
        text, files = as_text(tables(record)), dict(_files(given, record))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if given.kept is None:
            raise
        raise UsageError(f"{given.kept}: damaged: {type(error).__name__} {error}") from error
    for path, content in files.items():
        write(path, content)
    if given.kept is None and record.get("interrupted"):
        return Answer(text, record, 130)
    regressions = record.get("baseline", {}).get("regressions", 0)
    return Answer(text, record, 1 if regressions or record.get("failures") else 0)


def _check(given: Any) -> None:
    """Raise what stands against writing the files, before minutes of measuring."""
    for path in (given.out, given.md, given.html):
        if path is not None:
            check_file(path)
    if given.plots is not None:
        from gpudl.train.report.figures import styled

        check_folder(given.plots)
        with styled():  # raises where there is no Matplotlib
            pass


def _files(given: Any, record: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """The path and the content of each file that is asked for."""
    if given.out is not None:
        import json

        yield given.out, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()
    if given.md is not None:
        from gpudl.bench import as_markdown, tables

        yield given.md, as_markdown(tables(record)).encode(errors="replace")
    if given.html is not None:
        from gpudl.bench.html import as_html

        yield given.html, as_html(record).encode(errors="replace")
    if given.plots is not None:
        import os

        from gpudl.bench.plots import as_png

        for name, content in as_png(record).items():
            yield os.path.join(given.plots, name), content


def _measured(given: Any) -> dict[str, Any]:
    from gpudl.bench import measure

    return measure(
        given.suite or ["ops", "nets"],
        given.devices,
        only=given.only,
        versus_torch=given.vs is not None,
        quick=given.quick,
        dtype=given.dtype or "float32",
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )


def _names(text: str) -> list[str]:
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names with commas between them, got {text!r}")
    return names


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number from 0, such as 0.1, got {text!r}")
    return value
