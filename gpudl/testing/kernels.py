"""Running a user's own CUDA kernel against a reference: on the sim device in several orders of its threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from gpudl import sim
from gpudl.backend.device import Device, require, to_host, transfer
from gpudl.backend.device import device as resolve

ORDERS = (("forward", 0), ("reverse", 0), ("random", 1), ("random", 2))
"""The orders, and seeds of the random ones, in which the sim device runs threads and blocks."""


def check_kernel(
    kernel: Callable[..., Any],
    args: Sequence[Any],
    reference: Callable[..., Any],
    *,
    grid: tuple[int, ...] | None = None,
    block: tuple[int, ...] | None = None,
    shared_mem: int = 0,
    outputs: Sequence[int] = (),
    rtol: float | None = None,
    atol: float | None = None,
    device: str | Device = "sim",
) -> None:
    """Run a CUDA kernel and compare what it gives with a reference in NumPy.

    On the sim device it runs four times, its threads and blocks in four orders: a missing barrier shows in one of them.
    With GPUDL_SIM_CHECK=check every access is looked at as well: bounds, races, memory that nobody wrote.

    Args:
        kernel: cupy.ElementwiseKernel, cupy.ReductionKernel, or any function of device arrays that returns such;
            with `grid` and `block` a cupy.RawKernel or a function of a cupy.RawModule.
        args: what the kernel takes; NumPy arrays are copied to the device for each run, all else is passed on.
        reference: a function of the same args, on NumPy. Returns what the kernel returns; for one that is launched
            with a grid, the contents of `outputs`.
        grid, block: blocks, and threads a block, up to three numbers each.
        shared_mem: dynamic shared memory, bytes a block.
        outputs: positions in args of the arrays that a launched kernel writes.
        rtol, atol: relative and absolute tolerance; both are by default what gpudl/PARITY.md gives a program's own
            operations, by the dtype of the output.
        device: "sim" or "cuda".
    Raises: AssertionError naming output, place, values and order; what the device raises for wrong accesses;
        TypeError if grid, block and outputs do not go together.
    """
    if (grid is None) != (block is None) or (grid is None) != (not outputs):
        raise TypeError("check_kernel: a launched kernel needs grid, block and outputs, every other none of them")
    place = resolve(device)
    require(place)
    wanted = _listed(reference(*(each.copy() if isinstance(each, np.ndarray) else each for each in args)))
    for order in _orders(place):
        given = [transfer(each, place) if isinstance(each, np.ndarray) else each for each in args]
        with sim.settings(order=order[0], seed=order[1]) if order else nullcontext():
            if grid is None:
                got = _listed(kernel(*given))
            else:
                kernel(grid, block, tuple(given), shared_mem=shared_mem)
                got = [given[position] for position in outputs]
        when = "" if order is None else f" with threads in {order[0]} order, seed {order[1]}"
        assert len(got) == len(wanted), f"the kernel gives {len(got)} outputs, the reference {len(wanted)}"
        for number, (mine, theirs) in enumerate(zip(got, wanted)):
            _compare(f"output {number} on {place}{when}", to_host(mine), np.asarray(theirs), rtol, atol)


def _listed(results: Any) -> list[Any]:
    return list(results) if isinstance(results, (tuple, list)) else [results]


def _orders(place: Device) -> Iterator[tuple[str, int] | None]:
    if place.type == "sim":
        yield from ORDERS
    else:
        yield None


def _compare(name: str, got: np.ndarray[Any, Any], want: np.ndarray[Any, Any], rtol: Any, atol: Any) -> None:
    assert got.shape == want.shape, f"{name} has shape {got.shape}, the reference {want.shape}"
    relative, absolute = (_limit(got.dtype) if each is None else each for each in (rtol, atol))
    mine, theirs = (_comparable(each) for each in (got, want))
    if object in (mine.dtype, theirs.dtype):  # which np.isclose does not take
        right = np.asarray(abs(mine - theirs) <= absolute + relative * abs(theirs), bool)
    else:
        right = np.isclose(mine, theirs, relative, absolute, equal_nan=True)
    if right.all():
        return
    with np.errstate(all="ignore"):
        off = np.where(right, -1.0, np.nan_to_num(np.abs(mine - theirs).astype(float), nan=np.inf))
    worst = tuple(int(each) for each in np.unravel_index(int(off.argmax()), off.shape))
    raise AssertionError(
        f"{name}: {int((~right).sum())} of {right.size} elements differ from the reference; the worst at {worst}: "
        f"got {got[worst]}, want {want[worst]} (rtol {relative}, atol {absolute})"
    )


def _limit(dtype: Any) -> float:
    from gpudl.compare.families import LEVELS  # with all that gpudl.compare needs, where it is wanted

    return LEVELS["unknown"].limits.get(dtype.name, 0.0)


def _comparable(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Integers as they are, if differences fit; floating point in float64, complex in complex128."""
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    return array.astype(object if array.dtype.kind in "iu" and array.dtype.itemsize == 8 else np.float64)
