"""Where the blocks of a kernel meet: the counter by which the last of them to be done knows that it is.

    is_last = atomicInc(done, gridDim.x - 1) == gridDim.x - 1;

atomicInc wraps around, so that the last block leaves the counter at 0, as the next launch on the stream needs it: it is
cleared once, not in a launch of its own before each kernel.
"""

from __future__ import annotations

import threading

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.device import backend_of

_PER_THREAD = 2  # what CUDA calls the default stream of a thread, in each of them another one
_counters: dict[tuple[str, int, int, int], Array] = {}


def counter(like: Array) -> Array:
    """A counter at 0 on the device of an array, for one kernel at a time on CuPy's current stream there.

    While a graph is captured it is a new one, which the graph clears itself: it may be replayed on another stream.
    """
    backend = backend_of(like)
    xp = backend.namespace
    stream = xp.cuda.get_current_stream()
    if stream.is_capturing():
        return xp.zeros(1, np.uint32)
    thread = threading.get_ident() if stream.ptr == _PER_THREAD else 0
    key = backend.type, like.data.device_id, stream.ptr, thread
    found = _counters.get(key)
    if found is None:
        with xp.cuda.Device(like.data.device_id):
            found = _counters[key] = xp.zeros(1, np.uint32)
    return found
