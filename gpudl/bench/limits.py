"""What a device can do at most, measured by gpudl once in each run: bytes of a plain copy, operations of a product."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gpudl.bench.library import Library
from gpudl.bench.timing import Effort, Times, take

COPIED = 1 << 26  # float32 numbers, 256 MiB: more than caches hold
SIDES = (512, 1024, 2048, 4096, 8192)
ENOUGH = 1.0
"""Seconds of one product, from which no larger one is tried: a slow device has come to its rate by then."""


class Limits(NamedTuple):
    """The rates.

    Attributes:
        bandwidth: bytes read and written a second, by a copy of far more than the caches hold.
        products: floating point operations a second, by the best of the products of square matrices.
        side: of those matrices.
    """

    bandwidth: float
    products: float
    side: int


def limits(
    library: Library, effort: Effort, *, copied: int = COPIED, sides: tuple[int, ...] = SIDES, dtype: str = "float32"
) -> Limits:
    """Measure them.

    Args:
        library: gpudl on a device.
        effort: how long.
        copied: float32 numbers to copy.
        sides: of the matrices to try, growing.
        dtype: theirs.
    """
    lib, place = library.lib, library.place

    def seconds(program: Callable[[], object]) -> float:
        return best_clock(take({"": lambda number: library.lap(program, number)}, effort)[""])

    def copies() -> float:
        x, y = lib.ones(copied, device=place), lib.empty(copied, device=place)
        return 2 * 4 * copied / seconds(lambda: y.copy_(x))

    with lib.no_grad():
        bandwidth = copies()
        best, best_side = 0.0, sides[0]
        for side in sides:
            a = lib.full((side, side), 1.0 / side, device=place, dtype=getattr(lib, dtype))
            took = seconds(lambda a=a: lib.matmul(a, a))  # type: ignore[misc]
            if 2 * side**3 / took > best:
                best, best_side = 2 * side**3 / took, side
            if 8 * took > ENOUGH:  # the next one has eight times the work
                break
    return Limits(bandwidth, best, best_side)


def best_clock(times: Times) -> float:
    """The median by the device's clock if it has one, else by the wall's."""
    return (times.device or times.wall).median
