"""Bias, activation, dropout and residual in one kernel: what the CPU gives, whatever the size and the memory, in few
launches."""

from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched, launches  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl import nn, sim
from gpudl.backend.debug import debug
from gpudl.backend.device import to_host, transfer
from gpudl.backend.dtypes import dtype_of
from gpudl.nn import functional as F
from gpudl.ops import dropout as dropout_room
from gpudl.ops import random_fill as random_room
from gpudl.ops.bias_act import bias_act_backward, bias_act_forward
from gpudl.ops.dropout import dropout_backward, dropout_forward
from gpudl.ops.linear import add_bias_
from gpudl.ops.random_bits import Drop
from gpudl.ops.random_fill import random_fill_

DTYPES = ["float64", "float32", "float16", "bfloat16"]
ACTS = ("relu", "tanh", "sigmoid", "silu", "gelu", "gelu_tanh")
SHAPES = ((0, 4), (3, 0), (1,), (5,), (1, 1), (3, 7), (2, 3, 8), (9, 16), (33, 40), (2, 2052))
RNG = np.random.default_rng(0)
INF, NAN = float("inf"), float("nan")
ONES = np.ones(64, "float32")
DROP = Drop((3, 2**63), (0, 5, 2**64 - 1), 0.3, 1 / 0.7)


@pytest.fixture(autouse=True, scope="module")
def debug_mode():
    with debug(False):
        yield


def reals(shape, dtype="float64", low=-4.0, high=4.0):
    return RNG.uniform(low, high, shape).astype(dtype_of(dtype))


def host(tensor):
    return to_host(tensor.detach().array)


def both(function, args, dtype, gpu, label, slack=8):  # noqa: F811
    """Result and gradients on the GPU in a dtype, against the CPU in float64 on the same numbers and the same seed."""
    outcomes = []
    for place, kind in ((gpu, dtype), ("cpu", "float64")):
        gpudl.manual_seed(4)
        rounded = [arg.astype(dtype_of(dtype)).astype("float64") for arg in args]
        given = [gpudl.tensor(arg, dtype=dtype_of(kind)).to(place).requires_grad_() for arg in rounded]
        y = function(*given)
        y.backward(gpudl.tensor(np.full(y.shape, 0.5), dtype=y.dtype).to(place))
        outcomes.append([host(y), *(host(x.grad) for x in given)])
    for number, (got, want) in enumerate(zip(*outcomes)):
        assert got.dtype == dtype_of(dtype), f"{label}: {got.dtype}"
        assert_close(got, want.astype(got.dtype), f"{label}, result {number}", slack)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("act", ACTS)
def test_bias_and_activation_of_every_size(gpu, act, dtype):  # noqa: F811
    for shape in SHAPES:
        # Away from the step of relu's derivative, where float16 and float64 may stand on either side.
        x, b = reals(shape, low=0.5), reals(shape[-1:], low=-0.25, high=0.25)
        x *= np.where(RNG.random(shape) < 0.5, -1, 1)
        both(lambda x, b: F.bias_act(x, b, act), [x, b], dtype, gpu, f"{act} of {shape}", slack=16)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_bias_dropout_and_residual_of_every_size(gpu, p, dtype):  # noqa: F811
    for shape in SHAPES:
        x, b, r = reals(shape), reals(shape[-1:]), reals(shape)
        both(lambda x, b, r: F.bias_dropout_add(x, b, r, p), [x, b, r], dtype, gpu, f"all of {shape}")
        both(lambda x, r: F.bias_dropout_add(x, None, r, p), [x, r], dtype, gpu, f"no bias, {shape}")
        both(lambda x, b: F.bias_dropout_add(x, b, None, p), [x, b], dtype, gpu, f"no residual, {shape}")
        if p:
            both(lambda x: F.dropout(x, p), [x], dtype, gpu, f"dropout of {shape}")


def test_masks_have_the_bits_of_the_cpu(gpu):  # noqa: F811
    for size in (1, 7, 8, 9, 255, 4099, 70001):
        for span in (1, 3) if size % 3 == 0 else (1,):
            x, drop = np.ones((size // span, span), "float32"), DROP._replace(span=span)
            got, want = (dropout_forward(transfer(x, place), None, None, drop) for place in (gpu, gpudl.device("cpu")))
            np.testing.assert_array_equal(to_host(got[1]), want[1])
            np.testing.assert_array_equal(to_host(got[0]), want[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_of_whole_channels(gpu, dtype):  # noqa: F811
    for name, shape in (("dropout2d", (3, 5, 4, 3)), ("dropout1d", (9, 40)), ("dropout2d", (2, 3, 33, 32))):
        for function in (getattr(F, name), F.feature_alpha_dropout, F.alpha_dropout):
            both(lambda x, f=function: f(x, 0.4, True), [reals(shape)], dtype, gpu, f"{function.__name__} of {shape}")


def test_dropout_of_many_channels(gpu):  # noqa: F811
    both(lambda x: F.dropout2d(x, 0.4), [reals((257, 128, 1, 3))], "float32", gpu, "dropout of 32896 channels")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_views_that_begin_anywhere(gpu, dtype):  # noqa: F811
    flat, other = reals(260, dtype), reals(260, dtype)
    there, beside = transfer(flat, gpu), transfer(other, gpu)
    b = reals(8, dtype)
    bias = transfer(b, gpu)
    for start in (0, 1, 4, 8):
        part = slice(start, start + 192)
        x, y = (z[part].reshape(24, 8).astype("float64") for z in (flat, other))
        given = [z[part].reshape(24, 8) for z in (there, beside)]
        aligned = transfer(flat[part].copy().reshape(24, 8), gpu)
        for args, wide in ((given, (x, y)), ((aligned, given[1]), (x, y)), ((given[1], aligned), (y, x))):
            want = dropout_forward.reference(wide[0], b.astype("float64"), wide[1], DROP)[0]
            got = dropout_forward(args[0], bias, args[1], DROP)[0]
            assert_close(to_host(got), want.astype(dtype), f"from {start}", 8)
            dx, db = bias_act_backward(args[0], args[1], bias, None, "silu")
            for mine, other_one in zip((dx, db), bias_act_backward.reference(*wide, b.astype("float64"), None, "silu")):
                assert_close(to_host(mine), other_one.astype(dtype), f"gradients from {start}", 40)
        want = bias_act_forward.reference(x, b.astype("float64"), "silu", False)[0]
        assert_close(to_host(bias_act_forward(given[0], bias, "silu", False)[0]), want.astype(dtype), f"from {start}")
        added = given[0].copy()
        add_bias_(added, transfer(np.concatenate([b[:1], b]), gpu)[1:])
        assert_close(to_host(added), (x + b.astype("float64")).astype(dtype), f"added from {start}")
    for start in (0, 1):  # a misaligned row is gone over in more strips than the grid has blocks for
        z = reals(start + 9 * 160, dtype)
        rows, wide = transfer(z, gpu)[start:].reshape(9, 160), z[start:].reshape(9, 160).astype("float64")
        with sim.settings(check="check") if gpu.type == "sim" else nullcontext():
            results = bias_act_backward(rows, rows, None, None, "tanh")
        for mine, other_one in zip(results, bias_act_backward.reference(wide, wide, None, None, "tanh")):
            assert_close(to_host(mine), other_one.astype(dtype), f"strips from {start}", 40)
    turned = transfer(reals((8, 24), dtype), gpu).T
    want = bias_act_forward.reference(to_host(turned).astype("float64"), b.astype("float64"), "relu", False)[0]
    assert_close(to_host(bias_act_forward(turned, bias, "relu", False)[0]), want.astype(dtype), "turned")


@pytest.mark.parametrize("columns", [9, 24])
def test_grids_much_smaller_than_the_array(gpu, columns):  # noqa: F811
    """As for arrays of many millions of elements, of which a thread has several groups."""
    x, r, b = reals((700, columns), "float32"), reals((700, columns), "float32"), reals((columns,), "float32")
    there = [transfer(z, gpu) for z in (x, b, r)]
    y, bits = there[0].copy(), transfer(np.zeros(-(-x.size // 8), np.uint8), gpu)
    settings = DROP.scale, 0.0, 0.0, *DROP.words()
    launch = dropout_room._TEXT.launch
    launch("dropout_forward", (1,), (256,), *there, y, bits, x.size, columns, *settings)
    want, kept = dropout_forward.reference(x.astype("float64"), b.astype("float64"), r.astype("float64"), DROP)
    np.testing.assert_array_equal(to_host(bits), kept)
    assert_close(to_host(y), want.astype("float32"), "forward", 8)
    launch("dropout_backward", (1,), (256,), there[0], bits, y, x.size, DROP.scale)
    want = dropout_backward.reference(x.astype("float64"), kept, DROP, False)[0]
    assert_close(to_host(y), want.astype("float32"), "backward", 8)
    made = np.zeros(5001, "float32")
    numbers = transfer(made, gpu)
    name = "UniformHalves"
    plan = random_room._plan("uniform", numbers.dtype, (0.0, 1.0))[1]
    words = 0, 3, *DROP.words()[1:]
    random_room._TEXTS[name].launch(random_room._NAMES[name], (2,), (256,), numbers, 5001, *words, *plan)
    random_fill_.reference(made, DROP.key, DROP.counter, 3, "uniform", (0.0, 1.0))
    np.testing.assert_array_equal(to_host(numbers), made)


def test_extreme_numbers(gpu):  # noqa: F811
    x = np.array([[0.0, -0.0, 1e-30, 88, -88, 104, -104, 3e38, -3e38, INF, -INF, NAN]], "float32")
    b = np.zeros(x.shape[1], "float32")
    for act in ACTS:
        outcomes = []
        for place in (gpu, gpudl.device("cpu")):
            leaf = gpudl.tensor(x).to(place).requires_grad_()
            with np.errstate(all="ignore"):
                y = F.bias_act(leaf, gpudl.tensor(b).to(place), act)
                y.backward(gpudl.ones(y.shape).to(place))
            outcomes.append((host(y), host(leaf.grad)))
        for number, (got, want) in enumerate(zip(*outcomes)):
            assert_close(got, want, f"{act}, result {number}", 4)
    for place in (gpu, gpudl.device("cpu")):
        with np.errstate(invalid="ignore"):
            y = dropout_forward(transfer(np.full(64, INF, "float32"), place), None, None, DROP)[0]
        bits = to_host(dropout_forward(transfer(ONES, place), None, None, DROP)[1])
        kept = np.unpackbits(bits, bitorder="little").astype(bool)
        assert np.isnan(to_host(y)[~kept]).all() and np.isposinf(to_host(y)[kept]).all()


@pytest.mark.parametrize("rows", [255, 256, 1025, 5000])
def test_sums_over_many_rows_are_right_and_the_same_in_every_run(gpu, rows):  # noqa: F811
    dy, y = (reals((rows, 33), "float32") for _ in range(2))
    there = [transfer(z, gpu) for z in (dy, y)]
    bits = transfer(np.resize(np.arange(251), -(-dy.size // 8)).astype("uint8"), gpu)
    for run in (
        lambda: bias_act_backward(*there, None, None, "relu")[1],
        lambda: dropout_backward(there[0], bits, DROP, True)[1],
    ):
        np.testing.assert_array_equal(to_host(run()), to_host(run()))
    want = np.where(y > 0, dy, 0).astype("float64").sum(0)
    assert_close(to_host(bias_act_backward(*there, None, None, "relu")[1]), want.astype("float32"), f"{rows}", 40)


def started(place, function, *args):
    """Launches and calls of cuBLAS together, when all is compiled."""
    function(*args)
    launches(place)
    before = sim.counters()
    function(*args)
    passed = sim.counters() - before
    return passed.launches + passed.library_calls


def gradients(function, x, b, dy):
    return gpudl.autograd.grad(function(), [x, b], dy)


def gradient(function, x, dy):
    return gpudl.autograd.grad(function(x, 0.3), [x], dy)


def leaf(gpu, shape, dtype="float32"):  # noqa: F811
    return gpudl.tensor(reals(shape, dtype)).to(gpu).requires_grad_()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_launches_of_the_functions(gpu, dtype):  # noqa: F811
    for rows, stages in ((5, 1), (1000, 2)):
        x, b, r = leaf(gpu, (rows, 24), dtype), leaf(gpu, (24,), dtype), leaf(gpu, (rows, 24), dtype)
        r = dy = r.detach()
        for act in ACTS:
            function = partial(F.bias_act, x, b, act)
            assert launched(gpu, function) == 1
            assert launched(gpu, partial(gradients, function, x, b, dy)) == 1 + stages
        function = partial(F.bias_dropout_add, x, b, r, 0.3)
        assert launched(gpu, function) == 1
        assert launched(gpu, partial(gradients, function, x, b, dy)) == 1 + stages
        assert launched(gpu, partial(F.bias_dropout_add, x, b, r, 0.0)) == 1
        assert launched(gpu, partial(F.dropout, x, 0.3)) == 1
        assert launched(gpu, partial(gradient, F.dropout, x, dy)) == 2
        assert launched(gpu, partial(F.dropout1d, x, 0.3)) == 1
        assert launched(gpu, partial(gradient, F.dropout1d, x, dy)) == 2
        assert launched(gpu, partial(F.alpha_dropout, x, 0.3, True)) == 1


@pytest.mark.parametrize("act", [nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid])
def test_a_linear_and_its_activation_are_a_product_and_one_launch(gpu, act):  # noqa: F811
    model, x = nn.Sequential(nn.Linear(16, 24), act()).to(gpu), leaf(gpu, (8, 16))
    assert started(gpu, model, x) == 2
    assert started(gpu, model[0], x) == 1
    model.append(nn.Linear(24, 8)).append(nn.Dropout(0.2)).to(gpu)
    assert started(gpu, model, x) == 4


@pytest.mark.parametrize("optimizer", [gpudl.optim.Adam, gpudl.optim.SGD])
def test_a_step_of_a_perceptron_is_16_launches_at_most(gpu, optimizer):  # noqa: F811
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10)).to(gpu)
    updates = optimizer(model.parameters(), lr=1e-3)
    x, target = leaf(gpu, (64, 20)).detach(), gpudl.tensor(np.arange(64) % 10).to(gpu)

    def step():
        F.cross_entropy(model(x), target).backward()
        updates.step()
        updates.zero_grad()

    step()
    assert started(gpu, step) <= 16


@pytest.mark.parametrize("training", [True, False])
def test_what_follows_attention_in_a_layer_is_fused(gpu, training):  # noqa: F811
    layer = nn.TransformerEncoderLayer(16, 2, 32, 0.1, "gelu", batch_first=True).to(gpu).train(training)
    x = leaf(gpu, (2, 5, 16))
    assert started(gpu, lambda: layer._ff_block(x, residual=x)) == 4 + training
    inner = layer.self_attn
    whole = started(gpu, lambda: layer._sa_block(x, None, None, residual=x))
    without = started(gpu, lambda: inner._attend(x, x, x, None, False, None, True, False))
    assert whole == without + 1


def test_a_perceptron_trains_alike_on_both_devices_and_as_in_torch(gpu):  # noqa: F811
    x, target, outcomes = reals((40, 12), "float32"), np.arange(40) % 5, []
    for place in ("cpu", gpu):
        gpudl.manual_seed(0)
        layers = nn.Linear(12, 16), nn.SiLU(), nn.Dropout(0.2), nn.Linear(16, 16), nn.Dropout(0.1), nn.Tanh()
        model = nn.Sequential(*layers, nn.Linear(16, 5)).to(place)
        updates = gpudl.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(5):
            updates.zero_grad()
            F.cross_entropy(model(gpudl.tensor(x).to(place)), gpudl.tensor(target).to(place)).backward()
            updates.step()
        outcomes.append([host(p) for p in model.parameters()])
    for got, want in zip(*outcomes[::-1]):
        assert_close(got, want, "parameters", 8)
    ours = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 5)).to(gpu)
    theirs = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 5))
    theirs.load_state_dict({name: torch.tensor(host(p)) for name, p in ours.state_dict().items()})
    F.cross_entropy(ours(gpudl.tensor(x).to(gpu)), gpudl.tensor(target).to(gpu)).backward()
    torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(target)).backward()
    for mine, other in zip(ours.parameters(), theirs.parameters()):
        assert_close(host(mine.grad), other.grad.numpy(), "gradient", 8)
