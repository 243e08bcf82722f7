"""Bounds, freed memory, undefined arithmetic, limits: each is caught at its line, and its twin passes."""

import ctypes

import numpy as np
import pytest
from native_runtime import requires_compiler, runtime
from rule_breakers import MODES, caught, launch, zeros

pytestmark = requires_compiler


@pytest.mark.parametrize("mode", MODES)
def test_a_write_past_an_array_is_caught_and_says_by_how_much(mode):
    y = zeros(100)
    text = caught("out-of-bounds" if mode == "check" else "illegal-address", mode, "write_past", 1, 128, y, 100)
    assert "block (0,0,0) thread (100,0,0)" in text
    assert "0 bytes past the end of an allocation of 400 bytes" in text
    launch(mode, "write_inside", 1, 128, y, 100)
    np.testing.assert_array_equal(y.get(), np.resize(np.arange(1, 6), 100))


@pytest.mark.parametrize("mode", MODES)
def test_reads_and_writes_outside_of_an_array_are_caught(mode):
    kind = "out-of-bounds" if mode == "check" else "illegal-address"
    x, y = zeros(64), zeros(64)
    caught(kind, mode, "read_past", 1, 64, x, y, 64)
    caught(kind, mode, "write_far", 1, 64, y)


def test_a_write_into_the_bytes_around_an_array_is_seen_after_the_launch_in_fast_mode():
    text = caught("out-of-bounds", "fast", "write_before", 1, 64, zeros(64), line=False)
    assert "before the start of an allocation of 256 bytes" in text
    text = caught("out-of-bounds", "fast", "write_past", 1, 64, zeros(61), 61, line=False)
    assert "past the end of an allocation of 244 bytes" in text
    launch("fast", "write_inside", 1, 64, zeros(61), 61)


def test_a_write_before_an_array_is_caught_at_its_line_in_check_mode():
    text = caught("out-of-bounds", "check", "write_before", 1, 64, zeros(64))
    assert "4 bytes before the start of an allocation of 256 bytes" in text
    text = caught("out-of-bounds", "check", "write_past", 1, 64, zeros(61), 61)
    assert "past the end of an allocation of 244 bytes" in text


def test_a_static_shared_array_has_bounds():
    text = caught("out-of-bounds", "check", "shared_past_pointer", 1, 64, zeros(64))
    assert "the shared variable 's' of 40 bytes" in text
    assert "thread (10,0,0)" in text
    for mode in MODES:
        assert "index 10" in caught("index", mode, "shared_past_index", 1, 64, zeros(64))
        launch(mode, "shared_inside", 1, 64, zeros(64))


@pytest.mark.parametrize("mode", MODES)
def test_dynamic_shared_memory_has_the_size_of_the_launch(mode):
    kind = "out-of-bounds" if mode == "check" else "illegal-address"
    text = caught(kind, mode, "dynamic_shared", 1, 64, zeros(64), shared=128)
    assert "0 bytes past the end of the dynamic shared memory of 128 bytes" in text
    assert "thread (32,0,0)" in text
    assert "dynamic shared memory, of which the launch gave none" in caught(
        kind, mode, "dynamic_shared", 1, 64, zeros(64)
    )
    y = zeros(64)
    launch(mode, "dynamic_shared", 1, 64, y, shared=256)
    assert (y.get() == 1).all()


@pytest.mark.parametrize("mode", MODES)
def test_a_local_array_has_bounds(mode):
    assert "index 4" in caught("index", mode, "local_index", 1, 4, zeros(4), 4)
    launch(mode, "local_index", 1, 4, zeros(4), 3)


def test_a_local_variable_of_another_thread_is_out_of_bounds():
    text = caught("out-of-bounds", "check", "other_local", 1, 32, zeros(32))
    assert "local memory of another thread" in text


@pytest.mark.parametrize("mode", MODES)
def test_use_after_free_is_caught(mode):
    y = zeros(64)
    launch(mode, "use", 1, 64, y)
    pointer = y.pointer
    y.free()
    text = caught("use-after-free", mode, "use", 1, 64, pointer, line=False)
    assert "parameter 1 points into an allocation of 256 bytes that is freed already" in text
    y.pointer = None


class View(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("unset", ctypes.c_longlong))


@pytest.mark.parametrize("mode", MODES)
def test_of_a_struct_the_first_word_must_not_be_freed(mode):
    """Others may be anything: CuPy leaves parts of its CIndexer as they were."""
    y, freed = zeros(64), zeros(64)
    pointer, old = y.pointer, freed.pointer
    freed.free()
    freed.pointer = None
    launch(mode, "use_view", 1, 64, View(pointer, old))
    assert (y.get() == 1).all()
    y.free()
    y.pointer = None
    text = caught("use-after-free", mode, "use_view", 1, 64, View(pointer, 0), line=False)
    assert "parameter 1 points into an allocation of 256 bytes that is freed already" in text


def test_use_after_free_through_a_table_of_pointers_is_caught_in_check_mode():
    y = zeros(64)
    table = runtime().array([y.pointer], "u8")
    launch("check", "use_through", 1, 64, table)
    y.free()
    assert "freed already" in caught("out-of-bounds", "check", "use_through", 1, 64, table)
    y.pointer = None


@pytest.mark.parametrize("mode", MODES)
def test_what_cpp_leaves_undefined_is_caught(mode):
    x, y = zeros(64), zeros(1, "i4")
    assert "16 bytes" in caught("misaligned", mode, "misaligned", 1, 1, x, zeros(1), 1)
    launch(mode, "misaligned", 1, 1, x, zeros(1), 4)
    caught("overflow", mode, "overflow", 1, 1, y, 70000, 70000)
    launch(mode, "overflow", 1, 1, y, 70000, 7)
    caught("division", mode, "division", 1, 1, y, 7, 0)
    caught("division", mode, "division", 1, 1, y, -(2**31), -1)
    launch(mode, "division", 1, 1, y, 7, 2)
    caught("shift", mode, "shift", 1, 1, y, 1, 32)
    launch(mode, "shift", 1, 1, y, 1, 31)
    caught("assert", mode, "failed_assert", 1, 1, 0)
    launch(mode, "failed_assert", 1, 1, 1)


@pytest.mark.parametrize("mode", MODES)
def test_an_endless_kernel_is_stopped_at_its_time_limit(mode):
    y = zeros(2, "i4")
    text = caught("timeout", mode, "spin", 1, 2, y, 7, limit_ms=100)
    assert "endless loop, or a spin lock" in text
    caught("timeout", mode, "spin_plain", 1, 2, y, 7, limit_ms=100, line=False)
    launch(mode, "spin_plain", 1, 1, y, 1, limit_ms=100)


@pytest.mark.parametrize("mode", MODES)
def test_more_locals_than_a_thread_has_are_caught(mode):
    text = caught("stack-overflow", mode, "huge_locals", 1, 4, zeros(4), 200000, line=False)
    assert "more than 256 KB of local variables" in text
    launch(mode, "use", 1, 4, zeros(4))


@pytest.mark.parametrize("mode", MODES)
def test_the_device_goes_on_after_every_failure(mode):
    y = zeros(64)
    for _ in range(3):
        caught("divergent-barrier", mode, "early_return", 1, 64, y, 60)
        launch(mode, "race_block_fixed", 1, 64, y)
        np.testing.assert_array_equal(y.get(), np.arange(64)[::-1])
