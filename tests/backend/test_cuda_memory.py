"""Device memory: the books, limits, the out-of-memory error, and pinned memory."""

import gc
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim
from gpudl.backend import device
from gpudl.backend.cuda_memory import Books
from gpudl.backend.residents import amount


@pytest.fixture
def memory(place):
    """The books' functions for one device, with no limit after the test and no garbage before it."""
    gpudl.ones(1, device=place)
    gc.collect()
    gpudl.cuda.reset_peak_memory_stats(place)
    yield gpudl.cuda
    backend = device.require(place)
    backend.memory.set_limit(0, 1.0)
    backend.memory.limits.clear()


def limit_to(place, room):
    """Leave so many bytes for new arrays."""
    gc.collect()
    total = gpudl.cuda.mem_get_info(place)[1]
    gpudl.cuda.empty_cache()
    gpudl.cuda.set_per_process_memory_fraction((gpudl.cuda.memory_reserved(place) + room) / total, place)


def test_what_is_in_use_and_what_was_at_most(memory, place):
    before = memory.memory_allocated(place)
    x = gpudl.zeros(256, 1024, device=place)
    assert memory.memory_allocated(place) == before + (1 << 20) == memory.max_memory_allocated(place)
    view = x[1:].T
    y = gpudl.zeros(128, 1024, device=place)
    del x
    assert memory.memory_allocated() == before + (3 << 19)  # the view keeps it
    del view, y
    assert memory.memory_allocated(0) == before
    assert memory.max_memory_allocated(place) == before + (3 << 19)
    assert memory.memory_reserved(place) >= before and memory.max_memory_reserved(place) >= before + (3 << 19)
    memory.reset_peak_memory_stats(place)
    assert memory.max_memory_allocated(place) == before
    memory.empty_cache()
    assert memory.memory_allocated(place) == before


def test_statistics_and_summary(memory, place):
    before = memory.memory_stats(place)
    x = gpudl.zeros(1024, device=place)
    after = memory.memory_stats(place)
    difference = {name: after[name] - before[name] for name in after}
    assert difference["allocated_bytes.all.current"] == difference["allocated_bytes.all.allocated"] == 4096
    assert difference["allocation.all.current"] == difference["allocation.all.allocated"] == 1
    assert difference["allocated_bytes.all.freed"] == difference["allocation.all.freed"] == 0
    del x
    assert memory.memory_stats(place)["allocated_bytes.all.freed"] == before["allocated_bytes.all.freed"] + 4096
    summary = memory.memory_summary(place)
    assert str(place) in summary and "at most" in summary and "failed" in summary
    assert "failed" not in memory.memory_summary(place, abbreviated=True)


def test_free_and_total_memory(memory, place):
    free, total = memory.mem_get_info(place)
    assert 0 < free <= total == memory.get_device_properties(place).total_memory


def test_books_stay_right_with_several_threads():
    books = Books()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work():
        for _ in range(2000):
            books.add(3)
            books.freed.append(3)

    threads = [threading.Thread(target=work) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    books.reset_peak()
    assert (books.used, books.live, books.pieces, books.given) == (0, 0, 8000, 24000)


def test_a_peak_is_seen_between_frees():
    books = Books()
    books.add(5)
    books.freed.append(5)
    books.add(3)
    books.add(1)
    assert (books.used, books.peak, books.live, books.peak_live, books.given, books.pieces) == (4, 5, 2, 2, 9, 3)


def test_out_of_memory_says_what_lives_where(memory, place):
    model = nn.Sequential(nn.Linear(256, 512), nn.Tanh(), nn.Linear(512, 256)).to(place)
    optimizer = optim.Adam(model.parameters())
    model(gpudl.ones(64, 256, device=place)).sum().backward()
    optimizer.step()
    loss = model(gpudl.ones(64, 256, device=place)).sum()
    kept = gpudl.ones(77, 11, device=place)
    bare = device.require(place).namespace.zeros(1000)
    limit_to(place, 1 << 20)
    with pytest.raises(gpudl.OutOfMemoryError) as caught:
        gpudl.zeros(1024, 1024, device=place)
    message = str(caught.value)
    first = message.splitlines()[0]
    assert re.match(
        rf"{place} is out of memory: 4.00 MiB were asked for \(in use [\d.]+ MiB, cached \S+ \w+, free .* of .*, "
        r"limited to [\d.]+ MiB\)$",
        first,
    )
    words = {line.split("  ")[1]: line for line in message.splitlines() if "piece" in line}
    assert {"parameters", "gradients", "optimizer state", "saved for backward", "other tensors"} <= set(words)
    assert "other arrays" in words
    weights = sum(p.nbytes for p in model.parameters())
    assert amount(weights) in words["parameters"] and amount(weights) in words["gradients"]
    assert amount(2 * weights) in words["optimizer state"]
    flat = sum(p.numel() for p in model.parameters())  # the optimizer has laid them end to end
    assert f"float32 ({flat},)  parameters" in message and "What helps: " in message
    assert memory.memory_stats(place)["num_ooms"] >= 1
    del loss, kept, bare
    gpudl.zeros(1000, device=place)  # and goes on


def test_out_of_memory_is_what_other_code_catches(memory, place):
    assert issubclass(gpudl.OutOfMemoryError, RuntimeError) and issubclass(gpudl.OutOfMemoryError, MemoryError)
    assert memory.OutOfMemoryError is gpudl.OutOfMemoryError
    x = gpudl.ones(512, 512, device=place, requires_grad=True)
    loss = (x * x).sum()
    limit_to(place, 1 << 10)
    for run in (loss.backward, lambda: x + 1, lambda: x.detach().sort(), lambda: gpudl.ones(1000).to(place)):
        with pytest.raises(gpudl.OutOfMemoryError):
            run()


def test_garbage_is_collected_before_giving_up(memory, place):
    class Cycle:
        pass

    gc.disable()
    try:
        holder = Cycle()
        holder.itself = holder
        holder.tensor = gpudl.zeros(1 << 20, device=place)
        del holder
        backend = device.require(place)
        backend.memory.limits.clear()
        total = memory.mem_get_info(place)[1]
        memory.set_per_process_memory_fraction((memory.memory_reserved(place) + (1 << 20)) / total, place)
        retries = memory.memory_stats(place)["num_alloc_retries"]
        gpudl.zeros(1 << 20, device=place)
        assert memory.memory_stats(place)["num_alloc_retries"] == retries + 1
    finally:
        gc.enable()


def test_more_than_the_device_has(memory, place):
    with pytest.raises(gpudl.OutOfMemoryError, match="were asked for"):
        gpudl.zeros(memory.mem_get_info(place)[1], device=place)


@pytest.mark.parametrize("fraction", [-0.1, 1.5, "half"])
def test_a_fraction_is_between_0_and_1(memory, fraction):
    with pytest.raises(ValueError, match="from 0 to 1"):
        memory.set_per_process_memory_fraction(fraction)


def test_an_allocator_of_one_s_own_keeps_the_books(memory, place):
    backend = device.require(place)
    cupy = backend.namespace
    pool = cupy.cuda.MemoryPool()
    before = memory.memory_allocated(place)
    with backend.on(0), cupy.cuda.using_allocator(backend.memory.guarded(pool.malloc)):
        x = gpudl.zeros(1024, device=place)
    assert pool.total_bytes() >= 4096 and memory.memory_allocated(place) == before + 4096
    del x
    assert memory.memory_allocated(place) == before


def test_amounts_are_readable():
    assert [amount(size) for size in (0, 1023, 1024, 3 << 19, 5 << 40)] == [
        "0 bytes", "1023 bytes", "1.00 KiB", "1.50 MiB", "5.00 TiB",
    ]  # fmt: skip


def test_pinned_memory(place):
    x = gpudl.arange(12.0).reshape(3, 4)
    pinned = x.T.pin_memory(place)
    assert pinned.is_pinned() and pinned[1:].is_pinned() and not x.is_pinned() and pinned.pin_memory() is pinned
    assert pinned.equal(x.T) and pinned.is_contiguous()
    for moved in (pinned.to(place), pinned.to(place, non_blocking=True), gpudl.zeros(4, 3, device=place).copy_(pinned)):
        assert moved.device is place and moved.cpu().equal(x.T) and not moved.is_pinned()
    assert gpudl.tensor(2.5).pin_memory(place).item() == 2.5 and gpudl.zeros(0).pin_memory(place).shape == (0,)
    with pytest.raises(RuntimeError, match=f"only tensors on the CPU.*{place}"):
        moved.pin_memory()


def test_pinning_passes_gradients(place):
    x = gpudl.ones(3, requires_grad=True)
    (x.pin_memory(place).to(place, non_blocking=True) * 2).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_a_pinned_source_is_kept_until_its_copy_is_done(place, monkeypatch):
    backend = device.require(place)
    pinned = backend.pinned
    done = []
    source = pinned.copy(np.ones(4, np.float32))
    event = type("Event", (), {"done": property(lambda self: bool(done))})()
    monkeypatch.setattr(pinned, "_read", type(pinned._read)())
    monkeypatch.setattr(pinned, "_stream", lambda: type("Stream", (), {"record": lambda self: event})())
    backend.from_host(source, place, non_blocking=True)
    assert any(array is source for _, array in pinned._read)
    backend.from_host(np.ones(4, np.float32), place, non_blocking=True)
    backend.from_host(pinned.copy(np.ones(4)), place, non_blocking=True)
    assert any(array is source for _, array in pinned._read)
    done.append(True)
    backend.from_host(pinned.copy(np.ones(4)), place, non_blocking=True)
    assert not any(array is source for _, array in pinned._read) and len(pinned._read) == 1


def test_a_blocking_copy_waits(place, monkeypatch):
    backend = device.require(place)
    source = backend.pinned.copy(np.ones(4, np.float32))
    waits = []
    stream = type("Stream", (), {"synchronize": lambda self: waits.append(1)})()
    with backend.on(0):
        monkeypatch.setattr(backend.namespace.cuda, "get_current_stream", lambda *args: stream)
        backend.from_host(source, place)
        assert waits == [1]
        backend.from_host(np.ones(4, np.float32), place)
        monkeypatch.undo()
    assert waits == [1]


def test_pinning_without_a_gpu_says_why():
    code = "import gpudl; gpudl.ones(2).pin_memory('cuda')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode == 0:
        pytest.skip("there is a GPU here")
    assert "DeviceError" in done.stderr and "not available" in done.stderr
