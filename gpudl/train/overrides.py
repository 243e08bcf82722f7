"""Single keys set from outside the file, as with --set, and the record of where each key was written."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpudl.train.errors import ConfigError
from gpudl.train.toml import parse_value

_PART = re.compile(r"(?:^|(?!^)\.)([A-Za-z0-9_-]+)|\[(\d+)\]")


@dataclass(frozen=True)
class Override:
    """One key that replaces, or adds to, what the file says.

    Args:
        key: dotted; entries of a list by number: "model.layers[0].out_features" or "model.layers.0.out_features".
        value: a value as TOML has it.
        text: how it was typed, taken in place of `value` where a string is wanted.
        origin: what to call the place in messages.
    """

    key: str
    value: Any
    text: str | None = None
    origin: str = "overrides"

    @classmethod
    def parse(cls, key: str, text: str, origin: str) -> Override:
        """From the command line: the text is a TOML value, else taken as a string."""
        return cls(key.strip(), parse_value(text.strip()), text.strip(), origin)


@dataclass
class Source:
    """Where the keys of a configuration were written.

    Attributes:
        name: the file, as the user gave it.
        folder: what relative paths in it start from.
        overrides: by dotted key, those that were applied.
    """

    name: str
    folder: Path
    overrides: dict[str, Override] = field(default_factory=dict)

    def override(self, key: str) -> Override | None:
        """The last override that set `key`, or a table or list that holds it."""
        inside = [known for known in self.overrides if key == known or key.startswith((known + ".", known + "["))]
        return self.overrides[inside[-1]] if inside else None

    def error(self, key: str, problem: str) -> ConfigError:
        """The error about `key`, which says where it was written."""
        override = self.override(key)
        return ConfigError(key, problem, self.name if override is None else override.origin)

    def base(self, key: str) -> Path:
        """What a relative path at `key` starts from: the file's folder, for overrides the current one."""
        return self.folder if self.override(key) is None else Path.cwd()

    def text(self, key: str) -> str | None:
        """How the value of `key` itself was typed, if it came from the command line."""
        override = self.overrides.get(key)
        return None if override is None else override.text


def as_overrides(overrides: Mapping[str, Any] | Iterable[Override]) -> list[Override]:
    """The two ways to give overrides as one."""
    if isinstance(overrides, Mapping):
        return [Override(key, value) for key, value in overrides.items()]
    return list(overrides)


def apply_override(tables: dict[str, Any], override: Override, source: Source) -> None:
    """Set the override's key in the tables, and note it in the source. Tables on the way are made.

    Raises: ConfigError for what is no key, an entry that a list does not have, or a way through a plain value.
    """
    place: Any = tables
    name = ""
    parts = _parts(override)
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if isinstance(place, list):
            if not part.isdecimal() or int(part) >= len(place):
                count = f"{len(place)} entries, numbered from 0" if place else "no entries"
                raise ConfigError(override.key, f"{name} has {count}", override.origin)
            name += f"[{int(part)}]"
            if last:
                place[int(part)] = override.value
            else:
                place = place[int(part)]
        elif isinstance(place, dict):
            name += f".{part}" if name else part
            if last:
                place[part] = override.value
            else:
                if part not in place:  # a table that only the override made is the override's
                    place[part] = {}
                    source.overrides[name] = dataclasses.replace(override, text=None)
                place = place[part]
        else:
            raise ConfigError(override.key, f"{name} is neither a table nor a list", override.origin)
    source.overrides.pop(name, None)  # to the end: the last one counts
    source.overrides[name] = override


def _parts(override: Override) -> list[str]:
    parts, end = [], 0
    for match in _PART.finditer(override.key):
        if match.start() != end:
            break
        parts.append(match[1] or match[2])
        end = match.end()
    if not parts or end != len(override.key):
        example = "train.epochs or model.layers[0].out_features"
        raise ConfigError(override.key, f"{override.key!r} is no key; keys look like {example}", override.origin)
    return parts


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the most similar known name, "" if none is similar."""
    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), folded, 1)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""
