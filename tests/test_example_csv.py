"""The example that learns the rows of a CSV file: on its own spirals, on a file, and where the file is wrong."""

from __future__ import annotations

from pathlib import Path

from tests.test_examples import accuracy_of, assert_one_line_of_error, run


def test_it_learns_the_spirals() -> None:
    assert accuracy_of(run("csv_mlp.py", "--epochs", 20)) >= 0.95


def test_it_learns_a_file_and_leaves_out_rows_with_missing_cells(tmp_path: Path) -> None:
    rows = [f"{place % 7},{place % 2},{'odd' if place % 2 else 'even'}" for place in range(200)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["a,b,kind", *rows, ",1,odd", "3,NA,even"]))
    assert accuracy_of(run("csv_mlp.py", path, "--target", "kind", "--epochs", 5)) == 1


def test_it_names_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,kind\n1,x\n1\n")
    assert_one_line_of_error(run("csv_mlp.py", path, "--target", "kind"), "a.csv:3:a: 1 cells")
    assert_one_line_of_error(run("csv_mlp.py", tmp_path / "none.csv", "--target", "kind"), "none.csv")
