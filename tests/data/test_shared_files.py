"""Objects through shared files: used again when nobody sees them, gone when they are not needed, or by the pipe."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.data import shared_files
from gpudl.data.shared_files import Inbox, Outbox, unpack_private


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[Outbox, Inbox, Path]]:
    yield Outbox(str(tmp_path), "0"), Inbox(str(tmp_path)), tmp_path


def batch(value: float, size: int = 3000) -> list[Any]:
    return [wrap(np.full((2, size), value, np.float32), None), "text", {"small": np.arange(3)}, np.zeros((0, 4))]


def test_object_comes_through_and_lies_in_the_file(ends: Any) -> None:
    outbox, inbox, folder = ends
    parcel = outbox.pack(batch(7))
    assert len(parcel.pickled) < 1500 and os.listdir(folder) == [parcel.name]
    found = inbox.unpack(parcel)
    assert os.listdir(folder) == [], "nothing is left to clean up once both sides have it"
    assert isinstance(found[0], Tensor) and found[1] == "text" and found[2]["small"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(found[0].array, np.full((2, 3000), 7, np.float32))
    found[0].array[0] = 1
    assert found[3].shape == (0, 4)


def test_file_is_written_again_only_when_its_arrays_are_gone(ends: Any) -> None:
    outbox, inbox, _ = ends
    first = outbox.pack(batch(1))
    row = inbox.unpack(first)[0].array[1]  # a view, which keeps all of it
    gc.collect()
    assert inbox.freed() == []
    second = outbox.pack(batch(2))
    assert second.name != first.name
    inbox.unpack(second)
    assert inbox.freed() == [second.name]
    outbox.freed([second.name])
    third = outbox.pack(batch(3))
    assert third.name == second.name
    found = inbox.unpack(third)
    assert found[0].array[0, 0] == 3 and row[0] == 1


def test_files_that_are_too_small_are_given_up(ends: Any) -> None:
    outbox, inbox, _ = ends
    inbox.unpack(outbox.pack(batch(1)))
    outbox.freed(inbox.freed())
    larger = outbox.pack(batch(2, 9000))
    assert larger.gone == ["0-1"] and larger.name == "0-2"
    assert inbox.unpack(larger)[0].array[1, -1] == 2
    outbox.freed(inbox.freed())
    assert outbox.pack(batch(3)).name == "0-2", "a larger one will do"


def test_no_more_files_are_kept_than_are_used(ends: Any) -> None:
    outbox, inbox, _ = ends
    kept = [inbox.unpack(outbox.pack(batch(number))) for number in range(20)]
    assert [found[0].array[0, 0] for found in kept] == list(range(20))
    del kept
    outbox.freed(inbox.freed())
    assert len(outbox.pack(batch(0)).gone) == 20 - 1 - shared_files._SPARE


def test_without_room_all_goes_by_the_pipe(ends: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, inbox, folder = ends

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate" if hasattr(os, "posix_fallocate") else "truncate", full)
    parcel = outbox.pack(batch(5))
    assert parcel.name is None and os.listdir(folder) == []
    assert inbox.unpack(parcel)[0].array[1, 7] == 5
    monkeypatch.undo()
    assert outbox.pack(batch(5)).name is not None


def test_small_objects_go_by_the_pipe(ends: Any) -> None:
    outbox, inbox, folder = ends
    parcel = outbox.pack([np.arange(4), "x"])
    assert parcel.name is None and os.listdir(folder) == [] and inbox.unpack(parcel)[0].tolist() == [0, 1, 2, 3]


def test_long_pickles_go_into_the_file_too(ends: Any) -> None:
    outbox, inbox, folder = ends
    value = [np.arange(1000), ["word" * 1000 + str(number) for number in range(40)]]
    parcel = outbox.pack(value)
    assert parcel.pickled is None and len(parcel.ends) == 2
    for found in (unpack_private(str(folder), parcel), inbox.unpack(parcel)):
        assert found[1] == value[1] and found[0].sum() == 499500


def test_what_each_process_writes_to_a_dataset_stays_there(ends: Any) -> None:
    outbox, _, folder = ends
    parcel = outbox.pack(np.arange(1000))
    first, second = unpack_private(str(folder), parcel), unpack_private(str(folder), parcel)
    first[:] = -1
    np.testing.assert_array_equal(second, np.arange(1000))
    np.testing.assert_array_equal(unpack_private(str(folder), parcel), np.arange(1000))


def test_arrays_outlive_the_box(ends: Any) -> None:
    outbox, inbox, _ = ends
    array = inbox.unpack(outbox.pack(np.arange(1000)))
    del outbox, inbox
    gc.collect()
    assert array.sum() == 499500
