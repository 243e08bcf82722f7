"""Streams and events."""

import threading

import pytest

import gpudl
from gpudl import cuda
from gpudl.backend import device


def test_gpudl_computes_on_a_stream_of_its_own(place):
    gpudl.ones(1, device=place)
    stream = cuda.current_stream(place)
    assert stream == cuda.default_stream(place) == cuda.current_stream() and hash(stream) == hash(cuda.current_stream())
    assert stream.cuda_stream != 0 and stream.device is place
    assert stream.cuda_stream == device.require(place).namespace.cuda.get_current_stream().ptr


def test_work_goes_to_the_stream_of_the_context(place):
    first, second = cuda.Stream(place), cuda.Stream(place, priority=-1)
    assert first != second and first != cuda.default_stream(place) and first != 1
    with cuda.stream(first) as entered:
        assert entered is first and cuda.current_stream(place) == first
        x = gpudl.ones(4, device=place) + 1
        with cuda.stream(second):
            assert cuda.current_stream() == second
        with cuda.stream(None):
            assert cuda.current_stream() == first
    assert cuda.current_stream(place) == cuda.default_stream(place)
    first.synchronize()
    assert first.query() and x.tolist() == [2] * 4
    assert "cuda.Stream" in repr(first) and str(place) in repr(first)


def test_a_stream_can_be_set(place):
    stream = cuda.Stream(place)
    cuda.set_stream(None)
    try:
        cuda.set_stream(stream)
        assert cuda.current_stream() == stream
        assert gpudl.ones(2, device=place).tolist() == [1, 1]
    finally:
        cuda.set_stream(cuda.default_stream(place))
    assert cuda.current_stream() == cuda.default_stream(place)


def in_a_thread(work):
    """Run it in a thread that knows no device yet; what it returns."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def test_the_stream_outlives_other_contexts(place):
    """CuPy forgets what use() set when any `with stream` ends, one of its own functions' among them."""
    backend = device.require(place)
    cupy = backend.namespace

    def work():
        x = gpudl.arange(6.0, device=place).reshape(2, 3)
        cupy.asnumpy(cupy.broadcast_to(x.array[:1], (4, 3)))
        with backend.on(0), cupy.cuda.Stream(non_blocking=True):
            pass
        return cupy.cuda.get_current_stream().ptr

    assert in_a_thread(work) == cuda.default_stream(place).cuda_stream


def test_a_context_ends_as_it_began(place):
    with cuda.stream(cuda.Stream(place)):
        cuda.set_stream(cuda.Stream(place))
    assert cuda.current_stream(place) == cuda.default_stream(place)


def test_a_thread_that_begins_on_a_stream_of_the_user_s_gets_gpudl_s_afterwards(place):
    backend = device.require(place)
    cupy = backend.namespace

    def work():
        with backend._contexts[0], cupy.cuda.Stream(non_blocking=True) as stream:
            gpudl.ones(1, device=place)
            theirs = cupy.cuda.get_current_stream().ptr == stream.ptr
        gpudl.ones(1, device=place)
        return theirs, cuda.current_stream(place) == cuda.default_stream(place)

    assert in_a_thread(work) == (True, True)


def test_streams_and_events_wait_for_each_other(place, monkeypatch):
    first, second = cuda.Stream(place), cuda.Stream(place)
    with cuda.stream(first):
        x = gpudl.ones(3, device=place) * 2
    second.wait_stream(first)
    with cuda.stream(second):
        y = x + 1
        mark = second.record_event()
    cuda.current_stream(place).wait_event(mark)
    assert (y * 2).tolist() == [6, 6, 6]
    assert mark.query()
    mark.synchronize()
    asked = []
    monkeypatch.setattr(second, "cupy", type("Stream", (), {"wait_event": lambda self, event: asked.append(event)})())
    second.wait_stream(first)
    mark.wait(second)
    cuda.Event().wait(second)  # never recorded: nothing to wait for
    assert len(asked) == 2 and asked[1] is mark._event


def test_events_measure_time(place):
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    assert start.query()
    start.synchronize()
    with pytest.raises(ValueError, match="recorded"):
        start.elapsed_time(end)
    start.record(cuda.current_stream(place))
    gpudl.ones(10, device=place) + 1
    end.record()
    end.synchronize()
    assert 0 <= start.elapsed_time(end) < 60_000
    with pytest.raises(ValueError, match="enable_timing"):
        start.elapsed_time(cuda.Event())


def test_other_libraries_take_the_stream(place):
    stream = cuda.Stream(place)
    assert stream.__cuda_stream__() == (0, stream.cuda_stream)
    taken = device.require(place).namespace.cuda.Stream.from_external(stream)
    assert taken.ptr == stream.cuda_stream


def test_each_thread_has_its_current_stream(place):
    stream = cuda.Stream(place)
    with cuda.stream(stream):
        assert in_a_thread(lambda: cuda.current_stream(place)) == cuda.default_stream(place)


def test_synchronize(place):
    gpudl.ones(4, device=place) + 1
    cuda.synchronize(place)
    cuda.synchronize()
    gpudl.synchronize(place)
    with pytest.raises(gpudl.DeviceError, match="cpu"):
        cuda.synchronize("cpu")


def test_one_seed_for_all_devices(place):
    before = gpudl.initial_seed()
    try:
        for seed in (cuda.manual_seed, cuda.manual_seed_all):
            seed(7)
            assert cuda.initial_seed() == 7
            first = gpudl.randn(3, device=place)
            gpudl.manual_seed(7)
            assert gpudl.randn(3).equal(first.cpu())
    finally:
        gpudl.manual_seed(before)


@pytest.mark.gpu
def test_a_stream_runs_beside_the_others(place):
    if place.type != "cuda":
        pytest.skip("the emulated device does one thing after the other")
    stream = cuda.Stream(place)
    x = gpudl.ones(4096, 4096, device=place)
    cuda.synchronize()
    for _ in range(50):
        x = x @ x * 1e-4
    with cuda.stream(stream):
        gpudl.ones(4, device=place) + 1
    stream.synchronize()
    assert not cuda.current_stream(place).query()  # the products are still under way
