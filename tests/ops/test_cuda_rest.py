"""Bags of rows, triangles, classes as ones, Adafactor, and gradients of pairs on a GPU: few launches, values as torch's
and the CPU's."""

import itertools

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched  # noqa: F401
from test_cuda_fused_small import each_way
from test_cuda_rooms import INF, NAN, both, host, placed, reals
from tolerances import assert_close

import gpudl
from gpudl import nn, optim
from gpudl.backend.debug import debug
from gpudl.backend.dtypes import dtype_of
from gpudl.nn import functional as F

DTYPES = ["float32", "float16", "bfloat16"]
RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True, scope="module")
def debug_mode():
    """Off here: looking at indices is a launch more."""
    with debug(False):
        yield


def numbers(place, x):
    return gpudl.tensor(np.asarray(x)).to(place)


BAGS = {
    "rows": ((6, 7), None, False),
    "long rows": ((2, 150), None, False),
    "offsets": ((40,), [0, 3, 3, 20], False),
    "ends": ((40,), [0, 0, 25, 40, 40], True),
    "one number": ((1,), [0], False),
    "none": ((0,), [0, 0], False),
}


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("case", BAGS)
def test_bags_are_those_of_torch(gpu, case, mode):  # noqa: F811
    shape, offsets, has_end = BAGS[case]
    for features, padding, weighted in itertools.product((5, 16), (None, 2), (False, True)):
        if weighted and mode != "sum":
            continue
        w, index = np.round(reals((9, features))), RNG.integers(0, 9, shape)
        factors = reals(shape) if weighted else None
        settings = {"mode": mode, "include_last_offset": has_end, "padding_idx": padding}
        theirs = [torch.tensor(each, requires_grad=True) for each in (w, factors) if each is not None]
        want = torch.nn.functional.embedding_bag(
            torch.tensor(index), theirs[0], None if offsets is None else torch.tensor(offsets), **settings,
            per_sample_weights=theirs[1] if weighted else None,
        )  # fmt: skip
        ours = [placed(gpu, each, "float32") for each in (w, factors) if each is not None]
        for kind in ("int64", "int32"):
            found = F.embedding_bag(
                numbers(gpu, index.astype(kind)), ours[0],
                None if offsets is None else numbers(gpu, np.array(offsets, kind)), **settings,
                per_sample_weights=ours[1] if weighted else None,
            )  # fmt: skip
            assert_close(host(found), want.detach().numpy(), f"{case} {features} {padding}", 8)
        dy = reals(want.shape)
        want.backward(torch.tensor(dy))
        found.backward(numbers(gpu, dy))
        for mine, other in zip(ours, theirs):
            assert_close(host(mine.grad), other.grad.numpy(), f"{case} {features} {padding}: gradient", 20)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_bags_in_other_dtypes_and_of_views(gpu, dtype):  # noqa: F811
    index, offsets = RNG.integers(0, 8, 30), np.array([0, 4, 4, 19])
    for cut in (slice(None), slice(1, None)):

        def summed(w, factors, cut=cut):
            place = w.device
            return F.embedding_bag(
                numbers(place, index), w[:, cut], numbers(place, offsets), mode="sum", per_sample_weights=factors
            )

        both(summed, [reals((8, 9), "float64"), reals(30, "float64")], dtype, gpu, "sum", 30)
        for mode in ("mean", "max"):

            def reduced(w, mode=mode, cut=cut):
                return F.embedding_bag(numbers(w.device, index), w[:, cut], numbers(w.device, offsets), mode=mode)

            both(reduced, [reals((8, 9), "float64")], dtype, gpu, mode, 30)


def test_bags_take_one_launch_and_their_gradients_few(gpu):  # noqa: F811
    w, factors = placed(gpu, reals((9, 8)), "float32"), placed(gpu, reals((6, 7)), "float32")
    index, flat = numbers(gpu, RNG.integers(0, 9, (6, 7))), numbers(gpu, RNG.integers(0, 9, 42))
    offsets = numbers(gpu, np.array([0, 3, 20]))
    for mode in ("sum", "mean"):
        assert each_way(gpu, lambda w, m=mode: F.embedding_bag(index, w, mode=m, padding_idx=3), w) == (1, 2)
        assert each_way(gpu, lambda w, m=mode: F.embedding_bag(flat, w, offsets, mode=m), w) == (1, 2)
    assert each_way(gpu, lambda w: F.embedding_bag(index, w, mode="max"), w) == (1, 1)

    def weighted(w, factors):
        return F.embedding_bag(index, w, mode="sum", per_sample_weights=factors)

    assert each_way(gpu, weighted, w, factors) == (1, 2)


def test_the_largest_of_a_bag_is_its_first_and_nan_before_all(gpu):  # noqa: F811
    w = np.array([[1.0, NAN], [3, 2], [3, -INF], [-INF, NAN]], "float32")
    index = np.array([[0, 1, 2], [1, 2, 1], [3, 3, 3], [2, 1, 0]])
    leaf, other = placed(gpu, w, "float32"), torch.tensor(w, requires_grad=True)
    y = F.embedding_bag(numbers(gpu, index), leaf, mode="max")
    np.testing.assert_array_equal(host(y)[:, 0], [3, 3, -INF, 3])
    np.testing.assert_array_equal(host(y)[:, 1], [NAN, 2, NAN, NAN])
    torch.nn.functional.embedding_bag(torch.tensor(index), other, mode="max")[:, 0].sum().backward()
    y[:, 0].sum().backward()
    np.testing.assert_array_equal(host(leaf.grad), other.grad.numpy())


def test_the_first_of_several_nan_in_a_long_bag_gets_the_gradient(gpu):  # noqa: F811
    found, w = [], np.ones((150, 4))
    w[[20, 21, 90], 1] = NAN
    for place in (gpu, "cpu"):
        leaf = placed(place, w, "float32")
        F.embedding_bag(numbers(place, np.arange(150)[None, ::-1].copy()), leaf, mode="max").sum().backward()
        found.append(host(leaf.grad))
    np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(found[0].argmax(0), [149, 90, 149, 149])


def test_a_number_beyond_the_table_gives_nan_and_reads_nothing(gpu):  # noqa: F811
    w = placed(gpu, np.ones((3, 4)), "float32")
    y = F.embedding_bag(numbers(gpu, [[0, 3], [1, -1], [1, 2]]), w, mode="sum")
    y.sum().backward()
    np.testing.assert_array_equal(host(y), np.array([[NAN] * 4, [NAN] * 4, [2] * 4], "float32"))
    np.testing.assert_array_equal(host(w.grad), np.repeat([[1.0], [2], [1]], 4, 1))


def test_gradients_of_gradients_of_bags_are_those_of_the_cpu(gpu):  # noqa: F811
    for mode in ("sum", "mean", "max"):
        found = []
        for place in (gpu, "cpu"):
            w, factors = (
                placed(place, np.arange(27.0).reshape(9, 3) / 9, "float64"),
                placed(place, np.ones(6), "float64"),
            )
            given = {"per_sample_weights": factors} if mode == "sum" else {}
            index, offsets = numbers(place, [0, 3, 2, 2, 8, 1]), numbers(place, [0, 2, 2])
            y = F.embedding_bag(index, w, offsets, mode=mode, padding_idx=1, **given)
            leaves = [w, factors] if given else [w]
            first = gpudl.autograd.grad((y**3).sum(), leaves, create_graph=True)
            sum((each * each).sum() for each in first).backward()
            found.append([host(each.grad) for each in leaves])
        for got, want in zip(*found):
            assert_close(got, want, f"second order, {mode}", 10)


@pytest.mark.parametrize("dtype", [*DTYPES, "int64", "int8", "bool"])
def test_triangles_are_those_of_the_cpu(gpu, dtype):  # noqa: F811
    for shape in ((3, 5), (2, 3, 16, 16), (1, 1), (0, 4), (4, 0), (40, 7)):
        x = gpudl.tensor(np.round(reals(shape)), dtype=dtype_of(dtype))
        for diagonal, cut in itertools.product((-30, -1, 0, 2, 30), ("tril", "triu")):
            want, got = getattr(gpudl, cut)(x, diagonal), getattr(gpudl, cut)(x.to(gpu), diagonal)
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(host(got), host(want), f"{cut} {shape} {diagonal}")


def test_triangles_and_ones_take_one_launch_each_way(gpu):  # noqa: F811
    x = placed(gpu, reals((3, 8, 8)), "float32")
    for cut in (gpudl.tril, gpudl.triu):
        assert each_way(gpu, cut, x) == (1, 1)
        both(lambda x, cut=cut: cut(x.transpose(-1, -2), 1), [reals((2, 5, 7), "float64")], "float16", gpu, "turned")
    classes = numbers(gpu, [[0, 2, 1]])
    assert launched(gpu, F.one_hot, classes, 4) == 1


def test_ones_at_classes_are_those_of_torch(gpu):  # noqa: F811
    for shape, count in (((), 3), ((4, 5), 7), ((3,), 1), ((6,), 515), ((0, 2), 4), ((2, 3), -1)):
        classes = RNG.integers(0, abs(count), shape)
        want = torch.nn.functional.one_hot(torch.tensor(classes), count).numpy()
        np.testing.assert_array_equal(host(F.one_hot(numbers(gpu, classes), count)), want)
    every = numbers(gpu, RNG.integers(0, 5, (4, 6)))
    np.testing.assert_array_equal(host(F.one_hot(every[:, ::2], 5)), host(F.one_hot(every, 5))[:, ::2])


SHAPES = {(7, 33): 5, (5,): 2, (4, 3, 3, 3): 5, (300, 9): 5, (2, 1030): 5, (): 2}


@pytest.mark.parametrize("dtype", ["float64", *DTYPES])
def test_adafactor_takes_few_launches_and_the_cpu_s_steps(gpu, dtype):  # noqa: F811
    for shape, count in SHAPES.items():
        values, gradient = reals(shape, "float64"), reals(shape, "float64") + 5
        outcomes = []
        for place, kind in ((gpu, dtype), ("cpu", "float64")):
            p = nn.Parameter(gpudl.tensor(values.astype(dtype_of(dtype)).astype("float64"), dtype=dtype_of(kind)))
            p = nn.Parameter(p.detach().to(place))
            p.grad = gpudl.tensor(gradient, dtype=p.dtype).to(place)
            settings = {"lr": 0.1, "weight_decay": 0.1, "eps": (1e-3, 1e-3)}
            optimizer = optim.Adafactor([p], **settings)
            for _ in range(3):
                optimizer.step()
            outcomes.append(host(p))
            if place != "cpu":
                assert launched(gpu, optim.Adafactor([p], **settings).step) == count, shape
                p.detach().copy_(gpudl.tensor(outcomes[-1]).to(gpu)) if shape else None
        assert_close(outcomes[0], outcomes[1].astype(dtype_of(dtype)), f"{shape}", 10)


def test_adafactor_keeps_nan_where_the_gradient_has_it(gpu):  # noqa: F811
    outcomes = []
    for place in (gpu, "cpu"):
        p = nn.Parameter(gpudl.ones(3, 4).to(place))
        p.grad = gpudl.ones(3, 4).to(place)
        p.grad[1, 2] = NAN
        optim.Adafactor([p], lr=0.1).step()
        outcomes.append(host(p))
    assert np.isnan(outcomes[0]).all()
    np.testing.assert_array_equal(*outcomes)


PAIRS = {
    "sub": lambda x, y: x - y,
    "maximum": gpudl.maximum,
    "minimum": gpudl.minimum,
    "fmax": gpudl.fmax,
    "fmin": gpudl.fmin,
    "pow": lambda x, y: x**y,
}


@pytest.mark.parametrize("name", PAIRS)
def test_gradients_of_pairs_are_those_of_the_cpu_in_one_launch(gpu, name):  # noqa: F811
    function = PAIRS[name]
    for shapes in (((6, 10), (10,)), ((8, 1, 1), (2, 8, 5, 3)), ((6, 10), (6, 10)), ((3, 1), (1, 4)), ((9,), ())):
        given = [np.round(2 * reals(shape, "float64", 0.6, 3)) / 2 for shape in shapes]
        both(function, given, "float32", gpu, f"{name} {shapes}", 40)
        if shapes != ((3, 1), (1, 4)):
            x, y = (placed(gpu, x, "float32") for x in given)
            if name == "sub" and x.shape != (8, 1, 1):  # dz itself is the gradient of x; a leaf takes a copy
                x = x.detach()
                assert each_way(gpu, lambda y, x=x: function(x, y), y) == (1, 1)
            else:
                assert each_way(gpu, function, x, y) == (1, 1)
    both(function, [np.asarray(reals((5, 7), "float64", 0.6, 3))[:, 1:], np.ones((5, 1))], "float16", gpu, name, 40)


def test_nan_zeros_and_ties_of_pairs_are_those_of_torch(gpu):  # noqa: F811
    x, y = (each.reshape(-1) for each in np.meshgrid([-INF, -1, -0.0, 0, 2, INF, NAN], [-1, 0, 2, 3, INF, NAN]))
    for name in ("maximum", "minimum", "fmax", "fmin", "pow"):
        ours, theirs = ([make(x.astype("float32")), make(y.astype("float32"))] for make in (
            lambda each: placed(gpu, each, "float32"), lambda each: torch.tensor(each, requires_grad=True)
        ))  # fmt: skip
        getattr(gpudl, name)(*ours).sum().backward()
        getattr(torch, name)(*theirs).sum().backward()
        for mine, other in zip(ours, theirs):
            assert_close(host(mine.grad), other.grad.numpy(), name, 4)


def test_where_of_two_tensors_is_one_launch_each_way(gpu):  # noqa: F811
    mask = np.eye(6, 10, dtype=bool)
    for shape in ((6, 10), (10,)):
        for dtype in DTYPES:

            def chosen(x, y):
                return gpudl.where(numbers(x.device, mask), x, y)

            both(chosen, [reals((6, 10), "float64"), reals(shape, "float64")], dtype, gpu, f"where {shape}", 10)
    there = numbers(gpu, mask)
    x, y = (placed(gpu, reals((6, 10)), "float32") for _ in range(2))
    assert each_way(gpu, lambda x, y: gpudl.where(there, x, y), x, y) == (1, 1)
    assert each_way(gpu, lambda y: x.detach() + y, placed(gpu, reals(10), "float32")) == (1, 1)
