"""Files that stand under their name only when they are whole."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.numpy import save


def write_whole(path: Path, *content: bytes | memoryview) -> None:
    """Write a file beside its place, see it on the disk, and rename it, so that there is never a part of it.

    Raises: OSError; what stood there before stays.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(partial, "wb") as file:
            for piece in content:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """See the names in a folder on the disk, where the system can do that."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def safetensors_parts(tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> tuple[bytes, memoryview]:
    """A safetensors file as its header, with its entries sorted, and its data.

    safetensors writes metadata in random order, so files of the same content would differ.

    Args:
        tensors: name -> NumPy array, contiguous.
        metadata: strings by name.
    """
    content = memoryview(save(dict(tensors), dict(metadata)))
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(bytes(content[8:end])), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the format wants the data aligned
    return len(header).to_bytes(8, "little") + header, content[end:]
