"""Columns of a CSV file as arrays."""

from __future__ import annotations

import csv
import gzip
import itertools
import os
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

import numpy as np

from gpudl.backend.dtypes import DType, dtype_of, float64, int64

NA_VALUES = frozenset(
    ("", "#N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "-nan", "-NaN")
)
_ROWS = 4096  # at a time, so that only so many cells are Python objects
_INTEGER, _NUMBER, _CATEGORY, _TEXT = range(4)


class CSVError(ValueError):
    """What a CSV file holds is not what it should; the message begins with file:line:column."""


class CSVTable(NamedTuple):
    """What `read_csv` found.

    Attributes:
        columns: name -> array (rows,), in the order of the file.
        categories: name -> the distinct values of a column that holds their numbers, sorted.
    """

    columns: dict[str, np.ndarray[Any, Any]]
    categories: dict[str, tuple[str, ...]]


def read_csv(
    path: str | os.PathLike[str],
    *,
    sep: str = ",",
    header: bool = True,
    names: Sequence[str] | None = None,
    usecols: Sequence[str] | None = None,
    dtype: Mapping[str, Any] | None = None,
    categories: Mapping[str, Sequence[str]] | None = None,
    missing: str | float | Mapping[str, str | float] = "raise",
    na_values: Collection[str] = NA_VALUES,
    encoding: str = "utf-8-sig",
) -> CSVTable:
    """The columns of a CSV file, by name.

    A column without a `dtype` is int64 if all of its cells are integers, else float64 if they are numbers, else
    "category": the number of each value in the sorted list of the distinct ones. Blanks around a cell do not count,
    nor do empty lines. The file is read in parts; no more than one part's cells are Python objects at a time.

    A missing cell is one of `na_values`. What becomes of it says `missing`, for all columns or by name:
        "raise": an error (the default).
        "drop": the whole row is left out.
        "nan": NaN; the column becomes floating point. In a column of categories, -1.
        a number: that, in place of the cell; not for categories. Text stays what it is.

    Args:
        path: the file; packed with gzip if the name ends in `.gz`.
        sep: between cells.
        header: the first line names the columns; else `names` does, or they are "0", "1", ...
        names: of all columns, in place of those in the file.
        usecols: the columns to keep; None for all.
        dtype: name -> an element type of gpudl, "category", or str for text (NumPy's StringDType).
        categories: name -> values, whose places are their numbers; how a second file gets the numbers of the first.
        missing, na_values: see above.
        encoding: of the file.
    Returns: columns, and the categories of those that have some.
    Raises: CSVError, which says file:line:column, for a cell that is no such number or category or is missing, a row
        that is too short or long, broken quotes or encoding, and names that are not there or twice; ValueError for an
        unknown `missing`; TypeError for an unknown dtype; OSError if the file cannot be opened.
    """
    for rule in missing.values() if isinstance(missing, Mapping) else (missing,):
        if isinstance(rule, str) and rule not in ("raise", "drop", "nan"):
            raise ValueError(f'read_csv: missing must be "raise", "drop", "nan" or a number, got {rule!r}')
    reader = _Reader(Path(path), sep, names, header, usecols, missing, frozenset(na_values))
    reader.declare(dtype or {}, categories or {})
    return reader.read(encoding)


class _Wider(Exception):
    """A column needs another kind than was thought, so that the file must be read again."""


@dataclass
class _Reader:
    path: Path
    sep: str
    names: Sequence[str] | None
    header: bool
    usecols: Sequence[str] | None
    missing: str | float | Mapping[str, str | float]
    na_values: frozenset[str]
    given: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    dtypes: dict[str, DType] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()

    def declare(self, dtype: Mapping[str, Any], categories: Mapping[str, Sequence[str]]) -> None:
        """Fix how columns are read."""
        self.given = {name: tuple(values) for name, values in categories.items()}
        self.kinds = dict.fromkeys(self.given, _CATEGORY)
        for name, wanted in dtype.items():
            if wanted is str or (isinstance(wanted, str) and wanted == "category"):
                self.kinds[name] = _TEXT if wanted is str else _CATEGORY
                continue
            self.dtypes[name] = found = dtype_of(wanted)
            self.kinds[name] = _INTEGER if found.kind in "biu" else _NUMBER
        self.fixed = frozenset(self.kinds)

    def read(self, encoding: str) -> CSVTable:
        while True:
            try:
                with self._open(encoding) as file:
                    return self._table(file)
            except _Wider:
                continue

    def _open(self, encoding: str) -> Any:
        opener: Any = gzip.open if self.path.suffix == ".gz" else open
        return opener(self.path, "rt", encoding=encoding, newline="")

    def _table(self, file: IO[str]) -> CSVTable:
        rows = self._rows(file)
        first = next(rows, None)
        if first is None:
            if self.names is None:
                raise CSVError(f"{self.path}:1: the file is empty; it needs a line of column names, or pass names")
            first = (1, list(self.names))
        found = [cell.strip() for cell in first[1]]
        if not self.header:
            rows = itertools.chain([first], rows)
            found = list(map(str, range(len(found))))
        names = found if self.names is None else list(self.names)
        if len(names) != len(found):
            raise CSVError(f"{self.path}:{first[0]}: {len(found)} columns, but {len(names)} names were given")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise CSVError(f"{self.path}:{first[0]}:{twice}: two columns have this name; pass names")
        asked, known = names if self.usecols is None else self.usecols, set(names)
        missing = list(self.missing) if isinstance(self.missing, Mapping) else []
        for name in (*asked, *self.kinds, *missing):
            if name not in known:
                raise CSVError(f"{self.path}:{first[0]}:{name}: no such column; there are {', '.join(names)}")
        chosen = set(asked)
        places = {name: place for place, name in enumerate(names) if name in chosen}
        parts: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in places}
        codes: dict[str, dict[str, int]] = {
            name: {value: number for number, value in enumerate(self.given.get(name, ()))} for name in places
        }
        while chunk := list(itertools.islice(rows, _ROWS)):
            for line, cells in chunk:
                if len(cells) != len(names):
                    last = names[min(len(cells), len(names)) - 1]
                    raise CSVError(f"{self.path}:{line}:{last}: {len(cells)} cells, but there are {len(names)} columns")
            for name, values in self._part(chunk, places, codes).items():
                parts[name].append(values)
        columns = {}
        for name in places:
            columns[name] = np.concatenate(parts[name] or [self._column(name, [], [], [], {})])
            parts[name].clear()
        return self._sorted(columns, codes)

    def _rows(self, file: IO[str]) -> Iterator[tuple[int, list[str]]]:
        """Rows that are not empty, with the number of the line where each begins."""
        rows = csv.reader(file, delimiter=self.sep, strict=True)
        line = 1
        try:
            for cells in rows:
                if cells:
                    yield line, cells
                line = rows.line_num + 1
        except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CSVError(f"{self.path}:{line}: {error}") from error
        except UnicodeError as error:  # of a block of some kilobytes, in which nobody has looked for lines yet
            raise CSVError(f"{self.path}:{line}: on this line or further on, {error}; pass encoding") from error

    def _part(
        self, chunk: list[tuple[int, list[str]]], places: dict[str, int], codes: dict[str, dict[str, int]]
    ) -> dict[str, np.ndarray[Any, Any]]:
        """The columns of some rows."""
        lines = [line for line, _ in chunk]
        texts = {name: [cells[place].strip() for _, cells in chunk] for name, place in places.items()}
        gone = {name: [cell in self.na_values for cell in cells] for name, cells in texts.items()}
        dropped = np.zeros(len(chunk), bool)
        lacking = {name: self._rule(name) for name, absent in gone.items() if any(absent)}
        refused = [(gone[name].index(True), name) for name, rule in lacking.items() if rule == "raise"]
        if refused:
            row, name = min(refused, key=lambda found: found[0])
            fix = 'missing="drop", "nan" or a number says what to do with it'
            self._refuse(lines[row], name, f"the cell is missing; {fix}")
        for name, rule in lacking.items():
            if rule == "drop":
                dropped |= gone[name]
        if dropped.any():
            kept = np.flatnonzero(~dropped).tolist()
            lines = [lines[place] for place in kept]
            texts = {name: [cells[place] for place in kept] for name, cells in texts.items()}
            gone = {name: [absent[place] for place in kept] for name, absent in gone.items()}
        return {name: self._column(name, cells, gone[name], lines, codes[name]) for name, cells in texts.items()}

    def _rule(self, name: str) -> str | float:
        return self.missing.get(name, "raise") if isinstance(self.missing, Mapping) else self.missing

    def _column(
        self, name: str, cells: list[str], gone: list[bool], lines: list[int], codes: dict[str, int]
    ) -> np.ndarray[Any, Any]:
        kind = self.kinds.setdefault(name, _INTEGER)
        if kind == _CATEGORY:
            return self._codes(name, cells, gone, lines, codes)
        if kind == _TEXT:
            return np.array(cells, np.dtypes.StringDType())
        if any(gone):
            rule = self._rule(name)
            if kind == _INTEGER and not float(rule).is_integer():
                self._widen(name, lines[gone.index(True)], "a missing cell that is no integer", _NUMBER)
            filled = str(int(rule) if kind == _INTEGER else rule)
            cells = [filled if absent else cell for cell, absent in zip(cells, gone, strict=True)]
        dtype = self.dtypes.get(name, int64 if kind == _INTEGER else float64)
        try:
            if "_" in "".join(cells):  # which Python allows in numbers
                raise ValueError
            wide = np.fromiter(map(int if kind == _INTEGER else float, cells), int64 if kind == _INTEGER else float64)
        except (ValueError, OverflowError):
            return self._unreadable(name, kind, cells, lines)
        with np.errstate(over="ignore"):
            values = wide.astype(dtype)
        if kind == _INTEGER and dtype != int64 and (values != wide).any():
            place = int(np.flatnonzero(values != wide)[0])
            self._refuse(lines[place], name, f"{cells[place]!r} does not fit into {dtype}")
        return values

    def _unreadable(self, name: str, kind: int, cells: list[str], lines: list[int]) -> NoReturn:
        """Name the cell that is no number, or read the file again with the column as something else."""
        for cell, line in zip(cells, lines, strict=True):
            try:
                if "_" in cell:
                    raise ValueError
                if kind == _INTEGER:
                    np.int64(int(cell))
                else:
                    float(cell)
            except (ValueError, OverflowError):
                what = "integer of 64 bits" if kind == _INTEGER else "number"
                self._widen(name, line, f"{cell!r} is no {what}", kind + 1)
        raise AssertionError("one of the cells is no number")

    def _widen(self, name: str, line: int, problem: str, kind: int) -> NoReturn:
        if name in self.fixed:
            self._refuse(line, name, f"{problem}, but the column is to be {self.dtypes[name]}")
        self.kinds[name] = kind
        raise _Wider

    def _codes(
        self, name: str, cells: list[str], gone: list[bool], lines: list[int], codes: dict[str, int]
    ) -> np.ndarray[Any, Any]:
        numbers = np.empty(len(cells), np.int64)
        given = self.given.get(name)
        for place, cell in enumerate(cells):
            if gone[place]:
                if self._rule(name) != "nan":
                    fix = 'missing="nan" makes it -1, "drop" leaves its row out'
                    self._refuse(lines[place], name, f"a missing category; {fix}")
                numbers[place] = -1
                continue
            if given is not None and cell not in codes:
                known = ", ".join(map(repr, given[:10])) + (", ..." if len(given) > 10 else "")
                self._refuse(lines[place], name, f"{cell!r} is none of the categories {known}")
            numbers[place] = codes.setdefault(cell, len(codes))
        return numbers

    def _sorted(self, columns: dict[str, np.ndarray[Any, Any]], codes: dict[str, dict[str, int]]) -> CSVTable:
        """Number the categories that were met by their place in the alphabet, not in the file."""
        categories = {}
        for name, numbers in columns.items():
            if self.kinds.get(name) != _CATEGORY:
                continue
            if name in self.given:
                categories[name] = self.given[name]
                continue
            categories[name] = tuple(sorted(codes[name]))
            place_of = np.array([-1, *(0 for _ in codes[name])], np.int64)
            for place, value in enumerate(categories[name]):
                place_of[1 + codes[name][value]] = place
            columns[name] = place_of[1 + numbers]
        return CSVTable(columns, categories)

    def _refuse(self, line: int, name: str, problem: str) -> NoReturn:
        raise CSVError(f"{self.path}:{line}:{name}: {problem}")
