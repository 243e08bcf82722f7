"""Which implicit transfers, synchronizations and computations on the host happen, how often, and where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from gpudl.backend.strict import watching
from gpudl.compare.place import place


@dataclass(frozen=True)
class Implicit:
    """What happened at one line without being asked for by name.

    Attributes:
        kind: "transfer", "synchronization" or "fallback", as in gpudl.strict.
        what: what it was the first time, as in "a copy of (3, 4) float32 from sim:0 to the host".
        filename, lineno: the user's line that asked for it; of gpudl's layers where no user's line called them.
        count: how often.
    """

    kind: str
    what: str
    filename: str
    lineno: int
    count: int

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.filename}:{self.lineno}: {self.kind}, {self.count} times: {self.what}"


@contextmanager
def implicit_work() -> Iterator[list[Implicit]]:
    """Find what gpudl.strict would forbid in this thread, without forbidding it.

        with gpudl.compare.implicit_work() as found:
            for batch in loader:
                train(batch)
        for each in found:
            print(each)  # train.py:12: transfer, 100 times: a copy of () float32 from cuda:0 to the host

    A transfer that also waits counts as a transfer alone.

    Returns: a list that is filled when the block ends, what was found first standing first.
    """
    found: list[Implicit] = []
    counts: dict[tuple[str, str, int], list[Any]] = {}

    def note(kind: str, what: str) -> None:
        name, line = place(or_layers=True) or ("?", 0)
        counts.setdefault((kind, name, line), [0, what])[0] += 1

    try:
        with watching(note):
            yield found
    finally:
        # Reading an array says first that it copies, and then that it waits.
        for (kind, name, line), (count, what) in counts.items():
            waits = count - (counts.get(("transfer", name, line), [0])[0] if kind == "synchronization" else 0)
            if waits > 0:
                found.append(Implicit(kind, what, name, line, waits))
