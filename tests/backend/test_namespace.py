"""A device's functions give what NumPy's give, in the cases where array libraries differ."""

import numpy as np
import pytest

import gpudl
from gpudl.backend.arrays import quiet, xp_of
from gpudl.backend.device import to_host, transfer

INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
ENDS = (0.0, -0.0, 1.0, -3.0, 5.0, 2.6, 6e-8, -65504.0, np.inf, -np.inf, np.nan)


def check(device, function, *arrays, **named):
    """The function gives the same on the device as in NumPy: dtype, elements, signs of zeros, places of nan."""
    place = gpudl.device(device)
    with quiet():
        want = np.asarray(getattr(np, function)(*arrays, **named))
        there = [transfer(array, place) for array in arrays]
        result = getattr(xp_of(there[0]), function)(*there, **named)
    got = np.asarray(result) if isinstance(result, np.generic) else to_host(result)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want, function)
    if want.dtype.kind == "f":
        numbers = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(want[numbers]), function)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("function", ["left_shift", "right_shift"])
def test_shifts_negative_and_beyond_the_bits(function, dtype, device):
    rng = np.random.default_rng(0)
    limits = np.iinfo(dtype)
    x = rng.integers(limits.min, limits.max, (40, 5), dtype, endpoint=True)
    y = rng.integers(max(limits.min, -5), 70, (40, 5)).astype(dtype)
    check(device, function, x, y)
    check(device, function, x, y[0])
    check(device, function, x[::2, ::-1], y[1::2])


@pytest.mark.parametrize("dtype", ["float32", "float64", *INTEGERS])
def test_remainder_of_infinite_and_signed_numbers(dtype, device):
    if dtype.startswith("float"):
        x = np.array([*ENDS, 1e30], dtype)
    else:
        x = np.array([1, 2, 5, 7, 100] + ([-1, -5, -100] if dtype[0] == "i" else []), dtype)
    check(device, "remainder", x, x[:, None])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("function", ["maximum", "minimum"])
def test_extremes_and_choices_of_numbers_and_nan(function, dtype, device):
    x = np.array(ENDS[2:], dtype)
    check(device, function, x, x[:, None])
    check(device, "where", x > 0, x, x[:, None])


def test_bfloat16_stays_bfloat16(device):
    pytest.importorskip("ml_dtypes")
    x = np.array(ENDS[2:6], np.dtype(gpudl.bfloat16))
    place = gpudl.device(device)
    a, b, hit = (transfer(array, place) for array in (x, x[::-1].copy(), x > 0))
    xp = xp_of(a)
    for got, want in (
        (xp.maximum(a, b), np.maximum(x, x[::-1])),
        (xp.minimum(a, b), np.minimum(x, x[::-1])),
        (xp.where(hit, a, b), np.where(x > 0, x, x[::-1])),
        (xp.nextafter(a, b), np.nextafter(x, x[::-1])),
    ):
        assert got.dtype == x.dtype
        np.testing.assert_array_equal(to_host(got).astype("float32"), want.astype("float32"))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nextafter_every_kind_of_number(dtype, device):
    x = np.array(ENDS, dtype)
    check(device, "nextafter", x, x[:, None])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8", "int64"])
@pytest.mark.parametrize("function", ["argmax", "argmin"])
def test_the_first_of_equals_and_the_first_nan_is_found(function, dtype, device):
    x = np.random.default_rng(0).integers(0, 7, (3, 300, 4)).astype(dtype)
    cases = [x, x[:, ::-2]]
    if dtype.startswith("float"):
        cases.append(np.where(x == 3, np.array(np.nan, dtype), x))
    for each in cases:
        for axis in (None, 0, 1, -1):
            check(device, function, each, axis=axis)
            check(device, function, each, axis=axis, keepdims=True)
