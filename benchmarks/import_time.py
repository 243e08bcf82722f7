"""What importing gpudl takes on top of NumPy, and PyTorch beside it.

    python -m benchmarks.import_time [--json FILE] [--check SECONDS]

Fresh interpreters in turn, each of which times its own import statements; the files are in the system's cache.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

from benchmarks import timing

PROGRAMS = {
    "numpy": "import numpy",
    "gpudl": "import gpudl",
    "gpudl, nn, optim, data": "import gpudl, gpudl.nn, gpudl.optim, gpudl.data",
    "torch": "import torch",
}
BASE = "numpy"
CHECKED = "gpudl"
_CODE = "from time import perf_counter as now; start = now(); {}; print(now() - start)"


def import_seconds(statement: str) -> float:
    """How long a statement takes in an interpreter of its own."""
    command = [sys.executable, "-c", _CODE.format(statement)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(rounds: int) -> list[dict[str, Any]]:
    """A row for each program."""
    programs = {
        name: code for name, code in PROGRAMS.items() if importlib.util.find_spec(code.split()[-1].split(".")[0])
    }
    samples = {name: lambda _, code=code: import_seconds(code) for name, code in programs.items()}
    seconds = timing.alternate(samples, rounds=rounds, seconds=0)
    times = {name: [1e3 * each for each in mine] for name, mine in seconds.items()}
    rows = []
    for name, mine in times.items():
        on_top = timing.spread(whole - bare for whole, bare in zip(mine, times[BASE], strict=True))
        row = {"case": name, "ms": round(timing.spread(mine).median, 1)}
        rows.append(row | timing.columns("on_top_ms", on_top, digits=1))
    return rows


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code, 1 if a check failed."""
    parser = timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--check", type=float, metavar="SECONDS", help="fail if gpudl takes more on top of NumPy")
    args = parser.parse_args(argv)
    timing.restart_clean(threads=1)
    clock = timing.Clock()
    args.rounds = args.rounds or (1 if args.quick else 15)
    rows = measure(args.rounds)
    lines = [(row["case"], f"{row['ms']}", f"{row['on_top_ms']}", timing.quartiles(row, "on_top_ms")) for row in rows]
    print(timing.table(("import", "ms", f"ms over {BASE}", "quartiles"), lines))
    timing.report("import_time", rows, timing.environment(clock, threads=1), args)
    on_top = next(row["on_top_ms"] for row in rows if row["case"] == CHECKED)
    if args.check is not None and on_top > 1e3 * args.check:
        print(f"import gpudl takes {on_top} ms on top of NumPy, more than {1e3 * args.check:g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
