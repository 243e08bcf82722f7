"""Files in the IDX format, in which MNIST is distributed.

    offset  content
    0       00 00
    2       type code: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    3       number of dimensions
    4       that many lengths, uint32, high byte first
    then    the elements, row by row, high byte first

Source: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/. The files are often packed with gzip.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

_DTYPES = {code: np.dtype(kind) for code, kind in enumerate(("u1", "i1", "", ">i2", ">i4", ">f4", ">f8"), 8) if kind}
_GZIP = b"\x1f\x8b"
_GZIP_RATIO = 1032  # the most that DEFLATE can shrink anything
_MOST_DIMS = 32  # every NumPy allows these
_STEP = 1 << 20


class IdxError(ValueError):
    """A file is no IDX file, or not a whole one, or holds something else than was asked for."""


def read_idx(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """The array in an IDX file.

    Whether the file is packed is seen from its content, not from its name. The header is not trusted: memory is
    taken only for elements that the file really has.

    Args:
        path: the file, plain or gzip.
    Returns: a new writable array in native byte order.
    Raises: IdxError for a foreign, truncated, over-long or corrupt file; OSError if it cannot be opened.
    """
    with open(path, "rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        size = os.fstat(file.fileno()).st_size
        if not packed:
            return _read(file, path, size, packed)
        with gzip.GzipFile(fileobj=file) as unpacked:
            return _read(unpacked, path, size, packed)


def write_idx(path: str | os.PathLike[str], array: Any) -> None:
    """Write an array to an IDX file, packed with gzip if the name ends in `.gz`.

    Args:
        path: the file, replaced if it exists.
        array: anything that NumPy takes for an array of one dimension or more, of uint8, int8, int16, int32,
            float32 or float64.
    Raises: ValueError for other element types, for no dimension, and for more than the format allows.
    """
    values = np.asarray(array)
    codes = {dtype.newbyteorder("="): code for code, dtype in _DTYPES.items()}
    code = codes.get(values.dtype.newbyteorder("="))
    if code is None:
        raise ValueError(f"IDX has no element type {values.dtype}; it has {', '.join(map(str, codes))}")
    if not 1 <= values.ndim <= _MOST_DIMS or max(values.shape) >= 1 << 32:
        raise ValueError(f"IDX holds 1 to {_MOST_DIMS} dimensions, each shorter than 2**32, got shape {values.shape}")
    content = struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape)
    content += values.astype(_DTYPES[code]).tobytes()
    # Without a time stamp the same array always gives the same file.
    Path(path).write_bytes(gzip.compress(content, mtime=0) if Path(path).suffix == ".gz" else content)


def _read(file: IO[bytes] | gzip.GzipFile, path: Any, size: int, packed: bool) -> np.ndarray[Any, Any]:
    """Parse an open file of `size` bytes on disk."""
    magic = _take(file, path, 4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        begin = f"begins with {magic.hex(' ')}" if magic else "is empty"
        rule = "IDX begins with 00 00, a type code (08, 09, 0b, 0c, 0d or 0e) and the number of dimensions"
        raise IdxError(f"{path}: not an IDX file: it {begin}; {rule}")
    dtype, dims = _DTYPES[magic[2]], magic[3]
    if not 1 <= dims <= _MOST_DIMS:
        raise IdxError(f"{path}: the IDX header says {dims} dimensions; 1 to {_MOST_DIMS} can be read")
    lengths = _take(file, path, 4 * dims)
    if len(lengths) < 4 * dims:
        raise IdxError(f"{path}: the file ends within the IDX header: {4 + len(lengths)} of {4 + 4 * dims} bytes")
    shape = struct.unpack(f">{dims}I", lengths)
    expected = math.prod(shape) * dtype.itemsize
    needs = f"{path}: the IDX header says {dtype.name} {shape}, so {expected} bytes must follow it"
    if not packed and size - 4 - 4 * dims != expected:
        raise IdxError(f"{needs}, but {size - 4 - 4 * dims} do: the file is truncated, over-long or damaged")
    if packed and expected > size * _GZIP_RATIO:
        raise IdxError(f"{needs}, more than {size} bytes of gzip data can hold: it is truncated or damaged")
    content = _take(file, path, expected)
    if len(content) < expected:
        raise IdxError(f"{needs}, but {len(content)} do: the file is truncated or damaged")
    if _take(file, path, 1):  # at the end, this also makes gzip compare its checksum
        raise IdxError(f"{needs}, but there are more: the file is over-long or damaged")
    try:
        array = np.frombuffer(content, dtype).reshape(shape)
    except ValueError as error:  # a length of 0 beside lengths whose product NumPy cannot count
        raise IdxError(f"{path}: the IDX header says {dtype.name} {shape}, which is no array: {error}") from error
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _take(file: IO[bytes] | gzip.GzipFile, path: Any, count: int) -> bytearray:
    """The next `count` bytes, fewer at the end; read step by step, so memory grows only with what there is."""
    content = bytearray()
    try:
        while len(content) < count and (step := file.read(min(_STEP, count - len(content)))):
            content += step
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        where = f"after {len(content)} of {count} bytes" if count > 1 else "at its end"
        raise IdxError(f"{path}: the gzip data is truncated or corrupt {where}: {error}") from error
    return content
