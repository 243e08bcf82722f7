"""PyTorch beside gpudl: on a GPU in the same process, on the CPU in one of its own.

The threads of a math library spin for a while after its work, and a library that is loaded changes what the other one
finds: threads, the allocator, how long an import takes. On a GPU both have to share a context, and nothing else.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection
from typing import Any

import gpudl
from gpudl.backend.clocks import is_emulated
from gpudl.bench.case import CannotMeasure, Case, Make, Parts, Shape
from gpudl.bench.library import Library, seeded
from gpudl.bench.process import environment
from gpudl.bench.suites import cases
from gpudl.bench.timing import Lap, Sample

_WORK = "from gpudl.bench.rival import work; work()"
_CANNOT = "cannot measure"  # the key of an answer that is the reason
_QUIET = {"KINETO_LOG_LEVEL": "99", "TORCH_CPP_LOG_LEVEL": "ERROR"}  # of PyTorch's profiler, for its user


class Rival:
    """A library in this process, with the parts of one case at a time.

    Attributes:
        about: the version and threads, for the record.
    """

    def __init__(self, library: Library):
        self._library = library
        self._parts: Parts = {}
        self.about: dict[str, Any] = {"torch": library.lib.__version__, "torch_threads": library.lib.get_num_threads()}

    def build(self, case: Case, sizes: tuple[Shape, ...], seed: int, dtype: str) -> Collection[str]:
        """The names of the parts. Raises: CannotMeasure, from the case."""
        self._parts = {}  # which frees what the case before has
        lib = self._library.lib
        with seeded(lib, seed):
            self._parts = case.build(Make(lib, self._library.place, seed, dtype), *sizes)
        return self._parts.keys()

    def sample(self, name: str) -> Sample:
        """What runs a part."""
        return self._library.sample(self._parts[name])

    def tells(self, name: str) -> dict[str, Any]:
        """What a row says of a part besides times. Raises: CannotMeasure, from the part."""
        part = self._parts[name]
        if part.says == "memory":
            return {"memory": part.program()}
        return part.facts(self._library, None) if part.says and part.facts is not None else {}

    def close(self) -> None:
        """Let go of the parts."""
        self._parts = {}


class Elsewhere:
    """A Rival in another process, which answers each line with a line."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WORK],
            env=environment() | _QUIET,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.about = self._answer()

    def build(self, case: Case, sizes: tuple[Shape, ...], seed: int, dtype: str) -> Collection[str]:
        """As Rival's."""
        return self._ask("build", case.suite, case.group, case.name, sizes, seed, dtype)  # type: ignore[no-any-return]

    def sample(self, name: str) -> Sample:
        """As Rival's."""
        return lambda number: Lap(*self._ask("sample", name, number))

    def tells(self, name: str) -> dict[str, Any]:
        """As Rival's."""
        return self._ask("tells", name)  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]

    def _ask(self, *words: object) -> Any:
        with contextlib.suppress(BrokenPipeError):  # _answer says how it ended
            print(json.dumps(words), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise RuntimeError(f"the process of PyTorch ended with exit code {self._process.wait()}")
        answer = json.loads(line)
        if isinstance(answer, dict) and _CANNOT in answer:
            raise CannotMeasure(answer[_CANNOT])
        return answer


def rival_on(place: gpudl.Device) -> Rival | Elsewhere | str:
    """PyTorch on a device, to be closed after use; or why it is not measured there."""
    if is_emulated(place):
        return f"PyTorch does not run on {place}"
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed"
    if place.index is None:
        return Elsewhere()
    torch: Any = importlib.import_module("torch")
    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} finds no GPU here"
    own = torch.device(str(place))

    def event() -> Any:
        return torch.cuda.Event(enable_timing=True)

    return Rival(Library(torch, own, lambda: torch.cuda.synchronize(own), event, lambda: torch.cuda.device(own)))


def work() -> None:
    """The other process: PyTorch on the CPU, until there are no more lines."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # which is for the process that asks, and its end ends this one
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else PyTorch prints
    torch: Any = importlib.import_module("torch")
    rival = Rival(Library(torch, torch.device("cpu"), lambda: None, lambda: None))
    print(json.dumps(rival.about), file=answers, flush=True)
    for line in sys.stdin:
        try:
            answer = _done(rival, *json.loads(line))
        except CannotMeasure as error:
            answer = {_CANNOT: str(error)}
        print(json.dumps(answer), file=answers, flush=True)


def _done(rival: Rival, what: str, *given: Any) -> Any:
    """What Elsewhere asks for."""
    if what == "sample":
        name, number = given
        return rival.sample(name)(number)
    if what == "tells":
        return rival.tells(*given)
    suite, group, name, sizes, seed, dtype = given
    case = next(case for case in cases([suite]) if (case.group, case.name) == (group, name))
    return list(rival.build(case, tuple(map(tuple, sizes)), seed, dtype))
