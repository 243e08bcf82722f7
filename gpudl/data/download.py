"""Fetch a file from the first of several mirrors that has the right one, going on where an earlier try was cut."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

if sys.platform != "win32":
    import fcntl

_MOST_BYTES = 1 << 30  # no file of the built-in datasets has half as much
_TIMEOUT = 30.0  # seconds without an answer
_TRIES = 3  # in a row without one more byte, at each mirror
_PAUSE = 0.5  # seconds before the second try; twice that before the third
_STEP = 1 << 18


class DownloadError(RuntimeError):
    """No mirror gave the file that was expected."""


class _Failure(Exception):
    """What went wrong, in a few words; `passing` if another try may do better."""

    def __init__(self, words: object, passing: bool = False):
        super().__init__(" ".join(str(words).split()) or type(words).__name__)
        self.passing = passing


def fetch(name: str, mirrors: Sequence[str], md5: str, folder: Path, *, dataset: str) -> Path:
    """Download `name` into `folder`, unless the right file is there.

    The file gets its name only when it is whole and its checksum is right. What came before a connection broke stays
    in a hidden file beside it, and the next try, in this call or a later one, asks for the rest alone. A download that
    got nothing leaves nothing behind, not even the folder. Of several processes one downloads, the others wait for it.
    Says on stderr what it fetches, with a bar on a terminal.

    Args:
        name: the file's name, at the mirrors and in the folder.
        mirrors: base URLs, tried in order.
        md5: of the file, 32 hexadecimal digits.
        folder: made if it does not exist.
        dataset: named in the messages.
    Returns: the file's path.
    Raises: DownloadError, one line that says what to get by hand and where to put it, if no mirror gives the file;
        OSError if it cannot be written.
    """
    path = folder / name
    if path.is_file() and _md5(path) == md5:
        return path
    print(f"gpudl: {dataset}: downloading {name} to {folder}", file=sys.stderr, flush=True)
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.{md5[:8]}.part"
    failures = []
    with _claimed(partial) as file:
        if path.is_file() and _md5(path) == md5:  # by another process, for which this one waited
            partial.unlink()
            return path
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{name}"
            try:
                _complete(url, file, partial, md5)
            except _Failure as failure:
                failures.append(f"{url} ({failure})")
                continue
            if sys.platform == "win32":
                file.close()  # an open file cannot be renamed there
            try:
                os.replace(partial, path)
            except OSError:
                partial.unlink(missing_ok=True)
                raise
            return path
        kept = file.seek(0, os.SEEK_END)
        if not kept:
            partial.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # somebody else has put something there
        for parent in made:
            parent.rmdir()
    tried = "; ".join(failures) or "there are no mirrors"
    later = f" The {kept} bytes that came are kept: the next try asks for the rest alone." if kept else ""
    raise DownloadError(
        f"{dataset}: could not download {name}: {tried}; try again, or get it by hand and put it into {folder}.{later}"
    )


@contextlib.contextmanager
def _claimed(partial: Path) -> Iterator[IO[bytes]]:
    """The file for what has come so far, at its end, for this process and thread alone."""
    while True:
        file = open(partial, "a+b")  # noqa: SIM115 - closed below, in each of the two ways
        if sys.platform != "win32":
            with contextlib.suppress(OSError):  # a network disk may have no locks; the checksum decides anyhow
                fcntl.flock(file, fcntl.LOCK_EX)
        # While this process waited, the file may have got its name, or have been removed.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(partial)):
                break
        file.close()
    with file:
        yield file


def _complete(url: str, file: IO[bytes], partial: Path, md5: str) -> None:
    """Append what is missing, and check the whole.

    Raises: _Failure if this mirror does not give the file.
    """
    fruitless, restarted = 0, False
    begin = furthest = file.seek(0, os.SEEK_END)
    while True:
        try:
            _append(url, file, begin)
        except _Failure as failure:
            reached = file.seek(0, os.SEEK_END)
            fruitless = 0 if reached > furthest else fruitless + 1
            furthest = max(furthest, reached)
            if not failure.passing or fruitless == _TRIES:
                raise
            time.sleep(_PAUSE * max(1, fruitless))
            begin = reached
            continue
        file.flush()
        found, size = _md5(partial), file.tell()
        if found == md5:
            return
        file.truncate(0)
        if not begin or restarted:
            raise _Failure(f"wrong content: MD5 {found} of {size} bytes, expected {md5}")
        restarted, begin, furthest, fruitless = True, 0, 0, 0  # perhaps the first part was of another file


def _append(url: str, file: IO[bytes], begin: int) -> None:
    """Append the content at `url` from byte `begin` on, where the file ends; all of it where the server has no ranges.

    Raises: _Failure for whatever the network does; OSError if the file cannot be written.
    """
    # Imported here because they take longer than all of gpudl.data, and few programs download.
    import http.client
    import urllib.error
    import urllib.request

    headers = {"User-Agent": "gpudl", "Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if begin and error.code == 416:  # nothing comes after what is there; the checksum tells whether it is right
            return
        raise _Failure(f"HTTP {error.code} {error.reason}", error.code >= 500 or error.code in (408, 429)) from None
    except ValueError as error:  # no URL
        raise _Failure(error) from None
    except (OSError, http.client.HTTPException) as error:
        raise _Failure(error.reason if isinstance(error, urllib.error.URLError) else error, True) from None
    with response:
        if response.status == 206:
            if not re.match(rf"bytes {begin}-", response.headers.get("Content-Range", "")):
                file.truncate(0)
                raise _Failure("the server sent another part than it was asked for", True)
        elif begin:
            file.truncate(0)
            begin = 0
        promised = response.headers.get("Content-Length", "")
        end = begin + int(promised) if promised.isdecimal() else None
        with _bar(begin, end) as advance:
            size = begin
            while size != end:
                try:
                    step = response.read1(_STEP)
                except (OSError, http.client.HTTPException) as error:
                    raise _Failure(error, True) from None
                if not step:
                    break
                file.write(step)
                size += len(step)
                advance(len(step))
                if size > _MOST_BYTES:
                    file.truncate(0)
                    raise _Failure(f"more than {_MOST_BYTES} bytes")
    if end is not None and size != end:
        raise _Failure(f"closed after {size} of {end} bytes", True)


@contextlib.contextmanager
def _bar(begin: int, end: int | None) -> Iterator[Any]:
    """A function to be told of new bytes, which moves a bar where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    import importlib

    # By name, since tqdm ships no types.
    tqdm = importlib.import_module("tqdm").tqdm
    with tqdm(total=end, initial=begin, unit="B", unit_scale=True, leave=False, file=sys.stderr) as bar:
        yield bar.update


def _md5(path: Path) -> str:
    import hashlib

    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while step := file.read(_STEP):
            digest.update(step)
    return digest.hexdigest()
