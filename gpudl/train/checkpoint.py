"""A checkpoint: nested dicts, lists, numbers and tensors in one file, checked when it is read.

The file is a safetensors file. What is no tensor stands in its metadata as JSON, under "state", with
{"$tensor": name} where a tensor was; under "sha256" stands the sum of the whole file, computed with zeros in its place.
So nothing in it can execute code, any reader of safetensors gets the weights ("model.0.weight", ...), and a changed
byte is noticed wherever it is.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

import gpudl
from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import bfloat16
from gpudl.ops.create import as_tensor
from gpudl.train.errors import CheckpointError
from gpudl.train.files import safetensors_parts, write_whole

_NO_SUM = b"0" * 64
_SUM = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8", "C64": "<c8",
}  # fmt: skip


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint: all of it or, if that fails, nothing, and what stood there before stays.

    Args:
        path: of the file.
        state: dicts, lists, tuples, numbers, strings, None, Tensors and NumPy arrays, in each other.
    Raises: OSError if it cannot be written; TypeError for what else is in the state.
    """
    tensors: dict[str, Any] = {}
    text = json.dumps(_plain(state, "", tensors), allow_nan=False)
    metadata = {"format": "pt", "gpudl": gpudl.__version__, "sha256": _NO_SUM.decode(), "state": text}
    header, data = safetensors_parts(tensors, metadata)
    write_whole(path, _with_sum(header, _sum(header, data)), data)


def load_checkpoint(path: Path) -> Any:
    """Read a checkpoint. Tensors are on the CPU.

    Raises: CheckpointError if it is missing, cannot be read, is damaged, or is no checkpoint.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(path, "no such file") from None
    except OSError as error:
        raise CheckpointError(path, f"cannot read: {error.strerror}") from error
    end = 8 + int.from_bytes(content[:8], "little")
    header = content[:end]
    found = _SUM.search(header)
    if found is None:
        raise CheckpointError(path, "damaged, or no checkpoint: there is no checksum in it")
    if _sum(_with_sum(header, _NO_SUM), memoryview(content)[end:]) != found[1]:
        raise CheckpointError(path, "damaged: its content does not have its checksum")
    try:
        tensors = {name: _array(entry) for name, entry in deserialize(content)}  # type: ignore[no-untyped-call]
        return _restored(json.loads(json.loads(header[8:])["__metadata__"]["state"]), tensors)
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(path, f"whole, but not as gpudl writes checkpoints: {error}") from error


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints in a folder, as the callback Checkpoint writes them, the newest first."""
    return sorted(folder.glob("step-*.safetensors"), key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """The step in the name of a checkpoint; -1 where there is none."""
    number = path.stem.removeprefix("step-")
    return int(number) if number.isdecimal() else -1


def newest_checkpoint(folder: Path) -> tuple[Path, Any] | None:
    """The newest checkpoint of a folder that is whole, read; None if there is none at all.

    Those that are damaged are passed over, which is said on stderr.

    Raises: CheckpointError if all of them are damaged.
    """
    problem: CheckpointError | None = None
    for path in checkpoints_in(folder):
        try:
            state = load_checkpoint(path)
        except CheckpointError as error:
            print(f"warning: {error}; trying the one before", file=sys.stderr, flush=True)
            problem = error
        else:
            return path, state
    if problem is not None:
        raise CheckpointError(folder, "there are checkpoints, but none that is whole; remove them to begin anew")
    return None


def _sum(header: bytes, data: memoryview) -> bytes:
    digest = hashlib.sha256(header)
    digest.update(data)
    return digest.hexdigest().encode()


def _with_sum(header: bytes, text: bytes) -> bytes:
    return _SUM.sub(b'"sha256":"' + text + b'"', header, count=1)


def _plain(value: Any, path: str, tensors: dict[str, Any]) -> Any:
    """What JSON can say of a value; the arrays in it are put into `tensors`."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": str(float(value))}
    if isinstance(value, np.generic):
        return _plain(value.item(), path, tensors)
    if isinstance(value, (Tensor, np.ndarray)):
        name = path
        while name in tensors:
            name += "'"
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        tensors[name] = np.asarray(array, order="C")  # ascontiguousarray would make 0-d arrays 1-d
        return {"$tensor" if isinstance(value, Tensor) else "$array": name}
    if isinstance(value, (list, tuple)):
        parts = [_plain(part, f"{path}.{number}", tensors) for number, part in enumerate(value)]
        return parts if isinstance(value, list) else {"$tuple": parts}
    if isinstance(value, dict):
        start = f"{path}." if path else ""
        pairs = [(key, _plain(part, f"{start}{key}", tensors)) for key, part in value.items()]
        if type(value) is not Counter and all(isinstance(key, str) and key[:1] != "$" for key in value):
            return dict(pairs)
        kind = "$counter" if isinstance(value, Counter) else "$dict"
        return {kind: [[_plain(key, path, tensors), part] for key, part in pairs]}
    raise TypeError(f"a checkpoint cannot hold {path}, a {type(value).__name__}; a state_dict has tensors and numbers")


def _restored(plain: Any, tensors: dict[str, Any]) -> Any:
    """The value that `_plain` was given."""
    if isinstance(plain, list):
        return [_restored(part, tensors) for part in plain]
    if not isinstance(plain, dict):
        return plain
    kind = next(iter(plain), "")
    if not kind.startswith("$"):
        return {key: _restored(part, tensors) for key, part in plain.items()}
    made: dict[str, Callable[[Any], Any]] = {
        "$float": float,
        "$tensor": lambda name: as_tensor(tensors[name]),
        "$array": lambda name: tensors[name],
        "$tuple": lambda parts: tuple(_restored(parts, tensors)),
        "$dict": lambda pairs: dict(_restored(pairs, tensors)),
        "$counter": lambda pairs: Counter(dict(_restored(pairs, tensors))),
    }
    return made[kind](plain[kind])


def _array(entry: dict[str, Any]) -> np.ndarray[Any, Any]:
    """A tensor of a safetensors file, as a NumPy array of its own. The library's NumPy form reads no bfloat16."""
    dtype = bfloat16() if entry["dtype"] == "BF16" else np.dtype(_DTYPES[entry["dtype"]])
    array: np.ndarray[Any, Any] = np.frombuffer(bytearray(entry["data"]), dtype).reshape(entry["shape"])
    return array
