"""gpudl warmup."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from gpudl.cli.answer import Answer
from gpudl.cli.options import shared

if TYPE_CHECKING:
    from gpudl.cli.parser import Arguments

SUMMARY = "compile the CUDA kernels before they are needed"

ABOUT = """\
Compile gpudl's CUDA kernels for a device now, into the cache on disk where later processes find them: a first training
step compiles what it uses otherwise. When a container is built, for one, or after an update.

  gpudl warmup                              for the GPU; float32, float16, and bfloat16 where ml_dtypes is installed
  gpudl warmup --dtype float32 float64      for these dtypes
  gpudl warmup --device sim                 for the emulated device

What CuPy generates beside them is compiled when it is used, and so is attention, whose kernels are made for the width
of the heads that come. Exit codes: 0 done, 1 a kernel does not compile, 2 the device is not there or has no kernels,
130 interrupted.
"""

_DTYPES = ("float32", "float64", "float16", "bfloat16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--dtype", nargs="+", choices=_DTYPES, metavar="DTYPE", help=f"of {', '.join(_DTYPES)}")
    shared(parser, "device", "json", "quiet", "verbose", plain="device")


def run(arguments: Arguments) -> Answer:
    """Do it."""
    from importlib import import_module
    from time import perf_counter

    from gpudl.backend.device import device
    from gpudl.backend.warmup import usual_floats, warm_up

    for wing in ("nn", "optim"):  # which import all modules that have CUDA text
        import_module(f"gpudl.{wing}")
    floats = arguments.dtype or usual_floats()
    place, start = device(arguments.device or "cuda"), perf_counter()
    modules = warm_up(place, floats, lambda line: print(line, file=sys.stderr, flush=True))
    seconds = perf_counter() - start
    text = f"{modules} CUDA modules for {', '.join(floats)} are ready on {place}, {seconds:.1f} s"
    return Answer(text, {"modules": modules, "dtypes": floats, "device": str(place), "seconds": seconds})
