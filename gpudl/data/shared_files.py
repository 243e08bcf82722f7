"""Memory that processes share: files in a folder that is memory itself, gone with the folder whoever is killed.

Pickles of protocol 5 leave the contents of arrays out; here they are put into a file that both sides map, and the
arrays on the other side lie in it. A file whose arrays are gone is written again, as new pages cost more than the copy.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import tempfile
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

_MEMORY = "/dev/shm"
_ALIGNED = 64
_SMALL = 512  # bytes; arrays up to this size are not worth a place in a file
_LONG = 1 << 15  # bytes; longer pickles go into a file too, so that no process waits for the other to read a pipe
_SPARE = 4  # files without a use that are kept


class Parcel(NamedTuple):
    """An object on its way to another process.

    Attributes:
        pickled: the object without the contents of its arrays; all of it, where there was no room for a file; None if
            it is the last piece in the file.
        name: of the file with the contents; None for none.
        ends: where in the file each piece begins and ends.
        gone: names of files that the other side should forget.
    """

    pickled: bytes | None
    name: str | None
    ends: list[tuple[int, int]]
    gone: list[str]


def make_folder() -> str:
    """A new folder for shared files, in memory if the system has a place for that."""
    place = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
    return tempfile.mkdtemp(prefix=f"gpudl-{os.getpid()}-", dir=place)


def new_file(path: str, size: int) -> mmap.mmap:
    """A new file of zeros, mapped.

    Raises: OSError if there is no room: now, not as a fatal signal when it is written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, size)
            else:
                os.truncate(descriptor, size)
            return mmap.mmap(descriptor, size)
        except OSError:
            os.unlink(path)
            raise
    finally:
        os.close(descriptor)


def open_file(path: str, *, private: bool = False) -> mmap.mmap:
    """A file that another process made; `private`: what is written stays here."""
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY if private else mmap.ACCESS_WRITE)
    finally:
        os.close(descriptor)


class Outbox:
    """Where a process puts objects for another one.

    Args:
        folder: of the files.
        prefix: of their names.
    """

    def __init__(self, folder: str, prefix: str):
        self._folder, self._prefix = folder, prefix
        self._files: dict[str, mmap.mmap] = {}
        self._free: list[str] = []
        self._made = 0

    def freed(self, names: list[str]) -> None:
        """The other side is done with these files."""
        self._free += names

    def pack(self, value: Any) -> Parcel:
        """An object for the other side. Raises: what pickling it raises."""
        buffers: list[memoryview] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            raw = buffer.raw()
            if raw.nbytes <= _SMALL:
                return True
            buffers.append(raw)
            return False

        pickled: bytes | None = pickle.dumps(value, protocol=5, buffer_callback=keep)
        if pickled is not None and len(pickled) > _LONG:
            buffers.append(memoryview(pickled))
            pickled = None
        if not buffers:
            return Parcel(pickled, None, [], [])
        ends, size = [], 0
        for buffer in buffers:
            start = -(-size // _ALIGNED) * _ALIGNED
            size = start + buffer.nbytes
            ends.append((start, size))
        gone: list[str] = []
        try:
            name, memory = self._file(size, gone)
        except OSError:  # no room: all of it goes by the pipe
            return Parcel(pickle.dumps(value, protocol=5), None, [], gone)
        room = np.frombuffer(memory, np.uint8)
        for buffer, (start, end) in zip(buffers, ends):
            room[start:end] = np.frombuffer(buffer, np.uint8)
        return Parcel(pickled, name, ends, gone)

    def _file(self, size: int, gone: list[str]) -> tuple[str, mmap.mmap]:
        """A file of this size or more that nobody reads: the smallest such one, or a new one."""
        self._free.sort(key=lambda name: len(self._files[name]))
        fitting = next((name for name in self._free if len(self._files[name]) >= size), None)
        if fitting is not None:
            self._free.remove(fitting)
        while len(self._free) > _SPARE or (fitting is None and self._free):
            gone.append(self._free.pop(0))
            del self._files[gone[-1]]
        if fitting is None:
            self._made += 1
            fitting = f"{self._prefix}-{self._made}"
            self._files[fitting] = new_file(os.path.join(self._folder, fitting), size)
        return fitting, self._files[fitting]


class Inbox:
    """Where a process takes what another one put into its Outbox.

    Args:
        folder: of the files.
    """

    def __init__(self, folder: str):
        self._folder = folder
        self._files: dict[str, mmap.mmap] = {}
        self._freed: deque[str] = deque()

    def unpack(self, parcel: Parcel) -> Any:
        """The object; its arrays lie in the file, which is free again when they are gone."""
        for name in parcel.gone:
            self._files.pop(name, None)
        if parcel.name is None:
            return _loaded(parcel, [])
        memory = self._files.get(parcel.name)
        if memory is None:
            path = os.path.join(self._folder, parcel.name)
            memory = self._files[parcel.name] = open_file(path)
            with contextlib.suppress(OSError):  # some systems keep the name of a file that is in use
                os.unlink(path)
        room = np.frombuffer(memory, np.uint8)
        # Not a method of this object: arrays may outlive it.
        weakref.finalize(room, self._freed.append, parcel.name).atexit = False
        return _loaded(parcel, [room[start:end] for start, end in parcel.ends])

    def freed(self) -> list[str]:
        """Names of the files that became free since this was last asked."""
        return list(_emptied(self._freed))


def _emptied(names: deque[str]) -> Iterator[str]:
    while names:
        yield names.popleft()


def unpack_private(folder: str, parcel: Parcel) -> Any:
    """The object of a parcel that several processes take; what is written to its arrays stays in this one."""
    if parcel.name is None:
        return _loaded(parcel, [])
    memory = memoryview(open_file(os.path.join(folder, parcel.name), private=True))
    return _loaded(parcel, [memory[start:end] for start, end in parcel.ends])


def _loaded(parcel: Parcel, pieces: list[Any]) -> Any:
    pickled = pieces.pop() if parcel.pickled is None else parcel.pickled
    return pickle.loads(pickled, buffers=pieces)
