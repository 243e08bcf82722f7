"""Graphs on the emulated device: nested, drawn, with memory that was freed, and what can be asked of a capture."""

import ctypes

import pytest
from native_driver import (
    D2D,
    GLOBAL,
    refused,
    requires_driver,
    status_of,
)

pytestmark = requires_driver
WRONG_THREAD, ILLEGAL_STATE = 908, 401


def test_an_event_can_be_recorded_at_each_replay(cuda, stream):
    event, elapsed = cuda.made("cudaEventCreate"), ctypes.c_float(-1)
    cuda.capture(stream)
    cuda.call("cudaEventRecordWithFlags", event, stream, 1)
    replay = cuda.instantiate(cuda.end(stream))
    assert cuda.status("cudaEventElapsedTime", ctypes.byref(elapsed), event, event) == 400
    cuda.call("cudaGraphLaunch", replay, stream)
    cuda.call("cudaEventElapsedTime", ctypes.byref(elapsed), event, event)
    assert elapsed.value == 0


def test_a_graph_in_a_graph(cuda, stream):
    x = cuda.array([0])
    cuda.capture(stream)
    cuda.scale_add(x, 2, 1, stream)
    inner = cuda.instantiate(cuda.end(stream))
    before = cuda.counters()
    cuda.capture(stream)
    for _ in range(3):
        cuda.call("cudaGraphLaunch", inner, stream)
    outer = cuda.instantiate(cuda.end(stream))
    assert cuda.counted(before) == {}
    cuda.call("cudaGraphLaunch", outer, stream)
    assert cuda.counted(before) == {"graph_launches": 1}
    assert cuda.get(x, 1)[0] == 7


def test_what_is_freed_during_a_capture_lives_as_long_as_the_graph(cuda, stream):
    x = cuda.array([3])
    total, start, during, after = (ctypes.c_size_t() for _ in range(4))
    cuda.call("cudaMemGetInfo", ctypes.byref(start), ctypes.byref(total))
    cuda.capture(stream)
    scratch = cuda.made("cudaMalloc", 4)
    cuda.call("cudaMemcpyAsync", scratch, x, 4, D2D, stream)
    cuda.scale_add(scratch, 2, 1, stream)
    cuda.call("cudaMemcpyAsync", x, scratch, 4, D2D, stream)
    cuda.call("cudaFree", scratch)
    assert cuda.status("cudaFree", scratch) == 1
    graph = cuda.end(stream)
    replay = cuda.instantiate(graph)
    cuda.call("cudaGraphDestroy", graph)
    cuda.call("cudaGraphLaunch", replay, stream)
    assert cuda.get(x, 1)[0] == 7
    cuda.call("cudaMemGetInfo", ctypes.byref(during), ctypes.byref(total))
    cuda.call("cudaGraphExecDestroy", replay)
    cuda.call("cudaMemGetInfo", ctypes.byref(after), ctypes.byref(total))
    assert (start.value - during.value, start.value - after.value) == (4, 0)


@pytest.mark.parametrize("kind", ["copy", "set", "kernel"])
def test_memory_freed_after_the_capture_is_missed_at_replay(cuda, stream, kind):
    x, y = cuda.array([1, 2]), cuda.array([1, 2])
    cuda.capture(stream)
    if kind == "copy":
        cuda.call("cudaMemcpyAsync", y, x, 8, D2D, stream)
    elif kind == "set":
        cuda.call("cudaMemsetAsync", x, 0, 8, stream)
    else:
        cuda.scale_add(x, 1, 2, stream)
    replay = cuda.instantiate(cuda.end(stream))
    cuda.call("cudaFree", x)
    assert cuda.status("cudaGraphLaunch", replay, stream) in (1, 700)
    assert hex(x)[2:] in cuda.last_error() or "freed" in cuda.last_error()


def test_a_graph_can_be_drawn(cuda, stream, tmp_path):
    x = cuda.array([0])
    cuda.capture(stream)
    cuda.scale_add(x, 2, 1, stream)
    cuda.call("cudaMemsetAsync", x, 0, 4, stream)
    graph = cuda.end(stream)
    drawings = []
    for flags in (0, 1):
        cuda.call("cudaGraphDebugDotPrint", graph, str(tmp_path / "graph.dot").encode(), flags)
        drawings.append((tmp_path / "graph.dot").read_text())
    assert all("scale_add" in text and "node_0 -> node_1" in text for text in drawings)
    assert "block (1,1,1)" not in drawings[0] and "block (1,1,1)" in drawings[1]
    assert "cannot write" in str(refused(cuda.call, "cudaGraphDebugDotPrint", graph, b"/none/x", 0))


def test_capture_info_in_the_forms_of_cuda_12_and_13(cuda, stream):
    status, number, graph, nodes, edges, count = (
        ctypes.c_int(),
        ctypes.c_ulonglong(),
        ctypes.c_void_p(),
        ctypes.c_void_p(),
        ctypes.c_void_p(1),
        ctypes.c_size_t(),
    )
    three = [ctypes.byref(status), ctypes.byref(number)]
    six = [*three, ctypes.byref(graph), ctypes.byref(nodes), ctypes.byref(count)]
    seven = [*six[:4], ctypes.byref(edges), six[4]]
    cuda.call("cudaStreamGetCaptureInfo_v2", stream, *six)
    assert status.value == 0
    cuda.capture(stream)
    cuda.scale_add(cuda.array([0]), 2, 1, stream)
    cuda.call("cudaStreamGetCaptureInfo", stream, *three)
    first = number.value
    cuda.call("cudaStreamGetCaptureInfo_v2", stream, *six)
    assert (status.value, number.value, count.value, bool(nodes.value)) == (1, first, 1, True)
    cuda.call("cudaStreamGetCaptureInfo_v3", stream, *seven)
    assert edges.value is None
    count.value = 99
    cuda.library.sim_set_cuda_version(13000)
    try:
        cuda.call("cudaStreamGetCaptureInfo", stream, *seven)
    finally:
        cuda.library.sim_set_cuda_version(12090)
    assert count.value == 1 and cuda.end(stream) == graph.value


def test_a_destroyed_stream_takes_its_capture_with_it(cuda):
    stream, other, event = cuda.stream(), cuda.stream(), cuda.made("cudaEventCreate")
    cuda.capture(stream, GLOBAL)
    cuda.call("cudaEventRecord", event, stream)
    cuda.call("cudaStreamWaitEvent", other, event, 0)
    cuda.call("cudaStreamDestroy", stream)
    assert status_of(cuda, other) == 0
    cuda.made("cudaMalloc", 8)
