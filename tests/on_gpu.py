"""What tests of CUDA text share: a device that runs it, and how many kernels a piece of code starts there."""

import pytest

from gpudl import sim
from tests.backend.emulated import cuda_like


@pytest.fixture(scope="session")
def gpu(request):
    """The GPU with --device cuda, else the emulated device; skips where that cannot be had."""
    return cuda_like(request.config)


def launches(place):
    """How many kernels were started so far; skips where nobody counts."""
    if place.type != "sim":
        pytest.skip(f"{place} does not count the kernels that it starts")
    return sim.counters().launches


def launched(place, function, *args):
    """How many kernels a call starts, when all are compiled and all memory is had."""
    function(*args)
    before = launches(place)
    function(*args)
    return launches(place) - before
