"""CuPy's functions whose results may differ from run to run on a GPU, and what deterministic mode says of them.

gpudl's own operations do without them; a program's own that is written with `xp_of(x)` may call them. On the emulated
device, where each run has one order, deterministic mode refuses them as on a GPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gpudl.backend.determinism import alert_not_deterministic, is_deterministic

_ATOMICS = "adds with atomics, in the order in which threads come"
_SCAN = "is CUB's scan, which adds up what is ready"
_LAST = "leaves open which of several values for one place stays"


class Unordered(NamedTuple):
    """A function of CuPy.

    Attributes:
        name: in CuPy.
        when: for which arguments, in words.
        why, instead: as for alert_not_deterministic.
        applies: whether it is for such arguments, positional and named.
    """

    name: str
    when: str
    why: str
    instead: str
    applies: Callable[[tuple[Any, ...], dict[str, Any]], bool]


def _floats(args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    return _inexact(_given(args, named, 0, "a"))


def _scan(args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    if _given(args, named, 1, "axis") is not None:
        return False
    dtype = _given(args, named, 2, "dtype")
    return _floats(args, named) if dtype is None else np.dtype(dtype).kind in "fcV"


def _weights(place: int) -> Callable[[tuple[Any, ...], dict[str, Any]], bool]:
    return lambda args, named: _inexact(_given(args, named, place, "weights"))


def _always(args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    return True


def _given(args: tuple[Any, ...], named: dict[str, Any], place: int, name: str) -> Any:
    return args[place] if len(args) > place else named.get(name)


def _inexact(x: Any) -> bool:
    """Whether sums of it depend on their order."""
    return hasattr(x, "dtype") and x.dtype.kind in "fcV"


UNORDERED = (
    Unordered("add.at", "of floats", _ATOMICS, "gpudl.index_add", _floats),
    Unordered("bincount", "with weights that are floats", _ATOMICS, "gpudl.bincount", _weights(1)),
    Unordered("histogram", "with weights that are floats", _ATOMICS, "gpudl.histogram", _weights(4)),
    Unordered("histogram2d", "with weights that are floats", _ATOMICS, "gpudl.bincount of the bins", _weights(4)),
    Unordered("histogramdd", "with weights that are floats", _ATOMICS, "gpudl.bincount of the bins", _weights(3)),
    *(
        Unordered(name, "of floats without an axis", _SCAN, f"{name} of x.ravel() with axis=0", _scan)
        for name in ("cumsum", "cumprod", "nancumsum", "nancumprod")
    ),
    Unordered("put", "", _LAST, "gpudl.Tensor.put_", _always),
    Unordered("put_along_axis", "", _LAST, "gpudl.scatter", _always),
)


def alert_of_unordered(space: Any, library: Any) -> None:
    """Put forms of these functions of a library into a namespace that raise in deterministic mode."""
    for each in UNORDERED:
        name, _, method = each.name.partition(".")
        if method:
            setattr(space, name, _Ufunc(getattr(library, name), each))
        else:
            setattr(space, name, _alerting(getattr(library, name), each))


def _alerting(function: Callable[..., Any], each: Unordered) -> Callable[..., Any]:
    @functools.wraps(function)
    def alerting(*args: Any, **named: Any) -> Any:
        if is_deterministic() and each.applies(args, named):
            what = f"{each.name} of CuPy {each.when}".rstrip()
            alert_not_deterministic(what, each.why, each.instead)
        return function(*args, **named)

    return alerting


class _Ufunc:
    """A universal function of CuPy whose `at` raises in deterministic mode."""

    def __init__(self, function: Any, each: Unordered):
        self._function = self.__wrapped__ = function
        self.at = _alerting(function.at, each)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._function(*args, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)
