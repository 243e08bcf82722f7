"""Elementwise functions on a GPU: what the CPU gives, whatever the size, the memory and the numbers, in one launch."""

from functools import partial

import numpy as np
import pytest
from on_gpu import gpu, launched  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl.backend.device import to_host, transfer
from gpudl.backend.dtypes import dtype_of
from gpudl.nn import functional as F
from gpudl.ops import gates, maps
from gpudl.ops.prelu import prelu_backward, prelu_forward

DTYPES = ["float64", "float32", "float16", "bfloat16"]
INF, NAN = float("inf"), float("nan")
RNG = np.random.default_rng(0)

# The function, and where its argument lies.
MAPS = {
    "relu": (F.relu, -3, 3),
    "relu6": (F.relu6, -3, 9),
    "leaky_relu": (F.leaky_relu, -3, 3),
    "elu": (partial(F.elu, alpha=0.7), -3, 3),
    "selu": (F.selu, -3, 3),
    "celu": (partial(F.celu, alpha=-1.5), -3, 3),
    "hardtanh": (partial(F.hardtanh, min_val=-0.55, max_val=1.3), -3, 3),
    "hardsigmoid": (F.hardsigmoid, -5, 5),
    "hardswish": (F.hardswish, -5, 5),
    "threshold": (partial(F.threshold, threshold=0.3, value=-1.7), -3, 3),
    "hardshrink": (partial(F.hardshrink, lambd=0.55), -3, 3),
    "softshrink": (partial(F.softshrink, lambd=0.55), -3, 3),
    "softplus": (partial(F.softplus, beta=1.5, threshold=12.0), -6, 6),
    "logsigmoid": (F.logsigmoid, -6, 6),
    "softsign": (F.softsign, -3, 3),
    "tanhshrink": (F.tanhshrink, -3, 3),
    "silu": (F.silu, -6, 6),
    "mish": (F.mish, -6, 6),
    "gelu": (F.gelu, -4, 4),
    "gelu_tanh": (partial(F.gelu, approximate="tanh"), -4, 4),
    "sigmoid": (F.sigmoid, -6, 6),
    "tanh": (F.tanh, -3, 3),
    "exp": (gpudl.exp, -3, 3),
    "log": (gpudl.log, 0.3, 9),
    "sqrt": (gpudl.sqrt, 0.3, 9),
    "rsqrt": (gpudl.rsqrt, 0.3, 9),
    "erf": (gpudl.erf, -3, 3),
    "erfc": (gpudl.erfc, -3, 3),
    "erfinv": (gpudl.erfinv, -0.9, 0.9),
}
GATES = {"glu": F.glu, "swiglu": F.swiglu, "geglu": partial(F.geglu, approximate="tanh"), "reglu": F.reglu}


def reals(shape, dtype="float64", low=-3.0, high=3.0):
    """Numbers that a dtype can hold, as float64."""
    return RNG.uniform(low, high, shape).astype(dtype_of(dtype)).astype("float64")


def leaf(place, x, dtype, grad=True):
    return gpudl.tensor(np.asarray(x), dtype=dtype_of(dtype)).to(place).requires_grad_(grad)


def host(tensor):
    return to_host(tensor.detach().array)


def both(function, arrays, dtype, place, label, slack=4, view=lambda x: x):
    """Result and gradients on the GPU in a dtype agree with the CPU's in float64."""
    outcomes = []
    for where, kind in ((place, dtype), ("cpu", "float64")):
        leaves = [leaf(where, x, kind) for x in arrays]
        y = function(*map(view, leaves))
        weights = np.resize([0.5, -1.0, 2.0], y.shape)
        y.backward(gpudl.tensor(weights, dtype=y.dtype).to(where))
        outcomes.append([host(y), *(host(x.grad) for x in leaves)])
    for number, (got, want) in enumerate(zip(*outcomes)):
        assert got.dtype == dtype_of(dtype), f"{label}: {got.dtype}"
        assert_close(got, want.astype(got.dtype), f"{label}, result {number}", slack)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", MAPS)
def test_functions_of_every_size(gpu, op, dtype):  # noqa: F811
    function, low, high = MAPS[op]
    for size in (0, 1, 9, 1031):
        both(function, [reals(size, dtype, low, high)], dtype, gpu, f"{op} of {size}")


def narrow(monkeypatch, blocks=1):
    """Grids of few threads, so that small arrays take these as often round as large ones take full grids."""
    for module in (maps, gates):
        monkeypatch.setattr(module, "spread", lambda x: ((blocks,) if x.size else (0,), (32,)))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_grids_that_are_passed_several_times(gpu, dtype, monkeypatch):  # noqa: F811
    narrow(monkeypatch)
    for size in (31, 33, 127, 128, 129, 255, 256, 257, 384, 515, 1024, 1027, 1600):
        x, gate = reals(size + 1, dtype), reals(size, dtype)
        for name, start in (("aligned", 0), ("misaligned", 1)):
            part = slice(start, start + size)
            label = f"{name} elements, {size}"
            both(F.silu, [x], dtype, gpu, f"silu of {label}", view=lambda x, part=part: x[part])
            both(F.relu, [x], dtype, gpu, f"relu of {label}", view=lambda x, part=part: x[part])
        both(F.swiglu, [gate, x[:size]], dtype, gpu, f"swiglu of {size}")
    for rows, columns in ((70, 16), (70, 6), (3, 64), (1, 1030)):
        both(F.glu, [reals((rows, 2 * columns), dtype)], dtype, gpu, f"glu of {rows} rows")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", GATES)
def test_gated_products(gpu, op, dtype):  # noqa: F811
    for shape, dim in (
        ((6,), -1),
        ((3, 4), 0 - 2 + 1),
        ((4, 3), 0),
        ((2, 6, 5), 1),
        ((0, 4), 1),
        ((5, 32), 1),
        ((9, 66), 1),
    ):
        both(partial(GATES[op], dim=dim), [reals(shape, dtype)], dtype, gpu, f"{op} of {shape} along {dim}", 6)
    if op != "glu":
        for shape in ((), (7,), (3, 5), (0, 2), (11, 24)):
            both(GATES[op], [reals(shape, dtype), reals(shape, dtype)], dtype, gpu, f"{op} of two {shape}", 6)


def test_gated_products_of_halves_are_those_of_two(gpu):  # noqa: F811
    x = leaf(gpu, reals((5, 14), "float32"), "float32", False)
    first, second = x.chunk(2, 1)
    for op in ("swiglu", "geglu", "reglu"):
        np.testing.assert_array_equal(host(getattr(F, op)(x)), host(getattr(F, op)(first, second)))
    np.testing.assert_array_equal(host(F.glu(x)), host(F.glu(x.clone())))


def test_gated_products_of_what_does_not_fit_are_refused(gpu):  # noqa: F811
    x = leaf(gpu, np.ones((3, 5)), "float32")
    for op in ("swiglu", "geglu", "reglu"):
        function = getattr(F, op)
        with pytest.raises(gpudl.ShapeError, match=f"{op}: .*odd"):
            function(x)
        with pytest.raises(gpudl.ShapeError, match=f"{op}: .*one shape"):
            function(x, x[:, :4])
        with pytest.raises(gpudl.ShapeError, match=f"{op}: a 0-d"):
            function(x[0, 0])
        with pytest.raises(RuntimeError, match=f"{op}: .*cast"):
            function(x, x.double())
        with pytest.raises(RuntimeError, match=op):
            function(x.long(), x.long())
        with pytest.raises(IndexError, match=op):
            function(x, dim=2)
    with pytest.raises(RuntimeError, match="approximate"):
        F.geglu(x, x, approximate="exact")


@pytest.mark.parametrize("dtype", DTYPES)
def test_prelu_has_the_gradient_of_its_slopes(gpu, dtype):  # noqa: F811
    shapes = ((5, 1), (1, 1), (4, 5), (3, 2, 6), (2, 3, 64), (2, 3, 45), (900, 4), (2, 3, 4, 8), (0, 3), (2, 3, 0))
    for shape in shapes:
        for slopes in {1, shape[1]}:
            x, w = reals(shape, dtype), reals(slopes, dtype, 0.1, 0.9)
            both(F.prelu, [x, w], dtype, gpu, f"prelu of {shape} with {slopes} slopes", slack=16)
    both(F.prelu, [reals((7, 6), dtype), reals(6, dtype)], dtype, gpu, "prelu of a view", 16, lambda x: x.T.T[..., :])


@pytest.mark.parametrize(
    "shape, slopes", [((40, 3, 30, 40), (1, 3, 1, 1)), ((90001,), (1,)), ((3000, 3, 2), (1, 3, 1))]
)
def test_slopes_have_the_same_gradient_in_every_run(gpu, shape, slopes):  # noqa: F811
    dy, x, slope = reals(shape, "float32"), reals(shape, "float32"), reals(slopes, "float32", 0.1, 0.9)
    given = [transfer(each.astype("float32"), gpu) for each in (dy, x, slope)]
    (dx, first), (_, second) = (prelu_backward(*given, slopes) for _ in range(2))
    np.testing.assert_array_equal(to_host(first), to_host(second))
    want = prelu_backward.reference(dy, x, slope, slopes)
    assert_close(to_host(dx), want[0].astype("float32"), "dx")
    np.testing.assert_allclose(to_host(first), want[1], 1e-5, 1e-3)
    misaligned = [transfer(np.append(0, each).astype("float32"), gpu)[1:].reshape(each.shape) for each in (dy, x)]
    np.testing.assert_allclose(to_host(prelu_backward(*misaligned, given[2], slopes)[1]), want[1], 1e-5, 1e-3)
    np.testing.assert_array_equal(
        to_host(prelu_forward(given[1], given[2])), prelu_forward.reference(*map(to_host, given[1:]))
    )


@pytest.mark.parametrize("op", MAPS)
def test_extreme_numbers(gpu, op):  # noqa: F811
    function = MAPS[op][0]
    x = np.array(
        [0.0, -0.0, 1e-30, -1e-30, 1, -1, 6, 20, -20, 88, -88, 200, -200, 3e38, -3e38, INF, -INF, NAN], "float32"
    )
    if op in ("gelu", "gelu_tanh"):
        x = x[abs(x) < 1e30]  # see test_gelu_of_extreme_numbers
    results = []
    for place in (gpu, "cpu"):
        given = leaf(place, x, "float32")
        y = function(given)
        y.backward(gpudl.ones_like(y))
        results.append((host(y), host(given.grad)))
    for got, want in zip(*results):
        assert_close(got, want, op, slack=4)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("op", [*MAPS, *GATES])
def test_one_launch_each_way(gpu, op, dtype):  # noqa: F811
    function = MAPS[op][0] if op in MAPS else GATES[op]
    x = leaf(gpu, reals((8, 64), dtype, 0.1, 0.9), dtype)
    y, dy = function(x), leaf(gpu, reals((8, 32 if op in GATES else 64), dtype), dtype, False)
    assert launched(gpu, function, x) == 1
    assert launched(gpu, partial(gpudl.autograd.grad, y, [x], dy, retain_graph=True)) == 1


def test_prelu_takes_two_launches_where_a_channel_has_several_blocks(gpu):  # noqa: F811
    for shape, count in (((4, 3), 1), ((2, 600, 32), 1), ((4, 3, 64, 64), 2), ((3, 4, 5), 2)):
        x, w = leaf(gpu, reals(shape, "float32"), "float32"), leaf(gpu, reals(shape[1], "float32"), "float32")
        y = F.prelu(x, w)
        assert launched(gpu, F.prelu, x, w) == 1
        backward = partial(gpudl.autograd.grad, y, [x, w], gpudl.ones_like(y), retain_graph=True)
        assert launched(gpu, backward) == count, shape


IN_PLACE = (
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "threshold",
    "silu",
    "mish",
)


@pytest.mark.parametrize("op", IN_PLACE)
def test_results_over_their_inputs(gpu, op):  # noqa: F811
    function, x = MAPS[op][0], reals((6, 50), "float32")
    want = leaf(gpu, x, "float32")
    function(want * 2).sum().backward()
    got = leaf(gpu, x, "float32")
    middle = got * 2
    memory = middle.array
    assert function(middle, inplace=True) is middle and middle.array is memory
    np.testing.assert_array_equal(host(middle), host(function(want * 2)))
    middle.sum().backward()
    np.testing.assert_array_equal(host(got.grad), host(want.grad))
    bare = leaf(gpu, x, "float32", False)
    assert launched(gpu, partial(function, bare, inplace=True)) == 1
    rows = (got.detach() * 2)[1:4]  # a part, misaligned with 16 bytes
    np.testing.assert_array_equal(host(function(rows, inplace=True)), host(middle)[1:4])
    across = (got.detach() * 2).T
    np.testing.assert_array_equal(host(function(across, inplace=True)), host(middle).T)


def test_a_result_over_its_input_is_guarded(gpu):  # noqa: F811
    x = leaf(gpu, reals(9, "float32"), "float32")
    y = x * 1
    F.relu(y, inplace=True)
    y.add_(1)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()
    y = x * 1
    F.relu(y[2:5], inplace=True)
    (first,) = gpudl.autograd.grad((y * y).sum(), [x], create_graph=True)
    (second,) = gpudl.autograd.grad(first.sum(), [x])
    inside = np.maximum(host(x), 0) * [0, 0, 1, 1, 1, 0, 0, 0, 0] + host(x) * [1, 1, 0, 0, 0, 1, 1, 1, 1]
    np.testing.assert_allclose(host(first), 2 * inside, 1e-6)
    np.testing.assert_array_equal(host(second), np.where(inside != 0, 2, 0))
    with pytest.raises(RuntimeError, match="relu_"):
        F.relu(x, inplace=True)
