"""What goes to one place is combined as NumPy's ufunc.at does, in one order, on CUDA devices and the emulated one."""

import numpy as np
import pytest

from gpudl.backend.device import require, to_host, transfer
from gpudl.backend.scatter import combine_at

UFUNCS = {"add": np.add, "maximum": np.maximum, "minimum": np.minimum}
DTYPES = ("float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")


@pytest.fixture
def place(device):
    if require(device).family != "cuda":
        pytest.skip("combine_at is for CUDA devices")
    return device


def combined(operation, out, index, rows, place):
    found, where, values = (transfer(each, place) for each in (out, index, rows))
    combine_at(operation, found, where, values)
    return to_host(found)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operation", UFUNCS)
def test_agrees_with_ufunc_at(operation, dtype, place):
    rng = np.random.default_rng(0)
    # Among 300 rows for 3 places some places go over several parts of 64; 5 rows leave places empty.
    for count, shape in ((0, ()), (5, ()), (300, ()), (300, (3,)), (5, (2, 2)), (5, (0,))):
        out = rng.integers(0, 5, (3, *shape)).astype(dtype)
        index, rows = rng.integers(0, 3, count), rng.integers(0, 5, (count, *shape)).astype(dtype)
        want = out.copy()
        UFUNCS[operation].at(want, index, rows)
        np.testing.assert_array_equal(combined(operation, out, index, rows, place), want)


@pytest.mark.parametrize("count", [64, 65, 128, 200])
def test_one_place_may_have_all_rows(count, place):
    rows = np.arange(1, count + 1, dtype="int64")
    assert combined("add", np.zeros(2, "int64"), np.ones(count, "int32"), rows, place).tolist() == [0, rows.sum()]


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "bool"])
def test_of_several_rows_to_put_the_last_stays(dtype, place):
    index = np.array([2, 0, 2, 2, 0])
    rows = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0]], dtype)
    found = combined("put", np.zeros((3, 2), dtype), index, rows, place)
    np.testing.assert_array_equal(found, np.array([rows[4], [0, 0], rows[3]], dtype))


@pytest.mark.parametrize("operation", ["maximum", "minimum"])
def test_nan_stays(operation, place):
    index, rows = np.array([0, 0, 1, 1, 2]), np.array([np.nan, 1, 1, np.nan, 1], "float32")
    found = combined(operation, np.array([0, 0, np.nan], "float32"), index, rows, place)
    assert np.isnan(found).all()


def test_what_is_infinite_stays_at_its_place(place):
    index, rows = np.array([0, 1, 1, 2]), np.array([np.inf, 1, 2, np.nan])
    np.testing.assert_array_equal(combined("add", np.zeros(3), index, rows, place), [np.inf, 3, np.nan])


def test_sums_of_floats_are_alike_from_run_to_run(place):
    rng = np.random.default_rng(1)
    index, rows = rng.integers(0, 4, 500), rng.normal(size=(500, 2)).astype("float32")
    runs = [combined("add", np.zeros((4, 2), "float32"), index, rows, place) for _ in range(2)]
    assert runs[0].tobytes() == runs[1].tobytes()
    exact = np.zeros((4, 2))
    np.add.at(exact, index, rows)
    np.testing.assert_allclose(runs[0], exact, rtol=1e-5, atol=1e-5)


def test_an_index_out_of_range_writes_nowhere(place):
    found = combined("add", np.zeros(3), np.array([-1, 3, 1, 99]), np.ones(4), place)
    assert found.tolist() == [0, 1, 0]


def test_half_floats_are_summed_in_float32(place):
    for count in (2000, 5000):
        ones = np.ones((count, 2), "float16")
        found = combined("add", np.zeros((1, 2), "float16"), np.zeros(count, "int64"), ones, place)
        np.testing.assert_array_equal(found, np.full((1, 2), count, "float16"))


@pytest.mark.parametrize("columns", [1, 3, 8, 70])
@pytest.mark.parametrize("count", [100, 2048, 2049, 5000])
@pytest.mark.parametrize("operation", ["add", "maximum", "put"])
def test_agrees_with_a_loop_where_few_places_have_most_rows(operation, count, columns, place):
    rng = np.random.default_rng(count)
    index = np.minimum(rng.zipf(1.3, count), 41) - 2  # with those out of range
    rows = rng.integers(-9, 9, (count, columns)).astype("float32")
    out = rng.integers(-9, 9, (39, columns)).astype("float32")
    want = out.copy()
    for i, row in zip(index, rows):
        if 0 <= i < 39:
            want[i] = row if operation == "put" else UFUNCS[operation](want[i], row)
    np.testing.assert_array_equal(combined(operation, out, index, rows, place), want)


@pytest.mark.parametrize("count", [50, 3000])
def test_what_is_there_is_replaced_and_sums_become_means(count, place):
    rng = np.random.default_rng(0)
    index, rows = rng.integers(0, 5, count), rng.integers(-9, 9, (count, 4)).astype("float32")
    out = np.full((6, 4), 7, "float32")
    found, where, values = (transfer(each, place) for each in (out, index, rows))
    combine_at("add", found, where, values, fresh=True, skipped=3, divides=True)
    want = out.copy()
    for i in (0, 1, 2, 4):
        want[i] = rows[index == i].sum(0) / np.float32((index == i).sum())
    np.testing.assert_allclose(to_host(found), want, rtol=1e-6)


@pytest.mark.parametrize("length", [5, 1 << 40])
def test_places_take_64_bits_where_32_are_too_few(length, place):
    from gpudl.backend.scatter import sorted_keys

    index = np.array([3, 0, 3, -1, 2**33, 1])
    keys, bits = sorted_keys(transfer(index, place), length, 1)
    exists = [0 <= i < length and i != 1 for i in index]
    want = sorted(
        ((i if there else length) << bits) | number for number, (i, there) in enumerate(zip(index.tolist(), exists))
    )
    assert to_host(keys).tolist() == want and keys.dtype == ("int32" if length == 5 else "int64")
