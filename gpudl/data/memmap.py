"""Arrays in files, mapped into memory: the operating system reads what is asked for, when it is asked for."""

from __future__ import annotations

import math
import operator
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.dtypes import dtype_of
from gpudl.backend.errors import ShapeError
from gpudl.data.dataset import Dataset
from gpudl.data.images import Transform

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")


class MemmapDataset(Dataset[tuple[Any, ...]]):
    """The rows of arrays in files, side by side: sample i is row i of each array, as Tensors.

    The files are mapped, never read as a whole: a set may be larger than the memory, and processes share the pages
    that they read. Pickled, as for spawned workers, it is its path. Samples are copies.

    Args:
        path: a folder of .npy files, one array in each; a .npz file as numpy.savez writes it; or one .npy file.
        names: of the arrays (the files without .npy), in the order of a sample; None for all, sorted.
        transform: applied to the first Tensor of a sample; None for none.
        target_transform: applied to the last one, if there are two or more; None for none.
    Attributes:
        path: the folder or file.
        names: of the arrays, in the order of a sample.
        arrays: tuple of read-only numpy.memmap.
    Raises: FileNotFoundError if the path, or an array of that name, is not there; ValueError, which names the file, for
        one that is truncated, damaged, compressed or holds Python objects; ShapeError if the arrays differ in length;
        TypeError for element types that gpudl does not have.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        names: Sequence[str] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ):
        self.path = Path(path).expanduser().absolute()
        found = open_arrays(self.path)
        self.names = tuple(sorted(found) if names is None else names)
        for name in self.names:
            if name not in found:
                raise FileNotFoundError(f"{self.path} has no array {name!r}; it has {', '.join(sorted(found))}")
        self.arrays = tuple(found[name] for name in self.names)
        for name, array in zip(self.names, self.arrays, strict=True):
            dtype_of(array.dtype.newbyteorder("="))
            if not array.ndim:
                raise ShapeError(f"{self.path}: {name} has no dimensions; its first one counts the samples")
        lengths = {name: len(array) for name, array in zip(self.names, self.arrays, strict=True)}
        if len(set(lengths.values())) != 1:
            raise ShapeError(f"{self.path}: the arrays must have equal first lengths, got {lengths}")
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int, /) -> tuple[Any, ...]:
        """Row `index` of each array, copied; transformed.

        Raises: IndexError for an index out of range.
        """
        number = operator.index(index)
        row: list[Any] = [wrap(_native(np.array(array[number, ...])), None) for array in self.arrays]
        if self.transform is not None:
            row[0] = self.transform(row[0])
        if self.target_transform is not None and len(row) > 1:
            row[-1] = self.target_transform(row[-1])
        return tuple(row)

    @property
    def batch(self) -> Callable[[Any], tuple[Tensor, ...]] | None:
        """Makes whole batches for DataLoader; None while there are transforms, which see one sample at a time."""
        return self._batch if self.transform is None and self.target_transform is None else None

    def _batch(self, indices: Sequence[int] | np.ndarray[Any, Any]) -> tuple[Tensor, ...]:
        places = np.asarray(indices, np.int64)
        return tuple(wrap(_native(np.asarray(array)[places]), None) for array in self.arrays)

    def __getstate__(self) -> dict[str, Any]:
        shapes = [(array.shape, array.dtype.str) for array in self.arrays]
        return {**self.__dict__, "arrays": shapes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        found = open_arrays(self.path)
        self.arrays = tuple(found[name] for name in self.names if name in found)
        if [(array.shape, array.dtype.str) for array in self.arrays] != state["arrays"]:
            raise ValueError(f"{self.path} was changed since the dataset was pickled")

    def __repr__(self) -> str:
        arrays = (f"{name} {array.dtype} {array.shape}" for name, array in zip(self.names, self.arrays, strict=True))
        return f"MemmapDataset({self.path}: {', '.join(arrays)})"


def open_arrays(path: Path) -> dict[str, Any]:
    """Name -> read-only numpy.memmap, of a folder of .npy files, a .npz file or a .npy file.

    Raises: FileNotFoundError if there is none; ValueError for a file that cannot be mapped.
    """
    if path.is_dir():
        files = sorted(path.glob("*.npy"))
        if not files:
            raise FileNotFoundError(f"{path} has no .npy file")
        return {file.stem: _mapped(file, 0, file.stat().st_size) for file in files}
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no folder and no file")
    if path.suffix == ".npz":
        return _members(path)
    return {path.stem: _mapped(path, 0, path.stat().st_size)}


def _members(path: Path) -> dict[str, Any]:
    """The arrays in a .npz, which is a zip file of .npy files that are stored as they are."""
    import zipfile

    found = {}
    try:
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            for member in archive.infolist():
                if member.compress_type != zipfile.ZIP_STORED:
                    fix = "write it with numpy.savez, not savez_compressed"
                    raise ValueError(f"{path}: {member.filename} is compressed and cannot be mapped; {fix}")
                # The local header repeats the name, and its extra field may have another length than the directory's.
                file.seek(member.header_offset)
                *_, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
                begin = member.header_offset + _LOCAL_HEADER.size + name + extra
                found[member.filename.removesuffix(".npy")] = _mapped(path, begin, member.file_size)
    except (zipfile.BadZipFile, struct.error) as error:
        raise ValueError(f"{path}: not a .npz file, or a damaged one: {error}") from error
    if not found:
        raise FileNotFoundError(f"{path} has no arrays")
    return found


def _mapped(path: Path, begin: int, size: int) -> Any:
    """The array whose .npy form is the `size` bytes from `begin` on."""
    with open(path, "rb") as file:
        file.seek(begin)
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
        except ValueError as error:
            raise ValueError(f"{path}: not a .npy file, or a damaged one: {error}") from error
        if min(shape, default=0) < 0:
            raise ValueError(f"{path}: not a .npy file, or a damaged one: its shape is {shape}")
        if dtype.hasobject:
            raise ValueError(f"{path}: the array holds Python objects, which are not read: that can run code")
        needed = file.tell() - begin + math.prod(shape) * dtype.itemsize
        if needed > size:
            raise ValueError(f"{path}: {dtype} {shape} needs {needed} bytes, there are {size}: the file is truncated")
        if not math.prod(shape):  # which cannot be mapped
            return np.empty(shape, dtype, "F" if fortran else "C")
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")


def _native(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """In this machine's byte order."""
    return rows if rows.dtype.isnative else rows.astype(rows.dtype.newbyteorder("="))
