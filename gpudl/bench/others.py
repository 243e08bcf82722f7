"""How much of the processors other programs took while something was measured."""

from __future__ import annotations

import os
from pathlib import Path


class Others:
    """A look at the system's counters, to be compared with a later one."""

    def __init__(self) -> None:
        self._start = _read()

    def share(self) -> float | None:
        """Of all processors' time since then, 0 to 1; None where the system does not say."""
        start, end = self._start, _read()
        if start is None or end is None or end[0] == start[0]:
            return None
        busy, own = end[1] - start[1], end[2] - start[2]
        return round(max(0.0, busy - own) / (end[0] - start[0]), 3)


def _read() -> tuple[float, float, float] | None:
    """Seconds of all processors, those of them that were busy, and those that this process was."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
        ticks = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields]
    except (OSError, ValueError):
        return None
    return sum(ticks), sum(ticks) - ticks[3] - ticks[4], sum(os.times()[:4])
