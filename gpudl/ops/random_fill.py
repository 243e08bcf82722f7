"""Numbers of a law from a stream, made where they are wanted: by a kernel on a CUDA device, by NumPy on the host.

Both give the same bits: see gpudl.random. A device draws nothing on the host and waits for nothing.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array, quiet, xp_of
from gpudl.backend.cuda_text import FLOATS, MOST_BLOCKS, THREADS, CudaText
from gpudl.backend.device import Device, brought, device_of, guarded, is_on_host, require
from gpudl.backend.dtypes import DType, float32, float64
from gpudl.backend.kernel import kernel
from gpudl.ops.random_bits import signed
from gpudl.random import Stream, laws
from gpudl.random.philox import check_normal, uniform_bounds

Host = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Plan = tuple[str, tuple[int, ...]]
"""The struct of a law in kernels/math/random_fill.cuh, and its settings."""


def _uniform(stream: Stream, shape: Shape, dtype: DType, low: float, high: float) -> Host:
    return stream.uniform(shape, low, high, dtype)


def _normal(stream: Stream, shape: Shape, dtype: DType, mean: float, std: float) -> Host:
    return stream.normal(shape, mean, std, dtype)


def _log_normal(stream: Stream, shape: Shape, dtype: DType, mean: float, std: float) -> Host:
    return np.asarray(laws.exp(stream.normal(shape, mean, std, float64))).astype(dtype, copy=False)


def _exponential(stream: Stream, shape: Shape, dtype: DType, rate: float) -> Host:
    return (laws.exponential(stream, math.prod(shape)) / rate).reshape(shape).astype(dtype, copy=False)


def _cauchy(stream: Stream, shape: Shape, dtype: DType, median: float, sigma: float) -> Host:
    return (median + sigma * laws.cauchy(stream, math.prod(shape))).reshape(shape).astype(dtype, copy=False)


def _geometric(stream: Stream, shape: Shape, dtype: DType, p: float) -> Host:
    trials = laws.geometric(stream, p, math.prod(shape))
    return np.minimum(trials, _most(dtype)).reshape(shape).astype(dtype, copy=False)


def _integers(stream: Stream, shape: Shape, dtype: DType, low: int, high: int) -> Host:
    return stream.integers(low, high, shape).astype(dtype, copy=False)


def _coin(stream: Stream, shape: Shape, dtype: DType, p: float, wide: bool) -> Host:
    return np.asarray(stream.uniform(shape, dtype=float64 if wide else float32) < p).astype(dtype, copy=False)


def _most(dtype: DType) -> float:
    """What a number of trials is cut to: a tiny probability takes longer than small integers count."""
    return math.nextafter(float(np.iinfo(dtype).max) + 1, 0) if dtype.kind in "iu" else math.inf


_HOST: dict[str, Callable[..., Host]] = {
    "uniform": _uniform, "normal": _normal, "log_normal": _log_normal, "exponential": _exponential, "cauchy": _cauchy,
    "geometric": _geometric, "integers": _integers, "coin": _coin,
}  # fmt: skip


def _plan(law: str, dtype: DType, numbers: tuple[Any, ...]) -> Plan:
    by_float = int(dtype.kind == "V")  # NumPy makes bfloat16 of a double by way of float
    if law == "uniform":
        low, span, below = uniform_bounds(dtype, *numbers)
        if dtype.itemsize > 4:
            return "UniformWords", (*map(_bits, (low, span, below)), 0)
        last = below
        if dtype.itemsize == 2:
            low, span, below = uniform_bounds(float32, *(float(dtype.type(number)) for number in numbers))
        return "UniformHalves", tuple(map(_bits, (low, span, below, last)))
    if law == "coin":
        p, wide = numbers
        return ("CoinWords" if wide else "CoinHalves"), (_bits(p), 0, 0, 0)
    if law == "integers":
        low, high = numbers
        return "Integers", (*signed(low % 2**64, (high - low) % 2**64), 0, 0)
    if law == "geometric":
        return "Geometric", (_bits(-laws.log_of_complement(numbers[0])), _bits(_most(dtype)), by_float, 0)
    if law == "exponential":
        return "Exponential", (_bits(numbers[0]), 0, by_float, 0)
    if law == "cauchy":
        return "Cauchy", (*map(_bits, numbers), by_float, 0)
    check_normal(dtype if law == "normal" else float64, *numbers)
    return ("Normal" if law == "normal" else "LogNormal"), (*map(_bits, numbers), by_float, 0)


def _bits(number: float) -> int:
    """A double as the integer of its bits, as kernels take it."""
    return int(struct.unpack("<q", struct.pack("<d", number))[0])


_WHOLE = ("uint8", "int8", "int16", "int32", "int64")
_DTYPES: dict[str, tuple[str, ...]] = {
    "UniformHalves": ("float32", "float16", "bfloat16"),
    "UniformWords": ("float64",),
    "CoinHalves": (*FLOATS, "bool", *_WHOLE),
    "CoinWords": (*FLOATS, "bool", *_WHOLE),
    "Normal": FLOATS,
    "LogNormal": FLOATS,
    "Exponential": FLOATS,
    "Cauchy": FLOATS,
    "Geometric": (*FLOATS, *_WHOLE),
    "Integers": (*FLOATS, "bool", *_WHOLE),
}
_NAMES = {name: f"random_fill<{{T}}, {{A}}, {name}>" for name in _DTYPES}
_FILES = "math/philox.cuh", "math/packs.cuh", "math/random_fill.cuh", "cuda/random_fill.cu"
# One for each law, since a text is compiled as a whole, and a program uses few of them.
_TEXTS = {name: CudaText(*_FILES, kernels=(_NAMES[name],), dtypes=dtypes) for name, dtypes in _DTYPES.items()}


@kernel
def random_fill_(
    out: Array, key: tuple[int, int], index: tuple[int, int, int], position: int, law: str, numbers: tuple[Any, ...]
) -> None:
    """out: numbers of a law, from the word at `position` of the Stream of this key and index on."""
    stream = Stream(key, index)
    stream.skip(position)
    with quiet():
        out[...] = brought(_HOST[law](stream, out.shape, out.dtype, *numbers), device_of(out))


@random_fill_.cuda(*FLOATS, "bool", *_WHOLE)
def random_fill_cuda_(
    out: Array, key: tuple[int, int], index: tuple[int, int, int], position: int, law: str, numbers: tuple[Any, ...]
) -> None:
    struct_name, settings = _plan(law, out.dtype, numbers)
    made = out if out.flags.c_contiguous else xp_of(out).empty(out.shape, out.dtype)
    elements = 8 if struct_name.endswith("Halves") else 4
    grid = (min(-(-out.size // (elements * THREADS)), 2 * MOST_BLOCKS),)
    start, offset = divmod(position, 4)
    words = (*signed(start % 2**64), offset, *signed(*index, *key))
    _TEXTS[struct_name].launch(_NAMES[struct_name], grid, (THREADS,), made, out.size, *words, *settings)
    if made is not out:
        out[...] = made


def fill(out: Array, stream: Stream, law: str, *numbers: Any) -> None:
    """Overwrite an array with the next numbers of a stream.

    Args:
        out: of any device.
        law: "uniform" of low and high; "normal" and "log_normal" of mean and std; "exponential" of a rate; "cauchy" of
            median and sigma; "geometric" of p; "integers" of low and high; "coin" of p, and whether 53 bits of the
            stream decide, not 24.
        numbers: those of the law, as Stream and gpudl.random.laws take them.
    Raises: ValueError for numbers that make no law, as Stream does.
    """
    if is_on_host(out):
        with quiet():
            out[...] = _HOST[law](stream, out.shape, out.dtype, *numbers)
        return
    with guarded(out):
        random_fill_(out, stream.key, stream.index, stream.position, law, numbers)
    stream.skip(_words(law, out.size, out.dtype, numbers))


def drawn(place: Device, shape: Shape, dtype: DType, stream: Stream, law: str, *numbers: Any) -> Array:
    """A new array of the next numbers of a stream, made where it is wanted; arguments as of `fill`."""
    backend = require(place)
    if backend.array_type is np.ndarray:  # where what is drawn need not be copied
        with quiet():
            return _HOST[law](stream, shape, dtype, *numbers)
    out = backend.empty(shape, dtype, place)
    fill(out, stream, law, *numbers)
    return out


def _words(law: str, count: int, dtype: DType, numbers: tuple[Any, ...]) -> int:
    """How many words so many numbers take."""
    if (law == "uniform" and dtype.itemsize <= 4) or (law == "coin" and not numbers[1]):
        return -(-count // 2)
    return -(-count // 2) * 2 if law in ("normal", "log_normal") else count
