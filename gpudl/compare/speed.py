"""How long recorded operations take on a device."""

from __future__ import annotations

from functools import partial

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.clocks import is_emulated
from gpudl.backend.device import CPU, Device, transfer
from gpudl.bench.library import gpudl_on
from gpudl.bench.timing import Effort, take
from gpudl.compare.record import Call
from gpudl.compare.replay import Ready

_EFFORT = Effort(sample=0.002, least=5, most=5, seconds=0.0, patience=0.0, steady=0.01)


def seconds_of(call: Call, place: Device) -> dict[str, float]:
    """The median time of an operation, from the call until the device has done it, many calls standing in a row.

    Returns: "forward" and, where it has one, "backward" -> seconds. Nothing for an emulated device, whose times say
        nothing, and for an operation that changes a Tensor that it is given, and so is not the same the next time.
    Raises: what the operation raises there.
    """
    if is_emulated(place):
        return {}
    lap, ready = gpudl_on(place).lap, Ready(call, place)
    results = ready.forward()
    if _is_changed(call, ready):
        return {}
    found = {"forward": take({"": partial(lap, ready.forward)}, _EFFORT)[""].wall.median}
    if ready.has_backward(results):
        again = partial(ready.backward, results, retain_graph=True)
        found["backward"] = take({"": partial(lap, again)}, _EFFORT)[""].wall.median
    return found


def _is_changed(call: Call, ready: Ready) -> bool:
    # Bare arrays, such as running means, may change: that is what the operation is for.
    return any(
        not np.array_equal(transfer(each.array, CPU), given.array, equal_nan=given.array.dtype.kind == "f")
        for given, each in ready.given
        if isinstance(each, Tensor)
    )
