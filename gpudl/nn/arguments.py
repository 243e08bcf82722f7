"""What layers check of their arguments."""

from __future__ import annotations

from typing import Any

from gpudl.backend.errors import ShapeError
from gpudl.ops.windows import Lengths, lengths


def count(layer: str, name: str, value: Any, minimum: int = 0) -> int:
    """An argument that counts something, as an int.

    Raises: TypeError if it is no whole number; ShapeError if it is under the minimum.
    """
    if not hasattr(value, "__index__"):
        raise TypeError(f"{layer}: {name} must be an int, got {value!r}")
    if value < minimum:
        raise ShapeError(f"{layer}: {name} must be >= {minimum}, got {value}")
    return int(value)


def lengths_as_given(layer: str, name: str, value: Any, ndim: int, minimum: int = 0) -> int | Lengths:
    """An argument that is one int or `ndim` of them, checked but not changed: PyTorch keeps and shows it as it came.

    Raises: TypeError for what is no int; ShapeError for another number of them, or one below the minimum.
    """
    lengths(layer, name, value, ndim, minimum)
    return value  # type: ignore[no-any-return]
