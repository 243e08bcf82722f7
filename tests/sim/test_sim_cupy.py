"""CuPy on the emulated device gives what NumPy gives, over element types and kinds of operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emulated import cupy_on_sim

from gpudl.sim import settings

FLOATS = ["f2", "f4", "f8"]
NUMBERS = [*FLOATS, "i1", "i4", "i8", "u1", "u4", "c8"]


@pytest.fixture(scope="module")
def cp() -> Any:
    return cupy_on_sim()


def data(dtype: str) -> np.ndarray[Any, Any]:
    return np.arange(1, 13).reshape(3, 4).astype(dtype)


@pytest.mark.parametrize("dtype", [*NUMBERS, "?"])
def test_elementwise(cp: Any, dtype: str) -> None:
    x = data(dtype)
    d = cp.asarray(x)
    np.testing.assert_array_equal((d + d).get(), x + x)
    np.testing.assert_array_equal((d * d[:, ::-1]).get(), x * x[:, ::-1])
    np.testing.assert_array_equal(cp.where(d == 5, d, 1).get(), np.where(x == 5, x, 1))
    np.testing.assert_array_equal(d.real.astype("f4").get(), x.real.astype("f4"))


@pytest.mark.parametrize("dtype", NUMBERS)
def test_reductions(cp: Any, dtype: str) -> None:
    x = data(dtype)
    d = cp.asarray(x)
    np.testing.assert_array_equal(d.sum().get(), x.sum())
    np.testing.assert_array_equal(d.sum(0).get(), x.sum(0))
    np.testing.assert_array_equal(d.max(1).get(), x.max(1))
    np.testing.assert_array_equal(d.argmax(1).get(), x.argmax(1))
    np.testing.assert_array_equal(cp.cumsum(d, axis=1).get(), np.cumsum(x, axis=1))


@pytest.mark.parametrize("dtype", FLOATS)
def test_math(cp: Any, dtype: str) -> None:
    x = data(dtype) / 7
    d = cp.asarray(x)
    tolerance = {"f2": 2e-3, "f4": 1e-6, "f8": 1e-14}[dtype]
    for name in ("exp", "log", "tanh", "sqrt"):
        found = getattr(cp, name)(d).get()
        assert found.dtype == x.dtype
        np.testing.assert_allclose(found, getattr(np, name)(x), rtol=tolerance)
    np.testing.assert_allclose(d.var(0).get(), x.var(0), rtol=tolerance * 10)


def test_bfloat16(cp: Any) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = data("f4").astype(ml_dtypes.bfloat16)
    d = cp.asarray(x)
    assert (d + d).dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal((d * d).astype("f4").get(), (x * x).astype("f4"))
    np.testing.assert_array_equal(d.sum(0).astype("f4").get(), x.sum(0).astype("f4"))


@pytest.mark.parametrize("dtype", ["f4", "f2", "i8"])
def test_indexing(cp: Any, dtype: str) -> None:
    x = data(dtype)
    d = cp.asarray(x)
    rows = [2, 0, 2]
    np.testing.assert_array_equal(d[cp.asarray(rows)].get(), x[rows])
    np.testing.assert_array_equal(d[d > 4].get(), x[x > 4])
    np.testing.assert_array_equal(cp.take(d, cp.asarray(rows), axis=1).get(), x[:, rows])
    d[1, ::2] = 0
    x[1, ::2] = 0
    cp.add.at(d, cp.asarray(rows), d[0].copy())
    np.add.at(x, rows, x[0].copy())
    np.testing.assert_array_equal(d.get(), x)


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i4", "u1"])
def test_sorting(cp: Any, dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 50, (5, 20)).astype(dtype)
    d = cp.asarray(x)
    np.testing.assert_array_equal(cp.sort(d).get(), np.sort(x))
    np.testing.assert_array_equal(cp.sort(d, axis=0).get(), np.sort(x, axis=0))
    np.testing.assert_array_equal(cp.argsort(d).get(), np.argsort(x, kind="stable"))
    np.testing.assert_array_equal(cp.lexsort(d).get(), np.lexsort(x))
    np.testing.assert_array_equal(cp.unique(d).get(), np.unique(x))
    np.testing.assert_array_equal(d.get(), x)


def test_what_sorting_writes_counts_as_written(cp: Any) -> None:
    text = 'extern "C" __global__ void copied(const long long* x, long long* y) { y[threadIdx.x] = x[threadIdx.x]; }'
    with settings(check="check"):
        kernel = cp.RawKernel(text, "copied")
        x = cp.asarray(np.array([3.0, 1.0, 2.0]))
        for order in (cp.argsort(x), cp.lexsort(x[None])):
            y = cp.zeros(3, "i8")
            kernel((1,), (3,), (order, y))
            assert y.tolist() == [1, 2, 0]


def test_partition_is_by_sorting(cp: Any) -> None:
    x = np.random.default_rng(0).standard_normal((3, 700))
    d = cp.asarray(x)
    for kth in (10, -3, (5, 600)):
        np.testing.assert_array_equal(cp.partition(d, kth).get()[:, kth], np.sort(x)[:, kth])
        order = cp.argpartition(d, kth).get()
        np.testing.assert_array_equal(np.take_along_axis(x, order, 1)[:, kth], np.sort(x)[:, kth])
    assert cp.argpartition(d, 7, axis=None).shape == (2100,)
    d.partition(4, axis=0) if d.shape[0] > 4 else d.partition(2, axis=0)
    np.testing.assert_array_equal(d.get(), np.sort(x, axis=0))
    with pytest.raises(ValueError, match="out of bounds"):
        cp.partition(d, 700)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8"])
def test_products(cp: Any, dtype: str) -> None:
    x = data(dtype)
    d = cp.asarray(x)
    np.testing.assert_array_equal((d @ d.T).get(), x @ x.T)
    stacked = np.stack([x, x + 1])
    np.testing.assert_array_equal((cp.asarray(stacked) @ d.T).get(), stacked @ x.T)


def test_random_numbers_by_the_old_generator(cp: Any) -> None:
    first, second = (cp.random.RandomState(3).uniform(size=1000).get() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert 0.45 < first.mean() < 0.55 and first.min() >= 0 and first.max() <= 1


def test_kernels_of_users(cp: Any) -> None:
    x = data("f4")
    d = cp.asarray(x)
    square = cp.ElementwiseKernel("T x, T a", "T y", "y = x * x + a", "square_plus")
    np.testing.assert_array_equal(square(d, 2).get(), x * x + 2)
    squares = cp.ReductionKernel("T x", "T y", "x * x", "a + b", "y = a", "0", "squares")
    np.testing.assert_array_equal(squares(d, axis=1).get(), (x * x).sum(1))
