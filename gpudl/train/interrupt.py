"""Steps that Ctrl-C may not tear apart, and trainings that end between two of them."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

Stopped = Callable[[], "str | None"]
"""The name of the signal that asked to stop, if one did."""


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Inside, Ctrl-C waits: KeyboardInterrupt is raised at the end of the block.

    Programs that handle the signal in their own way, and threads, which never see it, are left alone.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    received = False

    def note(*signal_and_frame: Any) -> None:
        nonlocal received
        received = True

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if received:
        raise KeyboardInterrupt


@contextlib.contextmanager
def stopping() -> Iterator[Stopped]:
    """Inside, the first Ctrl-C or SIGTERM is only noted, for the block to end when it can; a second one acts at once.

    Signals that the program handles in its own way, and threads, which never see them, are left alone.

    Yields: a function that gives the name of the signal that was noted, or None.
    """
    received: list[str] = []
    ordinary: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    if threading.current_thread() is not threading.main_thread():
        ordinary = {}
    ours = {number: handler for number, handler in ordinary.items() if signal.getsignal(number) is handler}

    def restore() -> None:
        for number, handler in ours.items():
            signal.signal(number, handler)

    def note(number: int, frame: Any) -> None:
        received.append(signal.Signals(number).name)
        restore()

    for number in ours:
        signal.signal(number, note)
    try:
        yield lambda: received[0] if received else None
    finally:
        restore()
