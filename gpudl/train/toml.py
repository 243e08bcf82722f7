"""TOML: read with the standard library, and written here, which the standard library cannot.

The writer knows what configurations are made of: tables, arrays, strings, booleans, integers and floats.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from gpudl.train.errors import ConfigError

# By name, since type checkers for Python 3.10 know no tomllib and those for later ones no tomli.
_parser: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises: ConfigError if the file is missing, cannot be read, or is not TOML; the last names the line.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8-sig")
        tables: dict[str, Any] = _parser.loads(text)
    except FileNotFoundError:
        raise ConfigError("", "no such file", name) from None
    except OSError as error:
        raise ConfigError("", f"cannot read: {error.strerror}", name) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("", f"not TOML: line {line} is not UTF-8 text", name) from error
    except RecursionError as error:
        raise ConfigError("", "not TOML that can be read: nested too deeply", name) from error
    except _parser.TOMLDecodeError as error:
        problem = str(error).replace("at end of document", f"at end of document, line {len(text.splitlines()) or 1}")
        raise ConfigError("", f"not valid TOML: {problem}", name) from error
    return tables


def parse_value(text: str) -> Any:
    """A TOML value; the text itself where it is none, so that `digits` needs no quotes."""
    try:
        tables = _parser.loads(f"value = {text}")
    except (_parser.TOMLDecodeError, RecursionError):
        return text
    return tables["value"] if len(tables) == 1 else text  # a line break can smuggle in further keys


def write_toml(tables: Mapping[str, Any]) -> str:
    """A document that `read_toml` reads as the same tables; tuples come back as lists.

    Raises: TypeError for a value of another type.
    """
    return "\n".join(_table(tables, "")).strip() + "\n"


def format_value(value: Any) -> str:
    """A value as it stands on the right of `=`.

    Raises: TypeError for what TOML cannot say.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(format_value, value)) + "]"
    if isinstance(value, Mapping):
        entries = ", ".join(f"{_key(key)} = {format_value(entry)}" for key, entry in value.items())
        return f"{{{' ' * bool(entries)}{entries}{' ' * bool(entries)}}}"
    raise TypeError(f"a configuration cannot hold a {type(value).__name__}")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else format_value(name)


def _table(table: Mapping[str, Any], name: str) -> list[str]:
    """The lines of a table; plain entries first, since those after a subtable's header would belong to that."""
    lines, below = [], []
    for key, value in table.items():
        path = f"{name}.{_key(key)}" if name else _key(key)
        if isinstance(value, Mapping):
            # No header for a table of tables: [model] above [[model.layers]] would say nothing.
            plain = not value or any(not _is_tables(entry) for entry in value.values())
            below += ["", f"[{path}]", *_table(value, path)] if plain else _table(value, path)
        elif _is_tables(value):
            for entry in value:
                below += ["", f"[[{path}]]", *_table(entry, path)]
        else:
            lines.append(f"{_key(key)} = {format_value(value)}")
    return lines + below


def _is_tables(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(entry, Mapping) for entry in value)
    )
