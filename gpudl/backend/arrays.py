"""Which namespace an array's math comes from, and quiet floating point.

`xp_of(x)` gives `numpy` for NumPy arrays, `cupy` for CuPy arrays and `gpudl` itself for Tensors, so one reference
body serves as CPU code, as GPU code, and, run on Tensors, as a recipe that autograd can differentiate again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any
"""A NumPy or CuPy array; in a backward body that is being recorded, a Tensor. All three share the methods used."""


class _Namespaces(dict[type, Any]):
    """Array type -> namespace. A subclass (np.memmap, nn.Parameter) is looked up once and remembered."""

    def __missing__(self, kind: type) -> Any:
        for base in kind.__mro__:
            if base in self:
                self[kind] = self[base]
                return self[base]
        raise TypeError(f"{kind.__name__} is not an array type that gpudl knows")


_namespaces = _Namespaces({np.ndarray: np, np.generic: np})


def register_namespace(kind: type, namespace: Any) -> None:
    """Make xp_of answer `namespace` for arrays of type `kind` and its subclasses."""
    _namespaces[kind] = namespace


def xp_of(x: Array) -> Any:
    """The module whose functions work on `x`."""
    return _namespaces[type(x)]


def is_array(x: Any) -> bool:
    """True for arrays of every registered backend, and for Tensors."""
    try:
        return _namespaces[type(x)] is not None
    except TypeError:
        return False


# NumPy warns where PyTorch, and every GPU, gives inf or nan in silence. np.errstate costs 0.9 us, more than a small
# operation; setting the context variable behind it costs 0.1 us. `token = quiet_begin(QUIET)` silences floating
# point warnings until `quiet_end(token)`: for hot paths, elsewhere `with quiet():`.
quiet_begin: Callable[[Any], Any]
quiet_end: Callable[[Any], Any]
QUIET: Any
try:
    _errors = np._core.umath._extobj_contextvar  # type: ignore[attr-defined]
    with np.errstate(all="ignore"):
        QUIET = _errors.get()
    quiet_begin, quiet_end = _errors.set, _errors.reset
except AttributeError:  # a NumPy that keeps it elsewhere
    QUIET = "ignore"
    quiet_begin = np.seterr

    def quiet_end(token: dict[str, Any]) -> None:
        np.seterr(**token)


class quiet:
    """Silence floating point warnings inside the block: `with quiet():`."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = quiet_begin(QUIET)

    def __exit__(self, *exception: object) -> None:
        quiet_end(self._token)
