"""The confusion matrix: a table with numbers for few classes, a picture for many, and what is mixed up most often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import numpy as np

from gpudl.train.report.png import data_url

Counts = np.ndarray[Any, Any]

NUMBERED = 24  # classes up to which a matrix with numbers can be read
RIGHT, WRONG = (36, 99, 201), (194, 65, 12)  # as --train and --val in style.py


def confusion_section(counts: Counts, class_name: Callable[[int], str]) -> str:
    """The matrix, a line that says how it is read, and the pairs of classes that are mixed up most often.

    Args:
        counts: (classes, classes), the true class down, the predicted one across.
        class_name: the name of a class, as plain text.
    """
    total, right = int(counts.sum()), int(np.trace(counts))
    said = f"{right:,} of {total:,} on the diagonal are right"
    if len(counts) <= NUMBERED:
        matrix = _table(counts, class_name)
        how = "Shade: share of the true class, blue where right, orange where wrong."
    else:
        matrix = _picture(counts)
        how = (
            f"{len(counts)} classes by number; blue: right, orange: wrong; the darker, the larger the share of the row."
        )
    aside = "".join(filter(None, (_pairs(counts, class_name), _weakest(counts, class_name))))
    if aside:
        aside = f'<div class="aside">{aside}</div>'
    return (
        f'<div class="confusion"><figure class="card"><figcaption>{said}. Rows: true class, columns: predicted. {how}'
        f"</figcaption>{matrix}</figure>{aside}</div>"
    )


def shares(counts: Counts) -> Counts:
    """Each count as a share of its row; 0 in a row of nothing."""
    part: Counts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return part


def shades(counts: Counts) -> Counts:
    """How dark each cell is, 0 to 1: the share; its square root off the diagonal, where shares are small."""
    part = shares(counts)
    return np.where(np.eye(len(counts), dtype=bool), part, np.sqrt(part))


def most_confused(counts: Counts, limit: int) -> list[tuple[int, int, int]]:
    """(true class, predicted class, count) of the most frequent errors."""
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    places = [divmod(int(place), len(counts)) for place in order]
    return [(row, column, int(wrong[row, column])) for row, column in places if wrong[row, column]]


def _table(counts: Counts, class_name: Callable[[int], str]) -> str:
    names = [escape(class_name(index)) for index in range(len(counts))]
    long = " long" if max(len(class_name(index)) for index in range(len(counts))) > 4 else ""
    heads = "".join(f'<th scope="col" title="{name}"><span>{name}</span></th>' for name in names)
    rows = "".join(_rows(counts, names))
    found, made = counts.diagonal(), counts.sum(axis=0)
    precision = "".join(f"<td>{_percent(count, of)}</td>" for count, of in zip(found, made, strict=True))
    return (
        f'<div class="scroll" tabindex="0"><table class="matrix{long}"><thead><tr>'
        f'<th class="corner">true \\ predicted</th>{heads}'
        f'<th scope="col"><span>recall</span></th></tr></thead><tbody>{rows}</tbody><tfoot><tr>'
        f'<th scope="row">precision</th>{precision}<td></td></tr></tfoot></table></div>'
    )


def _rows(counts: Counts, names: list[str]) -> Iterator[str]:
    dark = shades(counts)
    for row, name in enumerate(names):
        cells = []
        for column, count in enumerate(counts[row]):
            shade = 0.92 * dark[row, column]
            look = "right" if row == column else "wrong"
            look += " deep" if shade > 0.5 else "" if count else " none"
            cells.append(f'<td class="{look}" style="--shade:{shade:.2f}">{count:,}</td>')
        recall = _percent(counts[row, row], counts[row].sum())
        yield f'<tr><th scope="row" title="{name}">{name}</th>{"".join(cells)}<td class="share">{recall}</td></tr>'


def _percent(count: Any, of: Any) -> str:
    return f"{100 * count / of:.0f}%" if of else "-"


def _picture(counts: Counts) -> str:
    """One pixel for each cell, enlarged by the browser; opacity is the shade, so that it suits light and dark pages."""
    classes = len(counts)
    pixels = np.zeros((classes, classes, 4), np.uint8)
    pixels[..., :3] = np.where(np.eye(classes, dtype=bool)[..., None], RIGHT, WRONG)
    pixels[..., 3] = (255 * shades(counts)).round()
    step = next(step for step in (5, 10, 20, 25, 50, 100, 200, 500, 1000, 10**9) if classes / step <= 10)
    marks = range(0, classes, step)
    down = "".join(f'<span style="top:{100 * (mark + 0.5) / classes:.2f}%">{mark}</span>' for mark in marks)
    across = "".join(f'<span style="left:{100 * (mark + 0.5) / classes:.2f}%">{mark}</span>' for mark in marks)
    return (
        f'<div class="map"><div class="down" aria-hidden="true">{down}</div><img alt="Confusion matrix of {classes} '
        f'classes" src="{data_url(pixels)}"><div class="across" aria-hidden="true">{across}</div></div>'
    )


def _pairs(counts: Counts, class_name: Callable[[int], str]) -> str:
    rows = "".join(
        f"<tr><td>{escape(class_name(row))}</td><td>{escape(class_name(column))}</td><td class='n'>{count:,}</td></tr>"
        for row, column, count in most_confused(counts, 8)
    )
    head = "<tr><th scope='col'>True</th><th scope='col'>Predicted</th><th class='n' scope='col'>Count</th></tr>"
    return rows and _list("Most often mixed up", head, rows)


def _weakest(counts: Counts, class_name: Callable[[int], str]) -> str:
    """For many classes, whose rows nobody can read, those that are found least."""
    if len(counts) <= NUMBERED:
        return ""
    sizes, recall = counts.sum(axis=1), shares(counts).diagonal()
    order = [int(index) for index in np.argsort(recall, kind="stable") if sizes[index]][:8]
    rows = "".join(
        f"<tr><td>{escape(class_name(index))}</td><td class='n'>{_percent(counts[index, index], sizes[index])}</td>"
        f"<td class='n'>{sizes[index]:,}</td></tr>"
        for index in order
    )
    head = (
        "<tr><th scope='col'>Class</th><th class='n' scope='col'>Recall</th><th class='n' scope='col'>Samples</th></tr>"
    )
    return rows and _list("Found least", head, rows)


def _list(title: str, head: str, rows: str) -> str:
    table = f"<table class='plain'><thead>{head}</thead><tbody>{rows}</tbody></table>"
    return f"<div class='card'><h3>{title}</h3><div class='scroll'>{table}</div></div>"
