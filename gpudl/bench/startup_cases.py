"""What a user waits for at the start: imports, and the first training step of a process, which may compile kernels.

Each sample is a process of its own that takes the time itself, from the first statement on, without the start of the
interpreter. The system has the files in its cache, after the first process at the latest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import gpudl
from gpudl.bench.case import Case, Make, Part, Parts
from gpudl.bench.process import output_of

_IMPORT = "from time import perf_counter as now; start = now(); import {lib}; print(now() - start)"

_STEP = """
from time import perf_counter as now
import {lib} as lib, {lib}.nn, {lib}.optim
start = now()
model = lib.nn.Sequential(lib.nn.Linear(64, 32), lib.nn.GELU(), lib.nn.LayerNorm(32), lib.nn.Linear(32, 10))
model = model.to({place!r})
optimizer = lib.optim.Adam(model.parameters())
x, target = lib.ones(16, 64).to({place!r}), lib.zeros(16, dtype=lib.int64).to({place!r})
lib.nn.functional.cross_entropy(model(x), target).backward()
optimizer.step()
next(model.parameters()).sum().item()
print(now() - start)
"""

_CACHES = ("CUPY_CACHE_DIR",)
"""Variables that name folders of compiled kernels."""


def _seconds(code: str, **variables: str) -> float:
    """What a new interpreter says that its code took."""
    return float(output_of("start-up", code, **variables))


def _alone(program: Callable[[], float]) -> Part:
    return Part(program, says="seconds")


def _import(make: Make) -> Parts:
    code = _IMPORT.format(lib=make.lib.__name__)
    return {"import": _alone(lambda: _seconds(code))}


def _first_step(make: Make) -> Parts:
    """With what was compiled before, and, where a device's kernels are compiled when they are first used, without."""
    code = _STEP.format(lib=make.lib.__name__, place=str(make.place))

    def compiling() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return _seconds(code, **dict.fromkeys(_CACHES, folder))

    parts = {"first step": _alone(lambda: _seconds(code))}
    if _compiles(make):
        parts["compiling"] = _alone(compiling)
    return parts


def _compiles(make: Make) -> bool:
    place: Any = make.place
    return make.lib is gpudl and place.index is not None


CASES = [
    Case("start-up", "start-up", "import", _import, (), ()),
    Case("start-up", "start-up", "first training step", _first_step, (), ()),
]
