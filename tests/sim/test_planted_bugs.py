"""The sim device finds the bugs that people make in CUDA kernels, and finds none where there is none."""

import re

import numpy as np
import pytest

from gpudl import sim

pytestmark = pytest.mark.skipif(sim.why_unavailable() is not None, reason=str(sim.why_unavailable()))

from tests.sim.planted_bugs import BUGS, SCALE  # noqa: E402

ORDERS = [("forward", 0), ("reverse", 0), ("random", 1), ("random", 2)]
KERNELS = {name: kernel for name, (kernel, *_) in reversed(BUGS.items())}
CORRECT = {id(kernel): (name, kernel) for name, kernel in KERNELS.items()}


@pytest.fixture(scope="module")
def cupy():
    sim.install()
    return pytest.importorskip("cupy")


def run(cupy, kernel, old="", new="", **launch):
    """True if the kernel, with one replacement in its text, gives what the correct one should."""
    assert old in kernel.text and (not old or old != new)
    function = cupy.RawModule(code=kernel.text.replace(old, new, 1) if old else kernel.text).get_function("k")
    host = kernel.args()
    args = [cupy.asarray(each) if isinstance(each, np.ndarray) else each for each in host]
    shared = launch.get("shared", kernel.shared)
    function(launch.get("grid", kernel.grid), launch.get("block", kernel.block), tuple(args), shared_mem=shared)
    return np.allclose(args[0].get(), kernel.result(*host), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("order, seed", ORDERS)
@pytest.mark.parametrize(
    "kernel", [kernel for _, kernel in CORRECT.values()], ids=[name for name, _ in CORRECT.values()]
)
def test_correct_kernels_pass_in_every_order(cupy, kernel, order, seed):
    for check in ("fast", "check"):
        with sim.settings(check=check, order=order, seed=seed, timeout=20):
            assert run(cupy, kernel)


@pytest.mark.parametrize("name", BUGS)
def test_bugs_are_caught(cupy, name):
    kernel, old, new, launch = BUGS[name]
    with sim.settings(check="check", timeout=2):
        try:
            right = run(cupy, kernel, old, new, **launch)
        except cupy.cuda.driver.CUDADriverError as error:
            assert re.search(r"\bk\b", str(error)), error
            right = False
        assert not right
        assert run(cupy, kernel), "the device does not live on after the error"


@pytest.mark.parametrize(
    "name, words",
    [
        ("write past the end", ["out-of-bounds", "(read|write) of 4 bytes", "past the end", "400 bytes", r":3\b"]),
        ("write before the start", ["before", r":3\b"]),
        ("all blocks at one place", ["race", "another block", r":3\b"]),
        ("no barrier after the write", ["race", "'s'|s\\+", r":4\b", r":6\b|:5\b"]),
        ("barrier in half of the block", ["barrier|deadlock"]),
        ("return before a barrier", ["barrier"]),
        ("lanes missing in a shuffle", ["shfl|deadlock|warp"]),
        ("shared memory that nobody wrote", ["uninitialized"]),
        ("+= for atomicAdd", ["race", r":3\b"]),
        ("misaligned float4", ["misaligned"]),
        ("int overflow in an index", ["overflow", r":2\b"]),
        ("lock that is never given back", ["timeout|time limit"]),
    ],
)
def test_messages_name_what_where_and_who(cupy, name, words):
    kernel, old, new, launch = BUGS[name]
    with sim.settings(check="check", timeout=2), pytest.raises(cupy.cuda.driver.CUDADriverError) as caught:
        run(cupy, kernel, old, new, **launch)
    for word in [*words, "block", r"thread \("]:
        assert re.search(word, str(caught.value)), f"{word!r} is not in {caught.value}"


def test_freed_memory_is_not_usable(cupy):
    function = cupy.RawModule(code=SCALE.text).get_function("k")
    x = cupy.zeros(100, np.float32)
    y = cupy.zeros(100, np.float32)
    freed = y.data.ptr
    del y
    with sim.settings(check="check"), pytest.raises(cupy.cuda.driver.CUDADriverError, match="freed|no live|not reach"):
        function((2,), (64,), (freed, x, np.float32(2), np.int32(100)))


def test_memory_that_nobody_wrote_is_not_readable(cupy):
    function = cupy.RawModule(code=SCALE.text).get_function("k")
    x, y = cupy.empty(100, np.float32), cupy.empty(100, np.float32)
    with sim.settings(check="check"):
        with pytest.raises(cupy.cuda.driver.CUDADriverError, match="uninitialized"):
            function((2,), (64,), (y, x, np.float32(2), np.int32(100)))
        function((2,), (64,), (y, cupy.ones(100, np.float32), np.float32(2), np.int32(100)))
    assert (y.get() == 2).all()


@pytest.mark.parametrize(
    "position, value, words",
    [
        (2, 2.5, "float32"),
        (2, np.float64(2.5), "float32"),
        (3, 1 << 40, "int"),
        (1, np.float64, "float64"),
        (1, "strided", "contiguous"),
        (3, None, "4"),
    ],
    ids=["python-float", "float64", "int-too-large", "float64-array", "strided-array", "missing"],
)
def test_arguments_of_wrong_types_are_refused(cupy, position, value, words):
    function = cupy.RawModule(code=SCALE.text).get_function("k")
    args = [cupy.zeros(100, np.float32), cupy.ones(100, np.float32), np.float32(2), np.int32(100)]
    if value is None:
        del args[position]
    elif value == "strided":
        args[position] = cupy.ones((100, 2), np.float32)[:, 0]
    else:
        args[position] = cupy.ones(100, value) if isinstance(value, type) else value
    with pytest.raises((TypeError, OverflowError), match=words):
        function((2,), (64,), tuple(args))


def test_an_index_past_the_end_is_found_in_an_elementwise_kernel(cupy):
    shift = cupy.ElementwiseKernel("raw float32 x", "float32 y", "y = x[i + 1]", "shift")
    with sim.settings(check="check"), pytest.raises(cupy.cuda.driver.CUDADriverError, match="past the end"):
        shift(cupy.arange(10, dtype=np.float32), size=10)
