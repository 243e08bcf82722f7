"""CSV files: columns by name, missing cells by rule, and errors that name file, line and column."""

from __future__ import annotations

import gzip
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpudl
from gpudl.data import CSVDataset, CSVError, DataLoader, read_csv

FLOWERS = """length, width,kind,count
5.1,3.5,setosa,1
4.9,3.0,"virginica",2

6.0,-2e-1,setosa,-3
"""


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    return written(tmp_path, FLOWERS)


def written(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_columns_are_integers_numbers_or_categories(flowers: Path) -> None:
    columns, categories = read_csv(flowers)
    assert list(columns) == ["length", "width", "kind", "count"]
    assert [values.dtype for values in columns.values()] == [np.float64, np.float64, np.int64, np.int64]
    np.testing.assert_array_equal(columns["width"], [3.5, 3.0, -0.2])
    assert columns["kind"].tolist() == [0, 1, 0] and categories == {"kind": ("setosa", "virginica")}
    assert columns["count"].tolist() == [1, 2, -3]


def test_dtypes_can_be_given(flowers: Path) -> None:
    given = {"length": "float32", "count": "category", "kind": str, "width": gpudl.float16}
    columns, categories = read_csv(flowers, dtype=given)
    assert (columns["length"].dtype, columns["width"].dtype) == (np.float32, np.float16)
    assert columns["kind"].tolist() == ["setosa", "virginica", "setosa"]
    assert categories == {"count": ("-3", "1", "2")} and columns["count"].tolist() == [1, 2, 0]
    with pytest.raises(TypeError, match="complex"):
        read_csv(flowers, dtype={"width": complex})


def test_quoted_cells_may_hold_anything(tmp_path: Path) -> None:
    path = written(tmp_path, 'a,"b ""x"", y"\r\n"1\n2","p, q"\r\n')
    columns, categories = read_csv(path)
    assert list(columns) == ["a", 'b "x", y']
    assert categories == {"a": ("1\n2",), 'b "x", y': ("p, q",)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "größe;b\n1;é\n".encode(encoding))
    columns, categories = read_csv(path, sep=";", encoding="utf-8-sig" if encoding.startswith("utf-8") else encoding)
    assert columns["größe"].tolist() == [1] and categories == {"b": ("é",)}


def test_packed_file_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(FLOWERS.encode()), "a.csv.gz")
    assert read_csv(path).columns["count"].tolist() == [1, 2, -3]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CSVError, match=r"a\.csv\.gz:\d+: "):
        read_csv(path)


def test_names_and_columns_can_be_chosen(flowers: Path, tmp_path: Path) -> None:
    assert list(read_csv(flowers, usecols=["count", "length"]).columns) == ["length", "count"]
    assert list(read_csv(flowers, names=["a", "b", "c", "d"]).columns) == ["a", "b", "c", "d"]
    bare = written(tmp_path, "1,2\n3,4\n", "bare.csv")
    assert {name: list(v) for name, v in read_csv(bare, header=False).columns.items()} == {"0": [1, 3], "1": [2, 4]}
    assert list(read_csv(bare, header=False, names=["x", "y"]).columns) == ["x", "y"]


MISSING = "a,b,c\n1,x,0.5\n,y,NA\n3,,2\n"


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("drop", {"a": [1], "b": [0], "c": [0.5]}),
        ("nan", {"a": [1, np.nan, 3], "b": [0, 1, -1], "c": [0.5, np.nan, 2]}),
        ({"a": 7, "b": "nan", "c": 0}, {"a": [1, 7, 3], "b": [0, 1, -1], "c": [0.5, 0, 2]}),
        ({"a": 7.0, "b": "nan", "c": np.inf}, {"a": [1, 7, 3], "b": [0, 1, -1], "c": [0.5, np.inf, 2]}),
        ({"a": np.inf, "b": "nan", "c": 0}, {"a": [1, np.inf, 3], "b": [0, 1, -1], "c": [0.5, 0, 2]}),
        ({"a": 0.5, "b": "drop", "c": -1}, {"a": [1, 0.5], "b": [0, 1], "c": [0.5, -1]}),
    ],
)
def test_missing_cells_follow_the_rule(tmp_path: Path, missing: Any, expected: dict[str, list[float]]) -> None:
    columns = read_csv(written(tmp_path, MISSING), missing=missing).columns
    for name, values in expected.items():
        np.testing.assert_array_equal(columns[name], values)
    assert columns["b"].dtype == np.int64
    whole = all(float(value).is_integer() for value in expected["a"])
    assert columns["a"].dtype == (np.int64 if whole else np.float64)


def test_missing_text_stays_what_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\nNA,1\nhello,2\n")
    assert read_csv(path, dtype={"a": str}, missing={"a": "nan"}).columns["a"].tolist() == ["NA", "hello"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (MISSING, {}, "a.csv:3:a: the cell is missing"),
        (MISSING, {"missing": {"a": 0}}, "a.csv:3:c: the cell is missing"),
        (MISSING, {"missing": {"a": 0, "c": 0, "b": 1}}, 'a.csv:4:b: a missing category; missing="nan"'),
        (MISSING, {"missing": "nan", "dtype": {"a": int}}, "a.csv:3:a: .*missing cell that is no integer.* int64"),
        ("a,b\n1,2\n\n1,x\n", {"dtype": {"b": float}}, "a.csv:4:b: 'x' is no number, but the column is to be float64"),
        ("a,b\n1,2.5\n", {"dtype": {"b": int}}, "a.csv:2:b: '2.5' is no integer"),
        ("a\n256\n", {"dtype": {"a": "uint8"}}, "a.csv:2:a: '256' does not fit into uint8"),
        ("a\n9223372036854775808\n", {"dtype": {"a": "int64"}}, "a.csv:2:a: .* no integer of 64 bits"),
        ("a\n1_000\n", {"dtype": {"a": int}}, "a.csv:2:a: '1_000' is no integer"),
        ("a\nz\n", {"categories": {"a": ["x", "y"]}}, "a.csv:2:a: 'z' is none of the categories 'x', 'y'"),
        ('a,b\n"1\n2",3\n4\n', {}, "a.csv:4:a: 1 cells, but there are 2 columns"),
        ("a,b\n1,2,3\n", {}, "a.csv:2:b: 3 cells"),
        ("a,a\n1,2\n", {}, "a.csv:1:a: two columns have this name"),
        ("a\n1\n", {"usecols": ["b"]}, "a.csv:1:b: no such column; there are a"),
        ("a\n1\n", {"dtype": {"b": int}}, "a.csv:1:b: no such column"),
        ("a\n1\n", {"names": ["b", "c"]}, "a.csv:1: 1 columns, but 2 names"),
        ("", {}, "a.csv:1: the file is empty"),
        ('a\n1\n"2\n', {}, "a.csv:3: unexpected end of data"),
        (b"a\n\xff\n", {}, "a.csv:1: on this line or further on, .*codec can't decode"),
    ],
)
def test_faults_name_file_line_and_column(
    tmp_path: Path, text: str | bytes, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CSVError, match=message):
        read_csv(written(tmp_path, text), **options)


def test_unknown_rule_and_missing_file(tmp_path: Path, flowers: Path) -> None:
    with pytest.raises(ValueError, match="missing must be"):
        read_csv(flowers, missing="mean")
    with pytest.raises(FileNotFoundError):
        read_csv(tmp_path / "none.csv")


@pytest.mark.parametrize("late", ["0.5", "x", "9223372036854775808"])
def test_column_that_turns_out_otherwise_late_is_read_again(tmp_path: Path, late: str) -> None:
    count = 10_000
    path = written(tmp_path, "a,b\n" + "".join(f"{row},1\n" for row in range(count)) + f"{late},2\n")
    columns, categories = read_csv(path)
    assert len(columns["a"]) == count + 1 and columns["b"].tolist() == [1] * count + [2]
    if late == "x":
        assert categories["a"] == tuple(sorted([*map(str, range(count)), "x"]))
        assert [categories["a"][number] for number in columns["a"][:3]] == ["0", "1", "2"]
    else:
        np.testing.assert_array_equal(columns["a"], [*range(count), float(late)])


def test_faults_in_later_parts_have_their_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n" + "1,2\n" * 9_000 + "1,q\n")
    with pytest.raises(CSVError, match=r"a\.csv:9002:b: 'q'"):
        read_csv(path, dtype={"b": "float32"})


def test_large_file_takes_little_more_than_its_arrays(tmp_path: Path) -> None:
    count = 60_000
    path = written(tmp_path, "a,b,c\n" + "".join(f"{row},{row / 7},k{row % 5}\n" for row in range(count)))
    tracemalloc.start()
    try:
        columns = read_csv(path).columns
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    arrays = sum(values.nbytes for values in columns.values())
    assert arrays == 3 * 8 * count and peak < 2 * arrays + 3e6, "a Python string for each cell would take 10 MB more"
    np.testing.assert_array_equal(columns["b"], np.arange(count) / 7)


def test_file_without_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n")
    columns, categories = read_csv(path, dtype={"b": "category"})
    assert columns["a"].shape == columns["b"].shape == (0,) and categories == {"b": ()}
    dataset = CSVDataset(path, "b", columns={"b": "category"})
    assert len(dataset) == 0 and list(DataLoader(dataset, 4)) == []


def test_samples_are_features_and_target(flowers: Path) -> None:
    dataset = CSVDataset(flowers, "kind")
    assert dataset.feature_names == ("length", "width", "count") and dataset.target_names == ("kind",)
    features, target = dataset[1]
    assert features.dtype == gpudl.float32 and features.tolist() == np.float32([4.9, 3.0, 2]).tolist()
    assert target.dtype == gpudl.int64 and target.shape == () and target.item() == 1
    assert dataset[-1][1].item() == 0 and len(dataset) == 3
    assert dataset.categories == {"kind": ("setosa", "virginica")}
    with pytest.raises(IndexError):
        dataset[3]
    features.array[:] = 0
    assert dataset.data.array[1, 0] == np.float32(4.9)


@pytest.mark.parametrize(
    ("target", "shape", "dtype"),
    [("length", (), "float64"), (["kind", "count"], (2,), "int64"), (["kind", "width"], (2,), "float64"), (None, 0, 0)],
)
def test_targets(flowers: Path, target: Any, shape: Any, dtype: Any) -> None:
    dataset = CSVDataset(flowers, target, dtype="float64")
    sample = dataset[0]
    assert sample[0].dtype == gpudl.float64
    if target is None:
        assert len(sample) == 1 and dataset.targets is None and len(next(iter(DataLoader(dataset, 2)))) == 1
    else:
        assert sample[1].shape == shape and str(sample[1].dtype) == dtype


def test_batches_equal_single_samples(flowers: Path) -> None:
    dataset = CSVDataset(flowers, "kind", ["count", "width"])
    assert dataset.batch is not None
    (batch,) = DataLoader(dataset, 3, shuffle=True, seed=1)
    (samples,) = DataLoader(dataset, 3, shuffle=True, seed=1, collate_fn=list)
    for row, (features, target) in enumerate(samples):
        assert batch[0].array[row].tolist() == features.tolist() and batch[1].array[row] == target.item()
    assert batch[0].shape == (3, 2) and batch[1].dtype == gpudl.int64


def test_transforms_see_every_sample(flowers: Path) -> None:
    dataset = CSVDataset(flowers, "kind", transform=lambda x: x * 2, target_transform=lambda y: y + 10)
    assert dataset.batch is None
    (batch,) = DataLoader(dataset, 3)
    np.testing.assert_array_equal(batch[0].array, CSVDataset(flowers, "kind").data.array * 2)
    assert batch[1].tolist() == [10, 11, 10]


def test_second_file_takes_the_numbers_of_the_first(flowers: Path, tmp_path: Path) -> None:
    first = CSVDataset(flowers, "kind")
    second = written(tmp_path, "length,width,kind,count\n1,2,virginica,3\n", "b.csv")
    assert CSVDataset(second, "kind").targets.tolist() == [0]
    assert CSVDataset(second, "kind", categories=first.categories).targets.tolist() == [1]


def test_dataset_can_be_pickled(flowers: Path) -> None:
    dataset = pickle.loads(pickle.dumps(CSVDataset(flowers, "kind")))
    assert dataset[1][1].item() == 1 and "3 rows" in repr(dataset)


def test_what_is_no_feature_is_refused(flowers: Path, tmp_path: Path) -> None:
    with pytest.raises(CSVError, match=r"a\.csv:1:kind: text is no number"):
        CSVDataset(flowers, "count", columns={"kind": str})
    with pytest.raises(CSVError, match=r"a\.csv:1:class: no such column; there are length"):
        CSVDataset(flowers, "class")
    with pytest.raises(ValueError, match="no column for features"):
        CSVDataset(written(tmp_path, "a\n1\n", "b.csv"), "a")
    with pytest.raises(TypeError, match="floating point, got int64"):
        CSVDataset(flowers, dtype="int64")
