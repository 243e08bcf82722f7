"""Strict mode: implicit transfers, synchronizations and computations on the host are errors that name file and line.

Backends and operations say what they are about to do with `implicit(...)`; outside `with strict():` that is nothing.
What the user asked for by name, such as x.to(device), x.cpu() and synchronize(), is explicit and stays allowed.
"""

from __future__ import annotations

import os.path
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from gpudl.backend.errors import DeviceError

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_FOREIGN = ("cupy", "numpy", "contextlib")  # modules whose lines are never the user's

_FIX = {
    "transfer": "keep the value on the device, or copy it on purpose with .cpu() or .to()",
    "synchronization": "take it out of the loop, or use a form whose result's shape does not depend on values",
    "fallback": "use an operation that has a form for this device, or move the input to the CPU on purpose",
}


class StrictError(DeviceError):
    """An implicit transfer, synchronization or computation on the host inside `with gpudl.strict():`.

    Attributes:
        kind: "transfer", "synchronization" or "fallback".
        filename, lineno: where it was asked for, the innermost line outside gpudl.
    """

    def __init__(self, kind: str, what: str, filename: str, lineno: int):
        super().__init__(f"{filename}:{lineno}: strict mode forbids {what}; {_FIX[kind]}")
        self.kind, self.filename, self.lineno = kind, filename, lineno

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (self.args, self.kind, self.filename, self.lineno)


def _rebuilt(args: tuple[str, ...], kind: str, filename: str, lineno: int) -> StrictError:
    error = StrictError.__new__(StrictError, *args)
    error.kind, error.filename, error.lineno = kind, filename, lineno
    return error


Watcher = Callable[[str, str], None]
"""Told of what `implicit` is told of: the kind, and what it is."""


class _State(threading.local):
    enabled = False
    watcher: Watcher | None = None


_state = _State()


@contextmanager
def strict(enabled: bool = True) -> Iterator[None]:
    """Raise StrictError, naming file and line, when this thread would leave the device without being told to.

    Forbidden inside the block, on cuda and sim alike:
        transfers: item(), float(x), `if x:`, tolist(), print(x), a host array that an operation moves to the device;
        synchronizations: results whose shape depends on values, as of nonzero, unique and x[mask];
        fallbacks: operations that compute on the host, having no form for the device.
    Allowed are what is asked for by name: to(), cpu(), cuda(), tensor(data, device=...), synchronize().

    Args:
        enabled: False allows everything again inside the block, as a part of a strict one.
    """
    before = _state.enabled, _state.watcher
    _state.enabled = enabled
    if not enabled:
        _state.watcher = None
    try:
        yield
    finally:
        _state.enabled, _state.watcher = before


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Let a function know what strict mode would forbid, in this thread and inside the block; nothing is raised.

    What stands in `with strict(False):` is allowed, and the function is not told of it.
    """
    before = _state.enabled, _state.watcher
    _state.enabled, _state.watcher = False, watcher
    try:
        yield
    finally:
        _state.enabled, _state.watcher = before


def is_strict() -> bool:
    """True inside `with strict():` of this thread."""
    return _state.enabled


def implicit(kind: str, what: str) -> None:
    """Say that something happens which the user has not asked for by name.

    Args:
        kind: "transfer", "synchronization" or "fallback".
        what: what it is, as in "item() copies (3, 4) float32 from sim:0".
    Raises: StrictError in strict mode.
    """
    if _state.enabled:
        raise StrictError(kind, what, *_place(sys._getframe(1)))
    if _state.watcher is not None:
        _state.watcher(kind, what)


def users_line() -> tuple[str, int]:
    """File and line of the user's call under way."""
    return _place(sys._getframe(1))


def _place(frame: FrameType | None) -> tuple[str, int]:
    """File and line of the innermost frame that is neither gpudl's nor a library's below it."""
    last = frame
    while frame is not None:
        last = frame
        if _is_users(frame):
            break
        frame = frame.f_back
    return (last.f_code.co_filename, last.f_lineno) if last is not None else ("?", 0)


def _is_users(frame: FrameType) -> bool:
    if frame.f_globals.get("__name__", "").split(".")[0] in _FOREIGN:
        return False
    return not frame.f_code.co_filename.startswith(_PACKAGE)
