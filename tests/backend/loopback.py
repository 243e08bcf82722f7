"""A pretend GPU: NumPy arrays of a class of their own that refuse host arrays, as CuPy's do."""

from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import numpy as np

from gpudl.backend import arrays, device
from gpudl.backend.device import Backend, Device
from gpudl.backend.kernel import KERNELS


def _bare(value):
    """The host form of what a function of the pretend device was given."""
    if isinstance(value, LoopbackArray):
        return value.view(np.ndarray)
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError(f"a host array of shape {value.shape} was given to the loopback device")
    if isinstance(value, (tuple, list)):
        return type(value)(_bare(each) for each in value)
    return value


def _wrapped(result):
    if isinstance(result, tuple):
        return tuple(_wrapped(each) for each in result)
    return np.asarray(result).view(LoopbackArray) if isinstance(result, (np.ndarray, np.generic)) else result


class LoopbackArray(np.ndarray):
    """An array of the pretend device; reductions give 0-d arrays, not scalars."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if out is not None:
            kwargs["out"] = tuple(each.view(np.ndarray) for each in out)
        result = getattr(ufunc, method)(*(_bare(each) for each in inputs), **kwargs)
        return out[0] if out is not None else _wrapped(result)

    def __array_function__(self, function, types, args, kwargs):
        return _wrapped(function(*(_bare(each) for each in args), **{k: _bare(v) for k, v in kwargs.items()}))

    def __setitem__(self, index, value):
        np.ndarray.__setitem__(self.view(np.ndarray), _bare(index), _bare(value))

    def __getitem__(self, index):
        result = np.ndarray.__getitem__(self, _bare(index))
        return result if isinstance(result, LoopbackArray) else _wrapped(result)

    def argmax(self, *args, **kwargs):
        return _wrapped(self.view(np.ndarray).argmax(*args, **kwargs))

    def argmin(self, *args, **kwargs):
        return _wrapped(self.view(np.ndarray).argmin(*args, **kwargs))


class _Namespace(SimpleNamespace):
    """NumPy's functions for arrays of the pretend device."""

    add = np.add
    dtype = np.dtype
    _of = np

    def __getattr__(self, name):
        function = getattr(self._of, name)
        if not callable(function):  # a number, or a module such as linalg
            return _Namespace(_of=function) if isinstance(function, ModuleType) else function
        return lambda *args, **kwargs: _wrapped(
            function(*(_bare(each) for each in args), **{key: _bare(value) for key, value in kwargs.items()})
        )


class LoopbackBackend(Backend):
    """Two devices that share the host's memory and pretend otherwise; they run the reference bodies."""

    type = "loopback"
    family = "loopback"
    array_type = LoopbackArray
    namespace = _Namespace()
    reason = None

    def why_unavailable(self):
        return self.reason

    def count(self):
        return 2

    def device_of(self, array):
        return Device("loopback", 0)

    def from_host(self, array, device, non_blocking=False):
        return array.copy().view(LoopbackArray)

    def to_host(self, array):
        return np.array(array.view(np.ndarray))


@contextmanager
def registered():
    """The backend, known to gpudl as "loopback" meanwhile."""
    backend = LoopbackBackend()
    device.register_backend(backend)
    try:
        yield backend
    finally:
        del device._backends["loopback"], device._by_array_type[LoopbackArray], arrays._namespaces[LoopbackArray]
        for kernel in KERNELS.values():
            if kernel._routes:
                kernel._routes.pop(LoopbackArray, None)
