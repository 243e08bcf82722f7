"""The programs and configurations of examples/: what each shows, how it is run, and copies to start from.

All of it is read from the head of the files, a program's docstring or a configuration's first comment, and nothing is
imported. The first line is the title, the first indented line the command, and the paragraph "Needs: ..." says, in
parts between semicolons, what it takes besides gpudl.
"""

from __future__ import annotations

import ast
import difflib
import re
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from gpudl.backend.source import shipped

__all__ = ["Example", "copy", "example", "examples", "examples_folder"]

_KINDS = (".py", ".toml")


class Example(NamedTuple):
    """A program, or a configuration of `gpudl train`.

    Attributes:
        name: the file's, without its suffix.
        title: a line about what it shows.
        command: the line that runs it, in the folder above examples/; what is in brackets may be left out.
        needs: what it takes besides gpudl, in words: data, and extras such as "gpudl[digits]".
        path: the file.
    """

    name: str
    title: str
    command: str
    needs: tuple[str, ...]
    path: Path

    @property
    def extras(self) -> tuple[str, ...]:
        """The names of gpudl's extras among the needs."""
        return tuple(re.findall(r"gpudl\[(\w+)\]", "; ".join(self.needs)))

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, and those beside it that its head names, since it reads them."""
        head = _head(self.path)
        others = (path for path in sorted(self.path.parent.iterdir()) if path.suffix != self.path.suffix)
        return self.path, *(path for path in others if path.is_file() and path.name in head)


@cache
def examples_folder() -> Path:
    """The folder of the examples: gpudl/examples in an installed package, examples/ beside gpudl/ in a checkout.

    Raises: FileNotFoundError naming both places.
    """
    return shipped("examples")


def examples() -> list[Example]:
    """All of them: the programs by name, then the configurations.

    Raises: FileNotFoundError if they are not installed.
    """
    found = [path for path in examples_folder().iterdir() if path.suffix in _KINDS and not path.stem.startswith("_")]
    return [_read(path) for path in sorted(found, key=lambda path: (path.suffix, path.stem))]


def example(name: str) -> Example:
    """The example of this name, which may be that of its file.

    Raises: ValueError, naming those that are meant, if there is none.
    """
    known = examples()
    for each in known:
        if name in (each.name, each.path.name):
            return each
    names = [each.name for each in known]
    meant = difflib.get_close_matches(name, names) or names
    raise ValueError(f"there is no example named {name!r}; there is {', '.join(meant)}")


def copy(name: str, folder: str | Path) -> list[Path]:
    """Copy an example, and the files that it reads beside itself, into a folder, which is made.

    Args:
        name: as for `example`.
        folder: where the files go.
    Returns: the new files, the example first.
    Raises: ValueError for a name that is none; FileExistsError if one of the files is there already, before any is
        written; OSError if the folder cannot be written.
    """
    sources = example(name).files
    targets = [Path(folder) / path.name for path in sources]
    for target in targets:
        if target.exists():
            raise FileExistsError(f"{target} is there already; name another folder, or remove it")
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path, target in zip(sources, targets, strict=True):
        with target.open("xb") as file:  # never over a file that came in the meantime
            file.write(path.read_bytes())
    return targets


def _head(path: Path) -> str:
    """The docstring of a program, or the comment at the head of a configuration."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return ast.get_docstring(ast.parse(text)) or ""
    comment = takewhile(lambda line: line.startswith("#"), text.splitlines())
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in comment)


def _read(path: Path) -> Example:
    head = _head(path)
    title = head.partition("\n")[0]
    command = next((line.strip() for line in head.splitlines() if line.startswith("  ")), "")
    # A comment behind the command is two spaces away from it at least.
    command = re.split(r"\s{2,}", command)[0]
    paragraph = re.search(r"^Needs: (.*?)\.?(?:\n\n|\Z)", head, re.MULTILINE | re.DOTALL)
    needs = " ".join(paragraph[1].split()).split("; ") if paragraph else []
    return Example(path.stem, title, command, tuple(needs), path)
