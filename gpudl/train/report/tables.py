"""A table with what has to be said about it: as text for a terminal, as Markdown, and as HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

_MARKS = re.compile(r"[\\`*|<>\[\]~]|(?<![^\W_])_|_(?![^\W_])")  # an underscore inside a word is none


class Table(NamedTuple):
    """A table.

    Attributes:
        title: what it shows; "" for notes alone.
        head: names of its columns; "" for one that needs none, () for notes alone.
        rows: cells.
        left: how many of its first columns are words. Behind them are numbers, and words where a column has no name.
        notes: lines below it.
    """

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    left: int = 0
    notes: Sequence[str] = ()

    def is_number(self, column: int) -> bool:
        """Whether a column is one of numbers."""
        return column >= self.left and self.head[column] != ""


def table_text(table: Table) -> str:
    """For a terminal."""
    lines = [table.title] if table.title else []
    if table.head:
        widths = [max(map(len, column)) for column in zip(table.head, *table.rows)]
        for number, row in enumerate((table.head, *table.rows)):
            cells = (f"{cell:{'>' if table.is_number(at) else '<'}{widths[at]}}" for at, cell in enumerate(row))
            lines.append("  ".join(cells).rstrip())
            if not number:
                lines.append("-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join([*lines, *table.notes])


def table_markdown(table: Table) -> str:
    """The same as Markdown, with its title as a heading of the second order."""
    parts = [f"## {marked(table.title)}"] if table.title else []
    if table.head:
        rule = ["---:" if table.is_number(at) else "---" for at in range(len(table.head))]
        lines = (list(map(marked, table.head)), rule, *(map(marked, row) for row in table.rows))
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    if table.notes:
        parts.append("\n".join(f"- {marked(note)}" for note in table.notes))
    return "\n\n".join(parts)


def marked(text: str) -> str:
    """A line without what Markdown would take for its own."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))


def table_html(table: Table, row: Callable[[tuple[str, ...]], str], look: str) -> str:
    """A table in a box in which it scrolls by itself, without title and notes.

    Args:
        row: makes the element of a row from its cells.
        look: the class of the table.
    """
    head = "".join(
        f'<th scope="col"{" class=n" * table.is_number(at)}>{escape(name)}</th>' for at, name in enumerate(table.head)
    )
    body = "".join(map(row, table.rows))
    return (
        f'<div class="scroll tall" tabindex="0" role="region" aria-label="{escape(table.title)}"><table class="{look}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
