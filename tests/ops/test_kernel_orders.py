"""Every kernel with a body for CUDA agrees with its reference in four orders of threads, every access checked."""

import numpy as np
import pytest
from test_kernels import DTYPES, EXAMPLES, check, maker, run

import gpudl
from gpudl import sim
from gpudl.backend.device import require
from gpudl.backend.kernel import KERNELS
from gpudl.testing.kernels import ORDERS

pytestmark = pytest.mark.skipif(sim.why_unavailable() is not None, reason=str(sim.why_unavailable()))

DTYPES_OF_TEXT = ("float16", "float32", "float64")
NAMES = [  # but for the checks of debug mode, which give nothing
    name
    for name, kernel in KERNELS.items()
    if any(family == "cuda" for family, _ in kernel.bodies) and not name.startswith("check_")
]


@pytest.fixture(autouse=True, scope="module")
def every_access_checked():
    require(gpudl.device("sim"))
    with sim.settings(check="check"):  # once, since CuPy forgets its kernels when that changes
        yield


def test_there_are_such_kernels():
    assert {"gelu_forward", "cross_entropy_backward", "adam_step_", "bias_act_backward"} <= set(NAMES)


@pytest.mark.parametrize("order, seed", ORDERS)
@pytest.mark.parametrize("name", NAMES)
def test_kernels_agree_in_every_order(name, order, seed):
    place = gpudl.device("sim")
    kernel, host = KERNELS[name], gpudl.device("cpu")
    compared = 0
    with sim.settings(order=order, seed=seed):
        for dtype in DTYPES.get(name, DTYPES_OF_TEXT):
            bodies = {str(each) for family, each in kernel.bodies if family == "cuda"}
            in_steps = dtype == "float16" and dtype not in bodies
            for args in EXAMPLES[name](maker(dtype)):
                wide = [x.astype("float64") if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in args]
                results, left = run(kernel, args, place)
                exact, exact_left = run(kernel.reference, wide, host)
                pairs = [*zip(results, exact), *(zip(left, exact_left) if name.endswith("_") else ())]
                for got, want in pairs:
                    if got is not None and want is not None:
                        check(got, want, name, dtype, f"{name} {dtype} in {order} order", in_steps)
                        compared += 1
    assert compared


@pytest.mark.parametrize("name", NAMES)
def test_no_order_changes_a_bit(name):
    """What adds floats with atomics would give other bits: results are the same in every run."""
    place, kernel = gpudl.device("sim"), KERNELS[name]
    dtype = DTYPES.get(name, ("float32",))[-1]
    for args in EXAMPLES[name](maker(dtype)):
        found = []
        for order, seed in (("forward", 0), ("random", 3)):
            with sim.settings(order=order, seed=seed), gpudl.deterministic():
                results, left = run(kernel, args, place)
            found.append([None if each is None else each.tobytes() for each in (*results, *left)])
        assert found[0] == found[1], f"{name} {dtype}"


def test_adding_with_atomics_would_be_seen():
    import cupy

    atomic = cupy.ElementwiseKernel("float32 x", "raw float32 y", "atomicAdd(&y[0], x)", "add_with_atomics_in_test")
    numbers, found = cupy.asarray(maker("float32")((3000,))), set()
    for order, seed in (("forward", 0), ("random", 3)):
        with sim.settings(order=order, seed=seed):
            found.add(atomic(numbers, cupy.zeros(1, "float32")).get().tobytes())
    assert len(found) == 2
