"""Debug mode: labels and indices are looked at, which is off unless one looks for an error.

Off, an index beyond its dimension reads some other element of a CUDA device's array in silence, or nan (-1 for
integers), and writes to some other element, or nowhere. On the CPU it always raises, at once.

On, a device looks at each of them in a launch of its own (gpudl.backend.bounds) and notes the first that is out of
range; nobody waits for that. What was noted is read where the host waits anyway, and once a step: see `debug`.
The few checks of other things (a divisor that is 0, a probability beyond 1, offsets in disorder) wait at the operation.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from typing import Any

from gpudl.backend.arrays import Array
from gpudl.backend.device import backend_of, device_of
from gpudl.backend.strict import users_line

Blame = Callable[[int], Exception]
"""From an index out of range, the error to be raised."""

_setting = os.environ.get("GPUDL_DEBUG", "")
_on, _at_once = _setting not in ("", "0"), _setting == "2"
_MOST = 10_000  # operations, after which a device is waited for though nobody has read anything

_numbers = count(1)
_pending: dict[int, tuple[Blame, str]] = {}  # number of a launch -> what to raise, and where it was asked for
_records: dict[Any, Array] = {}  # device and stream -> what kernels/cuda/bounds.cu writes


def debugging() -> bool:
    """Whether debug mode is on: by the environment's GPUDL_DEBUG=1, or inside `debug()`."""
    return _on


class debug:
    """Switch debug mode on, or off, inside the block: `with gpudl.debug():`.

    In debug mode a label or index that is out of range raises IndexError on devices too. A device reports once a step:
    the error comes with the next step of an optimizer, when a tensor is read on the host, at synchronize(), at
    debug.report(), or when the block is left, and names the operation, the file and line that called it, the value and
    the bound. The environment's GPUDL_DEBUG=1 switches it on for a whole program.

    Args:
        on: False switches it off.
        at_once: report at the operation itself, which then waits for the device; GPUDL_DEBUG=2 for a whole program.
    """

    def __init__(self, on: bool = True, at_once: bool = False) -> None:
        self._inside = on, at_once

    def __enter__(self) -> debug:
        global _on, _at_once
        self._before = _on, _at_once
        _on, _at_once = self._inside
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        global _on, _at_once
        _on, _at_once = self._before
        if kind is not None:  # whatever was noted, this error is on its way already
            _pending.clear()
            _records.clear()
        elif self._inside[0]:
            report()

    @staticmethod
    def report() -> None:
        """Wait for the devices, and raise the first error that one of them noted since this was last asked.

        Raises: IndexError (or what else the operation raises on the CPU); nothing if all was well, or debug mode off.
        """
        report()


def noting(blame: Blame, key: Any, made: Callable[[], Array]) -> tuple[int, Array]:
    """The number of a launch that may find something, and the record for it.

    Args:
        blame: gives the error for a value.
        key: of the device and stream.
        made: makes a record, (3,) int64 zeros.
    """
    if len(_pending) >= _MOST:
        report()
    number = next(_numbers)
    filename, line = users_line()
    _pending[number] = blame, f"{filename}:{line}"
    record = _records.get(key)
    if record is None:
        record = _records[key] = made()
    return number, record


def noted() -> None:
    """Say that a launch was started, so that its error may be raised at once where that is wanted."""
    if _at_once:
        report()


def report() -> None:
    """See debug.report."""
    if not _pending:
        return
    blames = dict(_pending)
    _pending.clear()  # first, since what follows reads from a device, and whoever does that reports
    found = []
    for record in _records.values():
        backend = backend_of(record)
        backend.synchronize(device_of(record))
        number, value, _ = backend.to_host(record).tolist()
        if number:
            found.append((number, value))
            record.fill(0)
    if found:
        number, value = min(found)
        blame, place = blames[number]
        error = blame(value)
        error.args = (f"{place}: {error}",)
        raise error
