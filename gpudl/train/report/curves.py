"""The curves of a run as charts, and its epochs as a table."""

from __future__ import annotations

from html import escape

from gpudl.train.report.chart import Line, line_chart, smoothed
from gpudl.train.report.numbers import duration, number, setting
from gpudl.train.report.record import ABOUT_EPOCHS, Points, RunRecord

_ROWS = 150  # of the table; of more epochs it shows some, and metrics.csv has them all
_ABBREVIATIONS = {"lr": "Learning rate", "r2": "R²"}
_UPPER = {
    "auc", "auprc", "auroc", "bce", "cer", "f1", "fid", "iou", "kl", "lr", "mae", "map", "mape", "mcc", "mse", "nll",
    "psnr", "rmse", "ssim", "wer",
}  # fmt: skip


def title_of(name: str) -> str:
    """The name of a metric as a heading: top_5_accuracy is Top 5 accuracy, f1 is F1."""
    if name in _ABBREVIATIONS:
        return _ABBREVIATIONS[name]
    words = [word.upper() if word in _UPPER else word for word in name.split("_") if word]
    text = " ".join(words) or name
    return text[:1].upper() + text[1:]


def charts(run: RunRecord) -> str:
    """A chart for each loss and metric, that on other data beside it; for the learning rate; for the steps."""
    if not run.epochs and not by_step(run, "loss"):
        return '<p class="card muted">No epoch is finished yet.</p>'
    figures = []
    for name in run.metrics:
        lines = [
            Line("training", "train", run.points(name), run.best(name) if not run.points(f"val_{name}") else None),
            Line(run.held_out, "val", run.points(f"val_{name}"), run.best(f"val_{name}")),
        ]
        figures.append(line_chart(title_of(name), lines))
    rate, across = learning_rate(run)
    if rate:
        figures.append(line_chart("Learning rate", [Line("", "train", rate)], across, setting))
    steps = by_step(run, "loss")
    if steps:
        look, smooth = ("faint", [Line("smoothed", "train", smoothed(steps))]) if len(steps) > 20 else ("train", [])
        figures.append(line_chart("Loss by step", [Line("each step", look, steps), *smooth], "step"))
    return f'<div class="charts">{"".join(figures)}</div>'


def learning_rate(run: RunRecord) -> tuple[Points, str]:
    """The learning rate with what it is over: steps where they were recorded, else epochs."""
    steps = by_step(run, "lr")
    return (steps, "step") if len(steps) > 1 else (run.points("lr"), "epoch")


def by_step(run: RunRecord, name: str) -> Points:
    """A column of steps.csv as points."""
    pairs = zip(run.steps.get("step", ()), run.steps.get(name, ()), strict=False)
    return sorted(((step, value) for step, value in pairs if step is not None), key=lambda point: point[0])


def epoch_table(run: RunRecord) -> str:
    """The epochs in a box that opens: the last ones first, the best values bold."""
    if not run.epochs:
        return ""
    names = [key for name in run.metrics for key in (name, f"val_{name}") if run.points(key)]
    names += [name for name in ABOUT_EPOCHS[1:] if run.points(name)]
    best = {name: found[0] for name in names if (found := run.best(name))}
    stride = -(-len(run.epochs) // _ROWS)
    rows = [record for place, record in enumerate(reversed(run.epochs)) if place % stride == 0]
    rows += [record for record in run.epochs if record["epoch"] in best.values() and record not in rows]
    rows.sort(key=lambda record: -record["epoch"])
    head = "".join(f'<th class="n" scope="col">{escape(_heading(name, run))}</th>' for name in names)
    body = "".join(
        f"<tr><td class='n'>{record['epoch']:,}</td>"
        + "".join(
            f'<td class="n{" bestcell" if best.get(name) == record["epoch"] else ""}">{_cell(name, record)}</td>'
            for name in names
        )
        + "</tr>"
        for record in rows
    )
    of = f"{len(rows)} of {len(run.epochs):,} epochs" if len(rows) < len(run.epochs) else "All epochs"
    return (
        f'<details class="card epochs"><summary>{of} as a table</summary><div class="scroll tall" tabindex="0">'
        f'<table class="plain"><thead><tr><th class="n" scope="col">Epoch</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></details>"
    )


def _heading(name: str, run: RunRecord) -> str:
    if name in ABOUT_EPOCHS:
        return {"seconds": "Time", "samples_per_second": "Samples/s"}.get(name, title_of(name))
    return f"{title_of(name.removeprefix('val_'))}, {run.held_out if name.startswith('val_') else 'training'}"


def _cell(name: str, record: dict[str, float | None]) -> str:
    if name not in record:
        return ""
    value = record[name]
    if value is None:
        return number(value)
    return duration(value) if name == "seconds" else setting(value) if name == "lr" else number(value)
