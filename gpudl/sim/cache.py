"""What has been compiled, kept on disk: safe for processes that run at the same time, and never in the way.

An entry is written beside its place and renamed to it, so that nobody sees half of one. Where the folder cannot be
written, as in a read-only container or on a full disk, entries go to a temporary folder that ends with the process.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from gpudl.sim.errors import SimCompileError

_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST)
_substitutes: dict[Path, Path] = {}
_lock = threading.Lock()


def key(*parts: str | bytes) -> str:
    """A name for what is made of these parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        # The length goes in as well: else ("a", "bc") and ("ab", "c") would be one.
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()[:40]


def entry(
    folder: Path, name: str, make: Callable[[Path, Path], None], whole: Callable[[Path], bool] = Path.exists
) -> Path:
    """The file `name` of the cache; if it is not there, `make(work, target)` writes it.

    Args:
        folder: the cache.
        name: the file's name, made with `key`.
        make: writes the file `target`; it may leave other things in the folder `work`, which is removed.
        whole: whether a file is there and not broken, as after a crash of the machine; else it is made anew.
    Returns: the file's path.
    """
    path = folder / name
    if whole(path):
        return path
    if folder not in _substitutes:
        try:
            return _make(folder, name, make)
        except OSError as error:
            if error.errno not in _UNWRITABLE:
                raise
            reason = error.strerror or str(error)
        except SimCompileError as error:
            if os.strerror(errno.ENOSPC) not in str(error):
                raise
            reason = os.strerror(errno.ENOSPC)
        with _lock:
            if folder not in _substitutes:
                _substitutes[folder] = _temporary(folder, reason)
    path = _substitutes[folder] / name
    return path if whole(path) else _make(_substitutes[folder], name, make)


def _make(folder: Path, name: str, make: Callable[[Path, Path], None]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with tempfile.TemporaryDirectory(prefix="making-", dir=folder, ignore_cleanup_errors=True) as work:
        target = Path(work) / f"new{path.suffix}"
        make(Path(work), target)
        os.replace(target, path)
    return path


def _temporary(folder: Path, reason: str) -> Path:
    import atexit

    substitute = Path(tempfile.mkdtemp(prefix="gpudl-sim-"))
    atexit.register(shutil.rmtree, substitute, ignore_errors=True)
    print(
        f"gpudl.sim: the cache {folder} cannot be written ({reason}), so that what this process compiles is not kept; "
        "GPUDL_SIM_CACHE names another folder",
        file=sys.stderr,
    )
    return substitute
