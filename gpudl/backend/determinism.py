"""Deterministic mode: an operation that may give other bits in the next run is an error that names it.

gpudl's own operations give the same bits in every run on one machine: sums have one order, and no kernel adds floats
with atomics. What does not is marked where it is, and raises while the mode is on:

    class Spread(Primitive):
        @gpudl.autograd.nondeterministic("adds floats with atomics", instead="gpudl.scatter_add")
        def forward(ctx, x, index): ...

The mode is the process's, as PyTorch's is: all threads are under it, those of a DataLoader among them.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from gpudl.backend.strict import users_line

F = TypeVar("F", bound=Callable[..., Any])

_DEBUG_MODES = ("default", "warn", "error")


class DeterminismError(RuntimeError):
    """An operation that is not deterministic, while deterministic mode is on. PyTorch raises RuntimeError."""


class _State:
    mode = 0  # a number of _DEBUG_MODES


_state = _State()


class deterministic:
    """Raise DeterminismError for every operation that may give other bits in the next run.

    `deterministic(True)` holds from there on, `with deterministic():` until the end of the block. Under it one program
    with one seed gives the same bits in every run on the same machine with the same number of threads of the BLAS.

    Args:
        mode: False allows everything again.
        warn_only: a UserWarning instead of the error.
    """

    def __init__(self, mode: bool = True, *, warn_only: bool = False):
        self._before = [_state.mode]
        self._entered = False
        self._mode = _state.mode = 0 if not mode else 1 if warn_only else 2

    def __enter__(self) -> None:
        if self._entered:  # again, or nested
            self._before.append(_state.mode)
        self._entered = True
        _state.mode = self._mode

    def __exit__(self, *exception: object) -> None:
        _state.mode = self._before.pop()


def is_deterministic() -> bool:
    """True while deterministic mode is on, also where it only warns."""
    return _state.mode > 0


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """PyTorch's name for `deterministic(mode, warn_only=warn_only)`."""
    deterministic(mode, warn_only=warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """PyTorch's name for is_deterministic."""
    return is_deterministic()


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """True while deterministic mode is on and only warns."""
    return _state.mode == 1


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Choose what an operation that is not deterministic does, by PyTorch's words.

    Args:
        debug_mode: "default" or 0: nothing; "warn" or 1: a warning; "error" or 2: an error.
    Raises: ValueError for another mode; TypeError for what is neither a word nor an integer.
    """
    if isinstance(debug_mode, bool) or not isinstance(debug_mode, (int, str)):
        raise TypeError(f"set_deterministic_debug_mode: expected an int or a str, got {type(debug_mode).__name__}")
    known = _DEBUG_MODES if isinstance(debug_mode, str) else range(len(_DEBUG_MODES))
    if debug_mode not in known:
        raise ValueError(
            f"set_deterministic_debug_mode: expected 'default', 'warn', 'error' or 0, 1, 2: {debug_mode!r}"
        )
    _state.mode = known.index(debug_mode)  # type: ignore[arg-type]


def get_deterministic_debug_mode() -> int:
    """0 where the mode is off, 1 where it warns, 2 where it raises."""
    return _state.mode


def alert_not_deterministic(op: str, why: str, instead: str) -> None:
    """Say that an operation runs which may give other bits in the next run.

    Args:
        op: its name.
        why: what makes it so, as in "adds floats with atomics".
        instead: what to use instead.
    Raises: DeterminismError in deterministic mode, or warns, if that is all it does; both name file and line.
    """
    if not _state.mode:
        return
    filename, lineno = users_line()
    message = f"{filename}:{lineno}: {op} is not deterministic: it {why}; use {instead} instead"
    if _state.mode == 2:
        raise DeterminismError(f"{message}, or allow it with gpudl.deterministic(False)")
    warnings.warn(message, UserWarning, stacklevel=2)


def nondeterministic(why: str, *, instead: str, op: str | None = None) -> Callable[[F], F]:
    """Mark what is not deterministic: a forward or backward, the body of a kernel for one device, any function.

    Outside of deterministic mode the function is as it was. Marking the CUDA body of a kernel leaves the CPU's alone.

    Args:
        why, instead: as for alert_not_deterministic.
        op: the operation's name; that of the function, with its class, if not given.
    """

    def mark(function: F) -> F:
        name = function.__qualname__.rpartition("<locals>.")[2] if op is None else op

        @functools.wraps(function)
        def alerting(*args: Any, **named: Any) -> Any:
            alert_not_deterministic(name, why, instead)
            return function(*args, **named)

        return alerting  # type: ignore[return-value]

    return mark
