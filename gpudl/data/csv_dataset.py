"""The rows of a CSV file as samples."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.dtypes import dtype_of, get_default_dtype, is_floating
from gpudl.data.csv_table import NA_VALUES, CSVError, read_csv
from gpudl.data.dataset import Dataset, take_rows
from gpudl.data.images import Transform


class CSVDataset(Dataset[tuple[Any, ...]]):
    """Rows of a CSV file; sample i is `(features, target)`, or `(features,)` without a target.

    Features are the columns in one Tensor (columns,) of `dtype`, categories as their numbers. The target of one column
    is a 0-d Tensor, of several a Tensor (targets,): int64 if all of them are integers or categories, else of `dtype`.

    Args:
        path, sep, header, names, categories, missing, na_values, encoding: as for `read_csv`, which also says how
            columns are read. For a second file, `categories=first.categories` gives the same numbers.
        target: the name of the target's column, or several; None for none.
        features: names of the others, in this order; None for all that are no target, in the order of the file.
        columns: name -> how to read a column, as `dtype` of `read_csv`.
        dtype: floating point, of the features; None for the default dtype.
        transform: applied to the features, a Tensor; None for none.
        target_transform: applied to the target, a Tensor; None for none.
    Attributes:
        data: (count, columns) Tensor.
        targets: (count,) or (count, targets) Tensor, or None.
        feature_names, target_names: tuples.
        categories: name -> the values whose numbers the column holds.
        reading: the other arguments of `read_csv` by name, for more files like this one.
    Raises: as `read_csv`; CSVError for a feature that is text; ValueError if there is no feature; TypeError for a dtype
        that is not floating point.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        target: str | Sequence[str] | None = None,
        features: Sequence[str] | None = None,
        *,
        columns: Mapping[str, Any] | None = None,
        categories: Mapping[str, Sequence[str]] | None = None,
        missing: str | float | Mapping[str, str | float] = "raise",
        sep: str = ",",
        header: bool = True,
        names: Sequence[str] | None = None,
        na_values: Collection[str] = NA_VALUES,
        encoding: str = "utf-8-sig",
        dtype: Any = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ):
        self.dtype = get_default_dtype() if dtype is None else dtype_of(dtype)
        if not is_floating(self.dtype):
            raise TypeError(f"CSVDataset: dtype must be floating point, got {self.dtype}")
        self.target_names = (target,) if isinstance(target, str) else tuple(target or ())
        self.reading: dict[str, Any] = {
            "sep": sep,
            "header": header,
            "names": names,
            "dtype": columns,
            "missing": missing,
            "na_values": na_values,
            "encoding": encoding,
        }
        usecols = None if features is None else [*features, *self.target_names]
        table = read_csv(path, usecols=usecols, categories=categories, **self.reading)
        found = table.columns
        if not header and features is None:
            self.reading["names"] = list(found)
        for name in self.target_names:
            if name not in found:
                raise CSVError(f"{path}:1:{name}: no such column; there are {', '.join(found)}")
        rest = [name for name in found if name not in self.target_names]
        self.feature_names = tuple(rest if features is None else features)
        if not self.feature_names:
            raise ValueError(f"CSVDataset: {path} has no column for features, only {', '.join(found)}")
        for name in (*self.feature_names, *self.target_names):
            if found[name].dtype.kind == "T":
                raise CSVError(f'{path}:1:{name}: text is no number; read it with "category", or leave it out')
        self.data = wrap(_side_by_side([found[name] for name in self.feature_names], self.dtype), None)
        self.targets: Tensor | None = None
        if self.target_names:
            chosen = [found[name] for name in self.target_names]
            whole = all(values.dtype.kind in "biu" for values in chosen)
            joined = _side_by_side(chosen, np.dtype(np.int64) if whole else self.dtype)
            self.targets = wrap(joined if target is not None and not isinstance(target, str) else joined[:, 0], None)
        self.categories = table.categories
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return int(self.data.array.shape[0])

    def __getitem__(self, index: int, /) -> tuple[Any, ...]:
        """Sample `index`, transformed.

        Raises: IndexError for an index out of range.
        """
        number = operator.index(index)
        # The Ellipsis makes NumPy answer a 0-d array, not a scalar; copied, so that nobody changes the data.
        features: Any = wrap(self.data.array[number, ...].copy(), None)
        if self.transform is not None:
            features = self.transform(features)
        if self.targets is None:
            return (features,)
        target: Any = wrap(self.targets.array[number, ...].copy(), None)
        return features, target if self.target_transform is None else self.target_transform(target)

    @property
    def batch(self) -> Callable[[Any], tuple[Tensor, ...]] | None:
        """Makes whole batches for DataLoader; None while there are transforms, which see one sample at a time."""
        return self._batch if self.transform is None and self.target_transform is None else None

    def _batch(self, indices: Sequence[int] | np.ndarray[Any, Any]) -> tuple[Tensor, ...]:
        tensors = (self.data,) if self.targets is None else (self.data, self.targets)
        return tuple(wrap(take_rows(tensor.array, indices), None) for tensor in tensors)

    def __repr__(self) -> str:
        return f"CSVDataset({len(self)} rows, features {self.feature_names}, targets {self.target_names})"


def _side_by_side(columns: list[np.ndarray[Any, Any]], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    joined = np.empty((len(columns[0]), len(columns)), dtype)
    with np.errstate(over="ignore"):
        for place, values in enumerate(columns):
            joined[:, place] = values
    return joined
