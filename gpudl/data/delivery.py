"""Batches to the device where they are wanted, or into pinned memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array
from gpudl.backend.device import Device
from gpudl.backend.pinning import is_pinned, pinned_copy, require_device
from gpudl.backend.uploads import Upload, Uploads
from gpudl.data.collate import rebuilt

Pending = tuple[Any, Any]
"""A batch, and its Tensors' arrays on their way."""


class Delivery:
    """Brings the Tensors of batches to a device, or into pinned memory.

    Args:
        device: where to; None for pinned memory.
    Raises: DeviceError if the device is not available, or none is there to read pinned memory.
    """

    def __init__(self, device: Device | None):
        self._uploads = None if device is None else Uploads(device)
        self._thread: ThreadPoolExecutor | None = None
        if device is None:
            require_device(None)

    def begin(self, batch: Any) -> Pending:
        """Start the copies of a batch, which go on while the host and the device do other things."""
        arrays = arrays_of(batch)
        if self._uploads is not None:
            return batch, self._uploads.begin(arrays)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "gpudl pinning")
        return batch, self._thread.submit(_pinned, arrays)

    def end(self, pending: Pending) -> Any:
        """The batch. What the device is given from now on waits for the copies; the host need not."""
        batch, going = pending
        if isinstance(going, Future):
            return with_arrays(batch, going.result())
        assert isinstance(going, Upload)
        return with_arrays(batch, going.arrays())

    def now(self, batch: Any) -> Any:
        """The batch, by copies that are submitted here and now."""
        arrays = arrays_of(batch)
        return with_arrays(batch, _pinned(arrays) if self._uploads is None else self._uploads.now(arrays))


def _pinned(arrays: list[Array]) -> list[Array]:
    return [array if not isinstance(array, np.ndarray) or is_pinned(array) else pinned_copy(array) for array in arrays]


def arrays_of(batch: Any) -> list[Array]:
    """The arrays of the Tensors in a batch: inside tuples, lists and mappings too."""
    found: list[Array] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor.array)
        return tensor

    _mapped(batch, note)
    return found


def with_arrays(batch: Any, arrays: Sequence[Array]) -> Any:
    """The batch with these arrays in its Tensors, in the order of arrays_of."""
    given = iter(arrays)

    def replaced(tensor: Tensor) -> Tensor:
        array = next(given)
        return tensor if array is tensor.array else wrap(array, None)

    return _mapped(batch, replaced)


def _mapped(batch: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, Mapping):
        entries = {key: _mapped(entry, function) for key, entry in batch.items()}
        return rebuilt(batch, entries)
    if isinstance(batch, tuple):
        entries_of = [_mapped(entry, function) for entry in batch]
        return type(batch)(*entries_of) if hasattr(batch, "_fields") else tuple(entries_of)
    if isinstance(batch, list):
        return [_mapped(entry, function) for entry in batch]
    return batch
