"""Races, barriers, warp operations, reads of unwritten memory: each is caught at its line, its twin passes."""

import numpy as np
import pytest
from native_runtime import requires_compiler, runtime
from rule_breakers import MODES, caught, launch, line_of, zeros

pytestmark = requires_compiler


@pytest.mark.parametrize(
    ("bad", "good", "block"),
    [
        ("race_block", "race_block_fixed", 64),
        ("race_reuse", "race_reuse_fixed", 64),
        ("race_warp", "race_warp_fixed", 32),
        ("race_shuffle", "race_warp_fixed", 32),  # a shuffle does not order memory
    ],
)
def test_a_race_within_a_block_names_both_lines(bad, good, block):
    for order in ("forward", "reverse", "random"):
        text = caught("race", "check", bad, 1, block, zeros(block), order=order)
        assert "the shared variable 's'" in text
        assert line_of(f"{bad} earlier") in text
        launch("check", good, 1, block, zeros(block), order=order)


def test_a_race_between_blocks_is_caught():
    assert "of another block" in caught("race", "check", "race_grid", 2, 64, zeros(64))
    launch("check", "race_grid", 1, 64, zeros(64))
    caught("race", "check", "race_grid_sum", 2, 1, zeros(1, "i4"))
    y = zeros(1, "i4")
    launch("check", "race_grid_fixed", 4, 8, y)
    assert y.get()[0] == 32


def test_an_atomic_operation_and_a_plain_read_race():
    text = caught("race", "check", "race_atomic", 2, 1, zeros(2, "i4"), line=False)
    assert line_of("race_atomic plain") in text
    assert "atomic operation" in text
    assert f"at {line_of('race_atomic')}" in text

    caught("race", "check", "race_atomic_end", 2, 1, zeros(2, "i4"))


def test_a_loop_around_compare_and_swap_is_no_race():
    y = zeros(1)
    launch("check", "compare_and_swap", 4, 64, y, runtime().array(np.ones(64, "f4")))
    assert y.get()[0] == 256


@pytest.mark.parametrize("order", ["forward", "reverse", "random"])
def test_the_last_block_may_read_what_others_wrote_before_a_fence(order):
    total = zeros(1, "i4")
    launch("check", "last_block", 8, 1, zeros(8, "i4"), zeros(1, "u4"), total, 1, order=order)
    assert total.get()[0] == 28
    caught("race", "check", "last_block", 8, 1, zeros(8, "i4"), zeros(1, "u4"), total, 0, order=order)


@pytest.mark.parametrize("mode", MODES)
def test_barriers_must_be_reached_by_all_threads(mode):
    text = caught("divergent-barrier", mode, "divergent", 1, 64, zeros(64), 32)
    assert "reached by 32 threads, while 32 threads" in text
    launch(mode, "divergent", 1, 64, zeros(64), 64)
    text = caught("divergent-barrier", mode, "two_barriers", 1, 64, zeros(64), 32)
    assert line_of("two_barriers earlier") in text
    launch(mode, "two_barriers", 1, 64, zeros(64), 64)
    caught("divergent-barrier", mode, "early_return", 1, 64, zeros(64), 60)
    launch(mode, "early_return", 1, 64, zeros(64), 64)


@pytest.mark.parametrize("mode", MODES)
def test_warp_operations_must_be_reached_by_all_lanes_of_their_mask(mode):
    text = caught("deadlock", mode, "shuffle_in_branch", 1, 32, zeros(32), 16)
    assert "thread (0,0,0) waits in __shfl_sync" in text
    assert "thread (16,0,0) returned" in text
    launch(mode, "shuffle_in_branch", 1, 32, zeros(32), 32)
    text = caught("warp-divergence", mode, "warp_divergence", 1, 32, zeros(32), 16)
    assert line_of("warp_divergence earlier") in text
    launch(mode, "warp_divergence", 1, 32, zeros(32), 32)
    assert "not in its mask 0x0000ffff" in caught("warp-mask", mode, "warp_mask", 1, 32, zeros(32), 0xFFFF)
    launch(mode, "warp_mask", 1, 32, zeros(32), 0xFFFFFFFF)


def test_a_read_of_memory_that_nobody_wrote_is_caught():
    x, y = runtime().empty(64), zeros(64)
    text = caught("uninitialized", "check", "read_unwritten", 1, 64, x, y)
    assert "read of 4 bytes at byte 0 of an array in global memory (256 bytes)" in text
    launch("check", "use", 1, 63, x)
    assert "at byte 252" in caught("uninitialized", "check", "read_unwritten", 1, 64, x, y)
    launch("check", "use", 1, 64, x)
    launch("check", "read_unwritten", 1, 64, x, y)
    caught("uninitialized", "check", "add_unwritten", 1, 64, runtime().empty(64))
    launch("check", "exchange", 1, 64, runtime().empty(64))


def test_unwritten_memory_holds_nan():
    x, y = runtime().empty(64), zeros(64)
    assert np.isnan(x.get()).all()
    launch("fast", "read_unwritten", 1, 64, x, y)
    assert np.isnan(y.get()).all()


def test_shared_memory_that_nobody_wrote_is_caught_in_every_block():
    y = zeros(64)
    text = caught("uninitialized", "check", "read_static", 1, 64, y, 60)
    assert "byte 252 of the shared variable 's' (256 bytes)" in text
    launch("check", "read_static", 1, 64, y, 64)
    text = caught("uninitialized", "check", "read_dynamic", 1, 64, y, 60, shared=256)
    assert "byte 252 of the dynamic shared memory (256 bytes)" in text
    launch("check", "read_dynamic", 1, 64, y, 64, shared=256)
    text = caught("uninitialized", "check", "second_block_reads", 2, 64, zeros(128))
    assert "block (1,0,0)" in text
    launch("fast", "read_static", 1, 64, y, 60)
    assert np.isnan(y.get()).sum() == 4


def test_dynamic_shared_memory_may_change_its_size_from_launch_to_launch():
    for size, threads in ((4096, 0), (256, 64), (4096, 1024), (512, 128), (65536, 1024), (256, 64)):
        y = zeros(1024)
        launch("check", "dynamic_shared" if threads else "use", 1, max(threads, 1), y, shared=size)
        assert (y.get()[:threads] == 1).all()


def test_neighbors_in_shared_memory_are_told_apart_to_the_byte():
    y, more_than_others = zeros(64), 90000  # so that nothing is known of this memory yet
    launch("check", "share_triples", 1, 64, y, 12, shared=more_than_others)
    assert (y.get() == np.arange(64)).all()
    text = caught("race", "check", "share_triples", 1, 64, zeros(64), 13, shared=more_than_others)
    assert "byte 12 of" in text


def test_padding_within_a_struct_is_no_uninitialized_read():
    padded = np.dtype({"names": ["small", "large"], "formats": ["i1", "f8"], "offsets": [0, 8], "itemsize": 16})
    y = runtime().empty(64, padded)
    launch("check", "copy_padded", 1, 64, runtime().empty(64, padded), y)
    assert (y.get()["large"] == 2).all()


def test_copies_by_the_host_and_the_driver_carry_what_is_written():
    library = runtime().library
    source, target, y = runtime().empty(64), runtime().empty(64), zeros(64)
    launch("check", "use", 1, 32, source)
    library.sim_copied(target.pointer, source.pointer, 256)
    launch("check", "read_unwritten", 1, 32, target, y)
    assert "at byte 128" in caught("uninitialized", "check", "read_unwritten", 1, 64, target, y)
    library.sim_written(target.pointer + 128, 128)
    launch("check", "read_unwritten", 1, 64, target, y)
    unwritten = runtime().empty(64)
    library.sim_copied(target.pointer, unwritten.pointer, 256)
    caught("uninitialized", "check", "read_unwritten", 1, 64, target, y)


def test_what_an_unchecked_kernel_may_have_written_is_never_reported():
    x, y = runtime().empty(64), zeros(64)
    launch("fast", "use", 1, 64, x)
    launch("check", "read_unwritten", 1, 64, x, y)


def test_copies_by_library_functions_are_checked():
    x, y = runtime().array(np.arange(100), "u1"), runtime().empty(100, "u1")
    caught("out-of-bounds", "check", "library_copy", 1, 1, x, y, 101)
    launch("check", "library_copy", 1, 1, x, y, 100)
    np.testing.assert_array_equal(y.get(), np.arange(100))
    caught("uninitialized", "check", "library_copy", 1, 1, runtime().empty(100, "u1"), y, 100)


RELAXED = ["fast relaxed", "check relaxed"]


@pytest.mark.parametrize("mode", RELAXED)
def test_a_relaxed_module_may_do_what_the_hardware_allows(mode):
    launch(mode, "early_return", 1, 64, zeros(64), 60)
    launch(mode, "two_barriers", 1, 64, zeros(64), 32)
    y = zeros(1, "i4")
    launch(mode, "overflow", 1, 1, y, 70000, 70000)
    assert y.get()[0] == 70000 * 70000 % 2**32
    launch(mode, "race_grid", 2, 64, zeros(64))
    launch(mode, "race_block", 1, 64, zeros(64))
    launch(mode, "read_unwritten", 1, 64, runtime().empty(64), zeros(64))


def test_a_relaxed_module_has_bounds_and_its_writes_count():
    caught("out-of-bounds", "check relaxed", "write_past", 1, 128, zeros(100), 100)
    x, y = runtime().empty(64), zeros(64)
    launch("check relaxed", "use", 1, 32, x)
    launch("check", "read_unwritten", 1, 32, x, y)
    caught("uninitialized", "check", "read_unwritten", 1, 64, x, y)
