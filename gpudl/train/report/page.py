"""The report: one page of HTML that needs nothing else, neither a network nor a script."""

from __future__ import annotations

import math
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gpudl.train.errors import WriteError
from gpudl.train.files import write_whole
from gpudl.train.report.confusion import confusion_section
from gpudl.train.report.curves import charts, epoch_table, title_of
from gpudl.train.report.document import document
from gpudl.train.report.numbers import duration, number, size
from gpudl.train.report.pictures import samples_section
from gpudl.train.report.reading import read_run
from gpudl.train.report.record import RunRecord

REPORT = "report.html"
_REFRESH = 10  # seconds after which the page of a run that is under way is read again
_STATES = {
    "running": "● under way",
    "done": "✓ done",
    "interrupted": "‖ interrupted",
    "failed": "✗ failed",
    "unknown": "○ status not recorded",
}
_WHAT = {
    "config.toml": "the configuration with all defaults",
    "manifest.json": "seed, versions, device, scores",
    "log.jsonl": "losses and metrics of each epoch",
    "metrics.csv": "the same as a table",
    "steps.csv": "loss and learning rate by step",
    "evaluation.json": "confusion matrix and sample predictions",
    "model.safetensors": "the weights after the last epoch",
    "report.html": "this page",
}
_FACTS = {
    "device": "Device", "device_name": "Device name", "cpu": "CPU", "threads": "Threads", "platform": "Platform",
    "gpudl": "gpudl", "python": "Python", "numpy": "NumPy", "seed": "Seed", "parameters": "Parameters",
    "train_samples": "Training samples", "validation_samples": "Validation samples",
    "test_samples": "Test samples", "started": "Started", "finished": "Finished",
    "git": "Git", "command": "Command", "packages": "Packages",
}  # fmt: skip
_ELSEWHERE = ("format", "name", "status", "error", "seconds", "epochs", "classes", "model", "scores")


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Write report.html into a run folder: result, curves, confusion matrix, samples, configuration, environment.

    It needs no matplotlib. It may be called while the run is under way; there is always a whole page.

    Args:
        folder: as `gpudl train` writes it.
    Returns: the path of the page.
    Raises: RunError if this is no run folder, WriteError if the page cannot be written.
    """
    run = read_run(folder)
    path = run.path / REPORT
    try:
        write_whole(path, report_html(run).encode(errors="replace"))  # JSON can hold half a character
    except OSError as error:
        raise WriteError(path, error) from error
    return path


def report_html(run: RunRecord) -> str:
    """The page about a run."""
    refresh = f'<meta http-equiv="refresh" content="{_REFRESH}">' if run.status == "running" else ""
    foot = f"Written by gpudl on {time.strftime('%Y-%m-%d %H:%M:%S')}, from the files in this folder."
    return document(f"{run.name}: {_STATES[run.status][2:]}", _head(run), _sections(run), foot, meta=refresh)


def _sections(run: RunRecord) -> Iterator[tuple[str, str, str]]:
    """(id, title, content) of what there is."""
    yield "curves", "Curves", charts(run) + epoch_table(run)
    if run.confusion is not None:
        yield "confusion", "Confusion matrix", confusion_section(run.confusion, run.class_name)
    if run.samples:
        yield "samples", "Sample predictions", samples_section(run)
    if run.config or run.manifest.get("model"):
        yield "configuration", "Configuration", _configuration(run)
    if run.manifest:
        yield "environment", "Environment", _environment(run.manifest)
    yield "files", "Files, and how to go on", _files(run)


def _head(run: RunRecord) -> str:
    parts = [
        f'<p class="eyebrow">Training run</p><h1>{escape(run.name)}</h1>',
        f'<p><span class="state {run.status}">{_STATES[run.status]}</span>{_sentence(run)}</p>',
    ]
    asked = run.asked
    if run.status == "running" and asked:
        share = min(100.0, 100 * len(run.epochs) / asked)
        parts.append(f'<div class="progress"><span style="width:{share:.1f}%"></span></div>')
    if run.manifest.get("error"):
        parts.append(f'<p class="card problem">{escape(str(run.manifest["error"]))}</p>')
    if run.notes:
        notes = "".join(f"<li>{escape(note)}</li>" for note in run.notes)
        parts.append(f'<div class="card notes"><ul>{notes}</ul></div>')
    return "".join([*parts, _tiles(run)])


def _sentence(run: RunRecord) -> str:
    done, asked = (run.epochs[-1]["epoch"] if run.epochs else 0), run.asked
    of = f" of {asked:,}" if asked else ""
    text = f"{done:,}{of} epoch{'s' if (asked or done) != 1 else ''}"
    seconds = run.manifest.get("seconds")
    known = [record["seconds"] for record in run.epochs if _positive(record.get("seconds"))]
    if not _positive(seconds):
        seconds = sum(known)
    if seconds:
        text += f" in {duration(seconds)}"
    if run.manifest.get("device"):
        text += f" on {run.manifest['device']}"
        if run.manifest.get("device_name") not in (None, "", run.manifest["device"]):
            text += f" ({run.manifest['device_name']})"
    if run.status == "running" and asked and known and done < asked:
        text += f"; about {duration(math.ceil(sum(known) / len(known) * (asked - done)))} to go"
    return escape(text)


def _tiles(run: RunRecord) -> str:
    """The result in large figures: the first metric that is not a loss comes first and largest."""
    known = [*(run.metrics or run.scores)]
    losses = [name for name in known if "loss" in name][:4]
    names = [*[name for name in known if "loss" not in name][: 3 if losses else 4], *losses]
    tiles: list[tuple[str, str, list[str]]] = []
    for name in names[:4]:
        other, best = run.points(f"val_{name}"), run.best(f"val_{name}" if run.points(f"val_{name}") else name)
        of = run.held_out if other else "training"
        value, more = run.last(f"val_{name}" if other else name), []
        if name in run.scores:
            if of == "validation":
                more.append(f"validation {number(value)}")
            of, value = "test", run.scores[name]
        if best is not None:
            more.append(f"best {number(best[1])} at epoch {best[0]:,.0f}")
        if of != "training" and run.points(name):
            more.append(f"training {number(run.last(name))}")
        tiles.append((f"{title_of(name)}, {of}", number(value), more))
    results = len(tiles)
    if _count(run.manifest.get("parameters")):
        count = run.manifest["parameters"]
        tiles.append(("Parameters", f"{count:,}" if count < 10**7 else f"{count / 1e6:,.1f} M", []))
    speed = [record["samples_per_second"] for record in run.epochs if _positive(record.get("samples_per_second"))]
    if speed:
        median = sorted(speed)[len(speed) // 2]
        tiles.append(("Speed", f"{median:,.0f}" if median >= 100 else number(median), ["samples per second"]))
    cells = "".join(
        f'<div class="card{"" if index or not results else " first"}"><dt>{escape(label)}</dt><dd>{value}</dd>'
        + "".join(f'<dd class="more">{line}</dd>' for line in more)
        + "</div>"
        for index, (label, value, more) in enumerate(tiles)
    )
    return cells and f'<dl class="tiles">{cells}</dl>'


def _configuration(run: RunRecord) -> str:
    parts = []
    if run.config:
        parts.append(
            f'<div class="card"><h3>config.toml</h3><pre tabindex="0">{escape(run.config.strip())}</pre></div>'
        )
    if run.manifest.get("model"):
        model = escape(str(run.manifest["model"]))
        parts.append(f'<div class="card"><h3>Model</h3><pre tabindex="0">{model}</pre></div>')
    return f'<div class="pair">{"".join(parts)}</div>'


def _environment(manifest: Mapping[str, Any]) -> str:
    names = [name for name in _FACTS if manifest.get(name) not in (None, "", {}, [])]
    if manifest.get("device_name") == manifest.get("cpu"):
        names = [name for name in names if name != "device_name"]
    names += [name for name in manifest if name not in (*_FACTS, *_ELSEWHERE) and manifest[name] is not None]
    rows = "".join(
        f'<tr><th scope="row">{escape(_FACTS.get(name, title_of(name)))}</th>'
        f"<td>{_fact(name, manifest[name])}</td></tr>"
        for name in names
    )
    return f'<div class="card"><table class="plain facts"><tbody>{rows}</tbody></table></div>'


def _fact(name: str, value: Any) -> str:
    if name == "git" and isinstance(value, dict):
        changed = ", with changes that are not committed" if value.get("dirty") else ""
        return f"<code>{escape(str(value.get('commit')))}</code>{changed}"
    if name == "command" and isinstance(value, list):
        return f"<code>{escape(shlex.join(map(str, value)))}</code>"
    if isinstance(value, dict):
        return escape(", ".join(f"{key} {entry}" for key, entry in value.items()))
    if isinstance(value, list):
        return escape(", ".join(map(str, value)))
    return f"{value:,}" if _count(value) and name.endswith(("parameters", "samples")) else escape(str(value))


def _files(run: RunRecord) -> str:
    files = {REPORT: 0, **run.files}
    rows = "".join(
        f'<tr><td><a href="{escape(quote(os.fsencode(name)))}">{escape(name)}</a></td><td>{_WHAT.get(name, "")}</td>'
        f"<td class='n'>{size(files[name]) if name != REPORT else ''}</td></tr>"
        for name in sorted(files, key=lambda name: ("/" in name, name))
    )
    table = f'<div class="card"><div class="scroll tall"><table class="plain"><tbody>{rows}</tbody></table></div></div>'
    place = shlex.quote(str(run.path))
    steps = [
        ("Evaluate the weights on the test data", f"gpudl test {place}"),
        ("Use the model", f"gpudl predict {place} INPUT"),
        ("Draw the curves as PNG; several runs over each other", f"gpudl plot {place} [OTHER_RUN ...]"),
        ("Repeat the run", f"gpudl train {shlex.quote(str(run.path / 'config.toml'))}"),
    ]
    if run.status in ("interrupted", "failed"):
        steps.insert(0, ("Go on where it stopped", f"gpudl train --resume {place}"))
    commands = "".join(f"<div>{title}<pre>{escape(command)}</pre></div>" for title, command in steps)
    return f'<div class="pair">{table}<div class="card next">{commands}</div></div>'


def _count(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**63


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 < value < 1e300
