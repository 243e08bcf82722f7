"""Rows of numbers in files, as samples like those of a run's data: .npy, .npz and .csv."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import is_floating
from gpudl.data import CSVDataset, CSVError, read_csv
from gpudl.data.csv_dataset import _side_by_side
from gpudl.data.memmap import open_arrays


def array_in(path: Path, sample: Tensor, is_image: bool) -> tuple[Any, bool]:
    """The array (count, *shape of a sample) in a file, and whether the file has it without the count.

    Args:
        path: .npy, which is mapped, or .npz.
        sample: what the model gets.
        is_image: whole numbers might be pixels that were not scaled.
    Raises: ValueError if nothing fits.
    """
    shape = tuple(sample.shape)
    arrays = open_arrays(path) if path.suffix.lower() == ".npy" else _members(path)
    fitting = {name: each for name, each in arrays.items() if shape in (each.shape, each.shape[1:])}
    if not fitting:
        found = ", ".join(f"{each.dtype} {each.shape}" for each in arrays.values()) or "no array"
        many = str(("count", *shape)).replace("'", "")
        raise ValueError(f"it holds {found}; the model takes {shape}, or {many} for several samples")
    if len(fitting) > 1 and "x" not in fitting:
        raise ValueError(f"several arrays fit: {', '.join(fitting)}; name the one to predict x")
    array = fitting["x"] if "x" in fitting else next(iter(fitting.values()))
    if array.dtype.kind not in ("bfiuV" if is_floating(sample.dtype) else "biu"):
        raise ValueError(f"it holds {array.dtype}, the model takes {sample.dtype}")
    if is_image and is_floating(sample.dtype) and array.dtype.kind in "iu":
        fix = "give the values as the training data does (pixels divided by the largest, then its transforms)"
        raise ValueError(f"it holds {array.dtype}, the model takes images in {sample.dtype}; {fix}")
    if array.shape == shape:
        return array[None], True
    if not len(array):
        raise ValueError("it holds no samples")
    return array, False


def features_in(path: Path, source: CSVDataset) -> np.ndarray[Any, Any]:
    """(rows, features) of a CSV file, read as the data was, whether it has the targets' columns or not.

    Raises: CSVError, which names file, line and column, for what read_csv refuses, and for no rows.
    """
    features, reading = source.feature_names, source.reading
    given, missing = reading["dtype"] or {}, reading["missing"]
    if isinstance(missing, Mapping):
        missing = {name: _kept(rule) for name, rule in missing.items() if name in features}
    table = read_csv(
        path,
        usecols=features,
        dtype={name: given.get(name, "float64") for name in features if name not in source.categories},
        categories={name: source.categories[name] for name in features if name in source.categories},
        missing=_kept(missing),
        names=_column_names(path, source),
        **{name: reading[name] for name in ("sep", "header", "na_values", "encoding")},
    )
    values = _side_by_side([table.columns[name] for name in features], source.dtype)
    if not len(values):
        raise CSVError(f"{path}: it has no rows")
    return values


def _kept(rule: Any) -> Any:
    """What becomes of missing cells where each row is to have its prediction."""
    return "raise" if rule == "drop" else rule


def _members(path: Path) -> dict[str, Any]:
    """The arrays in a .npz file."""
    with open(path, "rb") as file:  # np.load leaves a damaged one open
        archive = np.load(file, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("this is a .npy file; rename it")
        return {name: archive[name] for name in archive.files}


def _column_names(path: Path, source: CSVDataset) -> list[str] | None:
    """Names of a file's columns where no header says them, with the targets or without; None where one does."""
    names, header = source.reading["names"], source.reading["header"]
    if names is None and header:
        return None
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding=source.reading["encoding"], newline="") as file:
        width = len(next(csv.reader(file, delimiter=source.reading["sep"]), ()))
    whole = list(map(str, range(width))) if names is None else list(names)
    if len(whole) == width and set(source.feature_names) <= set(whole):
        return whole
    several = list(map(str, range(width + len(source.target_names)))) if names is None else whole
    return [name for name in several if name not in source.target_names]
