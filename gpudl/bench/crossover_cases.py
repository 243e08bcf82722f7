"""Whole training steps at growing batches, with the copy of each batch to the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpudl.bench.case import Case, Make, Part, Parts, Shape, sizes_text
from gpudl.bench.crossover import shares
from gpudl.bench.library import Library
from gpudl.bench.net_cases import NETS, Net

BATCHES = (1, 4, 16, 64, 256)
ENOUGH = 0.3
"""Seconds of a step, after which no larger batch is measured: the next one would take four times as long."""


def _growing(net: Net) -> Callable[..., Parts]:
    def build(make: Make, batches: Shape, sample: Shape, *sizes: Shape) -> Parts:
        return {f"batch {count}": _step(make, net, ((count, *sample), *sizes)) for count in batches}

    return build


def _step(make: Make, net: Net, sizes: tuple[Shape, ...]) -> Part:
    training: Any = net.build(make.again(), *sizes)
    inputs, target = training.inputs.cpu(), training.target.cpu()
    count = sizes[0][0]

    def copy() -> Any:
        return inputs.to(make.place), target.to(make.place)

    def facts(library: Library, seconds: float | None) -> dict[str, Any]:
        known = {"batch": count, "sizes": sizes_text(sizes)}
        return known if seconds is None else {**known, "shares": shares(library, copy, training.whole, seconds)}

    return Part(lambda: training.step(*copy()), items=count, facts=facts)


def _case(name: str) -> Case:
    net = NETS[name]
    sizes, small = ((given[0][1:], *given[1:]) for given in (net.sizes, net.small))
    return Case("crossover", "crossover", name, _growing(net), (BATCHES, *sizes), (BATCHES[:3], *small), ENOUGH)


CASES = [_case(name) for name in ("MLP", "LeNet-5", "ResNet-8", "GPT")]
