"""Work that a device leaves to the host: decompositions of matrices, the rarer laws of random numbers.

Each call here waits for the device, and copies to the host and back. So it is for what a training step does not do in
its inner loops, and for what a library of many hundred megabytes would be needed for on the device.
Strict mode forbids these calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import backend_of, device_of, is_on_host, to_host, transfer
from gpudl.backend.strict import implicit


def on_host(function: Callable[..., Any], *arrays: Any, like: Array) -> Any:
    """function(*arrays) computed by NumPy, its arrays on the device of `like`. On the CPU this is the plain call.

    Args:
        function: takes NumPy arrays; gives an array, a tuple of arrays, or what is no array, which stays as it is.
        arrays: its arguments; those that are arrays of a device are copied to the host.
        like: an array where the result is to be.
    Raises: what the function raises; StrictError in strict mode, unless on the CPU.
    """
    if is_on_host(like):
        return function(*arrays)
    implicit("fallback", f"{getattr(function, '__name__', 'a function')} computed on the host for {device_of(like)}")
    result = function(*(to_host(each) if _has_device(each) else each for each in arrays))
    place = device_of(like)

    def back(part: Any) -> Any:
        return transfer(np.asarray(part), place) if isinstance(part, (np.ndarray, np.generic)) else part

    return tuple(map(back, result)) if isinstance(result, tuple) else back(result)


class _HostLinalg:
    """numpy.linalg for the arrays of a device: each function runs on the host."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(np.linalg, name)

        def compute(x: Array, *others: Any, **options: Any) -> Any:
            def run(*arrays: Any) -> Any:
                return function(*arrays, **options)

            run.__name__ = f"linalg.{name}"
            return on_host(run, x, *others, like=x)

        setattr(self, name, compute)
        return compute


_host_linalg = _HostLinalg()


def linalg_of(x: Array) -> Any:
    """The functions of numpy.linalg for arrays such as `x`; gpudl.linalg for Tensors.

    CuPy's own need cuSOLVER, differ in what they give for singular matrices, and have no batches for some of them.
    """
    return _host_linalg if _has_device(x) and not is_on_host(x) else xp_of(x).linalg


def _has_device(x: Any) -> bool:
    """Whether it is an array of some device: no number, and no Tensor."""
    try:
        return backend_of(x) is not None
    except TypeError:
        return False
