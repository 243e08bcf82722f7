"""Rooms with CUDA text give on a GPU what they give on the CPU, whatever the size, the memory and the numbers."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl.backend.debug import debug
from gpudl.backend.device import to_host, transfer
from gpudl.backend.dtypes import dtype_of
from gpudl.nn import functional as F
from gpudl.ops.bias_act import bias_act_backward, bias_act_forward
from gpudl.ops.class_rows import Kept, Rule
from gpudl.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from gpudl.ops.gelu import gelu_backward, gelu_forward

DTYPES = ["float64", "float32", "float16", "bfloat16"]
SIZES = (0, 1, 3, 4, 7, 8, 16, 255, 1025, 4099)
RNG = np.random.default_rng(0)
INF, NAN = float("inf"), float("nan")
MEAN = Rule(-100, 0.0, "mean")


def reals(shape, dtype="float32", low=-4.0, high=4.0):
    return RNG.uniform(low, high, shape).astype(dtype_of(dtype))


def placed(place, x, dtype, grad=True):
    """float64 numbers as a leaf of a dtype on a device."""
    return gpudl.tensor(x, dtype=dtype_of(dtype)).to(place).requires_grad_(grad)


def host(tensor):
    return to_host(tensor.detach().array)


def same(got, want, label, slack=4):
    assert_close(to_host(got), want.astype(got.dtype), label, slack)


def both(function, args, dtype, gpu, label, slack=4):  # noqa: F811
    """Result and gradients of a function on the GPU in a dtype, against the CPU in float64 on the same numbers."""
    outcomes = []
    for place, kind in ((gpu, dtype), ("cpu", "float64")):
        rounded = [arg.astype(dtype_of(dtype)).astype("float64") for arg in args]
        given = [placed(place, arg, kind) for arg in rounded]
        y = function(*given)
        y.backward(gpudl.tensor(np.full(y.shape, 0.5), dtype=y.dtype).to(place))
        outcomes.append([host(y), *(host(x.grad) for x in given)])
    for number, (got, want) in enumerate(zip(*outcomes)):
        assert got.dtype == dtype_of(dtype), f"{label}: {got.dtype}"
        assert_close(got, want.astype(got.dtype), f"{label}, result {number}", slack)


@pytest.fixture(autouse=True, scope="module")
def debug_mode():
    """Off here: looking at labels is a launch more, and what no debug mode sees is tested."""
    with debug(False):
        yield


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_of_every_size(gpu, dtype, approximate):  # noqa: F811
    for size in SIZES:
        both(lambda x: F.gelu(x, approximate), [reals(size, "float64")], dtype, gpu, f"gelu of {size}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_with_bias_is_gelu_after_an_addition(gpu, dtype, approximate):  # noqa: F811
    for shape in ((0, 4), (3, 0), (1,), (5,), (1, 1), (3, 7), (2, 3, 8), (9, 16), (33, 40), (2, 2052)):
        x, b = reals(shape, "float64"), reals(shape[-1:], "float64")
        both(lambda x, b: F.bias_gelu(x, b, approximate), [x, b], dtype, gpu, f"bias_gelu of {shape}", slack=8)
        for place in ("cpu", gpu):
            x32, b32 = (placed(place, z, "float32") for z in (x, b))
            fused, apart = F.bias_gelu(x32, b32, approximate), F.gelu(x32 + b32, approximate)
            assert_close(host(fused), host(apart), f"bias_gelu of {shape} and its parts")


@pytest.mark.parametrize("rows", [511, 1025, 5000])
def test_sums_over_many_rows_are_the_same_in_every_run(gpu, rows):  # noqa: F811
    x, b, dy = (transfer(reals(shape), gpu) for shape in ((rows, 33), (33,), (rows, 33)))
    body = next(iter(list(bias_act_backward.variants(dy))[1:]))
    (_, first), (_, second) = (body(dy, x, b, None, "gelu") for _ in range(2))
    np.testing.assert_array_equal(to_host(first), to_host(second))
    wide = [to_host(z).astype("float64") for z in (dy, x, b)]
    same(first, bias_act_backward.reference(*wide, None, "gelu")[1], f"db of {rows} rows", slack=40)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_views_that_begin_anywhere(gpu, dtype):  # noqa: F811
    x, dy = reals(203, dtype), reals(203, dtype)
    there, up = transfer(x, gpu), transfer(dy, gpu)
    for start, stop in itertools.product((0, 1, 2, 3, 5, 8), (196, 201, 203)):
        part, label = slice(start, stop), f"{start} to {stop}"
        wide, wide_dy = x[part].astype("float64"), dy[part].astype("float64")
        same(gelu_forward(there[part], True, False)[0], gelu_forward.reference(wide, True, False)[0], label)
        other = transfer(x[part].copy(), gpu)
        same(gelu_backward(up[part], other, None, False), gelu_backward.reference(wide_dy, wide, None, False), label)
        b = transfer(x[1:9].copy(), gpu)
        rows = there[start : start + 192].reshape(24, 8)
        want = bias_act_forward.reference(to_host(rows).astype("float64"), to_host(b).astype("float64"), "gelu", False)
        same(bias_act_forward(rows, b, "gelu", False)[0], want[0], label)
    for step in (-1, 3):
        want = gelu_forward.reference(x[::step].astype("float64"), False, False)[0]
        same(gelu_forward(there[::step], False, False)[0], want, f"every {step}")


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_of_extreme_numbers(gpu, approximate):  # noqa: F811
    x = np.array([0.0, -0.0, 1e-30, -1e-30, 20, -20, 1e4, -1e4, 3e38, INF, NAN], "float32")
    got, want = (F.gelu(placed(place, x, "float32", False), approximate) for place in (gpu, "cpu"))
    assert_close(host(got), host(want), "gelu")
    assert np.isnan(host(F.gelu(placed(gpu, np.array([NAN, -INF]), "float32", False), approximate))).all()


def torch_loss(x, target, weight, settings):
    x = torch.tensor(x.astype("float64"), requires_grad=True)
    weight = None if weight is None else torch.tensor(weight.astype("float64"))
    loss = torch.nn.functional.cross_entropy(x, torch.tensor(target), weight, **settings)
    loss.sum().backward()
    return loss.detach().numpy(), x.grad.numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_is_that_of_torch(gpu, dtype, reduction):  # noqa: F811
    shapes = ((1, 1), (1, 5), (7, 10), (300, 3), (2, 1024), (3, 1025), (2, 5003))
    for (rows, classes), weighted, smoothing in itertools.product(shapes, (False, True), (0.0, 0.2)):
        x = reals((rows, classes), "float64").astype(dtype_of(dtype)).astype("float64")
        target = RNG.integers(0, classes, rows)
        target[::3] = -100 if rows > 1 else target[::3]
        weight = reals(classes, "float64", 0.5, 2).astype(dtype_of(dtype)).astype("float64") if weighted else None
        settings = {"reduction": reduction, "label_smoothing": smoothing}
        want, dx = torch_loss(x, target, weight, settings)
        ours = placed(gpu, x, dtype)
        w = None if weight is None else placed(gpu, weight, dtype, False)
        loss = F.cross_entropy(ours, gpudl.tensor(target).to(gpu), w, **settings)
        loss.sum().backward()
        label = f"cross_entropy of {rows} rows of {classes}, weights {weighted}, smoothing {smoothing}"
        assert_close(host(loss), want.astype(loss.dtype), label, 20)
        assert_close(host(ours.grad), dx.astype(loss.dtype), f"{label}: gradient", 20)


@pytest.mark.parametrize("classes", [9, 1031])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_is_one_launch_each_way(gpu, classes, reduction):  # noqa: F811
    for rows in (5, 1000):
        x, target = placed(gpu, reals((rows, classes)), "float32"), gpudl.tensor(np.arange(rows) % classes).to(gpu)
        assert launched(gpu, partial(F.cross_entropy, x, target, reduction=reduction)) == 1
        assert launched(gpu, partial(F.cross_entropy, x, target, label_smoothing=0.1, reduction=reduction)) == 1
        rule = MEAN._replace(reduction=reduction)
        loss, *kept = cross_entropy_forward(x.array, target.array, None, rule, True)
        backward = partial(cross_entropy_backward, loss.copy(), x.array, target.array, None, rule, Kept(*kept), True)
        assert launched(gpu, backward) == 1


def test_the_mean_is_the_same_in_every_run(gpu):  # noqa: F811
    x, target = transfer(reals((3000, 5)), gpu), transfer(RNG.integers(0, 5, 3000), gpu)
    means = [to_host(cross_entropy_forward(x, target, None, MEAN, False)[0]).tobytes() for _ in range(3)]
    assert len(set(means)) == 1


def test_cross_entropy_of_extreme_numbers(gpu):  # noqa: F811
    rows = np.array(
        [
            [1e4, 1e4 - 1, -1e4, 0], [-INF, 0, 1, -INF], [3e38, -3e38, 0, 0], [-INF] * 4, [INF, 0, 0, 0],
            [NAN, 0, 0, 0], [0, 0, NAN, -INF], [1e-30, -1e-30, 0, 0],
        ],
        "float32",
    )  # fmt: skip
    for wide in (False, True):  # a warp a row, a block a row
        x = np.concatenate([rows, np.full((8, 2000), -INF, "float32")], axis=1) if wide else rows
        target = np.array([1, 2, 1, 0, 0, 1, 0, 3])
        with np.errstate(over="ignore"):
            want = torch_loss(x, target, None, {"reduction": "none"})[0].astype("float32")
        got = F.cross_entropy(placed(gpu, x, "float32"), gpudl.tensor(target).to(gpu), reduction="none")
        assert_close(host(got), want, "cross_entropy", 4)


def test_rows_to_ignore_leave_the_loss_alone_and_have_no_gradient_but_nan(gpu):  # noqa: F811
    x = placed(gpu, np.array([[NAN, 1, 2], [0, 1, 2], [INF, -INF, 0], [3, -INF, 1]]), "float32")
    loss = F.cross_entropy(x, gpudl.tensor(np.array([-100, 1, -100, -100])).to(gpu))
    loss.backward()
    assert np.isnan(host(x.grad)[[0, 2]]).all() and host(x.grad)[3].tolist() == [0.0] * 3  # as PyTorch's
    assert abs(host(x.grad)[1].sum()) < 1e-6 and np.isfinite(host(loss))


def test_all_rows_ignored(gpu):  # noqa: F811
    x, target = placed(gpu, reals((3, 4)), "float32"), gpudl.tensor(np.full(3, -100)).to(gpu)
    assert np.isnan(host(F.cross_entropy(x, target)))
    assert host(F.cross_entropy(x, target, reduction="sum")) == 0


@pytest.mark.parametrize("bad", [-1, 4, 1 << 40])
def test_a_target_out_of_range_makes_the_loss_nan(gpu, bad):  # noqa: F811
    x = placed(gpu, reals((3, 4)), "float32")
    losses = F.cross_entropy(x, gpudl.tensor(np.array([0, bad, 3])).to(gpu), reduction="none")
    losses.sum().backward()
    assert np.isnan(host(losses)).tolist() == [False, True, False]
    assert np.isnan(host(x.grad)).any(axis=1).tolist() == [False, True, False]


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_targets_of_other_dtypes_and_in_views(gpu, dtype):  # noqa: F811
    x, target = reals((6, 10)), np.arange(12).astype(dtype) % 5
    want, _ = torch_loss(x, target[::2].astype("int64"), None, {})
    there = gpudl.tensor(target).to(gpu)[::2]
    assert_close(host(F.cross_entropy(placed(gpu, x, "float32"), there)), want.astype("float32"), "cross_entropy")
    turned = placed(gpu, x.T.copy(), "float32").T
    assert_close(host(F.cross_entropy(turned, there)), want.astype("float32"), "cross_entropy of a view")


def test_classes_in_the_middle_and_gradients_of_gradients(gpu):  # noqa: F811
    x, target = reals((2, 5, 3), "float64"), RNG.integers(0, 5, (2, 3))
    results = []
    for place in (gpu, "cpu"):
        leaf = placed(place, x, "float64")
        loss = F.cross_entropy(F.gelu(leaf), gpudl.tensor(target).to(place), label_smoothing=0.1)
        (first,) = gpudl.autograd.grad(loss, [leaf], create_graph=True)
        (first * first).sum().backward()
        results.append((host(loss), host(first), host(leaf.grad)))
    for got, want in zip(*results):
        assert_close(got, want, "gradient of a gradient", 10)
