"""The programs of examples/, run from a fresh install as README.md's table says, which this writes.

    python -m benchmarks.examples [--only NAME ...] [--device cpu] [--threads N] [--json FILE] [--readme]

Makes a virtual environment, installs this checkout and the extras that examples take into it, and runs the rows of
example_rows.py, one after the other, in a new folder where examples/ is a copy of this one and data/ is the folder
of --data. The figures go to benchmarks/results/examples-DATE.json, unless --only leaves some out; --readme writes the
table into README.md between its markers. What is not there, data or an extra, is said in its row. Exit code 1 if an
example has failed.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import timing
from benchmarks.example_rows import ROWS, Row
from benchmarks.fresh_install import EXTRAS, THREADS, Place, described, finished, installed, last_line, of_user
from gpudl.examples_index import example

ROOT = Path(__file__).resolve().parents[1]
README, BEGIN, END = ROOT / "README.md", "<!-- examples: begin -->", "<!-- examples: end -->"
HEAD = ("example", "what it shows", "command", "device", "time", "result")


def command_of(row: Row, device: str | None) -> str:
    """A row's command, on a device if one is given."""
    if device is None:
        return row.command
    return re.sub(r" --device \S+", "", row.command) + f" --device {device}"


def device_of(row: Row, device: str | None, auto: str) -> str:
    """Where a row's command computes: a configuration says "auto", a program the CPU, if nothing else is said."""
    named = re.search(r" --device (\S+)", command_of(row, device))
    return named[1] if named else auto if row.command.startswith("gpudl ") else "cpu"


def measured(row: Row, place: Place, device: str | None = None) -> dict[str, Any]:
    """Run a row's command; its line of the table and whatever else is worth keeping."""
    about = example(row.name)
    command = command_of(row, device)
    head: dict[str, Any] = {
        "example": row.name,
        "shows": about.title,
        "command": command,
        "device": device_of(row, device, place.auto),
        "seconds": None,
    }
    if row.data and not (place.folder / "data" / row.data).exists():
        return {**head, "status": "absent", "result": f"not run: data/{row.data} is not there"}
    for extra in about.extras:
        if extra in place.lacking:
            return {**head, "status": "absent", "result": f"not run: gpudl[{extra}]: {place.lacking[extra]}"}

    start = time.perf_counter()
    code: int | None = 0
    printed = progress = ""
    for part in command.split(" && "):
        left = row.limit - (time.perf_counter() - start)
        code, printed, progress = finished(shlex.split(part), place, left)
        if code != 0:
            break
    seconds = round(time.perf_counter() - start, 1)
    match = re.search(row.result, printed)
    text = "; ".join(match[0].splitlines()) if match else ""
    head.update(seconds=seconds, exit_code=code)
    problem = ""
    if code is None:
        problem = f"not done after {row.limit:g} s"
    elif code != 0:
        problem = f"exit code {code}: {last_line(progress) or last_line(printed)}"
    elif match is None:
        problem = "there is no result on stdout"
    elif not row.least <= float(match[1]) <= row.most:
        problem = f"{text}, but {match[1]} is to be from {row.least:g} to {row.most:g}"
    if problem:
        return {**head, "status": "failed", "result": f"failed: {problem}", "stderr": progress[-4000:]}
    return {**head, "status": "ok", "result": text}


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A measured row as the text of HEAD's columns."""
    seconds = row["seconds"]
    name = f"[{row['example']}](examples/{example(row['example']).path.name})"
    took = f"{seconds:.{0 if seconds >= 10 else 1}f} s" if row["status"] == "ok" else ""
    return name, row["shows"].rstrip("."), f"`{row['command']}`", row["device"], took, row["result"]


def markdown(rows: Iterable[Mapping[str, Any]], environment: Mapping[str, Any]) -> str:
    """The table of README.md, and under it when and where it was measured."""
    lines = [HEAD, ["---"] * len(HEAD), *map(cells, rows)]
    table = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
    threads = environment["threads"]
    blas = (
        "BLAS on as many threads as it likes" if threads is None else f"BLAS on {threads} thread{'s' * (threads != 1)}"
    )
    return (
        f"{table}\n\nMeasured {environment['date']} by `python -m benchmarks.examples --readme` from a fresh install: "
        f"{environment['processor']}, {environment['cores']} cores, {blas}, Python {environment['python']}, "
        f"NumPy {environment['numpy']}."
    )


def rewritten(text: str, table: str) -> str:
    """README.md's text with another table between the markers.

    Raises: ValueError if the markers are not there, once each and in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        raise ValueError(f"README.md must have one line {BEGIN} and below it one line {END}")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, 1 if an example failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(dict.fromkeys(row.name for row in ROWS))
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help="these examples")
    parser.add_argument("--device", help="run all on this device (default: as the commands say, most on the CPU)")
    parser.add_argument("--threads", type=int, metavar="N", help="of NumPy's BLAS (default: it chooses)")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for the figures")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    args = parser.parse_args(argv)
    if args.threads is not None and args.threads < 1:
        parser.error("--threads must be at least 1")
    if args.only and args.readme:
        parser.error("--readme writes the whole table: leave --only out")
    if args.readme:
        try:
            rewritten(README.read_text(encoding="utf-8"), "")
        except (OSError, ValueError) as error:
            parser.error(str(error))

    clock = timing.Clock()
    user, left_out = of_user(args.threads)
    with tempfile.TemporaryDirectory(prefix="gpudl-examples-") as folder:
        work = Path(folder) / "work"
        print("installing ...", file=sys.stderr)
        cuda = ("cuda12",) if (args.device or "").startswith("cuda") else ()
        environment, lacking = installed(Path(folder), user, EXTRAS + cuda)
        shutil.copytree(ROOT / "examples", work / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        if args.data.is_dir():
            (work / "data").symlink_to(args.data.resolve(), target_is_directory=True)
        try:
            place, machine = described(work, environment, lacking, args.device)
        except ValueError as error:
            parser.error(str(error))
        rows = []
        for row in ROWS:
            if args.only is None or row.name in args.only:
                rows.append(measured(row, place, args.device))
                print(f"{row.name}: {rows[-1]['seconds']} s, {rows[-1]['result']}", file=sys.stderr)

    machine |= {
        "threads": args.threads,
        "others_share_of_processors": clock.others(),
        "variables_unset": left_out,
        "openblas_variables_unset": [name for name in left_out if name.startswith("OPENBLAS_") and name not in THREADS],
    }
    write(rows, machine, args)
    return int(any(row["status"] == "failed" for row in rows))


def write(rows: list[dict[str, Any]], machine: Mapping[str, Any], args: argparse.Namespace) -> None:
    """Print the table, and write the files that the arguments ask for."""
    lines = [(row["example"], row["device"], str(row["seconds"] or ""), row["result"]) for row in rows]
    print(timing.table(("example", "device", "s", "result"), lines))
    path = args.json
    if path is None and not args.only:
        path = ROOT / "benchmarks" / "results" / f"examples-{machine['date']}.json"
    if path is not None:
        settings = {"only": args.only, "device": args.device, "threads": args.threads}
        record = {"schema": timing.SCHEMA, "benchmark": "examples", "settings": settings, "environment": machine}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**record, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    if args.readme:
        text = rewritten(README.read_text(encoding="utf-8"), markdown(rows, machine))
        README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
