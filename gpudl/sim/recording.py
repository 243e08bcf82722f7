"""GPUDL_SIM_RECORD: a file with one line of JSON for each distinct source that was compiled.

The NVRTC gate compiles what stands there for real GPUs. Processes that run at the same time may share the file.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path

from gpudl.sim.cache import key
from gpudl.sim.errors import SimError
from gpudl.sim.settings import current

_seen: set[str] = set()
_read: dict[Path, int] = {}  # how much of a file is in _seen


def record(source: str, options: Sequence[str], name_expressions: Sequence[str]) -> None:
    """Add a source, unless it stands in the file already; nothing if no file was asked for."""
    path = current().record
    if path is None:
        return
    line = json.dumps({"source": source, "options": list(options), "name_expressions": list(name_expressions)}) + "\n"
    if path in _read and _name(path, line) in _seen:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # "a" writes at the end whatever others have added; the lock keeps two from adding the same line.
        with open(path, "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(_read.get(path, 0))
            for other in file:
                _seen.add(_name(path, other.decode("utf-8")))
            if _name(path, line) not in _seen:
                file.write(line.encode("utf-8"))
                _seen.add(_name(path, line))
            file.flush()
            _read[path] = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise SimError(f"GPUDL_SIM_RECORD={path} cannot be written: {error.strerror or error}") from error


def _name(path: Path, line: str) -> str:
    return key(str(path), line)
