"""The most memory that a training step takes, with what stays from one step to the next.

On a device its memory's own books are asked: they count arrays. On the CPU a process of its own counts what Python and
NumPy ask the system for, which is arrays and little else: not code, nor buffers that a math library takes by itself.
PyTorch's profiler hears of each tensor there.
"""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable
from functools import partial

import gpudl
from gpudl.bench.case import CannotMeasure, Case, Make, Part, Parts, Shape
from gpudl.bench.library import gpudl_on, seeded
from gpudl.bench.net_cases import NETS
from gpudl.bench.process import output_of

Memory = dict[str, int]
"""Bytes: "peak" at most during a step, "kept" between steps: the batch, weights, gradients, the optimizer's state."""

_STEP = "the step that is measured"
_CODE = "from gpudl.bench.memory_cases import print_memory; print_memory({name!r}, {sizes!r}, {seed!r}, {dtype!r})"


def _memory(name: str) -> Callable[..., Parts]:
    def build(make: Make, *sizes: Shape) -> Parts:
        if make.place.index is not None:
            return {"whole": Part(partial(on_device, make, name, sizes), says="memory")}
        if make.lib is not gpudl:
            return {"whole": Part(partial(of_torch, make, name, sizes), says="memory")}
        code = _CODE.format(name=name, sizes=sizes, seed=make.seed, dtype=make.dtype.name)
        return {"whole": Part(lambda: json.loads(output_of("memory", code)), says="memory")}

    return build


def on_device(make: Make, name: str, sizes: tuple[Shape, ...]) -> Memory:
    """By the books of a device that has its own memory."""
    books, place = make.lib.cuda, make.place

    def reset() -> None:
        books.reset_peak_memory_stats(place)

    gc.collect()
    before = books.memory_allocated(place)
    training = NETS[name].build(make.again(), *sizes)
    return _of_a_step(
        training.whole, reset, lambda: books.memory_allocated(place) - before,
        lambda: books.max_memory_allocated(place) - before,
    )  # fmt: skip


def on_host(name: str, sizes: tuple[Shape, ...], seed: int = 0, dtype: str = "float32") -> Memory:
    """Of gpudl on the CPU, by Python's books. For a process in which nothing was computed yet."""
    library = gpudl_on(gpudl.device("cpu"))
    net, make = NETS[name], Make(gpudl, library.place, seed, dtype)
    with seeded(gpudl, seed):
        net.build(make.again(), *net.small).whole()  # imports, and makes Python's own caches
        gc.collect()
        tracemalloc.start()
        try:
            training = net.build(make.again(), *sizes)
            return _of_a_step(
                training.whole, tracemalloc.reset_peak, lambda: tracemalloc.get_traced_memory()[0],
                lambda: tracemalloc.get_traced_memory()[1],
            )  # fmt: skip
        finally:
            tracemalloc.stop()


def of_torch(make: Make, name: str, sizes: tuple[Shape, ...]) -> Memory:
    """Of PyTorch on the CPU, by what its profiler hears of the allocator.

    Raises: CannotMeasure for a PyTorch whose profiler tells it otherwise.
    """
    net, profiler = NETS[name], make.lib.autograd.profiler
    net.build(make.again(), *net.small).whole()
    gc.collect()
    with profiler.profile(profile_memory=True) as heard:
        training = net.build(make.again(), *sizes)
        training.whole(), training.whole()
        gc.collect()
        with profiler.record_function(_STEP):
            training.whole()
    now = kept = peak = 0
    try:
        for event in sorted(heard.kineto_results.events(), key=lambda event: event.start_ns()):
            if event.name() == _STEP:
                kept = peak = now
            elif event.name() == "[memory]":
                now += event.nbytes()
                peak = max(peak, now)
    except AttributeError as error:
        raise CannotMeasure(f"the profiler of PyTorch {make.lib.__version__} is another one: {error}") from error
    return {"peak": peak, "kept": kept}


def print_memory(name: str, sizes: tuple[Shape, ...], seed: int, dtype: str) -> None:
    """What on_host gives, as JSON."""
    print(json.dumps(on_host(name, sizes, seed, dtype)))


def _of_a_step(
    step: Callable[[], object], reset: Callable[[], object], used: Callable[[], int], peak: Callable[[], int]
) -> Memory:
    """Of the third step: the first makes gradients and the optimizer's state, the second what later ones find."""
    step()
    step()
    gc.collect()
    reset()
    kept = used()
    step()
    return {"peak": peak(), "kept": kept}


CASES = [Case("memory", "memory", name, _memory(name), net.sizes, net.small) for name, net in NETS.items()]
