"""Fetch a file from the first of several mirrors that has the right one."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

_MOST_BYTES = 64 << 20  # no file of the built-in datasets has half as much
_TIMEOUT = 30.0  # seconds without an answer


class DownloadError(RuntimeError):
    """No mirror gave the file that was expected."""


def fetch(name: str, mirrors: Sequence[str], md5: str, folder: Path, *, dataset: str) -> Path:
    """Download `name` into `folder`.

    The file gets its name only when it is whole and its checksum is right; a download that fails leaves nothing
    behind, not even the folder. Says on stderr what it fetches.

    Args:
        name: the file's name, at the mirrors and in the folder.
        mirrors: base URLs, tried in order.
        md5: of the file, 32 hexadecimal digits.
        folder: made if it does not exist.
        dataset: named in the messages.
    Returns: the file's path.
    Raises: DownloadError, one line, if no mirror gives the file; OSError if it cannot be written.
    """
    import hashlib

    print(f"gpudl: {dataset}: downloading {name} to {folder}", file=sys.stderr, flush=True)
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{name}"
        try:
            content = _get(url)
        except ConnectionError as error:
            failures.append(f"{url} ({error})")
            continue
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found == md5:
            return _write(content, folder / name)
        failures.append(f"{url} (wrong content: MD5 {found} of {len(content)} bytes, expected {md5})")
    tried = "; ".join(failures) or "there are no mirrors"
    raise DownloadError(f"{dataset}: could not download {name}: {tried}; get it by hand and put it into {folder}")


def _get(url: str) -> bytes:
    """The whole content at `url`, at most _MOST_BYTES.

    Raises: ConnectionError with one line for whatever went wrong.
    """
    # Imported here because they take longer than all of gpudl.data, and few programs download.
    import http.client
    import urllib.error
    import urllib.request

    try:
        request = urllib.request.Request(url, headers={"User-Agent": "gpudl"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            content: bytes = response.read(_MOST_BYTES + 1)
            promised = response.headers.get("Content-Length", "")
    except urllib.error.HTTPError as error:
        error.close()
        raise ConnectionError(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: no URL
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise ConnectionError(" ".join(str(reason).split()) or type(error).__name__) from error
    if len(content) > _MOST_BYTES:
        raise ConnectionError(f"more than {_MOST_BYTES} bytes")
    if promised.isdecimal() and len(content) != int(promised):
        raise ConnectionError(f"closed after {len(content)} of {promised} bytes")
    return content


def _write(content: bytes, path: Path) -> Path:
    """Write a file that is there whole or not at all, also when two processes do it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path
