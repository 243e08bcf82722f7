"""What layers check of their arguments."""

from __future__ import annotations

from typing import Any

from gpudl.backend.errors import ShapeError


def count(layer: str, name: str, value: Any, minimum: int = 0) -> int:
    """An argument that counts something, as an int.

    Raises: TypeError if it is no whole number; ShapeError if it is under the minimum.
    """
    if not hasattr(value, "__index__"):
        raise TypeError(f"{layer}: {name} must be an int, got {value!r}")
    if value < minimum:
        raise ShapeError(f"{layer}: {name} must be >= {minimum}, got {value}")
    return int(value)
