"""Steps of optimizers, and copies between the host and a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpudl.bench.case import Case, Make, Part, Parts, Shape, size_of


def _optimizer(kind: str, passes: int, **named: Any) -> Callable[..., Parts]:
    """A step of all parameters, which have gradients; `passes` is how often it reads or writes a number for each."""

    def build(make: Make, *shapes: Shape) -> Parts:
        parameters = [make.lib.nn.Parameter(make(*shape, scale=0.01, grad=False)) for shape in shapes]
        for parameter in parameters:
            parameter.grad = make(*parameter.shape, scale=0.01, grad=False)
        optimizer = getattr(make.lib.optim, kind)(parameters, lr=1e-5, **named)
        return {"step": Part(optimizer.step, passes * size_of(*parameters))}

    return build


def _to_device(make: Make, shape: Shape) -> Parts:
    host = make.lib.ones(shape, dtype=make.dtype)
    if make.place == make.lib.ones(()).device:
        return {}  # there is nothing to copy
    return {"copy": Part(lambda: host.to(make.place), size_of(host), crosses=True)}


def _to_host(make: Make, shape: Shape) -> Parts:
    x = make(*shape, grad=False)
    if make.place == make.lib.ones(()).device:
        return {}
    return {"copy": Part(x.cpu, size_of(x), crosses=True)}


def _copy(make: Make, shape: Shape) -> Parts:
    x, y = make(*shape, grad=False), make(*shape, grad=False)
    return {"copy": Part(lambda: y.copy_(x), 2 * size_of(x))}


# The parameters of a small network: a few large ones, as many of one row.
_PARAMETERS = ((1024, 1024), (1024,)) * 4
_FEW = ((16, 16), (16,))

CASES = [
    *(
        Case("ops", "optimizers", name, build, _PARAMETERS, _FEW)
        for name, build in {
            "SGD": _optimizer("SGD", 3),
            "SGD, momentum": _optimizer("SGD", 5, momentum=0.9),
            "RMSprop": _optimizer("RMSprop", 5),
            "Adam": _optimizer("Adam", 7),
            "AdamW": _optimizer("AdamW", 7),
        }.items()
    ),
    *(
        Case("ops", "copies", name, build, ((4096, 1024),), ((8, 8),))
        for name, build in {"on the device": _copy, "host to device": _to_device, "device to host": _to_host}.items()
    ),
]
