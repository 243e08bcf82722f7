"""Counters by which the blocks of a kernel meet are one for each stream, and others in a graph."""

import threading

import pytest

import gpudl
from gpudl import sim
from gpudl.backend.meeting import counter

pytestmark = pytest.mark.skipif(sim.why_unavailable() is not None, reason=str(sim.why_unavailable()))


@pytest.fixture(scope="module")
def cupy():
    sim.install()
    return pytest.importorskip("cupy")


def place(x):
    return counter(x).data.ptr


def test_each_stream_has_one_counter(cupy):
    x = gpudl.zeros(4, device="sim").array
    with cupy.cuda.Stream(non_blocking=True):
        elsewhere = place(x)
        assert place(x) == elsewhere
    assert place(x) == place(x) != elsewhere


def test_the_default_streams_of_threads_have_a_counter_each(cupy):
    x, found = gpudl.zeros(4, device="sim").array, []
    done = threading.Barrier(2)

    def look():
        with cupy.cuda.Stream.ptds:
            found.append(place(x))
        done.wait()  # an identifier of a thread that has ended may be another's

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 2


def test_a_graph_has_counters_that_it_clears(cupy):
    x = gpudl.zeros(4, device="sim").array
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        outside = counter(x)
        stream.begin_capture()
        inside = [counter(x), counter(x)]
        graph = stream.end_capture()
    assert len({each.data.ptr for each in (outside, *inside)}) == 3
    for each in inside:
        each.fill(7)
    cupy.cuda.get_current_stream().synchronize()
    graph.launch(stream)
    stream.synchronize()
    assert [each.item() for each in inside] == [0, 0]
