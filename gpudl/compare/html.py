"""A comparison as one page of HTML that needs nothing else: the verdict, the losses, and then all tables."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator
from functools import partial
from html import escape

import numpy as np

from gpudl.backend.device import device
from gpudl.backend.surroundings import device_name
from gpudl.compare.report import Comparison, Curves
from gpudl.compare.table import (
    counted,
    how_far,
    line_name,
    operations,
    place_of,
    subject,
    tables,
    verdicts,
    within,
    worst_first,
)
from gpudl.train.report.chart import Line, line_chart
from gpudl.train.report.document import document
from gpudl.train.report.numbers import count_axis, log_axis
from gpudl.train.report.record import Points
from gpudl.train.report.tables import Table, table_html
from gpudl.version import __version__

_SHOWN = 3  # lines in the head
_LOOKS = ("train", "val", "third")
_CSS = """
.first{border-left:4px solid var(--bad);margin-top:16px}.first h2{margin:0 0 4px;font-size:18px}
.first p+p{margin-top:6px}
.verdicts{margin:16px 0 0;padding-left:20px;font-size:15px}.verdicts li{margin-top:3px}
section>*+.card,section>*+p{margin-top:14px}
.rows{white-space:nowrap;width:100%;font-size:13px}
.rows th,.rows td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);text-align:left;font-weight:400}
.rows thead th{color:var(--muted);position:sticky;top:0;background:var(--card);z-index:1}
.rows .n{text-align:right}
.rows tbody th{position:sticky;left:0;background:var(--card)}.rows thead th:first-child{left:0;z-index:2}
.rows .departs>*{color:var(--bad);font-weight:600}.rows .departs th{box-shadow:inset 3px 0 var(--bad);padding-left:8px}
.rows td:last-child{padding-right:4px}
.rows .long{white-space:normal;min-width:220px}
"""


def html_of(found: Comparison) -> str:
    """The page. The same comparison gives the same page."""
    foot = f"Compared by gpudl {escape(__version__)}."
    word = "agree" if found.agrees else "differ"
    return document(f"{found.name}: the devices {word}", _head(found), _sections(found), foot, css=_CSS)


def _head(found: Comparison) -> str:
    look, word = ("done", "✓ the devices agree") if found.agrees else ("failed", "✗ the devices differ")
    lines = [line for line in verdicts(found) if not line.startswith(" ")]
    return (
        f'<p class="eyebrow">gpudl compare</p><h1>{escape(found.name)}</h1>'
        f'<p><span class="state {look}">{word}</span>{escape(subject(found).removeprefix(found.name).strip())}</p>'
        f"{_first(found)}{_told(found)}{_tiles(found)}<ul class='verdicts'>"
        + "".join(f"<li>{escape(line)}</li>" for line in lines)
        + "</ul>"
    )


def _first(found: Comparison) -> str:
    """The operation that departs first."""
    if found.first_departure is None:
        return ""
    row, name = found.first_departure
    return (
        '<div class="card first"><p class="eyebrow">The first operation that departs</p>'
        f"<h2>{escape(f'{row.direction} of {row.op} on {name}')}</h2><p>{escape(place_of(row))}</p>"
        f'<p class="muted">{escape(how_far(row, name))}</p></div>'
    )


def _told(found: Comparison) -> str:
    """The lines at which a device was left, those of the most times; all of them stand below."""
    lines = [(each, name) for name in found.devices for each in found.implicit.get(name, ())]
    lines.sort(key=lambda line: -line[0].count)
    items = "".join(
        f"<li>{escape(f'{line_name((each.filename, each.lineno))}: {each.kind} on {name}, {each.count:,} times')}</li>"
        for each, name in lines[:_SHOWN]
    )
    more = f"<li>and {len(lines) - _SHOWN} more lines</li>" if len(lines) > _SHOWN else ""
    said = "Left a device without being told to:"
    return items and f'<div class="card notes">{said}<ul>{items}{more}</ul></div>'


def _tiles(found: Comparison) -> str:
    compared = [row for row in found.ops if row.differences]
    departing = len({id(row) for row, _ in found.departures()})
    tiles = [("Operations that depart", f"{departing:,}", f"of {len(compared):,}")]
    shares = [each.excess for row in compared for each in row.differences.values() if each.excess is not None]
    if shares:
        tiles.append(("The farthest operation", _figure(max(shares)), "times what is allowed"))
    curves = found.curves
    if curves is not None:
        far = max((curves.apart(step) for step in range(1, curves.steps + 1)), default=0.0)
        tiles.append(
            (
                "Losses apart by at most",
                _figure(far),
                f"in {curves.steps} steps; {curves.allowed(curves.steps):g} allowed",
            )
        )
    for name in found.devices:
        count = sum(each.count for each in found.implicit.get(name, ()))
        tiles.append((f"Implicit work of {name}", f"{count:,}", "transfers and waits"))
    cells = (
        f'<div class="card"><dt>{escape(label)}</dt><dd>{value}</dd><dd class="more">{escape(more)}</dd></div>'
        for label, value, more in tiles
    )
    return f'<dl class="tiles">{"".join(cells)}</dl>'


def _figure(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _sections(found: Comparison) -> Iterator[tuple[str, str, str]]:
    """(id, title, content) of what there is."""
    _, *others = tables(found, every=True)
    losses = others.pop() if found.curves is not None else None
    if found.curves is not None and losses is not None:
        yield "losses", "Losses", _charts(found.curves) + _folded(losses)
    title = "Each operation on the same inputs, against float64: the farthest first"
    yield "operations", "Operations", _table(operations(found, worst_first(found.ops), title))
    no_layers = f'<p class="card">No differences of layers: {escape(found.no_layers or "")}</p>'
    yield "layers", "Layers", "".join(map(_table, others)) or no_layers
    yield "implicit", "Transfers and waits that nobody asked for", _implicit(found)
    yield "settings", "Settings", _settings(found)


def _charts(curves: Curves) -> str:
    steps = range(1, curves.steps + 1)
    along = count_axis([float(step) for step in steps])
    each = [
        Line(name, _LOOKS[place % len(_LOOKS)], [(step, _finite(loss)) for step, loss in zip(steps, losses)])
        for place, (name, losses) in enumerate(curves.losses.items())
    ]
    mark = None if curves.parted is None else (float(curves.parted), f"part at step {curves.parted}")
    first = line_chart("Loss before each step", each, "step", _digits, along=along, mark=mark)
    # What is the same to the bit has no place on a logarithmic axis.
    points: Points = [(step, _finite(apart)) for step in steps if (apart := curves.apart(step))]
    allowed: Points = [(step, curves.allowed(step)) for step in steps]
    title = f"How far apart, as a share of {curves.share}"
    if not points:
        said = "The losses of all steps are the same to the bit."
        return f'<div class="charts">{first}<p class="card muted">{said}</p></div>'
    known = [value for _, value in (*points, *allowed) if value is not None]
    second = line_chart(
        title, [Line("losses", "train", points), Line("allowed", "limit", allowed)], "step", _digits,
        along=along, up=log_axis(known), mark=mark,
    )  # fmt: skip
    same = curves.steps - len(points)
    note = f'<p class="muted">In {same} of the steps the losses are the same to the bit.</p>' if same else ""
    return f'<div class="charts">{first}{second}</div>{note}'


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _digits(value: float | None) -> str:
    """As many digits as float32 has, so that what is close can be told apart."""
    return "not finite" if value is None else f"{value:.7g}" if abs(value) >= 1e-3 else f"{value:.3g}"


def _folded(table: Table) -> str:
    return f'<details class="card"><summary>As a table</summary>{_scrolled(table)}</details>'


def _table(table: Table) -> str:
    return f'<div class="card table"><h3>{escape(table.title)}</h3>{_scrolled(table)}</div>'


def _scrolled(table: Table) -> str:
    return table_html(table, partial(_row, table), "rows")


def _row(table: Table, row: tuple[str, ...]) -> str:
    departs = row[-1] == "departs"
    first, *others = (escape("✓" if cell == "ok" else cell) for cell in row)
    looks = ["n" if table.is_number(place) else "long" if len(cell) > 60 else "" for place, cell in enumerate(row)]
    cells = "".join(f'<td class="{look}">{cell}</td>' for look, cell in zip(looks[1:], others))
    mark = "✗ " * departs  # where it stays in view on a narrow screen
    return f'<tr{" class=departs" * departs}><th scope="row">{mark}{first}</th>{cells}</tr>'


def _implicit(found: Comparison) -> str:
    rows: list[tuple[str, ...]] = [
        (line_name((each.filename, each.lineno)), name, each.kind, f"{each.count:,}", each.what)
        for name in found.devices
        for each in sorted(found.implicit.get(name, ()), key=lambda each: -each.count)
    ]
    names = " and ".join(name for name in found.devices if not found.implicit.get(name))
    none = f'<p class="card">None on {escape(names)} in {within(found)}.</p>' if names else ""
    table = Table(f"In {within(found)}", ("Line", "Device", "Kind", "Times", ""), rows, 3)
    counts = "".join(f'<p class="muted">{escape(line)}</p>' for line in counted(found))
    return (_table(table) if rows else "") + none + counts


def _settings(found: Comparison) -> str:
    facts = {
        **{f"Device {name}": device_name(device(name)) for name in found.devices},
        "Batch": found.batch,
        "Seed": found.seed,
        "Steps": 0 if found.curves is None else found.curves.steps,
        "Factor on what operations are allowed": f"{found.tolerance:g}",
        "Losses may be apart by": None
        if found.curves is None
        else f"{found.curves.allowed(found.curves.steps):g} of {found.curves.share}",
        "gpudl": __version__,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "Platform": platform.platform(),
    }
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
        for name, value in facts.items()
        if value is not None
    )
    return f'<div class="card"><table class="plain facts"><tbody>{rows}</tbody></table></div>'
