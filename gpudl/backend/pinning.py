"""Pinned memory for the layers above, which know no backend."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.cuda import active, resolved


def require_device(spec: Any) -> None:
    """Start the devices that are to read pinned memory.

    Raises: DeviceError if there is none.
    """
    resolved(spec)


def pinned_copy(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array in pinned memory of the devices that this process uses."""
    return resolved(None)[0].pinned.copy(array)


def is_pinned(array: Array) -> bool:
    """True for a NumPy array in pinned memory."""
    backend = active()
    return backend is not None and isinstance(array, np.ndarray) and backend.pinned.holds(array)
