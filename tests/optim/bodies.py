"""The CPU body of an optimizer step beside its reference body."""

import tracemalloc

import numpy as np
from tolerances import assert_close

import gpudl
import gpudl.nn
import gpudl.optim
from gpudl.optim.pieces import PIECE

SIZES = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 7]

# How the arrays of a step may lie in memory, all larger than a piece.
LAYOUTS = {
    "Fortran order": lambda x: np.asfortranarray(x),
    "every second": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
}


def arrays_for(size, dtype, extra):
    """A parameter, its gradient, and the arrays that a step may need: each >= 0, or None."""
    rng = np.random.default_rng(0)
    given = [np.asarray(rng.normal(size=size), dtype) for _ in range(2)]
    return given + [np.asarray(rng.uniform(size=size), dtype) if wanted else None for wanted in extra]


def assert_bodies_agree(kernel, size, dtype, extra, settings, layout=None):
    """Parameter and state are the reference's to rounding, written in place; the gradient is as before."""
    arrays = arrays_for(size, dtype, extra)
    want = [None if x is None else x.copy() for x in arrays]
    got = [None if x is None else (LAYOUTS[layout](x) if layout else x.copy()) for x in arrays]
    kernel.reference(*want, *settings)
    (body,) = list(kernel.variants(got[0]))[1:]
    assert body is kernel.bodies["cpu", got[0].dtype]
    assert kernel(*got, *settings) is None
    for number, (a, b, before) in enumerate(zip(got, want, arrays)):
        if b is not None:
            assert_close(a, b, f"array {number}")
            if number < 2 and a.size:
                assert np.array_equal(a, before) == (number == 1)


def assert_needs_little_memory(name, settings):
    """No temporary is as large as the parameter: what is not in the cache costs more than the arithmetic."""
    p = gpudl.nn.Parameter(gpudl.ones(40 * PIECE))
    optimizer = getattr(gpudl.optim, name)([p], **settings)
    for at_home in (True, True, False):
        optimizer.zero_grad()
        if at_home:
            p.sum().backward()
        else:
            p.grad = gpudl.ones(40 * PIECE)
        optimizer.step()  # the first makes the state
        tracemalloc.start()
        optimizer.step()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4.5 * 4 * PIECE
