"""Put the emulated device under CuPy.

The order matters: the driver stand-in must be loaded, as libcuda.so.1, before CuPy's driver module looks for it.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gpudl.sim import hooks, libraries
from gpudl.sim.abi import ORDERS, SimOptions
from gpudl.sim.counters import start as start_counting
from gpudl.sim.errors import SimError
from gpudl.sim.settings import Settings, current, on_change
from gpudl.sim.toolchain import why_unavailable

_DRIVER_MODULE = "cupy_backends.cuda.api.driver"
_RUNTIME_MODULE = "cupy_backends.cuda.api.runtime"
_STAND_INS = ("cublas", "cublasLt", "curand")
_NOT_EMULATED = ("cufft", "cufftw", "cusolver", "cusolverMg", "cusparse", "cusparseLt", "cutensor", "nccl")

_lock = threading.Lock()
_installed = False


def installed() -> bool:
    """Whether this process's CUDA device is the emulated one."""
    return _installed


def install() -> None:
    """Make the emulated device this process's CUDA device; from then on `import cupy` gives a CuPy that runs on it.

    To be called before CuPy is imported. Calling it again does nothing. The first call on a machine compiles the
    native parts, which takes some seconds.

    Raises: SimError saying what is missing, or that this process uses a real CUDA driver.
    """
    global _installed
    with _lock:
        if _installed:
            return
        reason = why_unavailable() or _why_not_in_this_process()
        if reason is not None:
            raise SimError(reason)
        runtime = libraries.load_runtime()
        driver = libraries.load_driver()
        driver.sim_last_error.restype = ctypes.c_char_p
        _apply_settings(runtime, driver)
        _hook(driver)
        driver.sim_set_cuda_version(importlib.import_module(_DRIVER_MODULE).get_build_version())
        _patch_library_search()
        start_counting(driver)
        # Only now: they import CuPy, whose modules call the functions that have just been hooked.
        functions = importlib.import_module("gpudl.sim.functions")
        replacements = importlib.import_module("gpudl.sim.replacements")
        functions.start(driver)
        replacements.start(runtime, driver)
        _installed = True


def _why_not_in_this_process() -> str | None:
    if any(Path(path).name.startswith("libcuda.so") for path in hooks.loaded_libraries()):
        return (
            "this process uses a real CUDA driver, and a process has either that or the sim device: start another one"
        )
    if _DRIVER_MODULE in sys.modules:
        return "CuPy was imported before gpudl.sim.install(), and has found no driver: import it afterwards"
    return None


def _apply_settings(runtime: ctypes.CDLL, driver: ctypes.CDLL) -> None:
    def apply(_: Settings, chosen: Settings) -> None:
        runtime.sim_memory_set_total(ctypes.c_size_t(chosen.memory << 20))
        options = SimOptions(ORDERS[chosen.order], chosen.seed, round(chosen.timeout * 1000))
        driver.sim_set_options(ctypes.byref(options))

    apply(current(), current())
    on_change(apply)


def _hook(driver: ctypes.CDLL) -> None:
    """Lead CuPy's CUDA runtime to the stand-ins, and what has none to a stub that says so."""
    module = Path(str(importlib.import_module(_RUNTIME_MODULE).__file__))
    found = hooks.runtime_functions(module)
    stubs = libraries.load_stubs(name for name in found if not hasattr(driver, name))
    targets = {
        name: ctypes.cast(getattr(driver if hasattr(driver, name) else stubs, name), ctypes.c_void_p).value or 0
        for name in found
    }
    # Where two names share a place, the one with a stand-in is written last.
    functions = dict(sorted(found.items(), key=lambda item: hasattr(driver, item[0])))
    hooks.overwrite(module, functions, targets, stubs.sim_clear_cache)


def _patch_library_search() -> None:
    """Give CuPy the stand-ins for cuBLAS, cuBLASLt and cuRAND, and no other library of the real CUDA."""
    from cuda import pathfinder

    search = pathfinder.load_nvidia_dynamic_lib
    loaded: dict[str, SimpleNamespace] = {}

    def load_nvidia_dynamic_lib(name: str, *others: Any, **options: Any) -> Any:
        if name in _NOT_EMULATED:
            raise pathfinder.DynamicLibNotFoundError(f"{name} is not emulated on the sim device")
        if name not in _STAND_INS:
            return search(name, *others, **options)
        if name not in loaded:
            folder = Path(str(importlib.import_module("cupy_backends.cuda.libs").__file__)).parent
            library, path = libraries.load_library(name, next(folder.glob(f"{name}.*.so"), None))
            loaded[name] = SimpleNamespace(
                abs_path=str(path), _handle_uint=library._handle, was_already_loaded_from_elsewhere=True
            )
        return loaded[name]

    pathfinder.load_nvidia_dynamic_lib = load_nvidia_dynamic_lib
