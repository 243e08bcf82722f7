"""The CUDA kernels, each against what the card can do and against PyTorch's kernel for the same work, in one run.

    python -m benchmarks.kernels [--only WORD ...] [--device cuda:1] [--json FILE]

benchmarks/kernel_cases has the cases. Times are the device's, by events around many launches. "of limit" is the share
of what this card was measured to do in the same run: the bytes that a kernel must read and write over its time, of the
bandwidth of a copy; where it multiplies matrices, its floating point operations of cuBLAS' rate for a large product of
that dtype. "host us" is what one launch takes of the host's time, Python included. Ratios are gpudl's time over
PyTorch's, below 1 gpudl is the faster.

Without a GPU nothing can be measured. `--device sim --quick` runs the cases, which takes long for large ones, and says
no times.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks import timing

COPIED = 1 << 29  # bytes; far more than any cache holds
SIDE = 8192  # of the matrices whose product shows the card's rate
SHORT = 200  # launches whose host time is taken: fewer than a GPU lets wait

Program = Callable[[], Any]


def cases() -> Iterator[Any]:
    """All cases, in the order of the files."""
    package = importlib.import_module("benchmarks.kernel_cases")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        yield from getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "CASES", ())


class Clocked:
    """Programs of one library, timed by its events on its current stream; by the host's clock without a GPU.

    Args:
        cuda: gpudl.cuda or torch.cuda; None without a GPU.
    """

    def __init__(self, cuda: Any):
        self.cuda = cuda

    def sample(self, program: Program, number: int) -> float:
        """The seconds that so many runs take on the device."""
        if self.cuda is None:
            return timing.loop(program)(number)
        start, end = (self.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in itertools.repeat(None, number):
            program()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1000

    def host_seconds(self, program: Program) -> float:
        """The seconds of the host for one run, when nothing waits."""
        best = float("inf")
        for _ in range(5):
            if self.cuda is not None:
                self.cuda.synchronize()
            start = time.perf_counter()
            for _ in itertools.repeat(None, SHORT):
                program()
            best = min(best, (time.perf_counter() - start) / SHORT)
        return best


def limits(place: Any, clocked: Clocked, rounds: int, seconds: float) -> dict[str, float]:
    """What this card does: "copy" in bytes read and written a second, and products' operations a second, by dtype."""
    from benchmarks.kernel_cases.case import array, numbers
    from gpudl.backend.arrays import xp_of
    from gpudl.ops.gemm import product

    quick = not seconds
    x = array(place, numbers((64 if quick else COPIED // 4,)))
    y = xp_of(x).empty_like(x)
    found = {
        "copy": 2
        * x.nbytes
        / _median(clocked, lambda: y.data.copy_from_device_async(x.data, x.nbytes), rounds, seconds)
    }
    side = 16 if quick else SIDE
    for dtype in ("float32", "float16", "float64"):
        a = array(place, numbers((side, side)), dtype)
        found[dtype] = 2 * side**3 / _median(clocked, partial(product, a, a), rounds, seconds)
    found["bfloat16"] = found["float16"]
    return found


def _median(clocked: Clocked, program: Program, rounds: int, seconds: float) -> float:
    times = timing.alternate({"": partial(clocked.sample, program)}, rounds=rounds, seconds=seconds)
    return timing.spread(times[""]).median


def measure(
    case: Any, place: Any, clocked: dict[str, Clocked], most: dict[str, float], rounds: int, seconds: float
) -> dict[str, Any]:
    """One row: gpudl's time, its share of the limit, and PyTorch's time where it has the kernel and is installed."""
    programs = {"gpudl": case.ours(place)}
    if "torch" in clocked and case.theirs is not None:
        programs["torch"] = case.theirs("cpu" if clocked["torch"].cuda is None else str(place).replace("sim", "cuda"))
    samples = {name: partial(clocked[name].sample, program) for name, program in programs.items()}
    times = timing.alternate(samples, rounds=rounds, seconds=seconds)
    took = timing.spread(times["gpudl"])
    row: dict[str, Any] = {
        "case": case.name,
        "bytes": case.bytes,
        "flops": case.flops,
        "gpudl_us": round(1e6 * took.median, 2),
        "gpudl_host_us": round(1e6 * clocked["gpudl"].host_seconds(programs["gpudl"]), 2) if seconds else None,
        "of_copy_bandwidth": round(case.bytes / took.median / most["copy"], 3),
        "of_product_rate": round(case.flops / took.median / most[_dtype(case.name)], 3) if case.flops else None,
    }
    if "torch" in programs:
        row["torch_us"] = round(1e6 * timing.spread(times["torch"]).median, 2)
        row |= timing.columns("ratio", timing.ratio(times, "gpudl", "torch"), digits=3)
    return row


def _dtype(name: str) -> str:
    return next((word for word in name.split() if word in ("float64", "float16", "bfloat16")), "float32")


HEAD = ("kernel", "gpudl us", "host us", "of limit", "torch us", "ratio", "quartiles")


def printed(row: dict[str, Any]) -> tuple[str, ...]:
    """A row as the table has it."""
    share, unit = row["of_product_rate"], "product"
    if share is None:
        share, unit = row["of_copy_bandwidth"], "copy"
    host = row["gpudl_host_us"]
    known = "torch_us" in row
    return (
        row["case"],
        f"{row['gpudl_us']:.1f}",
        "" if host is None else f"{host:.1f}",
        f"{100 * share:.0f} % {unit}",
        f"{row['torch_us']:.1f}" if known else "",
        f"{row['ratio']:.2f}" if known else "",
        timing.quartiles(row, "ratio") if known else "",
    )


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", metavar="DEVICE", help="cuda, cuda:N, or sim with --quick")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="cases with one of these in their name")
    args = parser.parse_args(argv)
    timing.restart_clean(1)
    clock = timing.Clock()
    import gpudl
    from gpudl.backend.device import require

    try:
        place = gpudl.device(args.device)
        require(place)
    except gpudl.DeviceError as error:
        parser.error(str(error))
    if place.type != "cuda" and not (place.type == "sim" and args.quick):
        parser.error(f"{place} is no GPU, and times on it mean nothing; --device sim --quick shows that the cases run")
    chosen = [case for case in cases() if any(word in case.name for word in args.only)]
    if not chosen:
        parser.error(f"no case has {' or '.join(args.only)} in its name")
    rounds, seconds = args.rounds or (1 if args.quick else 9), 0.0 if args.quick else 0.02
    real = place.type == "cuda"
    clocked, quiet = {"gpudl": Clocked(gpudl.cuda if real else None)}, ExitStack()
    if importlib.util.find_spec("torch"):
        torch = importlib.import_module("torch")
        if real == torch.cuda.is_available():
            clocked["torch"] = Clocked(torch.cuda if real else None)
            quiet.enter_context(torch.no_grad())
    rows: list[dict[str, Any]] = []
    environment: dict[str, Any] = {"device": _device(gpudl, place)}
    with quiet, gpudl.no_grad():
        most = limits(place, clocked["gpudl"], rounds, seconds)
        for case in chosen:
            print(f"{case.name} ...", file=sys.stderr)
            rows.append(measure(case, place, clocked, most, rounds, seconds))
    if real:
        print(timing.table(HEAD, map(printed, rows)))
        rates = ", ".join(f"{name} {most[name] / 1e12:.1f}" for name in ("float32", "float16", "float64"))
        print(f"{environment['device']['name']}: copies {most['copy'] / 1e9:.0f} GB/s, products {rates} TFLOP/s")
        environment["limits"] = most
    else:
        rows = [{key: row[key] for key in ("case", "bytes", "flops")} for row in rows]
        print("\n".join(f"{row['case']}: runs" for row in rows))
    timing.report("kernels", rows, timing.environment(clock, 1) | environment, args)
    return 0


def _device(gpudl: Any, place: Any) -> dict[str, Any]:
    """What the figures depend on beyond the host."""
    from gpudl.backend.device import require

    runtime = require(place).namespace.cuda.runtime
    return {
        "name": gpudl.cuda.get_device_name(place) if place.type == "cuda" else "emulated, no GPU",
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "cupy": require(place).namespace.__version__,
        "float32_products": "float32, no TF32",
    }


if __name__ == "__main__":
    sys.exit(main())
