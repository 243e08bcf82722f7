"""Broadcasting arithmetic, clamp, fills and losses of margins on a GPU: one launch each way, values as the CPU's."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched  # noqa: F401
from test_cuda_rooms import INF, NAN, both, host, placed, reals
from tolerances import assert_close

import gpudl
from gpudl.backend.debug import debug
from gpudl.backend.device import to_host, transfer
from gpudl.backend.dtypes import dtype_of
from gpudl.nn import functional as F
from gpudl.ops.factors import mul_backward

DTYPES = ["float32", "float16", "bfloat16"]
# The smaller operand: columns, rows, scales of channels, one number; the last lies otherwise.
SMALL = [(10,), (6, 1, 1), (8, 1, 1, 1), (8, 6, 1, 1), (1,), (8, 1, 10, 1)]
ONE_LAUNCH = SMALL[1:-1]  # the sum over many rows may take a second


@pytest.fixture(autouse=True, scope="module")
def debug_mode():
    """Off here: looking at labels is a launch more."""
    with debug(False):
        yield


def each_way(place, function, *leaves):
    """The launches of a forward, and of a backward to all leaves."""
    y = function(*leaves)
    dy = gpudl.ones_like(y)
    back = launched(place, lambda: gpudl.autograd.grad(y, list(leaves), dy, retain_graph=True))
    return launched(place, lambda: function(*leaves)), back


@pytest.mark.parametrize("shape", SMALL, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_and_quotients_of_operands_that_broadcast(gpu, dtype, shape):  # noqa: F811
    big, small = reals((8, 6, 10, 5 + 5 * (shape[-1] == 10)), "float64", 0.5, 2), reals(shape, "float64", 0.5, 2)
    for name, function in (
        ("x * y", lambda x, y: x * y),
        ("y * x", lambda x, y: y * x),
        ("x / y", lambda x, y: x / y),
        ("y / x", lambda x, y: y / x),
    ):
        both(function, [big, small], dtype, gpu, f"{name}, y {shape}", 20)


@pytest.mark.parametrize("shape", ONE_LAUNCH, ids=str)
def test_a_product_that_broadcasts_is_one_launch_each_way(gpu, shape):  # noqa: F811
    x, y = placed(gpu, reals((8, 6, 10, 10)), "float32"), placed(gpu, reals(shape, low=1), "float32")
    for function in (lambda x, y: x * y, lambda x, y: x / y, lambda x, y: y / x):
        assert each_way(gpu, function, x, y) == (1, 1)
    same = placed(gpu, reals((8, 6, 10, 10)), "float32")
    assert each_way(gpu, lambda x, y: x * y, x, same) == (1, 1)
    rows = placed(gpu, reals((100, 10)), "float32")
    assert each_way(gpu, lambda x, y: x * y, rows, placed(gpu, reals((10,)), "float32")) == (1, 1)


def test_long_sums_are_shared_out_and_the_same_in_every_run(gpu):  # noqa: F811
    for shape, full in (((1,), (40_003,)), ((3, 1), (3, 70_001)), ((2, 1, 1), (90, 2, 9, 31)), ((5,), (9001, 5))):
        dz, x, y = reals(full, "float64"), reals(full, "float64"), reals(shape, "float64")
        there = [transfer(each.astype("float32"), gpu) for each in (dz, x, y)]
        found = [to_host(mul_backward(*there, (full, shape))[1]) for _ in range(2)]
        want = mul_backward.reference(*(each.astype("float32").astype("float64") for each in (dz, x, y)), (full, shape))
        assert found[0].tobytes() == found[1].tobytes()
        assert_close(found[0], want[1].astype("float32"), f"{shape} of {full}", 200)


def test_views_and_gradients_of_one_number_for_all(gpu):  # noqa: F811
    whole, scale = reals((7, 4, 33), "float64"), reals((4, 1), "float64")

    def function(x, y):
        return (x[1:, :, 1:] * y + (x.transpose(0, 1)[:, 1:, 1:] * y.unsqueeze(-1)).transpose(0, 1)).sum()

    for dtype in ("float32", "float16"):
        both(function, [whole, scale], dtype, gpu, "views", 50)


def test_nan_infinities_and_zeros_go_through_as_on_the_cpu(gpu):  # noqa: F811
    x = np.array([[0.0, 1, INF, NAN], [-INF, 0, 2, -0.0]])
    for y in (np.array([[0.0], [INF]]), np.array([1.0, 0, INF, NAN])):
        for function in (lambda x, y: x * y, lambda x, y: x / y, lambda x, y: y / x):
            with np.errstate(all="ignore"):
                both(function, [x, y], "float32", gpu, "extremes")


def test_empty_operands(gpu):  # noqa: F811
    both(lambda x, y: x * y, [np.zeros((0, 3)), np.ones(3)], "float32", gpu, "no rows")
    both(lambda x, y: x / y, [np.zeros((2, 0)), np.ones((2, 1))], "float32", gpu, "no columns")


def test_gradients_of_gradients_are_those_of_the_cpu(gpu):  # noqa: F811
    found = []
    for place in (gpu, "cpu"):
        x, y = placed(place, reals((4, 6), low=1) * 0 + 1.5, "float64"), placed(place, np.arange(1.0, 7), "float64")
        z = (x * y / (x + y)).clamp(0.1, 3).abs() ** 2.5
        first = gpudl.autograd.grad(z.sum(), [x, y], create_graph=True)
        sum((each * each).sum() for each in first).backward()
        found.append([host(each.grad) for each in (x, y)])
    for got, want in zip(*found):
        assert_close(got, want, "second order", 10)


@pytest.mark.parametrize("dtype", DTYPES)
def test_clamp_abs_and_powers(gpu, dtype):  # noqa: F811
    x = reals((3, 37), "float64")
    for low, high in ((None, 1.0), (-1.0, None), (-1.0, 1.0), (1.0, -1.0)):
        both(lambda x, low=low, high=high: gpudl.clamp(x, low, high), [x], dtype, gpu, f"clamp {low} {high}")
    both(gpudl.abs, [np.round(x)], dtype, gpu, "abs")
    for exponent in (2, 3, 0.5, -1, 2.5, 1.5):
        both(lambda x, e=exponent: x**e, [abs(x) + 0.5], dtype, gpu, f"power {exponent}", 8)


def test_clamp_of_bounds_nan_and_infinities_is_that_of_torch(gpu):  # noqa: F811
    x = np.array([-INF, -1, -0.5, 0, 0.5, 1, INF, NAN], "float32")
    for low, high in ((-0.5, 0.5), (None, INF), (-INF, None), (NAN, 1.0), (0.0, NAN), (INF, -INF)):
        leaf, other = placed(gpu, x, "float32"), torch.tensor(x, requires_grad=True)
        y, want = gpudl.clamp(leaf, low, high), torch.clamp(other, low, high)
        y.sum().backward()
        want.sum().backward()
        np.testing.assert_array_equal(host(y), want.detach().numpy(), f"clamp {low} {high}")
        np.testing.assert_array_equal(host(leaf.grad), other.grad.numpy(), f"clamp {low} {high}: gradient")


def test_fills_by_number_take_no_launch_of_their_own(gpu):  # noqa: F811
    x, mask = placed(gpu, reals((4, 5)), "float32"), gpudl.tensor(np.eye(4, 5, dtype=bool)).to(gpu)
    assert each_way(gpu, lambda x: x.masked_fill(mask, -INF), x) == (1, 1)
    assert each_way(gpu, lambda x: x.masked_fill(mask[0], 1), x) == (1, 1)
    assert each_way(gpu, lambda x: gpudl.where(mask, x, 0.0), x) == (1, 1)
    assert each_way(gpu, lambda x: gpudl.clamp(x, -1, 1), x) == (1, 1)
    assert each_way(gpu, gpudl.abs, x) == (1, 1)
    assert each_way(gpu, lambda x: x**2, x) == (1, 1)


@pytest.mark.parametrize("place", ["cpu", "gpu"])
def test_a_number_that_fills_has_the_dtype_of_the_tensor(gpu, place):  # noqa: F811
    there = gpu if place == "gpu" else "cpu"
    for dtype in ("float16", "bfloat16", "float32", "float64", "int64", "uint8"):
        x = gpudl.tensor(np.ones((2, 3)), dtype=dtype_of(dtype)).to(there)
        mask = gpudl.tensor(np.array([True, False, True])).to(there)
        for y in (x.masked_fill(mask, 0), gpudl.where(mask, 0, x)):
            assert y.dtype == x.dtype
            np.testing.assert_array_equal(host(y).astype("float32"), [[0, 1, 0], [0, 1, 0]])
        both_numbers = gpudl.where(mask, 2.0, 3.0)
        np.testing.assert_array_equal(host(both_numbers), np.array([2, 3, 2], "float32"))
    with pytest.raises(RuntimeError, match="masked_fill"):
        gpudl.tensor(np.ones(2), dtype="float16").to(there).masked_fill(gpudl.tensor([True, False]).to(there), 1e6)


LOSSES = {
    "hinge_embedding_loss": (1, {"margin": 0.9}),
    "margin_ranking_loss": (2, {"margin": 0.3}),
    "soft_margin_loss": (1, {}),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_margins_are_those_of_torch_in_one_launch_each_way(gpu, name, reduction):  # noqa: F811
    count, settings = LOSSES[name]
    for shape in ((7,), (1,), (40, 30), (300, 101)):
        arrays, target = [reals(shape) for _ in range(count)], np.sign(reals(shape))
        ours, theirs = (
            [placed(gpu, x, "float32") for x in arrays],
            [torch.tensor(x, requires_grad=True) for x in arrays],
        )
        t = placed(gpu, target, "float32", False)

        def function(*given, name=name, t=t):
            return getattr(F, name)(*given, t, **settings, reduction=reduction)

        want = getattr(torch.nn.functional, name)(*theirs, torch.tensor(target), **settings, reduction=reduction)
        want.backward(torch.full(want.shape, 0.5))
        y = function(*ours)
        y.backward(gpudl.full(y.shape, 0.5, device=gpu))
        assert_close(host(y), want.detach().numpy(), f"{name} {shape}", 40)
        for mine, other in zip(ours, theirs):
            assert_close(host(mine.grad), other.grad.numpy(), f"{name} {shape}: gradient", 4)
        assert each_way(gpu, function, *ours) == (1, 1)


def torch_soft(x, p, weight, settings, dy):
    leaf = torch.tensor(x, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(
        leaf, torch.tensor(p), None if weight is None else torch.tensor(weight), **settings
    )
    loss.backward(torch.full(loss.shape, dy, dtype=loss.dtype))
    return loss.detach().numpy(), leaf.grad.numpy()


@pytest.mark.parametrize("dtype", ["float64", *DTYPES])
def test_cross_entropy_of_probabilities_is_that_of_torch(gpu, dtype):  # noqa: F811
    settings = itertools.cycle(itertools.product(("mean", "sum", "none"), (0.0, 0.2), (False, True)))
    for shape in ((1, 1), (5, 7), (3, 4, 6), (300, 10), (7, 1030), (4,)):
        for reduction, smoothing, weighted in itertools.islice(settings, 5):
            classes = shape[1] if len(shape) > 1 else shape[0]
            x = reals(shape, dtype).astype("float64")
            p = reals(shape, dtype, 0, 2 / classes).astype("float64")
            weight = reals(classes, dtype, 0.5, 2).astype("float64") if weighted else None
            options = {"reduction": reduction, "label_smoothing": smoothing}
            want, dx = torch_soft(x, p, weight, options, 0.5)
            leaf, target = placed(gpu, x, dtype), placed(gpu, p, dtype, False)
            loss = F.cross_entropy(
                leaf, target, None if weight is None else placed(gpu, weight, dtype, False), **options
            )
            loss.backward(gpudl.full(loss.shape, 0.5, dtype=loss.dtype, device=gpu))
            label = f"{shape} {reduction} smoothing {smoothing} weighted {weighted}"
            assert_close(host(loss), want.astype(loss.dtype), label, 20)
            assert_close(host(leaf.grad), dx.astype(loss.dtype), f"{label}: gradient", 8)


def test_cross_entropy_of_probabilities_is_one_launch_each_way(gpu):  # noqa: F811
    for shape in ((64, 10), (1000, 33), (3, 2050)):
        x, p = placed(gpu, reals(shape), "float32"), placed(gpu, reals(shape, low=0), "float32", False)
        for reduction in ("mean", "sum", "none"):
            settings = {"target": p, "reduction": reduction, "label_smoothing": 0.1}
            assert each_way(gpu, partial(F.cross_entropy, **settings), x) == (1, 1)


def test_targets_that_learn_and_second_gradients_take_the_cpu_s_way(gpu):  # noqa: F811
    found = []
    x, p = reals((4, 5), "float64"), reals((4, 5), "float64", 0, 1)
    for place in (gpu, "cpu"):
        leaf, target = placed(place, x, "float64"), placed(place, p, "float64")
        F.cross_entropy(leaf, target).backward()
        (first,) = gpudl.autograd.grad(F.cross_entropy(leaf, target.detach()), leaf, create_graph=True)
        (first * first).sum().backward()
        found.append([host(leaf.grad), host(target.grad)])
    for got, want in zip(*found):
        assert_close(got, want, "cross_entropy", 10)
