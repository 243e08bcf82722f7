"""What of CuPy cannot run on the emulated device as it is: machine code baked into its wheel, and its partition.

Sorting goes to NumPy on the device's memory. cub and the new random generators would silently do nothing, since their
kernels exist only as machine code for GPUs: they raise. Imported by install() only: it imports CuPy.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import cupy
import cupy.cuda.cub
import cupy.cuda.thrust
import numpy as np

from gpudl.sim.errors import SimError

_WORK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_LAUNCH_FAILED = 719  # cudaErrorLaunchFailure

_runtime: Any = None
_driver: Any = None
_pending: dict[int, Callable[[], None]] = {}
_numbers = itertools.count(1)  # a state of 0 would be a null pointer


def start(runtime: ctypes.CDLL, driver: ctypes.CDLL) -> None:
    """Replace them."""
    global _runtime, _driver
    _runtime, _driver = runtime, driver
    # Accelerators are cub and cuTENSOR; without a pool every array is an allocation, with exact bounds.
    cupy._core.set_routine_accelerators([])
    cupy._core.set_reduction_accelerators([])
    cupy.cuda.set_allocator(None)
    thrust = cupy.cuda.thrust
    thrust.sort, thrust.argsort, thrust.lexsort = _sort, _argsort, _lexsort
    cupy.ndarray.partition, cupy.ndarray.argpartition = _partition, _argpartition
    cub = cupy.cuda.cub
    for name in [name for name in dir(cub) if name.startswith("device_")]:
        setattr(cub, name, _refusal(f"cupy.cuda.cub.{name}", "switch CuPy's accelerators off"))
    for name in ("default_rng", "Generator"):
        advice = "use cupy.random.RandomState, or cupy.random's functions"
        setattr(cupy.random, name, _refusal(f"cupy.random.{name}", advice))


def _refusal(name: str, advice: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise SimError(f"{name} runs machine code that is in CuPy only for GPUs; on the sim device {advice}")

    return refuse


def _sort(dtype: Any, data: int, keys: int, shape: Sequence[int]) -> None:
    _on_device("sort", lambda: _view(data, dtype, shape).sort(axis=-1, kind="stable"))


def _argsort(dtype: Any, indices: int, data: int, keys: int, shape: Sequence[int]) -> None:
    def work() -> None:
        _view(indices, "i8", shape)[...] = np.argsort(_view(data, dtype, shape), axis=-1, kind="stable")
        _written(indices, "i8", shape)

    _on_device("argsort", work)


def _lexsort(dtype: Any, indices: int, keys: int, count: int, length: int) -> None:
    def work() -> None:
        _view(indices, "i8", (length,))[...] = np.lexsort(_view(keys, dtype, (count, length)))
        _written(indices, "i8", (length,))

    _on_device("lexsort", work)


def _on_device(name: str, work: Callable[[], None]) -> None:
    """Do the work in the order of the current stream; a stream that captures records it."""
    number = next(_numbers)
    _pending[number] = work
    stream = ctypes.c_void_p(cupy.cuda.get_current_stream().ptr)
    if _driver.sim_library_call(
        stream, f"thrust {name}".encode(), _run_from_c, ctypes.c_void_p(number), _release_from_c
    ):
        raise SimError(f"{name} failed on the sim device: {_driver.sim_last_error().decode()}")


def _run(number: int) -> int:
    try:
        _pending[number]()
    except Exception as error:  # it cannot pass through C
        _driver.sim_complain(b"%s", str(error).encode())
        return _LAUNCH_FAILED
    return 0


def _release(number: int) -> None:
    del _pending[number]


_run_from_c, _release_from_c = _WORK(_run), _RELEASE(_release)


def _view(address: int, dtype: Any, shape: Sequence[int]) -> np.ndarray[Any, Any]:
    """Device memory as a NumPy array."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(tuple(shape))


def _written(address: int, dtype: Any, shape: Sequence[int]) -> None:
    """Tell the runtime that these bytes hold something from now on."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    _runtime.sim_written(ctypes.c_void_p(address), ctypes.c_size_t(size))


def _partition(self: Any, kth: int | Sequence[int], axis: int = -1) -> None:
    """Sort, which is a partition: CuPy's kernel counts on warps in lock step, and fails where they are not."""
    _check_kth(self, kth, axis)
    self.sort(axis)


def _argpartition(self: Any, kth: int | Sequence[int], axis: int | None = -1) -> Any:
    """Argsort, which is an argpartition; see _partition."""
    array, axis = (self.ravel(), 0) if axis is None else (self, axis)
    _check_kth(array, kth, axis)
    return array.argsort(axis)


def _check_kth(array: Any, kth: int | Sequence[int], axis: int) -> None:
    if array.ndim == 0:
        raise ValueError("an array without dimensions cannot be partitioned")
    if not -array.ndim <= axis < array.ndim:
        raise np.exceptions.AxisError(axis, array.ndim)
    length = array.shape[axis]
    for each in [kth] if isinstance(kth, int) else kth:
        if not -length <= each < length:
            raise ValueError(f"kth(={each}) out of bounds ({length})")
