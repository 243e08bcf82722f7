"""What `gpudl predict` is given on its command line, as batches like those that the run was trained on."""

from __future__ import annotations

import copy
import csv
import functools
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.data import ConcatDataset, CSVDataset, DatasetFolder, Subset
from gpudl.data.folder import IMG_EXTENSIONS, _files_below
from gpudl.data.images import ImageDataset
from gpudl.data.transforms import MapDataset
from gpudl.nn.module import Module
from gpudl.ops.create import as_tensor
from gpudl.ops.shape import stack
from gpudl.train.pictures import Pictures
from gpudl.train.row_files import array_in, features_in

_REFUSALS = (
    ValueError, TypeError, RuntimeError, LookupError, EOFError, ImportError, zlib.error, BadZipFile, csv.Error,
)  # fmt: skip
"""What readers and transforms raise for files that are damaged or do not fit."""

Transforms = Sequence[Callable[[Any], Any]]


@dataclass(frozen=True)
class Inputs:
    """Samples to predict.

    Attributes:
        names: of each: the path, and for files with several "rows.csv[3]", the place in it, from 0.
        batches: Tensors (count, ...) on the CPU, in that order, read when they are asked for.
    """

    names: list[str]
    batches: Iterable[Tensor]

    def __len__(self) -> int:
        return len(self.names)


def read_inputs(
    paths: Sequence[str | os.PathLike[str]], sample: Tensor, dataset: Any, *, batch_size: int = 64
) -> Inputs:
    """Open files, and find out how many samples they hold.

    .npy, .npz        what the model gets, transforms done: an array of the sample's shape, or of many. Of several in
                      a .npz file the one named "x", or the only one that fits.
    .csv (.csv.gz)    the features of the run's CSVDataset, by the names in the header; other columns do not count.
    images, folders   as the run's data has them: channels, scale of values, transforms, size. Of folders all images.
    other files       text: where the dataset has a method `encode`, the sample of a text, each line that is not empty;
                      where it has a `tokenizer`, blocks of tokens of the sample's length, the last of them moved back
                      to end with the text.

    Random transforms do what they do in evaluation.

    Args:
        paths: one or more.
        sample: the first one of the training data, as the model gets it.
        dataset: the training data.
        batch_size: samples at a time.
    Raises: FileNotFoundError, which names all paths that are not there; OSError for a file that cannot be opened;
        ValueError for one that is damaged, of an unknown kind, or does not fit. Each is one line. While batches are
        read, the same for what is damaged further inside.
    """
    if not isinstance(sample, Tensor):
        raise ValueError(f"the run's samples are {type(sample).__name__}; files can be read where they are one Tensor")
    found = [Path(path) for path in paths]
    if not found:
        raise ValueError("there is nothing to predict; give files or folders")
    missing = [str(path) for path in found if not path.exists()]
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)}: no such file")
    source, transforms = _bare(dataset)
    reader = _Reader(sample, source, transforms)
    parts = [part for path in found for part in reader.parts(path)]
    return Inputs([name for names, _ in parts for name in names], _Batches(parts, batch_size))


_Part = tuple[list[str], Callable[[], Iterator[Tensor]]]
"""Names of samples, and what reads them."""


class _Batches:
    def __init__(self, parts: list[_Part], batch_size: int) -> None:
        self.parts, self.batch_size = parts, batch_size

    def __iter__(self) -> Iterator[Tensor]:
        waiting: list[Tensor] = []
        for _, read in self.parts:
            for value in read():
                waiting.append(value)
                if len(waiting) == self.batch_size:
                    yield stack(waiting)
                    waiting = []
        if waiting:
            yield stack(waiting)


class _Reader:
    def __init__(self, sample: Tensor, source: Any, transforms: Transforms) -> None:
        self.sample, self.source, self.transforms = sample, source, transforms
        self._pictures: Pictures | None = None

    def parts(self, path: Path) -> Iterator[_Part]:
        """The samples of a file, or of each image in a folder."""
        if path.is_dir():
            images = [name for name in _files_below(path) if name.lower().endswith(IMG_EXTENSIONS)]
            if not images:
                raise ValueError(f"{path}: no images in this folder; their names end in {', '.join(IMG_EXTENSIONS)}")
            yield from map(self._image, images)
            return
        name = path.name.lower()
        with _naming(str(path)):
            with open(path, "rb"):
                pass
            if name.endswith((".npy", ".npz")):
                yield self._array(path)
            elif name.endswith((".csv", ".csv.gz")):
                yield self._csv(path)
            elif name.endswith(IMG_EXTENSIONS):
                yield self._image(str(path))
            else:
                yield self._text(path)

    def _image(self, path: str) -> _Part:
        with _naming(path):
            if self._pictures is None:
                self._pictures = Pictures(self.sample, self.source, self.transforms)
        return [path], functools.partial(self._read_image, path, self._pictures)

    def _read_image(self, path: str, pictures: Pictures) -> Iterator[Tensor]:
        with _naming(path):
            value = self._checked(pictures.read(path))
        yield value

    def _checked(self, value: Any) -> Tensor:
        """Raises: ValueError if it is no such sample as those of the data."""
        if not isinstance(value, Tensor):
            raise ValueError(f"it becomes {type(value).__name__}, the run's samples are Tensors")
        have, want = (f"{each.dtype} {tuple(each.shape)}" for each in (value, self.sample))
        if have != want:
            raise ValueError(f"it becomes {have}, the run's samples are {want}")
        return value

    def _array(self, path: Path) -> _Part:
        is_image = isinstance(self.source, (ImageDataset, DatasetFolder)) or len(self.sample.shape) == 3
        array, is_one = array_in(path, self.sample, is_image)
        return [str(path)] if is_one else _numbered(path, len(array)), functools.partial(self._rows, array)

    def _rows(self, array: Any) -> Iterator[Tensor]:
        for row in array:
            values = np.array(row)
            native = values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
            yield as_tensor(native).to(self.sample.dtype)

    def _csv(self, path: Path) -> _Part:
        if not isinstance(self.source, CSVDataset):
            kind = type(self.source).__name__
            raise ValueError(f"the run's data is no CSV file but {kind}; give its samples as .npy")
        values = features_in(path, self.source)
        return _numbered(path, len(values)), functools.partial(self._csv_rows, path, values)

    def _csv_rows(self, path: Path, values: np.ndarray[Any, Any]) -> Iterator[Tensor]:
        for number, row in enumerate(values):
            with _naming(f"{path}[{number}]"):
                value = self._transformed(wrap(row, None))
            yield value

    def _transformed(self, value: Any) -> Tensor:
        for transform in self.transforms:
            value = transform(value)
        return self._checked(value)

    def _text(self, path: Path) -> _Part:
        encode, tokenizer = getattr(self.source, "encode", None), getattr(self.source, "tokenizer", None)
        if encode is None and tokenizer is None:
            known = ".npy, .npz, .csv, images and folders of them"
            raise ValueError(f"no kind of file that is read here; there are {known}, and text if the run's data has it")
        text = path.read_text(encoding="utf-8-sig")
        if encode is not None:
            values = [as_tensor(encode(line)) for line in text.splitlines() if line.strip()]
        else:
            values = list(self._blocks(np.asarray(tokenizer.encode(text), np.int64)))  # type: ignore[union-attr]
        if not values:
            raise ValueError("it holds no text")
        return _numbered(path, len(values)), functools.partial(iter, [self._transformed(value) for value in values])

    def _blocks(self, tokens: np.ndarray[Any, Any]) -> Iterator[Tensor]:
        (length,) = self.sample.shape
        if 0 < len(tokens) < length:
            raise ValueError(f"{len(tokens)} tokens, the run's samples have {length}")
        for begin in range(0, len(tokens), length):
            last = min(begin, len(tokens) - length)
            yield wrap(tokens[last : last + length].copy(), None).to(self.sample.dtype)


def _bare(dataset: Any) -> tuple[Any, list[Callable[[Any], Any]]]:
    """The dataset that reads, and the transforms after it, as they are in evaluation."""
    transforms: list[Any] = []
    while isinstance(dataset, (Subset, MapDataset, ConcatDataset)):
        if isinstance(dataset, MapDataset):
            transforms.insert(0, dataset.transform)
        dataset = dataset.datasets[0] if isinstance(dataset, ConcatDataset) else dataset.dataset
    if callable(getattr(dataset, "transform", None)):
        dataset = copy.copy(dataset)
        transforms.insert(0, dataset.transform)
        dataset.transform = None
    return dataset, [_in_evaluation(each) for each in transforms if each is not None]


def _in_evaluation(transform: Any) -> Any:
    return copy.deepcopy(transform).eval() if isinstance(transform, Module) else transform


def _numbered(path: Path, count: int) -> list[str]:
    return [f"{path}[{number}]" for number in range(count)]


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Errors about a file as one line that begins with its name."""
    try:
        yield
    except OSError as error:
        raise type(error)(f"{name}: cannot read: {error.strerror or error}") from error
    except _REFUSALS as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(text if text.startswith(name) else f"{name}: {text}") from error
