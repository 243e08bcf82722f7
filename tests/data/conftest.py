"""What tests of workers share."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpudl.data import shared_files


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    """No thread of a worker, no process, no shared file outlives a test, however it ends."""
    yield
    gc.collect()
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("DataLoader worker")]
    assert not [name for name in threads if "hang" not in name], threads
    assert not multiprocessing.active_children()
    assert not list(Path(shared_files._MEMORY).glob(f"gpudl-{os.getpid()}-*"))
