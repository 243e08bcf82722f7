"""Sums of rows by index, and what the op table cannot say of the operations with index tensors."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import host, ours, theirs, torch

import gpudl
from gpudl.ops.accumulate import add_rows_, stable_order, summed_rows


@given(st.integers(1, 60), st.sampled_from([(), (1,), (3,), (47,), (48,), (5, 20)]), st.integers(0, 200), st.data())
def test_summed_rows_are_those_of_a_loop(count, columns, rows, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    index = np.minimum(rng.zipf(1.4, rows) - 1, count - 1).astype(
        data.draw(st.sampled_from(["int64", "int32", "uint8"]))
    )
    values = rng.integers(-9, 9, (rows, *columns)).astype(data.draw(st.sampled_from(["float32", "float64", "int64"])))
    want = np.zeros((count, *columns), values.dtype)
    for i, row in zip(index, values):
        want[i] += row
    got = summed_rows(count, index, values)
    assert got.dtype == values.dtype
    np.testing.assert_array_equal(got, want)


def test_half_floats_are_summed_in_float32():
    ones = np.ones((5000, 2), "float16")
    np.testing.assert_array_equal(summed_rows(1, np.zeros(5000, "int64"), ones), np.full((1, 2), 5000, "float16"))


def test_sums_do_not_depend_on_the_run_and_add_to_what_is_there():
    rng = np.random.default_rng(0)
    index, rows = rng.integers(0, 30, 5000), rng.normal(size=(5000, 64)).astype("float32")
    first, second = np.ones((30, 64), "float32"), np.ones((30, 64), "float32")
    add_rows_(first, index, rows)
    add_rows_(second, index, rows)
    np.testing.assert_array_equal(first, second)
    want = 1 + np.array([rows[index == i].astype("float64").sum(0) for i in range(30)])
    np.testing.assert_allclose(first, want, atol=1e-4)


@pytest.mark.parametrize("high", [3, 10**6, 2**62])
def test_stable_order_keeps_equal_indices_as_they_stand(high):
    index = np.random.default_rng(0).integers(0, high, 1000)
    order, placed = stable_order(index)
    np.testing.assert_array_equal(order, np.argsort(index, kind="stable"))
    np.testing.assert_array_equal(placed, np.sort(index))


def test_memory_for_a_place_with_all_rows_is_bounded():
    index, rows = np.zeros(40000, "int64"), np.ones((40000, 64), "float32")
    tracemalloc.start()
    summed_rows(4, index, rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rows.nbytes / 2


@given(st.data())
def test_reading_and_adding_at_indices_agree_with_torch_in_second_gradients(device, data):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    dim = data.draw(st.integers(0, len(shape) - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    around = tuple(n if i == dim else data.draw(st.integers(1, n)) for i, n in enumerate(shape))
    index = rng.integers(0, shape[dim], around)
    x, source = rng.normal(size=shape), rng.normal(size=around)
    results = []
    for lib, make in ((gpudl, lambda a: ours(a, device, grad=True)), (torch, lambda a: theirs(a, grad=True))):
        a, b, i = make(x), make(source), make(index)
        y = lib.scatter_add(a**2, dim, i, b**3) * lib.take(a, i.reshape(-1)).sum()
        y = lib.gather(y * a, dim, i) + lib.scatter_reduce(a, dim, i, b, "prod").sum() ** 2
        dx = lib.autograd.grad(y.sum(), [a, b], create_graph=True)
        again = lib.autograd.grad(sum((each**2).sum() for each in dx), [a, b])
        results.append([host(each) for each in (y, *dx, *again)])
    for got, want in zip(*results):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


@settings(max_examples=25)
@given(st.data())
def test_reduced_products_have_gradients_at_zeros(device, data):
    values = ours(np.array(data.draw(st.lists(st.integers(-1, 1), min_size=6, max_size=6)), "float64"), device, True)
    index = ours(np.array(data.draw(st.lists(st.integers(0, 2), min_size=6, max_size=6))), device)
    x = ours(np.array([2.0, 0.0, -1.0]), device, True)
    for include_self in (True, False):

        def function(a, b, include_self=include_self):
            return gpudl.scatter_reduce(a, 0, index, b, "prod", include_self=include_self)

        assert gpudl.autograd.gradcheck(function, [x, values])
        assert gpudl.autograd.gradgradcheck(function, [x, values])


@given(st.data())
def test_chosen_elements_are_the_largest_and_where_the_indices_say(device, data):
    x = np.array(data.draw(st.lists(st.integers(-2, 2), min_size=1, max_size=12)), "float32")
    x[x == -2] = np.nan if data.draw(st.booleans()) else -2
    k, largest = data.draw(st.integers(1, len(x))), data.draw(st.booleans())
    values, indices = map(host, gpudl.topk(ours(x, device), k, largest=largest))
    np.testing.assert_array_equal(values, theirs(x).topk(k, largest=largest).values.numpy())
    np.testing.assert_array_equal(x[indices], values)
    assert len(set(indices.tolist())) == k
    value, index = map(host, gpudl.kthvalue(ours(x, device), k))
    np.testing.assert_array_equal(value, theirs(x).kthvalue(k).values.numpy())
    np.testing.assert_array_equal(x[index], value)


@given(st.data())
def test_sorting_is_stable_with_nan_last(device, data):
    numbers = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e-42, -1e-42]
    drawn = data.draw(st.lists(st.sampled_from(numbers), max_size=20))
    x = np.array(drawn).astype(data.draw(st.sampled_from(["float16", "float32", "float64"])))
    descending = data.draw(st.booleans())
    got = gpudl.sort(ours(x, device), 0, descending)
    want = torch.sort(theirs(x), dim=0, descending=descending, stable=True)
    np.testing.assert_array_equal(host(got.indices), want.indices.numpy())
    np.testing.assert_array_equal(host(got.values), want.values.numpy())


BEYOND = {
    "gather": lambda x, i: gpudl.gather(x, 1, i[None]),
    "scatter": lambda x, i: gpudl.scatter(x, 1, i[None], 1.0),
    "scatter_add": lambda x, i: gpudl.scatter_add(x, 1, i[None], gpudl.ones(1, 2)),
    "scatter_reduce": lambda x, i: gpudl.scatter_reduce(x, 1, i[None], gpudl.ones(1, 2), "amax"),
    "take_along_dim": lambda x, i: gpudl.take_along_dim(x, i[None], 1),
    "index_select": lambda x, i: gpudl.index_select(x, 1, i),
    "index_add": lambda x, i: gpudl.index_add(x, 1, i, gpudl.ones(3, 2)),
    "index_copy": lambda x, i: gpudl.index_copy(x, 1, i, gpudl.ones(3, 2)),
    "index_fill": lambda x, i: gpudl.index_fill(x, 1, i, 0),
    "index_reduce": lambda x, i: gpudl.index_reduce(x, 1, i, gpudl.ones(3, 2), "mean"),
}


@pytest.mark.parametrize("name", BEYOND)
@pytest.mark.parametrize("bad", [4, -9])
def test_an_index_out_of_range_is_named_with_its_dimension(name, bad):
    x = gpudl.zeros(3, 4)
    with pytest.raises(IndexError, match=rf"{name}: index {bad} .*dimension 1 of length 4") as error:
        BEYOND[name](x, gpudl.tensor([0, bad]))
    assert isinstance(error.value, RuntimeError)


def test_flat_indices_out_of_range_are_named():
    for call in (lambda x, i: x.take(i), lambda x, i: x.put(i, gpudl.zeros(2))):
        with pytest.raises(IndexError, match="index 12 .* flattened"):
            call(gpudl.zeros(3, 4), gpudl.tensor([0, 12]))
    with pytest.raises(ValueError, match="0 to 11"):
        gpudl.unravel_index(gpudl.tensor([12]), (3, 4))


def test_results_share_no_memory_with_their_arguments(device):
    x = gpudl.zeros(3, 4, device=device)
    none = gpudl.zeros(0, dtype=gpudl.int64, device=device)
    for y in (
        x.index_add(0, none, x[:0]), x.index_copy(0, none, x[:0]), x.put(none, x[:0, 0]), x.index_select(0, none + 0),
        x.scatter_reduce(0, none[:, None], x[:0, :0], "mean"), x.masked_scatter(x > 1, x), x.sort().values,
        gpudl.fill(x, 3),
    ):  # fmt: skip
        y.add_(1)
    np.testing.assert_array_equal(host(x), np.zeros((3, 4)))


def test_an_index_changed_after_the_call_does_not_change_the_gradient(device):
    for call in (
        lambda x, i: x.gather(0, i), lambda x, i: x.index_select(0, i), lambda x, i: x[i], lambda x, i: x.take(i),
        lambda x, i: gpudl.zeros(3, device=device).scatter_add(0, i, x[:2])[:2],
    ):  # fmt: skip
        grads = []
        for change in (0, 1):
            x, i = gpudl.ones(3, device=device, requires_grad=True), gpudl.tensor([1, 0], device=device)
            y = call(x, i)
            i.add_(change)
            (y * gpudl.tensor([2.0, 3.0], device=device)).sum().backward()
            grads.append(host(x.grad))
        np.testing.assert_array_equal(*grads)


def test_in_place_forms_write_through_views(device):
    x = gpudl.zeros(3, 4, device=device)
    index = gpudl.tensor([0, 2, 0], device=device)
    x[1].scatter_add_(0, index, gpudl.ones(3, device=device))
    x[:, 3].index_fill_(0, index, 7)
    np.testing.assert_array_equal(host(x), [[0, 0, 0, 7], [2, 0, 1, 0], [0, 0, 0, 7]])


def test_shapes_that_do_not_fit_are_told():
    x, index = gpudl.zeros(4, 3), gpudl.zeros(2, 3, dtype=gpudl.int64)
    for call in (gpudl.scatter, gpudl.scatter_add):
        with pytest.raises(gpudl.ShapeError, match=r"index \(2, 3\) must be no larger than src \(1, 3\)"):
            call(x, 0, index, gpudl.zeros(1, 3))
    with pytest.raises(gpudl.ShapeError, match=r"index \(2, 3\) must be no larger than input \(4, 2\)"):
        gpudl.gather(x[:, :2], 0, index)
    with pytest.raises(gpudl.ShapeError, match=r"need a source \(2, 3\), got \(1, 3\)"):
        gpudl.index_add(x, 0, index[:, 0], gpudl.zeros(1, 3))
