"""Which cases there are, and which of them are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from gpudl.bench.case import Case

SUITES = {
    "ops": "operations: forward, backward, steps of optimizers, copies",
    "nets": "training steps of networks, whole and in parts",
    "end-to-end": "training from the start until enough of a test set is right",
    "memory": "the most memory that a training step of each network takes",
    "crossover": "training steps at growing batches: from which on a GPU is faster than the CPU",
    "start-up": "imports, and the first training step of a process",
}
"""Name -> what is in it."""


def cases(suites: Iterable[str], only: Sequence[str] = ()) -> list[Case]:
    """The cases of some suites, in their order.

    Args:
        suites: names of SUITES.
        only: patterns of which one must fit "group: name": a part of it, or, with * ? [ in it, all of it; in small or
            large letters.
    Raises: ValueError for a suite that there is not, or patterns that nothing fits.
    """
    from gpudl.bench import (
        crossover_cases,
        end_to_end_cases,
        layer_cases,
        memory_cases,
        net_cases,
        op_cases,
        startup_cases,
        state_cases,
    )

    wanted = list(dict.fromkeys(suites))
    for name in wanted:
        if name not in SUITES:
            raise ValueError(f"there is no suite {name!r}; there are: {', '.join(SUITES)}")
    files = (
        *(op_cases, layer_cases, state_cases, net_cases),
        *(end_to_end_cases, memory_cases, crossover_cases, startup_cases),
    )
    known = [case for file in files for case in file.CASES]
    found = [case for case in known if case.suite in wanted]
    chosen = [case for case in found if not only or any(_fits(case.label, pattern) for pattern in only)]
    if not chosen:
        groups = ", ".join(dict.fromkeys(case.group for case in found))
        raise ValueError(f"no case fits {' or '.join(map(repr, only))}; groups are: {groups}")
    return chosen


def _fits(label: str, pattern: str) -> bool:
    label, pattern = label.lower(), pattern.lower()
    return fnmatchcase(label, pattern) if any(mark in pattern for mark in "*?[") else pattern in label
