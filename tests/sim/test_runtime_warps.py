"""Warp operations, against models in Python, in every order of threads and on both kinds of fibers."""

import numpy as np
import pytest
from native_runtime import requires_compiler, runtime
from thread_kernels import ORDERS, both_switches, launch, zeros

pytestmark = requires_compiler


def shuffle_model(lane, width, argument):
    """The lanes that the four shuffles read, by the PTX manual's own program for shfl.sync."""
    first, last = lane & ~(width - 1), lane | (width - 1)
    index = first | (lane + argument) & (width - 1)
    up, down, across = lane - argument, lane + argument, lane ^ argument
    return [index, up if up >= first else lane, down if down <= last else lane, across if across <= last else lane]


@pytest.mark.parametrize("order", ORDERS)
@both_switches
def test_shuffles_read_the_lanes_that_the_manual_says(flags, order):
    for width in (2, 8, 32):
        for argument in (0, 1, 3, 8, 17, 31):
            y = zeros(flags, 128)
            launch(flags, "shuffles", 1, 32, width, argument, y, order=order)
            expected = np.transpose([shuffle_model(lane, width, argument) for lane in range(32)])
            np.testing.assert_array_equal(y.get().reshape(4, 32), expected)


@pytest.mark.parametrize(("name", "dtype"), [("double", "f8"), ("__half", "f2"), ("__half2", "u4")])
def test_shuffles_move_every_type(name, dtype):
    x = np.arange(32).astype(dtype)
    y = zeros((), 32, dtype)
    launch((), f"shuffle_type<{name}>", 1, 32, runtime().array(x), y)
    np.testing.assert_array_equal(y.get(), x[np.arange(32) ^ 5])


MASKS = [0xFFFFFFFF, 0x0000FFFF, 0x80000001, 0x5A5A5A5A]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("order", ORDERS)
@both_switches
def test_votes_and_matches_follow_their_model(flags, order, mask):
    generator = np.random.default_rng(mask)
    for values in (generator.integers(0, 4, 32), np.full(32, 3), np.full(32, 2)):
        x = values.astype("i4")
        y = zeros(flags, 192, "u4")
        launch(flags, "votes", 1, 32, runtime(*flags).array(x), mask, y, order=order)
        lanes = [lane for lane in range(32) if mask >> lane & 1]
        odd = sum(1 << lane for lane in lanes if x[lane] & 1)
        for lane in lanes:
            same = sum(1 << other for other in lanes if x[other] == x[lane])
            whole = len({int(x[other]) for other in lanes}) == 1
            expected = [odd, odd != 0, odd == mask, same, mask if whole else 0, whole]
            assert y.get().reshape(6, 32)[:, lane].tolist() == expected


@pytest.mark.parametrize("mask", MASKS)
@both_switches
def test_warp_reductions_follow_their_model(flags, mask):
    x = np.random.default_rng(mask).integers(-(2**25), 2**25, 32).astype("i4")
    y = zeros(flags, 256)
    launch(flags, "reductions", 1, 32, runtime(*flags).array(x), mask, y)
    lanes = [lane for lane in range(32) if mask >> lane & 1]
    some, unsigned = x[lanes], x[lanes].view("u4")
    expected = [some.sum(), some.min(), some.max(), unsigned.min(), unsigned.max()]
    expected += [np.bitwise_and.reduce(unsigned), np.bitwise_or.reduce(unsigned), np.bitwise_xor.reduce(unsigned)]
    for lane in lanes:
        assert y.get().reshape(8, 32)[:, lane].view("u4").tolist() == [int(value) & 0xFFFFFFFF for value in expected]


@pytest.mark.parametrize("order", ORDERS)
@both_switches
def test_disjoint_groups_of_a_warp_do_not_meet(flags, order):
    y = zeros(flags, 32)
    launch(flags, "two_groups", 1, 32, y, order=order)
    assert y.get().tolist() == [240, 256] * 16


def test_lanes_that_do_not_exist_are_not_waited_for():
    y = zeros((), 96)
    launch((), "partial_warp", 1, 48, y)
    result = y.get()
    assert (result[:32] == 496).all()
    assert (result[48:80].view("u4") == 0xFFFFFFFF).all() and (result[80:].view("u4") == 0xFFFF).all()
