"""What a table of the configuration may hold, read from the signature of the class that it describes."""

from __future__ import annotations

import collections.abc
import inspect
import os
import types
import typing
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

from gpudl.train.overrides import Source, nearest
from gpudl.train.toml import format_value

_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    os.PathLike: "a path",
}
_NEVER = {"self", "params", "device", "dtype"}
"""Arguments that gpudl.train gives itself, or that no configuration should choose for a single layer."""

_MOST_LISTED = 20


class Mismatch(Exception):
    """A value is of another type than the field; caught in this file."""


@dataclass(frozen=True)
class Field:
    """One key of a table.

    Args:
        kind: type annotation of the values.
        default: what it is when left out; None leaves it out of the resolved configuration too.
        required: it may not be left out.
        least, most: the range of a number.
    """

    kind: Any
    default: Any = None
    required: bool = False
    least: int | None = None
    most: int | None = None

    def describe(self) -> str:
        """What it wants: `an integer >= 1`."""
        name = _describe(self.kind)
        if self.least is not None:
            name += f" >= {self.least}"
        if self.most is not None:
            name += f" and <= {self.most}"
        return name


Fields = dict[str, Field]


def fields_of(function: Any, leave_out: Iterable[str] = ()) -> Fields | None:
    """The arguments of a class or function that a configuration can express.

    Args:
        function: read by inspect.signature and its annotations. For **kwargs, the arguments of the class whose they
            are, without defaults, since the function may set some itself.
        leave_out: names of arguments that are given otherwise.
    Returns: a field for each of them; None if one that has no default cannot be expressed, such as a Tensor.
    """
    fields, missing = _arguments(function, _NEVER.union(leave_out))
    return None if missing else fields


def _arguments(function: Any, skipped: Set[str]) -> tuple[Fields, bool]:
    """The arguments that can be expressed, and whether one that is needed cannot be."""
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # some classes written in C have none
        return {}, True
    hints = _hints(function.__init__ if inspect.isclass(function) else function)
    fields: Fields = {}
    missing = False
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            owner = _whose(function, hints)
            passed_on = {} if owner is None else _arguments(owner, skipped)[0]
            fields.update((own, Field(field.kind)) for own, field in passed_on.items() if own not in fields)
            continue
        if name in skipped or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        required = parameter.default is parameter.empty
        kind = hints.get(name, Any)
        if not _expressible(kind) or parameter.kind is parameter.POSITIONAL_ONLY:
            missing |= required
            continue
        fields[name] = Field(kind, None if required else _default(kind, parameter.default), required)
    return fields, missing


def read_table(table: Any, key: str, fields: Fields, owner: str, source: Source, advice: str = "") -> dict[str, Any]:
    """A table checked against its fields, defaults filled in, in the order of the fields.

    Args:
        table: as parsed.
        key: its dotted key.
        fields: what it may hold.
        owner: what takes these keys, for messages.
        source: where it was written.
        advice: what to add to the message about an unknown key.
    Raises: ConfigError naming the key, for one that is unknown, missing, of another type or out of range.
    """
    require_table(table, key, source)
    for name in table:
        if name not in fields:
            taken = f"{owner} takes {', '.join(fields)}" if fields else f"{owner} takes none"
            raise source.error(join(key, name), f"unknown key; {taken}{nearest(name, fields)}{advice}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in table:
            values[name] = read_value(table[name], join(key, name), field, source)
        elif field.required:
            raise source.error(join(key, name), f"missing; {owner} needs it: {field.describe()}")
        elif field.default is not None:
            values[name] = field.default
    return values


def read_value(value: Any, key: str, field: Field, source: Source) -> Any:
    """A value of the field's type. Raises: ConfigError if it is none, or out of range."""
    try:
        converted = _convert(field.kind, value, source.text(key), source.base(key))
    except Mismatch:
        raise source.error(key, f"expected {field.describe()}, got {show(value)}") from None
    low, high = field.least, field.most
    if (low is not None and converted < low) or (high is not None and converted > high):
        raise source.error(key, f"expected {field.describe()}, got {show(value)}")
    return converted


def require_table(value: Any, key: str, source: Source) -> None:
    """Raises: ConfigError if it is no table."""
    if not isinstance(value, Mapping):
        raise source.error(key, f"expected a table, got {show(value)}")


def choose(table: Any, key: str, name: str, known: Mapping[str, Any], what: str, source: Source) -> str:
    """The entry `name` of a table, which must be one of the known names.

    Raises: ConfigError if it is missing or unknown.
    """
    require_table(table, key, source)
    if name not in table:
        raise source.error(join(key, name), f"missing; expected one of {_listed(known)}")
    chosen = read_value(table[name], join(key, name), Field(str), source)
    if chosen not in known:
        expected = f"expected one of {_listed(known)}{nearest(chosen, known)}"
        raise source.error(join(key, name), f"{show(chosen)} is no {what}; {expected}")
    return str(chosen)


def join(key: str, name: str) -> str:
    """The dotted key of an entry."""
    return f"{key}.{name}" if key else name


def show(value: Any) -> str:
    """A value as the user may have written it, shortened."""
    try:
        text = format_value(value)
    except TypeError:  # a date or time, which no field takes
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _listed(known: Iterable[str]) -> str:
    names = list(known)
    return ", ".join(names[:_MOST_LISTED] + ["..."] * (len(names) > _MOST_LISTED))


def _whose(function: Any, hints: Mapping[str, Any]) -> Any:
    """Whose arguments **kwargs are: the base class, or the class that a function gives; None where nobody's."""
    if inspect.isclass(function):
        return next((base for base in function.__mro__[1:-1] if "__init__" in vars(base)), None)
    given = hints.get("return")
    return given if inspect.isclass(given) else None


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):  # annotations that only a type checker can resolve: take what the class accepts
        return {}


def _default(kind: Any, value: Any) -> Any:
    """The default as a value from a file would be: `weight_decay: float = 0` is 0.0. Paths stay as they are."""
    if any(map(_is_path, _members(kind) or (kind,))):
        return value
    try:
        return _convert(kind, value, None, Path())
    except Mismatch:
        return value


def _members(kind: Any) -> tuple[Any, ...] | None:
    """The members of a union but for None; None for other types."""
    if typing.get_origin(kind) not in (Union, types.UnionType):
        return None
    return tuple(member for member in typing.get_args(kind) if member is not type(None))


def _is_list(kind: Any) -> bool:
    return (typing.get_origin(kind) or kind) in (list, tuple, collections.abc.Sequence, collections.abc.Iterable)


def _is_mapping(kind: Any) -> bool:
    return (typing.get_origin(kind) or kind) in (dict, collections.abc.Mapping)


def _expressible(kind: Any) -> bool:
    members = _members(kind)
    if members is not None:
        return any(map(_expressible, members))
    if _is_list(kind):
        return all(member is Ellipsis or _expressible(member) for member in typing.get_args(kind))
    if _is_mapping(kind):
        return all(map(_expressible, typing.get_args(kind)))
    origin = typing.get_origin(kind) or kind
    return origin is Any or origin is Literal or origin in (bool, int, float, str, os.PathLike, Path)


def _describe(kind: Any) -> str:
    members = _members(kind)
    if members is not None:
        names = [_describe(member) for member in members if _expressible(member)]
        # A path is typed like any other string; to say both would only puzzle.
        return "a path" if "a path" in names else " or ".join(dict.fromkeys(names))
    origin = typing.get_origin(kind) or kind
    if origin is Literal:
        return "one of " + ", ".join(map(format_value, typing.get_args(kind)))
    if _is_list(kind):
        inside = typing.get_args(kind)
        if origin is tuple and inside and Ellipsis not in inside:
            return f"a list of {len(inside)}: " + ", ".join(map(_describe, inside))
        return "a list" + (f", each {_describe(inside[0])}" if inside else "")
    if _is_mapping(kind):
        return "a table"
    return _NAMES.get(os.PathLike if origin is Path else origin, "a value")


def _convert(kind: Any, value: Any, text: str | None, base: Path) -> Any:
    members = _members(kind)
    if members is not None:
        if any(map(_is_path, members)):  # `str | PathLike` is one thing
            members = tuple(member for member in members if member is not str)
        # Exact types first, so that 1 stays an int in `float | int`.
        for member in sorted(members, key=lambda member: member is not type(value)):
            try:
                return _convert(member, value, text, base)
            except Mismatch:
                continue
        raise Mismatch
    origin = typing.get_origin(kind) or kind
    if origin is Any:
        return value
    if origin is Literal:
        if not any(value == allowed and type(value) is type(allowed) for allowed in typing.get_args(kind)):
            raise Mismatch
        return value
    if _is_list(kind):
        return _convert_list(kind, value, base)
    if _is_mapping(kind):
        if not isinstance(value, Mapping):
            raise Mismatch
        inside = typing.get_args(kind)[1] if typing.get_args(kind) else Any
        return {name: _convert(inside, entry, None, base) for name, entry in value.items()}
    if origin is float and type(value) is int:
        return float(value)
    if origin is str or _is_path(kind):
        string = value if isinstance(value, str) else text
        if string is None:
            raise Mismatch
        return _absolute(string, base) if _is_path(kind) else string
    if type(value) is not origin:
        raise Mismatch
    return value


def _convert_list(kind: Any, value: Any, base: Path) -> Any:
    if not isinstance(value, (list, tuple)):
        raise Mismatch
    inside = typing.get_args(kind)
    whole: Any = list if (typing.get_origin(kind) or kind) is list else tuple
    if not inside:
        return whole(value)
    if whole is tuple and len(inside) > 1 and inside[1] is not Ellipsis:
        if len(inside) != len(value):
            raise Mismatch
        return tuple(_convert(member, entry, None, base) for member, entry in zip(inside, value))
    return whole(_convert(inside[0], entry, None, base) for entry in value)


def _is_path(kind: Any) -> bool:
    return (typing.get_origin(kind) or kind) in (os.PathLike, Path)


def _absolute(text: str, base: Path) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of a file name that are not UTF-8: no TOML file could record it
        raise Mismatch from None
    return os.path.abspath(base / os.path.expanduser(text))
