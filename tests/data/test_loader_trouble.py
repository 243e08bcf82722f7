"""Trouble in workers, threads and processes: it is named, with worker and sample, and never hangs."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import made_by_workers as made
import pytest

from gpudl.data import DataLoader, WorkerError
from gpudl.data.workers import note

KINDS = ["thread", "process"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")


@pytest.mark.parametrize("kind", KINDS)
def test_errors_keep_type_and_name_sample_worker_and_line(kind: Any) -> None:
    loader = DataLoader(made.Trouble("error", 5), 2, num_workers=1, workers=kind)
    batches = iter(loader)
    assert [next(batches).array.tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(OSError, match="cannot read the file") as caught:
        next(batches)
    assert loader.state_dict() == {"epoch": 0, "batch": 2}
    assert list(batches) == []
    printed = "".join(traceback.format_exception(caught.type, caught.value, caught.tb))
    assert "while loading sample 5 of Trouble in worker 0" in printed
    assert 'raise OSError("cannot read the file")' in printed and "made_by_workers.py" in printed


@pytest.mark.parametrize("kind", KINDS)
def test_stop_iteration_in_a_dataset_does_not_end_the_epoch(kind: Any) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(made.Trouble("stop", 5), 2, num_workers=1, workers=kind))


def test_exception_that_cannot_be_pickled_is_told() -> None:
    with pytest.raises(WorkerError, match=r"cannot be pickled: .*OddError: <unlocked"):
        list(DataLoader(made.Trouble("unpicklable", 0), 2, num_workers=1, workers="process"))


def test_batch_that_cannot_be_pickled_is_told() -> None:
    with pytest.raises(TypeError, match="pickle") as caught:
        list(DataLoader(made.Drawn(2), 2, num_workers=1, workers="process", collate_fn=made.lock))
    if hasattr(caught.value, "add_note"):
        assert "a batch of type lock must go to another process" in str(vars(caught.value)["__notes__"])


def test_dataset_that_cannot_be_pickled_is_told() -> None:
    class Local(made.Drawn):
        pass

    with pytest.raises(Exception, match="Local") as caught:
        iter(DataLoader(Local(3), num_workers=1, workers="process"))
    if hasattr(caught.value, "add_note"):
        assert "give workers='thread'" in str(vars(caught.value)["__notes__"])
    assert len(list(DataLoader(Local(3), num_workers=1, workers="thread"))) == 3


def test_dataset_that_cannot_be_unpickled_is_told() -> None:
    loader = DataLoader(made.Unloadable(), num_workers=1, workers="process", persistent_workers=True)
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="not here") as caught:
            list(loader)
    if hasattr(caught.value, "add_note"):
        assert "worker 0 (process" in str(vars(caught.value)["__notes__"])


def test_notes_are_causes_where_there_are_no_notes() -> None:
    class Old(Exception):
        @property
        def add_note(self) -> None:
            raise AttributeError

    error, first = Old("x"), KeyError("first")
    error.__cause__ = first
    note(error, "while loading sample 5")
    assert str(error.__cause__) == "while loading sample 5"
    assert error.__cause__ is not None and error.__cause__.__cause__ is first


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("kill", r"worker \d \(process \d+\), which makes sample 5, was killed by SIGKILL; .*memory"),
        ("exit", r"worker \d \(process \d+\), which makes sample 5, ended with exit code 3"),
    ],
)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_process_that_dies_is_named_with_its_sample(trouble: str, message: str) -> None:
    loader = DataLoader(made.Trouble(trouble, 5), 2, num_workers=1, workers="process", persistent_workers=True)
    with pytest.raises(WorkerError, match=message):
        list(loader)
    if trouble == "kill":
        loader.dataset.kind = "error"
        with pytest.raises(OSError, match="cannot read"):
            list(loader)  # by a new process: that of before is gone


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_idle_process_that_is_killed_is_noticed() -> None:
    loader = DataLoader(made.Where(), 1, num_workers=1, workers="process", prefetch_factor=1, timeout=60)
    batches = iter(loader)
    os.kill(int(next(batches)[0].array[0]), signal.SIGKILL)
    with pytest.raises(WorkerError, match="SIGKILL"):
        list(batches)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_process_that_dies_is_noticed_though_its_child_holds_the_pipe(tmp_path: Path) -> None:
    path = tmp_path / "child"
    loader = DataLoader(made.Trouble("child", 5, str(path)), 2, num_workers=1, workers="process", timeout=20)
    try:
        with pytest.raises(WorkerError, match="makes sample 5, was killed by SIGKILL"):
            list(loader)
    finally:
        os.kill(int(path.read_text(encoding="ascii")), signal.SIGKILL)


@pytest.mark.parametrize("kind", KINDS)
def test_timeout_names_the_stuck_worker_and_its_sample(kind: Any) -> None:
    loader = DataLoader(made.Trouble("hang", 5), 2, num_workers=1, workers=kind, timeout=1)
    batches = iter(loader)
    found = [next(batches).array.tolist()] if kind == "thread" else []
    start = time.monotonic()
    with pytest.raises(WorkerError, match=r"no batch came for 1 s .*worker 0 \(.*\), which (makes sample 5|has not)"):
        while True:
            found.append(next(batches).array.tolist())
    assert found in ([[0, 1], [2, 3]], []) and time.monotonic() - start < 30
    if kind == "thread":
        # It cannot be killed; renamed, so that nothing_is_left knows why it is there.
        next(thread for thread in threading.enumerate() if thread.name == "DataLoader worker 0").name = "hang"
