"""What backends share: work left to the host, tables kept on a device, views by strides, debug mode."""

from contextlib import nullcontext

import numpy as np
import pytest

from gpudl.backend.arrays import xp_of
from gpudl.backend.constants import constant
from gpudl.backend.debug import debug, debugging
from gpudl.backend.device import CPU, device_of, require, to_host, transfer
from gpudl.backend.errors import OutOfRangeError
from gpudl.backend.on_host import linalg_of, on_host
from gpudl.backend.strict import StrictError, strict
from gpudl.backend.strided import strided
from gpudl.ops.accumulate import check_indices


def on(device, array):
    require(device)
    return transfer(array, device)


def test_results_of_the_host_come_back(device):
    x = on(device, np.array([3.0, 1.0, 2.0]))

    def halves(values, factor):
        assert type(values) is np.ndarray
        return values[:1] * factor, values[1:], "done"

    first, rest, word = on_host(halves, x, 2, like=x)
    assert device_of(first) is device and device_of(rest) is device and word == "done"
    assert to_host(first).tolist() == [6] and to_host(rest).tolist() == [1, 2]
    with strict(), nullcontext() if device is CPU else pytest.raises(StrictError, match="halves computed on the host"):
        on_host(halves, x, 2, like=x)


def test_linear_algebra_is_numpys(device):
    a = np.array([[[2.0, 1.0], [1.0, 3.0]], [[4.0, 0.0], [0.0, 5.0]]])
    values, vectors = linalg_of(on(device, a)).eigh(on(device, a))
    want = np.linalg.eigh(a)
    np.testing.assert_array_equal(to_host(values), want[0])
    np.testing.assert_array_equal(to_host(vectors), want[1])
    with pytest.raises(np.linalg.LinAlgError):
        linalg_of(on(device, a)).inv(on(device, np.zeros((2, 2))))
    with strict(), nullcontext() if device is CPU else pytest.raises(StrictError, match="linalg.eigh"):
        linalg_of(on(device, a)).eigh(on(device, a))


def test_a_table_is_copied_to_a_device_once(device):
    like, values = on(device, np.zeros(1)), np.arange(6).reshape(2, 3)
    kept = constant(values, like)
    assert device_of(kept) is device and kept.dtype == values.dtype
    np.testing.assert_array_equal(to_host(kept), values)
    if device is CPU:
        assert kept is values
        return
    assert constant(values.copy(), like) is kept
    for other in (values.reshape(3, 2), values.astype("int32"), values + 1):
        assert constant(other, like) is not kept
        np.testing.assert_array_equal(to_host(constant(other, like)), other)
    large = np.zeros(1 << 14)
    assert constant(large, like) is not constant(large, like)


def test_a_view_by_strides_belongs_to_its_memory(device):
    x = on(device, np.arange(6.0))
    windows = strided(x[1:], (2, 3), (8, 8))
    assert to_host(windows).tolist() == [[1, 2, 3], [2, 3, 4]]
    assert windows.base is not None and not windows.flags.c_contiguous
    windows[0] = 9
    assert to_host(x).tolist() == [0, 9, 9, 9, 4, 5]


def test_debug_mode_looks_at_indices(device):
    index = on(device, np.array([0, 3]))
    assert xp_of(index) is require(device).namespace
    before = debugging()
    with pytest.raises(OutOfRangeError, match="index 3 is out of range for dimension 1 of length 3"), debug():
        check_indices(index, 0, 3, "gather", 1)
    with debug(False):
        assert not debugging()
        if device is not CPU:
            check_indices(index, 0, 3, "gather", 1)
    assert debugging() is before
