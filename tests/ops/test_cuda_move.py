"""What moves elements on a GPU moves the right ones, in few launches, whatever the strides, sizes and dtypes."""

import itertools

import numpy as np
import pytest
import torch
from on_gpu import gpu, launched  # noqa: F401
from tolerances import assert_close

import gpudl
from gpudl.backend.debug import debug
from gpudl.backend.device import to_host, transfer
from gpudl.backend.dtypes import dtype_of
from gpudl.backend.join import joined
from gpudl.backend.pad import padded
from gpudl.backend.scatter import FEW
from gpudl.backend.strided_copy import converted, copied, planned, reshaped, written
from gpudl.backend.take_rows import taken
from gpudl.nn import functional as F

RNG = np.random.default_rng(0)
HALVES = ("float16", "bfloat16")


def numbers(shape, dtype="float32"):
    return RNG.integers(-50, 50, shape).astype(dtype_of(dtype))


def leaf(place, x, dtype="float32"):
    return gpudl.tensor(x, dtype=dtype_of(dtype)).to(place).requires_grad_()


def launches_of(place, function, leaf):
    """(forward, backward): how many kernels a function starts, and what leads from its result back to a leaf."""
    dy = gpudl.ones_like(function())
    forward = launched(place, function)
    return forward, launched(place, lambda: gpudl.autograd.grad(function(), [leaf], dy)) - forward


@pytest.fixture(autouse=True, scope="module")
def debug_mode():
    """Off here: looking at indices is a launch more, and what no debug mode sees is tested."""
    with debug(False):
        yield


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64", "bool"])
def test_copies_of_any_strides(gpu, dtype):  # noqa: F811
    names = set()
    for shape in ((3, 5), (70, 130), (2, 3, 4, 8), (20, 17, 33), (4, 1030), (1, 7)):
        host = numbers(shape, dtype)
        there = transfer(host, gpu)
        for order in itertools.permutations(range(len(shape))):
            for cut in (slice(None), slice(1, None), slice(None, None, -2)):
                view, want = (x.transpose(order)[cut][..., cut] for x in (there, host))
                got = copied(view)
                np.testing.assert_array_equal(to_host(got), want, f"{shape} {order} {cut}")
                if view.size:
                    names.add(planned(view.shape, got.strides, view.strides, view.itemsize, 0).name.partition("<")[0])
    assert names == {"move", "turn"}


def test_copies_that_repeat_or_overlap_or_reshape(gpu):  # noqa: F811
    host = numbers((3, 40))
    there = transfer(host, gpu)
    spread = gpudl.tensor(host).to(gpu).expand(2, 5, 3, 40).array
    np.testing.assert_array_equal(to_host(copied(spread)), np.broadcast_to(host, (2, 5, 3, 40)))
    np.testing.assert_array_equal(to_host(reshaped(there.T[:, 1:], (-1, 5))), host.T[:, 1:].reshape(-1, 5))
    assert reshaped(there[:, :20], (3, 2, -1)).base is not None
    written(there[:, 1:], there[:, :-1])
    host[:, 1:] = host[:, :-1].copy()
    np.testing.assert_array_equal(to_host(there), host)
    part = transfer(np.zeros((5, 60), "float32"), gpu)
    written(part[1:4, 3:43], there)
    np.testing.assert_array_equal(to_host(part)[1:4, 3:43], host)
    assert to_host(part).sum() == pytest.approx(host.sum())


@pytest.mark.parametrize("dtype", HALVES)
def test_casts_of_half_floats_round_as_on_the_cpu(gpu, dtype):  # noqa: F811
    half = dtype_of(dtype)
    x = np.concatenate(
        [RNG.normal(size=1031), [0.0, -0.0, 1e-7, 6e-8, 65519, 65520, 3.4e38, np.inf, np.nan, 1 + 2**-9]]
    )
    for host in (x.astype("float32"), x.astype("float32")[1:], x[:1].astype("float32")):
        there = transfer(host, gpu)
        with np.errstate(over="ignore"):
            want = host.astype(half)
        got = converted(there, half)
        np.testing.assert_array_equal(to_host(got).astype("float32"), want.astype("float32"))
        np.testing.assert_array_equal(to_host(converted(got, dtype_of("float32"))), want.astype("float32"))


def test_rows_by_number(gpu):  # noqa: F811
    for shape, dtype in (
        ((9, 64), "float32"),
        ((9, 3), "float16"),
        ((9,), "float64"),
        ((9, 2, 5), "bool"),
        ((9, 0), "int8"),
    ):
        host = numbers(shape, dtype)
        there = transfer(host, gpu)
        for index in (
            np.array([[0, -1], [8, 3]]),
            np.array(4),
            np.array([], "int32"),
            RNG.integers(-9, 9, 700).astype("int32"),
        ):
            np.testing.assert_array_equal(to_host(taken(there, transfer(index, gpu))), host[index])
        if host.ndim > 1:
            where = transfer(np.array([2, 2, 0]), gpu)
            np.testing.assert_array_equal(to_host(taken(there[:, 1:], where)), host[[2, 2, 0], 1:])
    outside = to_host(taken(transfer(numbers((4, 3)), gpu), transfer(np.array([4, 0, -5]), gpu)))
    assert np.isnan(outside[[0, 2]]).all() and not np.isnan(outside[1]).any()


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_joins_of_any_strides(gpu, dtype):  # noqa: F811
    for shape, dim in (((5, 8), 0), ((5, 8), 1), ((2, 3, 16), 1), ((4, 1, 5), 1)):
        for count in (1, 3, 5, 37):
            hosts = [numbers((*shape[:dim], 1 + i % 4, *shape[dim + 1 :]), dtype) for i in range(count)]
            there = [transfer(x, gpu) for x in hosts]
            np.testing.assert_array_equal(
                to_host(joined(dim, [x.shape[dim] for x in hosts], there)), np.concatenate(hosts, dim)
            )
    whole = numbers((6, 24), dtype)
    there = transfer(whole, gpu)
    parts = [whole[:, 8:16], whole[:, 1:3], whole.T[:6, :6], whole[:, :0]]
    views = [there[:, 8:16], there[:, 1:3], there.T[:6, :6], there[:, :0]]
    np.testing.assert_array_equal(to_host(joined(1, [8, 2, 6, 0], views)), np.concatenate(parts, 1))
    with_zeros = to_host(joined(1, [3, 2, 4], [None, views[1], None]))
    np.testing.assert_array_equal(with_zeros, np.pad(whole[:, 1:3], ((0, 0), (3, 4))))


def torch_and_ours(function, shapes, gpu, dtype="float32"):  # noqa: F811
    """Values and gradients of a function of tensors, by gpudl on the GPU and by PyTorch."""
    hosts = [RNG.normal(size=shape).astype(dtype_of(dtype)).astype("float32") for shape in shapes]
    ours = [leaf(gpu, x, dtype) for x in hosts]
    theirs = [torch.tensor(x, requires_grad=True) for x in hosts]
    y, want = function(gpudl, gpu, *ours), function(torch, "cpu", *theirs)
    weights = RNG.normal(size=tuple(want.shape)).astype(dtype_of(dtype)).astype("float32")
    y.backward(gpudl.tensor(weights, dtype=dtype_of(dtype)).to(gpu))
    want.backward(torch.tensor(weights))
    pairs = [(y.detach(), want.detach()), *((a.grad, b.grad) for a, b in zip(ours, theirs))]
    for number, (got, right) in enumerate(pairs):
        right = right.numpy().astype(dtype_of(dtype))
        assert_close(to_host(got.array), right, f"result {number}", slack=8)


def index(lib, place, values):
    return lib.tensor(np.asarray(values)).to(place)


CASES = {
    "pad": ([(2, 3, 5, 6)], lambda lib, at, x: sum(
        lib.nn.functional.pad(x, (2, 1, 1, 2), mode).sum() * k
        for k, mode in enumerate(("constant", "reflect", "replicate", "circular"), 1))),
    "roll": ([(3, 4, 5)], lambda lib, at, x: lib.roll(x, (2, -7), (0, 2))),
    "chunks": ([(4, 12)], lambda lib, at, x: (lambda a, b, c: a * b + c)(*x.chunk(3, 1))),
    "one of the chunks": ([(4, 12)], lambda lib, at, x: x.chunk(3, 1)[1] * 2),
    "unbound": ([(3, 5)], lambda lib, at, x: (lambda a, b, c: a * c)(*x.unbind(0))),
    "slices": ([(6, 7, 8)], lambda lib, at, x: x[:, 2:5] * x[:, -3:] + x[1, :3] * x[..., 2, :][0]),
    "gather": ([(5, 6)], lambda lib, at, x: lib.gather(x, 1, index(lib, at, [[0, 5, 0], [1, 1, 1], [2, 0, 3]]))),
    "index_select": ([(3, 6, 4)], lambda lib, at, x: lib.index_select(x, 1, index(lib, at, [0, 5, 5, 1]))),
    "two indices": ([(3, 6, 4)], lambda lib, at, x: x[index(lib, at, [0, -1, 2]), index(lib, at, [5, 5, -6])]),
    "an index behind a slice": ([(3, 6, 4)], lambda lib, at, x: x[:, index(lib, at, [0, -1, 2, 5])]),
    "scatter_add": ([(4, 5), (3, 5)], lambda lib, at, x, y: lib.scatter_add(
        x, 0, index(lib, at, RNG_INDEX[:3, :5] % 4), y)),
    "index_add": ([(4, 5), (6, 5)], lambda lib, at, x, y: lib.index_add(x, 0, index(lib, at, [0, 1, 1, 3, 1, 0]), y)),
    "cat": ([(4, 5), (4, 3)], lambda lib, at, x, y: lib.cat([x, y, x], 1)),
    "stack": ([(4, 5), (4, 5)], lambda lib, at, x, y: lib.stack([x, y.T.reshape(4, 5), y], 1)),
}  # fmt: skip
RNG_INDEX = np.arange(30).reshape(5, 6) * 7


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_torch(gpu, name, dtype):  # noqa: F811
    shapes, function = CASES[name]
    if name == "pad" and dtype != "float32":
        pytest.skip("torch sums four results here")
    torch_and_ours(function, shapes, gpu, dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("tokens", [7, FEW + 300])
def test_gradients_of_embeddings_are_summed_in_one_order(gpu, tokens, dtype):  # noqa: F811
    places = np.minimum(RNG.zipf(1.2, tokens), 40) - 1
    dy = RNG.normal(size=(tokens, 24)).astype(dtype_of(dtype)).astype("float32")
    for settings in ({}, {"padding_idx": 2}, {"scale_grad_by_freq": True}):
        table = torch.zeros((40, 24), dtype=torch.float64, requires_grad=True)
        torch.nn.functional.embedding(torch.tensor(places), table, **settings).backward(torch.tensor(dy).double())
        found = []
        for _ in range(2):
            w = leaf(gpu, np.zeros((40, 24)), dtype)
            y = F.embedding(gpudl.tensor(places).to(gpu), w, **settings)
            y.backward(gpudl.tensor(dy, dtype=dtype_of(dtype)).to(gpu))
            found.append(to_host(w.grad.array))
        assert found[0].tobytes() == found[1].tobytes()
        assert_close(found[0], table.grad.numpy().astype(dtype_of(dtype)), f"{tokens} {settings}", slack=20)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_with_padding_wait_for_nothing(gpu, mode):  # noqa: F811
    places, starts = RNG.integers(0, 6, 40), np.array([0, 3, 3, 20, 35])
    host = RNG.normal(size=(6, 5)).astype("float32")
    table = torch.tensor(host, requires_grad=True)
    want = torch.nn.functional.embedding_bag(
        torch.tensor(places), table, torch.tensor(starts), mode=mode, padding_idx=2
    )
    want.sum().backward()
    w = leaf(gpu, host)
    given = [gpudl.tensor(x).to(gpu) for x in (places, starts)]
    y = F.embedding_bag(given[0], w, given[1], mode=mode, padding_idx=2)
    y.sum().backward()
    assert_close(to_host(y.detach().array), want.detach().numpy(), mode)
    assert_close(to_host(w.grad.array), table.grad.numpy(), f"{mode}: gradient")


def test_rows_of_a_table_are_bounded_alike_however_often_they_are_asked_for(gpu):  # noqa: F811
    host, places = RNG.normal(size=(6, 5)).astype("float32") * 3, np.array([1, 4, 1, 1])
    tables = [gpudl.tensor(host.copy()).to(place) for place in ("cpu", gpu)]
    for place, table in zip(("cpu", gpu), tables):
        F.embedding(gpudl.tensor(places).to(place), table, max_norm=1.0)
    assert_close(to_host(tables[1].array), tables[0].array, "max_norm")


def test_of_several_values_for_one_element_the_last_stays(gpu):  # noqa: F811
    where = RNG.integers(-5, 5, 300)
    for place in ("cpu", gpu):
        x = gpudl.zeros(5, 6).to(place)
        values = gpudl.tensor(np.arange(300 * 6, dtype="float32").reshape(300, 6)).to(place)
        at = gpudl.tensor(where).to(place)
        x[at] = values
        x.T[2, :][gpudl.tensor([0, 0, 1]).to(place)] = gpudl.tensor([1.0, 2.0, 3.0]).to(place)
        x[:, at[:9] % 3 + 3] = values[:5, 0].reshape(5, 1)
        if place == "cpu":
            want = x.numpy()
    np.testing.assert_array_equal(to_host(x.array), want)


def test_parts_stay_views_of_their_tensor(gpu):  # noqa: F811
    for place in ("cpu", gpu):
        x = gpudl.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
        y = x.to(place) * 1
        first, second = y.split(2, 1)
        first.add_(second)
        (y.sum() + (second * 3).sum()).backward()
        want = np.tile([1.0, 1, 5, 5], (3, 1))
        np.testing.assert_array_equal(x.grad.numpy(), want)


def test_how_many_launches_there_are(gpu):  # noqa: F811
    x, w = leaf(gpu, numbers((6, 8, 12))), leaf(gpu, numbers((40, 24)))
    few, many = (gpudl.tensor(RNG.integers(0, 40, count)).to(gpu) for count in (50, FEW + 1))
    where = gpudl.tensor(RNG.integers(0, 6, (2, 8, 12))).to(gpu)
    expected = {
        "transpose and copy": (
            lambda: x.transpose(0, 2).contiguous(),
            x,
            1,
            1,
        ),  # a gradient that is kept is made dense
        "transpose and reshape": (lambda: x.transpose(0, 1).reshape(8, 72), x, 1, 1),
        "cat": (lambda: gpudl.cat([x] * 3, 1), x, 1, 2),  # the sums of three gradients
        "cat of twenty": (lambda: gpudl.cat([x.detach()] * 19 + [x], 2), x, 2, 1),
        "slice": (lambda: x[:, 2:5], x, 0, 1),
        "select": (lambda: x[:, 3], x, 0, 1),
        "reflect": (lambda: F.pad(x, (2, 1), "reflect"), x, 1, 1),
        "constant": (lambda: F.pad(x, (2, 1), value=2.0), x, 1, 1),
        "roll": (lambda: gpudl.roll(x, 3, 1), x, 1, 1),
        "embedding": (lambda: F.embedding(few, w, 1, scale_grad_by_freq=True), w, 1, 1),
        "embedding of many": (lambda: F.embedding(many, w), w, 1, 3),  # besides the sort
        "index": (lambda: w[few], w, 2, 2),  # the index is kept; it may count from the end
        "index_select": (lambda: gpudl.index_select(w, 0, few), w, 2, 1),
        "gather": (lambda: gpudl.gather(x, 0, where), x, 2, 1),
        "half": (lambda: x.half(), x, 1, 1),
    }
    found = {name: launches_of(gpu, function, of) for name, (function, of, *_) in expected.items()}
    assert found == {name: tuple(counts) for name, (_, _, *counts) in expected.items()}
    with_chunks = launches_of(gpu, lambda: (lambda a, b, c: a * b * c)(*x.chunk(3, 2)), x)
    products = 2 + 4  # of the parts and of their gradients
    assert sum(with_chunks) == products + 1
    assert launched(gpu, lambda: padded(x.array, ((0, 0), (1, 1), (2, 2)), "circular", 0)) == 1
