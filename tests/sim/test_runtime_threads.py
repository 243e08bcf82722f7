"""How threads run: their order, barriers, stacks by assembly and by ucontext, several host threads."""

import signal
import threading

import numpy as np
import pytest
from native_runtime import KernelError, Module, Runtime, module, requires_compiler, runtime
from thread_kernels import KERNELS, ORDERS, SOURCE, both_switches, launch, zeros

pytestmark = requires_compiler


def traced(kernel="trace", grid=4, block=8, **options):
    count = int(np.prod(grid) * np.prod(block))
    order, counter = zeros((), count), zeros((), 1)
    launch((), kernel, grid, block, order, counter, **options)
    return order.get().tolist()


def test_threads_and_blocks_run_forward_or_in_reverse():
    forward = [b * 1000 + t for b in range(4) for t in range(8)]
    assert traced(order="forward") == forward
    assert traced(order="reverse") == forward[::-1]


def test_threads_go_on_in_order_after_a_barrier():
    assert traced("trace_after_barrier", 1, 40, order="forward") == list(range(40))
    assert traced("trace_after_barrier", 1, 40, order="reverse") == list(range(40))[::-1]
    mixed = traced("trace_after_barrier", 1, 40, order="random", seed=3)
    assert mixed != list(range(40)) and sorted(mixed) == list(range(40))


def test_random_order_differs_from_launch_to_launch_and_with_the_seed():
    runs = [traced(order="random", seed=seed) for seed in (1, 1, 2)]
    assert all(sorted(run) == sorted(runs[0]) for run in runs)
    assert runs[0] != runs[1] and runs[1] != runs[2]


def test_random_order_is_the_same_when_a_program_runs_again():
    def run_again():
        fresh = Runtime(copy_of=runtime())
        compiled, turns = Module(fresh, SOURCE, KERNELS), []
        for _ in range(3):
            turn = fresh.array(np.zeros(32, "i4"))
            compiled.launch("trace", 4, 8, turn, fresh.array(np.zeros(1, "i4")), order="random", seed=5)
            turns.append(turn.get().tolist())
        return turns

    first, second = run_again(), run_again()
    assert first == second
    assert first[0] != first[1] != first[2]


@pytest.mark.parametrize("order", ORDERS)
def test_every_thread_sees_its_own_indices(order):
    grid, block = (3, 2, 2), (4, 3, 2)
    three = np.dtype([("x", "u4"), ("y", "u4"), ("z", "u4")])
    arrays = [zeros((), 288, three), zeros((), 288, three), zeros((), 2, three)]
    launch((), "indices", grid, block, *arrays, order=order)
    thread, number, sizes = (array.get() for array in arrays)
    i = np.arange(288)
    t, b = i % 24, i // 24
    for name, t_is, b_is in (("x", t % 4, b % 3), ("y", t // 4 % 3, b // 3 % 2), ("z", t // 12, b // 6)):
        np.testing.assert_array_equal(thread[name], t_is)
        np.testing.assert_array_equal(number[name], b_is)
    assert sizes.tolist() == [block, grid]


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("order", ORDERS)
@both_switches
def test_a_block_sums_through_shared_memory(flags, order, checked):
    x = np.random.default_rng(0).integers(0, 100, (5, 300)).astype("f4")
    y = zeros(flags, 5, "f4")
    report = launch(flags, "tree_sum", 5, 256, runtime(*flags).array(x), y, 300, order=order, checked=checked)
    np.testing.assert_array_equal(y.get(), x.sum(1))
    assert report.barriers == 5 * 9


def test_a_kernel_without_barriers_runs_on_one_fiber():
    order, counter = zeros((), 4096), zeros((), 1)
    report = launch((), "trace", 4, 1024, order, counter)
    assert report.switches <= 2 * 4


@pytest.mark.parametrize("order", ORDERS)
@both_switches
def test_barriers_combine_predicates(flags, order):
    for x in (np.arange(40) % 3, np.ones(40), np.zeros(40)):
        x = x.astype("i4")
        y = zeros(flags, 160)
        launch(flags, "predicates", 1, 40, runtime(*flags).array(x), y, order=order)
        expected = [np.count_nonzero(x), x.all(), x.any(), (x == 2).sum()]
        np.testing.assert_array_equal(y.get().reshape(4, 40), np.repeat(expected, 40).reshape(4, 40))


@both_switches
def test_a_thread_may_have_large_locals_and_wait_with_them(flags):
    y = zeros(flags, 1024, "f4")
    launch(flags, "big_frame", 1, 1024, y, 8192)
    np.testing.assert_array_equal(y.get(), np.arange(1024) + 8191)


def test_several_host_threads_may_launch_at_once():
    arrays = [np.random.default_rng(i).integers(0, 100, (3, 200)).astype("f4") for i in range(4)]
    wrong = []

    def work(x):
        for _ in range(20):
            y = zeros((), 3, "f4")
            launch((), "tree_sum", 3, 128, runtime().array(x), y, 200)
            if (y.get() != x.sum(1)).any():
                wrong.append(x)

    module(SOURCE, KERNELS)
    threads = [threading.Thread(target=work, args=(x,)) for x in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_time_limit_holds_in_any_host_thread_while_another_computes():
    stop, kinds = threading.Event(), []

    def busy():
        while not stop.is_set():
            sum(range(1000))

    def spin():
        with pytest.raises(KernelError) as failure:
            launch((), "spin", 1, 1, zeros((), 1), limit_ms=100)
        kinds.append(failure.value.kind)

    module(SOURCE, KERNELS)
    other, spinning = threading.Thread(target=busy), threading.Thread(target=spin)
    other.start()
    spinning.start()
    spinning.join()
    stop.set()
    other.join()
    assert kinds == ["timeout"]


def test_signal_handlers_are_put_back_after_a_launch():
    before = signal.signal(signal.SIGFPE, signal.default_int_handler)
    try:
        launch((), "partial_warp", 1, 48, zeros((), 96))
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGFPE)
    finally:
        signal.signal(signal.SIGFPE, before)
