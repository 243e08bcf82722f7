"""Whose line an operation, a transfer or a synchronization is."""

from __future__ import annotations

import os.path
import sys

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(_HERE)) + os.sep
_NETWORKS = tuple(_PACKAGE + name + os.sep for name in ("models", "keras"))  # whose forwards read like a user's
_BELOW = tuple(_PACKAGE + name + os.sep for name in ("autograd", "backend", "sim"))
_FOREIGN = ("cupy", "numpy", "contextlib", "functools")

Place = tuple[str, int]
"""A file and a line of it."""


def place(or_layers: bool = False) -> Place | None:
    """File and line of the call under way: of the innermost frame of a user's own code, or of a network of gpudl's.

    Args:
        or_layers: where gpudl calls its own layers with no such code between, give the line in those.
    Returns: None where there is no such line.
    """
    frame = sys._getframe(1)
    nearest, entered = None, False
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_HERE):
            if entered:  # what called the comparison has not called the operation
                break
        else:
            entered = True
            if frame.f_globals.get("__name__", "").split(".")[0] not in _FOREIGN:
                if not name.startswith(_PACKAGE) or name.startswith(_NETWORKS):
                    return name, frame.f_lineno
                if nearest is None and not name.startswith(_BELOW):
                    nearest = name, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return nearest if or_layers else None
