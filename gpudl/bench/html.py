"""A record as one page of HTML that needs nothing else: charts, then the tables, then the environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from html import escape
from itertools import groupby
from typing import Any

from gpudl.bench.charts import charts
from gpudl.bench.figures import KINDS, Bar, BarChart, Chart, CurveChart
from gpudl.bench.printing import tables
from gpudl.bench.record import Record
from gpudl.bench.units import bytes_rate, flops_rate, ratio_text
from gpudl.train.report.chart import Line, line_chart
from gpudl.train.report.curves import title_of
from gpudl.train.report.document import document
from gpudl.train.report.figures import short
from gpudl.train.report.numbers import Axis, duration
from gpudl.train.report.tables import Table, table_html

_LOOKS = ("train", "val", "third")
_SIZES = 80  # letters of sizes that a table shows; all of them under the pointer
_NAMES = {
    "gpudl": "gpudl", "cpu": "CPU", "blas": "BLAS", "gpus": "GPUs", "torch": "PyTorch",
    "torch_threads": "Threads of PyTorch", "others_share": "Share of other programs",
}  # fmt: skip
_CSS = """
.notes .scroll{max-height:240px}
.bars .said{font-size:14px;max-width:84ch;margin:2px 0 6px}
.bars .key{height:12px;width:22px;border-radius:2px;position:relative}
.groups{columns:2 440px;column-gap:36px;margin-top:8px}
.single{columns:auto}
.single th{width:24%}
.groups table{width:100%;table-layout:fixed;break-inside:avoid;margin-bottom:14px;font-size:13px}
.groups caption{text-align:left;font-weight:650;padding-top:4px}
.groups thead{color:var(--muted);font-size:12px}
.groups thead th{font-weight:400;height:20px}
.groups th{text-align:left;font-weight:400;padding:1px 10px 1px 0;width:42%;line-height:1.3}
.groups th span,.bars .across{color:var(--muted)}
.groups td{padding:0;height:22px}
.groups .n{text-align:right;width:74px;padding:0 0 0 8px;white-space:nowrap}
.groups .wide{width:104px}
.groups .scale{position:relative;padding:0;width:auto}
.groups .scale span{position:absolute;bottom:1px;transform:translateX(-50%);white-space:nowrap}
.groups .scale .last{transform:translateX(-100%)}.groups .scale .begin{transform:none}
.track{position:relative;background:var(--ticks)}
.track i,.key.solid,.key.hatched{background:var(--train)}
.track i{position:absolute;top:50%;height:12px;margin-top:-6px;min-width:1.5px}
.track .hatched,.key.hatched{background:repeating-linear-gradient(135deg,var(--val) 0 3px,transparent 3px 6px);
outline:1px solid var(--val);outline-offset:-1px}
.track .over::after{content:"▸";position:absolute;right:1px;top:-5px;font-style:normal;color:var(--card)}
.track .hatched.over::after{color:var(--ink)}
.track .spread{background:var(--ink);height:1.5px;margin-top:-1px}
.record{white-space:nowrap}
.record th,.record td{padding:4px 16px 4px 0;border-bottom:1px solid var(--line);text-align:left;font-weight:400}
.record thead th{color:var(--muted);font-size:13px;position:sticky;top:0;background:var(--card);z-index:1}
.record .n{text-align:right}
.record .sizes{white-space:normal;min-width:110px;max-width:260px}
.record tbody th{position:sticky;left:0;background:var(--card);white-space:normal;min-width:112px;max-width:240px}
.record thead th:first-child{left:0;z-index:2}
.remarks{margin:10px 0 0;padding-left:18px;font-size:14px;color:var(--muted)}
.facts h3{margin-bottom:8px}
.stack{display:grid;gap:16px;grid-template-columns:minmax(0,1fr)}
@media (min-width:561px){.tiles{grid-template-columns:repeat(auto-fit,minmax(190px,1fr))}}
@media (max-width:560px){.groups th{width:38%}.groups .n{width:60px;white-space:normal}.groups .wide{width:68px}
.tiles div:last-child:nth-child(even){grid-column:auto}.tiles div:last-child:nth-child(odd){grid-column:span 2}}
@media print{.groups{columns:2}.record{white-space:normal;font-size:9px}}
"""


def as_html(record: Record) -> str:
    """The page. It says when the record was made, not when it was drawn: the same record gives the same page."""
    known, drawn, shown = record["environment"], charts(record), tables(record)
    devices = ", ".join(each["device"] for each in record["devices"])
    head = _head(record, devices, drawn, shown)
    foot = f"Measured by gpudl {escape(str(known['gpudl']))}, {escape(str(known['date']))}."
    return document(f"gpudl bench: {devices}", head, _sections(record, drawn, shown), foot, css=_CSS)


def _head(record: Record, devices: str, drawn: list[Chart], shown: list[Table]) -> str:
    """What was measured where; its result in large figures; what has to be known of it."""
    settings = record["settings"]
    rows, seconds = len(record["rows"]), settings.get("seconds")
    suites = ", ".join(dict.fromkeys(row["suite"] for row in record["rows"]))
    took = "" if seconds is None else f" in {duration(seconds)}"
    state = ""
    if "baseline" in record:
        slower = record["baseline"]["regressions"]
        look, word = ("failed", f"✗ {slower} slower") if slower else ("done", "✓ none slower")
        state = f'<span class="state {look}">{word} than the baseline</span>'
    first, *closing = [table.notes for table in shown if not table.head]
    warned = [note for notes in closing for note in notes]
    notes = f'<div class="card notes"><ul class="scroll" tabindex="0">{_items(warned)}</ul></div>' if warned else ""
    return (
        f'<p class="eyebrow">gpudl bench</p><h1>{escape(devices)}</h1>'
        f"<p>{state}{rows:,} row{'s' * (rows != 1)} of {escape(suites or 'nothing')}{took}</p>"
        f'{_tiles(record, drawn)}<ul class="remarks">{_items(first)}</ul>{notes}'
    )


def _tiles(record: Record, drawn: list[Chart]) -> str:
    tiles = []
    for device in record["devices"]:
        most, name = device["limits"], f"{device['device']}: {device['name']}"
        if most is not None:
            more = f"copy, and {flops_rate(most['products'])} product"
            tiles.append((name, bytes_rate(most["bandwidth"]), more))
    for chart in drawn:
        if isinstance(chart, BarChart) and chart.mean is not None:
            more = f"geometric mean of {chart.across.removesuffix(', log scale')}"
            tiles.append((chart.title, ratio_text(chart.mean), more))
    cells = (
        f'<div class="card"><dt>{escape(name)}</dt><dd>{value}</dd><dd class="more">{escape(more)}</dd></div>'
        for name, value, more in tiles
    )
    return f'<dl class="tiles">{"".join(cells)}</dl>' if tiles else ""


def _items(lines: Iterable[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def _sections(record: Record, drawn: list[Chart], shown: list[Table]) -> Iterator[tuple[str, str, str]]:
    for kind, some in groupby(drawn, key=lambda chart: chart.kind):
        known = list(some)
        bars = "".join(_bars(chart) for chart in known if isinstance(chart, BarChart))
        curves = "".join(_curves(chart) for chart in known if isinstance(chart, CurveChart))
        said = f"{known[0].said} The figures beside the names are those of the largest batch."
        content = f'<p class="said">{said}</p><div class="charts">{curves}</div>' if curves else ""
        yield kind, KINDS[kind], content or f'<div class="stack">{bars}</div>'
    figures = "".join(_table(table) for table in shown if table.head)
    if figures:
        yield "figures", "All figures", f'<div class="stack">{figures}</div>'
    yield "environment", "Environment", _environment(record)


def _bars(chart: BarChart) -> str:
    """A table with bars in it, so that it is read aloud as one, and its letters do not shrink on a narrow screen."""
    axis = chart.along
    places = [(100 * axis.place(value), label) for value, label in axis.ticks]
    lines = [f"linear-gradient(var(--grid) 0 0) {place:.2f}% 0/1px 100% no-repeat" for place, _ in places]
    if chart.mark is not None:
        lines.insert(0, f"linear-gradient(var(--muted) 0 0) {100 * axis.place(chart.mark):.2f}% 0/2px 100% no-repeat")
    looks = ["begin" if place < 3 else "last" if place > 95 else "mid" for place, _ in places]
    ticks = "".join(
        f'<span class="{look}" style="left:{place:.2f}%">{label}</span>'
        for look, (place, label) in zip(looks, places, strict=True)
    )
    wide = " wide" * any(len(bar.text) > 8 for bar in chart.bars)
    head = (
        f'<thead><tr><th scope="col">case</th><th class="scale" scope="col" aria-label="bar">{ticks}</th>'
        f'<th class="n{wide}" scope="col">value</th></tr></thead>'
    )
    groups: dict[str, list[Bar]] = {}
    for bar in chart.bars:
        groups.setdefault(bar.group, []).append(bar)
    found = "".join(
        f"<table>{f'<caption>{escape(group)}</caption>' if group else ''}{head}"
        f"<tbody>{''.join(_bar(bar, axis) for bar in bars)}</tbody></table>"
        for group, bars in groups.items()
    )
    key = "".join(
        f'<li><span class="key {look}"></span>{escape(meaning)}</li>'
        for look, meaning in chart.key.items()
        if look in chart.looks
    )
    return (
        f'<figure class="card bars" aria-label="{escape(chart.title)}"><figcaption><h3>{escape(chart.subject)}</h3>'
        f'<p class="said">{escape(chart.said)}</p><ul class="legend">{key}'
        f'<li class="across">Bars: {escape(chart.across)}</li></ul></figcaption>'
        f'<div class="groups{" single" * (len(groups) == 1)}" style="--ticks:{",".join(lines)}">{found}</div></figure>'
    )


def _bar(bar: Bar, axis: Axis) -> str:
    drawn = []
    for start, end, look in bar.pieces:
        left, right = (100 * min(1.0, axis.place(value)) for value in (start, end))
        if right > left or len(bar.pieces) == 1:
            over = " over" * (end > axis.high)
            drawn.append(f'<i class="{look}{over}" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>')
    if bar.whisker is not None:
        left, right = (100 * axis.place(value) for value in bar.whisker)
        drawn.append(f'<i class="spread" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>')
    return (
        f'<tr title="{escape(bar.hint)}"><th scope="row">{escape(bar.label)} <span>{escape(bar.part)}</span></th>'
        f'<td class="track">{"".join(drawn)}</td><td class="n">{escape(bar.text)}</td></tr>'
    )


def _curves(chart: CurveChart) -> str:
    lines = [
        Line(device, _LOOKS[place % len(_LOOKS)], list(points))
        for place, (device, points) in enumerate(chart.curves.items())
    ]
    title = "; ".join(filter(None, (f"{chart.subject}: {chart.upward}", chart.crossing)))
    return line_chart(title, lines, chart.across, along=chart.along, up=chart.up)


def _table(table: Table) -> str:
    return (
        f'<div class="card"><h3>{escape(table.title)}</h3>{table_html(table, partial(_row, table), "record")}'
        f'<ul class="remarks">{_items(table.notes)}</ul></div>'
    )


def _row(table: Table, row: tuple[str, ...]) -> str:
    cells = [f'<th scope="row">{escape(row[0])}</th>']
    for place, (name, cell) in enumerate(zip(table.head, row, strict=True)):
        if name == "sizes":
            cells.append(f'<td class="sizes" title="{escape(cell)}">{escape(short(cell, _SIZES, middle=True))}</td>')
        elif place:
            cells.append(f"<td{' class=n' * table.is_number(place)}>{escape(cell)}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _environment(record: Record) -> str:
    known, settings = _facts("Machine and versions", record["environment"]), _facts("Settings", record["settings"])
    return f'<div class="pair">{known}{settings}</div>'


def _facts(title: str, known: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(_NAMES.get(name) or title_of(name))}</th><td>{escape(_fact(value))}</td></tr>'
        for name, value in known.items()
        if value not in (None, "", {}, [])
    )
    return f'<div class="card facts"><h3>{title}</h3><table class="plain facts"><tbody>{rows}</tbody></table></div>'


def _fact(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_fact(entry)}" for name, entry in value.items())
    return ", ".join(map(_fact, value)) if isinstance(value, list) else str(value)
