"""Where an operation's tensors are: all on one device, which is the current one while it runs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import guard_of
from gpudl.backend.errors import DeviceError


def check_devices(name: str, args: tuple[Any, ...]) -> AbstractContextManager[Any] | None:
    """Raise DeviceError if Tensors among the arguments are on different devices.

    Returns: a context in which their device is the current one; None where it is already.
    """
    places = [arg.device for arg in args if isinstance(arg, Tensor)]
    for place in places:
        if place is not places[0]:
            raise DeviceError(
                f"{name}: the tensors are on {' and '.join(map(str, dict.fromkeys(places)))}; "
                f"move them to one device first, with .to({str(places[0])!r})"
            )
    return next((guard_of(arg.array) for arg in args if isinstance(arg, Tensor)), None)
