"""The TOML writer against the parser, and what the reader says of files that are none."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudl.train import ConfigError
from gpudl.train.toml import format_value, parse_value, read_toml, write_toml

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_SCALARS = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), _TEXT)
_KEYS = st.one_of(st.text(string.ascii_letters + "_-0", min_size=1), _TEXT)
_VALUES = st.recursive(
    _SCALARS, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(_KEYS, inside, max_size=3)
)


def _read(tmp_path: Path, content: str | bytes) -> dict[str, Any]:
    path = tmp_path / "x.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_toml(path)


@given(tables=st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_written_tables_read_as_the_same(tables: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.toml"
    path.write_text(write_toml(tables), encoding="utf-8", newline="")
    assert read_toml(path) == tables


def test_tables_are_written_as_people_write_them() -> None:
    tables = {"data": {"name": "digits", "batch_size": 32}, "model": {"layers": [{"type": "ReLU"}, {"type": "Tanh"}]}}
    assert write_toml(tables) == (
        '[data]\nname = "digits"\nbatch_size = 32\n\n'
        '[[model.layers]]\ntype = "ReLU"\n\n[[model.layers]]\ntype = "Tanh"\n'
    )


def test_entries_stand_before_subtables() -> None:
    assert write_toml({"a": {"b": {"c": 1}, "d": 2}, "e": 3}) == "e = 3\n\n[a]\nd = 2\n\n[a.b]\nc = 1\n"


def test_value_without_a_toml_form_is_refused() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        format_value([None])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("-3", -3), ("1e-3", 1e-3), ("true", True), ("[0.9, 0.99]", [0.9, 0.99]), ('"3"', "3"),
        ('{type = "ReLU"}', {"type": "ReLU"}), ("digits", "digits"), ("True", "True"), ("a b", "a b"), ("", ""),
        ("~/data", "~/data"), ("3\nother = 4", "3\nother = 4"), ("[1, 2", "[1, 2"), ("[" * 5000, "[" * 5000),
    ],
)  # fmt: skip
def test_value_is_toml_else_text(text: str, value: Any) -> None:
    parsed = parse_value(text)
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a = 1\nb = = 2\n", "not valid TOML: .*line 2"),
        ("a = 1\na = 2\n", "not valid TOML: .*line 2"),
        ("a = 1\n[b", "not valid TOML: .*line 2"),
        ("a = [1,\n", "not valid TOML: .*line 1"),
        (b"a = 1\nb = '\xff'\n", "not TOML: line 2 is not UTF-8"),
        ("a = " + "[" * 5000, "nested too deeply|not valid TOML"),
    ],
)
def test_reader_names_file_and_line(tmp_path: Path, content: str | bytes, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        _read(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "x.toml"))
    assert "\n" not in str(caught.value)


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert _read(tmp_path, b"\xef\xbb\xbfa = 1\r\n") == {"a": 1}


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.toml: no such file"):
        read_toml(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match="cannot read"):
        read_toml(tmp_path)
