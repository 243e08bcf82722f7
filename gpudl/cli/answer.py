"""What commands give back, and how it is printed: text or one JSON object on stdout, a line on stderr."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TextIO


class Answer(NamedTuple):
    """What a command has to say.

    Attributes:
        text: for people; "" if all has been said.
        data: the same for programs, of plain values; --json prints it.
        code: the exit code.
    """

    text: str
    data: Mapping[str, Any]
    code: int = 0


class StdoutError(Exception):
    """Results cannot be written to stdout; `reason` is the system's error."""

    def __init__(self, reason: OSError):
        super().__init__(str(reason))
        self.reason = reason


def say(text: str) -> None:
    """A line, or several, on stdout, seen at once. What its encoding lacks is written as escapes.

    Raises: StdoutError.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError as error:
        raise StdoutError(error) from error


def write_json(data: Mapping[str, Any]) -> None:
    """One JSON object on stdout; null for numbers that are not finite, which JSON has not.

    Raises: StdoutError.
    """
    import json

    say(json.dumps(_plain(data), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def stdout_to(aside: TextIO) -> Iterator[None]:
    """Inside, what anybody prints goes to another file: a user's own code, and processes that it starts."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(aside))
        if sys.__stdout__ is not None and _is_real(sys.__stdout__) and _is_real(aside):
            number = sys.__stdout__.fileno()
            kept = os.dup(number)
            os.dup2(aside.fileno(), number)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, number)
        yield


class Steady:
    """A text file for progress: when it cannot be written any more, since its reader went away or the disk is full,
    what comes next goes nowhere, and the training goes on."""

    def __init__(self, file: TextIO):
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> int:
        """As a file's, but that it does not fail."""
        try:
            return self._file.write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """As a file's, but that it does not fail."""
        try:
            self._file.flush()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            give_up(self._file)


def give_up(file: TextIO) -> None:
    """Let all that is written to a file go nowhere, Python's own flush at the end too, which would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def _is_real(file: TextIO) -> bool:
    """Whether it is a file of the system, not one that is captured."""
    try:
        return file.fileno() >= 0
    except (OSError, ValueError, AttributeError):
        return False


def fail(problem: str, code: int) -> int:
    """Say on stderr what is wrong; returns the code."""
    with contextlib.suppress(OSError):  # where nothing can be said, the code says it
        print(printable(f"gpudl: {problem}"), file=sys.stderr, flush=True)
    return code


def printable(text: str) -> str:
    """With escapes for control characters, which a terminal would obey and a log should not have."""
    return "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)


def versions() -> str:
    """The line of versions that -v begins with."""
    import platform

    import numpy as np

    from gpudl.version import __version__

    return f"gpudl {__version__}, Python {platform.python_version()}, NumPy {np.__version__}, {platform.platform()}"
