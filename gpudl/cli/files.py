"""Files that a command is told to write: seen to be writable before the work, and whole when they are there."""

from __future__ import annotations

import errno
import os


def check_file(path: str) -> None:
    """Raise OSError if a file cannot be written; it stays as it is."""
    exists = os.path.exists(path)
    with open(path, "ab"):
        pass
    if not exists:
        os.remove(path)


def check_folder(path: str) -> None:
    """Raise OSError if files cannot be written to a folder, which need not be there yet; none is made."""
    from pathlib import Path

    place = Path(path).absolute()
    there = next(each for each in (place, *place.parents) if each.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


def write(path: str, content: bytes) -> None:
    """Write a file, and the folders above it: whole or not at all, where files can be made and renamed beside it.

    Raises: OSError.
    """
    from pathlib import Path

    from gpudl.train.files import write_whole

    target = Path(os.path.realpath(path))  # a link stays one
    target.parent.mkdir(parents=True, exist_ok=True)
    plain = target.is_file() or not os.path.exists(path)  # no pipe, no /dev/stdout
    if plain and os.access(target.parent, os.W_OK | os.X_OK):
        write_whole(target, content)
    else:
        Path(path).write_bytes(content)
