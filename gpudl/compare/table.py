"""A comparison as tables: of text, and of Markdown."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence

from gpudl.compare.measure import Difference
from gpudl.compare.place import Place
from gpudl.compare.report import Comparison, Curves, OpRow
from gpudl.train.report.tables import Table, marked, table_markdown, table_text

_NUMBERS = ("Max abs", "Max rel", "ULP", "1 - cosine")
_SHOWN = 10  # losses, where not all are asked for


def text_of(found: Comparison, every: bool) -> str:
    """The report; see Comparison.text."""
    parts = [subject(found), *verdicts(found)]
    for table in tables(found, every):
        parts += ["", table_text(table)]
    parts += [] if found.no_layers is None else ["", f"No differences of layers: {found.no_layers}"]
    return "\n".join([*parts, "", *asked(found)])


def markdown_of(found: Comparison, every: bool) -> str:
    """The same as Markdown."""
    parts = [f"# {marked(subject(found))}", "", *(f"- {marked(line.strip())}" for line in verdicts(found))]
    for table in tables(found, every):
        parts += ["", table_markdown(table)]
    parts += ["", "## Transfers, synchronizations and counts", ""]
    return "\n".join([*parts, *(f"- {marked(line.strip())}" for line in asked(found)), ""])


def subject(found: Comparison) -> str:
    """What was compared, in a line."""
    batch = "" if found.batch is None else f", a batch of {found.batch}"
    return f"{found.name} on {' and '.join(found.devices)}{batch}, seed {found.seed}"


def verdicts(found: Comparison) -> list[str]:
    """What came of it, a line each; the second of two that belong together is indented."""
    lines = []
    first = found.first_departure
    compared = [row for row in found.ops if row.differences]
    if first is None:
        apart = "forward, backward and the optimizer's step count apart"
        lines.append(f"Operations: all {len(compared)} agree with float64 ({apart})")
    else:
        row, device = first
        count = len({id(row) for row, _ in found.departures()})
        named = f"{row.direction} of {row.op} on {device}, {place_of(row)}"
        lines += [
            f"Operations: {count} of {len(compared)} depart from float64. The first: {named}",
            f"  {how_far(row, device)}",
        ]
    left_out = [row for row in found.ops if row.notes]
    if left_out:
        lines.append(f"Operations: {len(left_out)} not compared everywhere; the table says which")
    if found.curves is not None:
        step, steps = found.curves.parted, found.curves.steps
        far = max(found.curves.apart(each) for each in range(1, steps + 1))
        lines.append(
            f"Losses: together for {steps} steps, at most {far:.2g} apart; {found.curves.allowed(steps):g} is allowed"
            if step is None
            else f"Losses: part at step {step} of {steps}: {found.curves.apart(step):.2g} apart; "
            f"{found.curves.allowed(step):g} is allowed"
        )
    return [*lines, *found.notes]


def place_of(row: OpRow) -> str:
    """Where an operation is: its layer and its line; of a step, what is farthest."""
    line = "" if row.where is None else f", {line_name(row.where)}"
    return f"{'at' if row.direction == 'step' else 'in layer'} {layer_name(row.layer)}{line}"


def how_far(row: OpRow, device: str) -> str:
    """By how much an operation departs."""
    away = row.differences[device]
    return (
        f"max abs {away.max_abs:.3g}, max rel {away.max_rel:.3g}, {away.ulp:.3g} ULP, cosine {away.cosine:.9f}: "
        f"{away.excess:.3g} times what is allowed ({row.family}, {row.dtype})"
    )


def tables(found: Comparison, every: bool) -> Iterator[Table]:
    """Those of operations, layers and losses, as far as they are there.

    Args:
        every: with a row for each operation and each step, not only for those that stand out.
    """
    rows = [row for row in found.ops if every or _stands_out(row, found.ops)]
    what = "" if every else "; the farthest of each, and those that depart"
    yield operations(found, rows, f"Each operation on the same inputs, against float64{what}")
    if found.no_layers is None:
        yield _layers(found)
    if found.curves is not None:
        yield _losses(found.curves, every)


def operations(found: Comparison, rows: Sequence[OpRow], title: str) -> Table:
    """Rows of operations, each on every device."""
    cells: list[tuple[str, ...]] = []
    timed = ("Time",) if any(row.seconds for row in found.ops) else ()
    for row in rows:
        line = "-" if row.where is None else line_name(row.where)
        for device in found.devices:
            start = (row.op, row.direction, layer_name(row.layer), line, device)
            time = (_time(row.seconds[device]) if device in row.seconds else "-",) if timed else ()
            difference = row.differences.get(device)
            if difference is None:
                note = row.notes.get(device) or row.notes.get("float64", "")
                cells.append((*start, *["-"] * 5, *time, f"not compared: {note}"))
            else:
                share = "-" if difference.excess is None else f"{difference.excess:.2g}"
                verdict = "departs" if difference.departs else "ok"
                cells.append((*start, *_numbers(difference), share, *time, verdict))
    return Table(title, ("Operation", "", "Layer", "Line", "Device", *_NUMBERS, "Of allowed", *timed, ""), cells, 5)


def _time(seconds: float) -> str:
    return f"{1e6 * seconds:.3g} us" if seconds < 999.5e-6 else f"{1e3 * seconds:.4g} ms"


def worst_first(rows: Sequence[OpRow]) -> list[OpRow]:
    """By how far they are; those that were not compared at the end."""
    return sorted(rows, key=lambda row: (not row.differences, -_excess(row)))


def _stands_out(row: OpRow, rows: Sequence[OpRow]) -> bool:
    if row.notes or any(each.departs for each in row.differences.values()):
        return True
    alike = [other for other in rows if (other.op, other.direction) == (row.op, row.direction) and other.differences]
    return row is max(alike, key=_excess)


def _excess(row: OpRow) -> float:
    return max((each.excess or 0.0 for each in row.differences.values()), default=0.0)


def _layers(found: Comparison) -> Table:
    cells = [
        (layer_name(row.path), row.type, direction, device, *_numbers(difference))
        for row in found.layers
        for direction, by_device in (("forward", row.forward), ("backward", row.backward))
        for device, difference in by_device.items()
    ]
    title = "Each layer in a run of the whole model, against the model in float64"
    return Table(title, ("Layer", "Type", "", "Device", *_NUMBERS), cells, 4)


def _losses(curves: Curves, every: bool) -> Table:
    steps = curves.steps
    shown = sorted({round(1 + at * (steps - 1) / (_SHOWN - 1)) for at in range(_SHOWN)} | {curves.parted or 1})
    cells = [
        (str(step), *(f"{losses[step - 1]:.7g}" for losses in curves.losses.values()), f"{curves.apart(step):.2g}")
        for step in (range(1, steps + 1) if every else shown)
    ]
    return Table("Losses before each step", ("Step", *curves.losses, "Apart"), cells, 0)


def asked(found: Comparison) -> list[str]:
    """What was asked of each device implicitly, and in all; what stood at which line is indented."""
    lines = []
    for device in found.devices:
        each = found.implicit.get(device, ())
        count = sum(one.count for one in each)
        lines.append(
            f"Implicit transfers, synchronizations and fallbacks on {device} in {within(found)}: {count or 'none'}"
        )
        lines += [f"  {one}" for one in each]
    return [*lines, *counted(found)]


def counted(found: Comparison) -> list[str]:
    """What forward and backward asked of emulated devices, a line each."""
    lines = []
    for device, counts in found.counts.items():
        text = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
        lines.append(f"Forward and backward of the batch on {device}: {text}")
    return lines


def within(found: Comparison) -> str:
    """What implicit work was looked for in."""
    return "forward and backward of the batch" if found.curves is None else "the steps"


def _numbers(found: Difference) -> tuple[str, ...]:
    return (f"{found.max_abs:.2e}", f"{found.max_rel:.2e}", f"{found.ulp:.3g}", f"{1 - found.cosine:.1e}")


def layer_name(path: str) -> str:
    """A layer as reports write it."""
    return path or "(model)"


def line_name(where: Place) -> str:
    """File and line; the file as it is reached from here, if that is shorter."""
    name = where[0]
    if os.path.isabs(name):
        name = min(name, os.path.relpath(name), key=len) if os.path.splitdrive(name)[0] == "" else name
    return f"{name}:{where[1]}"
