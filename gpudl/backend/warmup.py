"""Compiling all of gpudl's CUDA text before it is needed: later processes find it in the cache on disk.

CuPy keeps what NVRTC compiled in ~/.cupy/kernel_cache (CUPY_CACHE_DIR names another folder), the emulated device in its
own cache. What is compiled is each CUDA text of the modules that are imported, for each dtype that is asked for. Texts
that are made when they are first used, as those of attention are for each width of heads, are not there yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from typing import Any

from gpudl.backend.cuda import CudaBackend
from gpudl.backend.cuda_text import FLOATS, TEXTS, CudaText
from gpudl.backend.device import Device, require
from gpudl.backend.dtypes import DType, bfloat16, dtype_of
from gpudl.backend.errors import CompileError, DeviceError


def usual_floats() -> list[str]:
    """The dtypes that networks are trained in: all but float64, and bfloat16 only where ml_dtypes is installed."""
    return ["float32", "float16", *(["bfloat16"] if find_spec("ml_dtypes") else [])]


def warm_up(place: Device, floats: Sequence[str], report: Callable[[str], None] | None = None) -> int:
    """Compile for a device what its kernels need, on as many threads as there are processors.

    Args:
        place: a CUDA device, perhaps the emulated one.
        floats: the floating dtypes that will be used; texts for integers and bools are compiled anyway.
        report: called with a line for each module that is ready.
    Returns: how many modules are ready.
    Raises: DeviceError if the device is none of CUDA or does not work; CompileError with the compiler's log if a text
        does not compile; ImportError for bfloat16 without ml_dtypes; ValueError for another dtype.
    """
    for name in floats:
        if name not in FLOATS:
            raise ValueError(f"no kernels are made for {name!r}; there are {', '.join(FLOATS)}")
    backend = require(place)
    if not isinstance(backend, CudaBackend):
        raise DeviceError(f"{place} has no kernels to compile; choose cuda, cuda:N or sim")
    jobs = [(text, name) for text in TEXTS for name in text.dtypes if name in floats or name not in FLOATS]
    dtypes = {name: bfloat16() if name == "bfloat16" else dtype_of(name) for _, name in jobs}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = [pool.submit(_compile, backend, place.index or 0, text, dtypes[name]) for text, name in jobs]
        try:
            for done in as_completed(waiting):
                line = done.result()
                if report is not None:
                    report(line)
        finally:
            pool.shutdown(cancel_futures=True)
    return len(jobs)


def _compile(backend: Any, index: int, text: CudaText, dtype: DType) -> str:
    with backend.on(index):
        try:
            text.compile(backend.namespace, dtype)
        except backend.namespace.cuda.compiler.CompileException as error:
            raise CompileError(f"{text!r} does not compile for {dtype}:\n{error}") from error
    return f"{text.files[-1]} {dtype}"
