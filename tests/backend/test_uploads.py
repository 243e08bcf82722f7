"""Copies beside computation: each stream waits for the other where memory changes hands, the host for none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpudl
from gpudl.backend.uploads import Uploads


class Watched:
    """A stream that writes down what it waits for and what waits for it."""

    def __init__(self, name: str, stream: Any, log: list[str], events: dict[Any, str]):
        self.name, self.stream, self.log, self.events = name, stream, log, events
        self.ptr = stream.ptr

    def record(self) -> Any:
        event = self.stream.record()
        self.events[id(event)] = self.name
        self.log.append(f"{self.name} records")
        self.events[f"kept {id(event)}"] = event
        return event

    def wait_event(self, event: Any) -> None:
        self.log.append(f"{self.name} waits for {self.events[id(event)]}")
        self.stream.wait_event(event)

    def synchronize(self) -> None:
        self.log.append(f"the host waits for {self.name}")


@pytest.fixture
def watched(device: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Uploads, list[str]]:
    uploads = Uploads(gpudl.device(device))
    if uploads._backend is None:
        pytest.skip("the CPU needs no streams")
    log: list[str] = []
    events: dict[Any, str] = {}
    cuda = uploads._backend.namespace.cuda
    current = Watched("current", cuda.get_current_stream(), log, events)
    uploads._stream = Watched("side", uploads._stream, log, events)
    monkeypatch.setattr(cuda, "get_current_stream", lambda: current)
    return uploads, log


def test_streams_wait_for_each_other_and_the_host_for_none(watched: tuple[Uploads, list[str]]) -> None:
    uploads, log = watched
    x = np.arange(12, dtype=np.float32).reshape(3, 4).T
    upload = uploads.begin([x, np.zeros(0), np.array(7.0)])
    found = upload.arrays()
    assert log == ["current records", "side waits for current", "side records", "current waits for side"]
    np.testing.assert_array_equal(found[0].get(), x)
    assert found[1].shape == (0,) and float(found[2]) == 7


def test_pinned_memory_is_kept_until_it_was_read(device: str) -> None:
    uploads = Uploads(gpudl.device(device))
    for number in range(5):
        (found,) = uploads.begin([np.full(1000, number)]).arrays()
        assert gpudl.asarray(found).cpu().array.sum() == 1000 * number
        (found,) = uploads.now([np.full((2, 3), number)[:, ::2]])
        assert gpudl.asarray(found).cpu().array.tolist() == [[number] * 2] * 2
    assert len(uploads._reading) <= 1


def test_error_in_a_copy_comes_out(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = Uploads(gpudl.device(device))
    if uploads._backend is None:
        pytest.skip("the CPU needs no copies")

    def full(array: Any) -> Any:
        raise MemoryError("no pinned memory")

    monkeypatch.setattr(uploads._backend.pinned, "copy", full)
    with pytest.raises(MemoryError, match="no pinned memory"):
        uploads.begin([np.zeros(3)]).arrays()
