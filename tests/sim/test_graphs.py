"""Capture and replay on the emulated device: what is recorded, what is forbidden, what spoils a capture."""

import ctypes
import threading

import numpy as np
import pytest
from native_driver import (
    CAPTURE_UNSUPPORTED,
    CAPTURED,
    D2D,
    D2H,
    GLOBAL,
    H2D,
    IMPLICIT,
    INVALIDATED,
    ISOLATION,
    MERGE,
    RELAXED,
    THREAD,
    UNJOINED,
    UNMATCHED,
    ArrayArgument,
    code_of,
    refused,
    requires_driver,
    status_of,
)

pytestmark = requires_driver
WRONG_THREAD, ILLEGAL_STATE = 908, 401


def test_capture_runs_nothing_and_replay_runs_it_in_order(cuda, stream):
    x, y, pinned = cuda.array(np.zeros(4)), cuda.array(np.zeros(4)), cuda.made("cudaHostAlloc", 16, 0)
    seen = []
    note = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: seen.append(cuda.get(x, 4)[0]))
    before = cuda.counters()
    cuda.capture(stream)
    cuda.call("cudaMemsetAsync", x, 0, 8, stream)
    cuda.scale_add(x, 2, 4, stream)
    cuda.call("cudaMemcpyAsync", y, x, 16, D2D, stream)
    cuda.call("cudaLaunchHostFunc", stream, note, 0)
    cuda.scale_add(x, 10, 4, stream)
    cuda.call("cudaMemcpyAsync", pinned, x, 16, D2H, stream)
    graph = cuda.end(stream)
    assert cuda.counted(before) == {} and seen == []
    replay = cuda.instantiate(graph)
    cuda.call("cudaGraphDestroy", graph)  # what was instantiated stands alone
    cuda.call("cudaGraphUpload", replay, stream)
    for _ in range(2):
        cuda.call("cudaGraphLaunch", replay, stream)
    assert cuda.counted(before)["graph_launches"] == 2 and "launches" not in cuda.counted(before)
    np.testing.assert_array_equal(cuda.get(y, 4), [1, 1, 23, 23])
    np.testing.assert_array_equal((ctypes.c_float * 4).from_address(pinned), [11, 11, 231, 231])
    assert seen == [1, 1]
    cuda.call("cudaGraphExecDestroy", replay)
    assert cuda.status("cudaGraphLaunch", replay, stream) == 1


def test_arguments_are_copied_when_recorded(cuda, stream):
    x = cuda.array(np.zeros(3))
    cuda.capture(stream)
    array, odd, value = ArrayArgument(x, 3, b"x"), ctypes.c_bool(True), ctypes.c_double(4)
    assert cuda.launch_status("fill", array, odd, value, stream=stream) == 0
    array.size, odd.value, value.value = 1, False, 9
    cuda.call("cudaGraphLaunch", cuda.instantiate(cuda.end(stream)), stream)
    np.testing.assert_array_equal(cuda.get(x, 3), [0, 4, 4])


def test_other_streams_join_by_events(cuda, stream):
    other, fork, join = cuda.stream(), cuda.made("cudaEventCreate"), cuda.made("cudaEventCreate")
    x, y = cuda.array(np.zeros(2)), cuda.array(np.zeros(2))
    cuda.capture(stream)
    cuda.scale_add(x, 1, 2, stream)
    cuda.call("cudaEventRecord", fork, stream)
    cuda.call("cudaStreamWaitEvent", other, fork, 0)
    assert status_of(cuda, other) == 1
    cuda.call("cudaMemcpyAsync", y, x, 8, D2D, other)
    cuda.call("cudaEventRecord", join, other)
    cuda.call("cudaStreamWaitEvent", stream, join, 0)
    cuda.scale_add(y, 5, 2, stream)
    graph = cuda.end(stream)
    assert status_of(cuda, other) == 0
    count, root = ctypes.c_size_t(), (ctypes.c_void_p * 2)()
    cuda.call("cudaGraphGetNodes", graph, 0, ctypes.byref(count))
    assert count.value == 3
    count.value = 2
    cuda.call("cudaGraphGetRootNodes", graph, root, ctypes.byref(count))
    kind = ctypes.c_int(-1)
    cuda.call("cudaGraphNodeGetType", root[0], ctypes.byref(kind))
    assert (count.value, root[1], kind.value) == (1, None, 0)
    cuda.call("cudaGraphLaunch", cuda.instantiate(graph), stream)
    np.testing.assert_array_equal(cuda.get(y, 2), [6, 6])


def test_work_that_nobody_waits_for_is_unjoined(cuda, stream):
    other, fork, x = cuda.stream(), cuda.made("cudaEventCreate"), cuda.array(np.zeros(2))
    cuda.capture(stream)
    cuda.call("cudaEventRecord", fork, stream)
    cuda.call("cudaStreamWaitEvent", other, fork, 0)
    cuda.scale_add(x, 1, 2, other)
    assert code_of(cuda.end, stream) == UNJOINED
    assert status_of(cuda, stream) == status_of(cuda, other) == 0


def test_another_stream_cannot_end_the_capture(cuda, stream):
    other, fork = cuda.stream(), cuda.made("cudaEventCreate")
    cuda.capture(stream)
    assert code_of(cuda.end, other) == ILLEGAL_STATE and code_of(cuda.capture, stream) == ILLEGAL_STATE
    cuda.call("cudaEventRecord", fork, stream)
    cuda.call("cudaStreamWaitEvent", other, fork, 0)
    assert code_of(cuda.end, other) == UNMATCHED
    assert code_of(cuda.end, stream) == INVALIDATED


FORBIDDEN = {
    "synchronize": lambda cuda, stream: ("cudaStreamSynchronize", stream),
    "query": lambda cuda, stream: ("cudaStreamQuery", stream),
    "device synchronize": lambda cuda, stream: ("cudaDeviceSynchronize",),
    "callback": lambda cuda, stream: ("cudaStreamAddCallback", stream, ctypes.CFUNCTYPE(None)(lambda: None), 0, 0),
    "pageable copy": lambda cuda, stream: ("cudaMemcpyAsync", cuda.array([1]), np.zeros(1, "f4"), 4, H2D, stream),
    "allocation in order": lambda cuda, stream: ("cudaMallocAsync", ctypes.byref(ctypes.c_void_p()), 8, stream),
}


@pytest.mark.parametrize("mode", [GLOBAL, THREAD, RELAXED])
@pytest.mark.parametrize("call", FORBIDDEN)
def test_what_no_capture_allows(cuda, stream, call, mode):
    name, *arguments = FORBIDDEN[call](cuda, stream)
    cuda.capture(stream, mode)
    assert cuda.status(name, *arguments) == CAPTURE_UNSUPPORTED, cuda.last_error()
    assert status_of(cuda, stream) == 2
    assert refused(cuda.scale_add, 0, 1, 0, stream).code == INVALIDATED
    assert code_of(cuda.end, stream) == INVALIDATED
    cuda.call("cudaStreamSynchronize", stream)


UNSAFE = {
    "cudaMalloc": lambda cuda: (ctypes.byref(ctypes.c_void_p()), 8),
    "cudaFree": lambda cuda: (cuda.array([1]),),
    "cudaHostAlloc": lambda cuda: (ctypes.byref(ctypes.c_void_p()), 8, 0),
    "cudaMemcpy": lambda cuda: (cuda.array([1]), np.zeros(1, "f4"), 4, H2D),
    "cudaEventQuery": lambda cuda: (cuda.made("cudaEventCreate"),),
    "cudaStreamSynchronize": lambda cuda: (cuda.stream(),),
}


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("mode", [GLOBAL, THREAD, RELAXED])
@pytest.mark.parametrize("name", UNSAFE)
def test_what_the_mode_decides(cuda, stream, name, mode, elsewhere):
    arguments = UNSAFE[name](cuda)
    cuda.capture(stream, mode)
    codes = []
    if elsewhere:
        thread = threading.Thread(target=lambda: codes.append(cuda.status(name, *arguments)))
        thread.start()
        thread.join()
    else:
        codes.append(cuda.status(name, *arguments))
    forbidden = mode == GLOBAL or (mode == THREAD and not elsewhere)
    assert codes == [CAPTURE_UNSUPPORTED if forbidden else 0]
    if forbidden:
        assert code_of(cuda.end, stream) == INVALIDATED
    else:
        assert cuda.end(stream)


def test_a_thread_may_relax_its_own_mode(cuda, stream):
    mode = ctypes.c_int(RELAXED)
    cuda.call("cudaThreadExchangeStreamCaptureMode", ctypes.byref(mode))
    try:
        assert mode.value == GLOBAL
        cuda.capture(stream, GLOBAL)
        cuda.made("cudaMalloc", 8)
        assert cuda.end(stream)
    finally:
        cuda.call("cudaThreadExchangeStreamCaptureMode", ctypes.byref(mode))


@pytest.mark.parametrize("mode, expected", [(GLOBAL, WRONG_THREAD), (THREAD, WRONG_THREAD), (RELAXED, 0)])
def test_only_a_relaxed_capture_may_end_in_another_thread(cuda, stream, mode, expected):
    cuda.capture(stream, mode)
    codes, graph = [], ctypes.c_void_p()
    thread = threading.Thread(
        target=lambda: codes.append(cuda.status("cudaStreamEndCapture", stream, ctypes.byref(graph)))
    )
    thread.start()
    thread.join()
    assert codes == [expected]
    if expected:
        assert code_of(cuda.end, stream) == INVALIDATED


def test_the_legacy_stream_is_no_part_of_a_capture(cuda):
    assert code_of(cuda.capture, 0) == CAPTURE_UNSUPPORTED
    x, blocking, apart, status = cuda.array([0, 0]), cuda.stream(True), cuda.stream(), ctypes.c_int()
    cuda.capture(apart)
    cuda.scale_add(x, 1, 2)  # a non-blocking stream has nothing to do with it
    assert cuda.end(apart)
    cuda.capture(blocking)
    assert cuda.status("cudaStreamIsCapturing", 0, ctypes.byref(status)) == IMPLICIT
    assert cuda.end(blocking)  # asking spoils nothing
    for work in (lambda: cuda.scale_add(x, 1, 2), lambda: cuda.call("cudaMemset", x, 0, 8), lambda: cuda.get(x, 2)):
        cuda.capture(blocking)
        assert code_of(work) == IMPLICIT
        assert code_of(cuda.end, blocking) == INVALIDATED
    np.testing.assert_array_equal(cuda.get(x, 2), [1, 1])


def test_events_inside_and_outside(cuda, stream):
    inside, outside, never = (cuda.made("cudaEventCreate") for _ in range(3))
    cuda.call("cudaEventRecord", outside, stream)
    cuda.capture(stream)
    cuda.call("cudaStreamWaitEvent", stream, never, 0)
    assert code_of(cuda.call, "cudaStreamWaitEvent", stream, outside, 0) == ISOLATION
    assert code_of(cuda.end, stream) == INVALIDATED
    for name in ("cudaEventQuery", "cudaEventSynchronize"):
        cuda.capture(stream)
        cuda.call("cudaEventRecord", inside, stream)
        assert code_of(cuda.call, name, inside) == CAPTURED
        assert code_of(cuda.end, stream) == INVALIDATED
    cuda.call("cudaEventRecord", inside, stream)
    cuda.call("cudaEventQuery", inside)


def test_two_captures_do_not_merge(cuda, stream):
    other, event = cuda.stream(), cuda.made("cudaEventCreate")
    cuda.capture(stream)
    cuda.capture(other)
    cuda.call("cudaEventRecord", event, other)
    assert code_of(cuda.call, "cudaStreamWaitEvent", stream, event, 0) == MERGE
    assert code_of(cuda.end, stream) == code_of(cuda.end, other) == INVALIDATED
