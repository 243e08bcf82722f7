"""Read a run folder: also one of a run that is under way, was interrupted, is old, or has damaged files.

Only a folder without any sign of a run is an error. Whatever else cannot be read is left out, and `notes` says so.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gpudl.train.errors import ConfigError, RunError
from gpudl.train.report.record import RunRecord, Sample, finite
from gpudl.train.toml import read_toml

SIGNS = ("config.toml", "manifest.json", "log.jsonl")


def read_run(folder: str | os.PathLike[str]) -> RunRecord:
    """Read a run folder.

    Raises: RunError, naming the folder or file, if it is none, or cannot be read.
    """
    path = Path(folder)
    if not path.is_dir():
        raise RunError(path, "no such run folder")
    if not any((path / name).is_file() for name in SIGNS):
        raise RunError(path, f"no run folder: it has none of {', '.join(SIGNS)}")
    notes: list[str] = []
    facts, epochs = _log(path, notes)
    manifest = _object(path, "manifest.json", notes)
    evaluation = _object(path, "evaluation.json", notes)
    return RunRecord(
        path=path,
        manifest=manifest or facts,
        config=_text(path, "config.toml"),
        tables=_tables(path, notes),
        epochs=epochs,
        steps=_steps(path, notes),
        evaluated=evaluation["epoch"] if isinstance(evaluation.get("epoch"), int) else None,
        confusion=_confusion(evaluation, notes),
        samples=list(_samples(evaluation, notes)),
        files=_files(path),
        notes=notes,
    )


def _text(path: Path, name: str) -> str:
    try:
        return (path / name).read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise RunError(path / name, f"cannot read: {error.strerror}") from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _object(path: Path, name: str, notes: list[str]) -> dict[str, Any]:
    text = _text(path, name)
    value = _json(text)
    if not isinstance(value, dict):
        if text or (path / name).exists():
            notes.append(f"{name} is damaged and was left out")
        return {}
    return value


def _tables(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        return read_toml(path / "config.toml") if (path / "config.toml").exists() else {}
    except ConfigError:
        notes.append("config.toml is no valid TOML; it is shown as it stands")
        return {}


def _log(path: Path, notes: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The line before the first epoch, which folders without a manifest have, and the epochs."""
    facts: dict[str, Any] = {}
    epochs: dict[int, dict[str, Any]] = {}  # of an epoch that was done again, after a resume, the later counts
    for number, line in enumerate(_text(path, "log.jsonl").splitlines(), 1):
        if not line.strip():
            continue
        record = _json(line)
        if not isinstance(record, dict):
            notes.append(f"line {number} of log.jsonl is damaged and was left out")
        elif type(record.get("epoch")) is int and 0 <= record["epoch"] < 2**53:
            renamed = {_present_name(key, record): value for key, value in record.items()}
            values = {key: finite(value) for key, value in renamed.items() if _is_number(value) or value is None}
            epochs[record["epoch"]] = values
        elif not epochs:
            facts = record
    return facts, [epochs[number] for number in sorted(epochs)]


def _present_name(name: str, record: Mapping[str, Any]) -> str:
    """Logs had train_loss, test_loss and test_accuracy once."""
    if "train_loss" not in record or "loss" in record:
        return name
    return "loss" if name == "train_loss" else name.replace("test_", "val_", 1) if name.startswith("test_") else name


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _steps(path: Path, notes: list[str]) -> dict[str, list[float | None]]:
    header, *rows = [*csv.reader(_text(path, "steps.csv").splitlines())] or [[]]
    columns: dict[str, list[float | None]] = {name: [] for name in header}
    damaged = 0
    for row in rows:
        try:
            numbers = [finite(float(cell)) if cell.strip() else None for cell in row]
        except ValueError:
            numbers = []
        if len(numbers) != len(columns):
            damaged += bool(row)
            continue
        for column, number in zip(columns.values(), numbers, strict=True):
            column.append(number)
    if damaged:
        notes.append(f"{damaged} of {len(rows)} rows of steps.csv are damaged and were left out")
    return columns


def _confusion(evaluation: Mapping[str, Any], notes: list[str]) -> np.ndarray[Any, Any] | None:
    given = evaluation.get("confusion")
    if given is None or given == []:
        return None
    counts = _array(given)
    if (
        counts is None
        or counts.ndim != 2
        or counts.shape[0] != counts.shape[1]
        or not ((counts >= 0) & (counts < 2**53)).all()
    ):
        notes.append("the confusion matrix in evaluation.json is no square of counts and was left out")
        return None
    return counts.astype(np.int64)


def _samples(evaluation: Mapping[str, Any], notes: list[str]) -> Iterator[Sample]:
    given = evaluation.get("samples") or []
    for entry in given if isinstance(given, list) else []:
        if not isinstance(entry, dict) or _value(entry.get("predicted")) is None:
            notes.append("a sample in evaluation.json is damaged and was left out")
            continue
        index, probability, shown = entry.get("index"), entry.get("probability"), entry.get("input")
        yield Sample(
            index=index if isinstance(index, int) else None,
            target=_value(entry.get("target")),
            predicted=_value(entry.get("predicted")),
            probability=finite(probability),
            input=shown if isinstance(shown, str) else _array(shown),
        )


def _value(value: Any) -> Any:
    """An int, a finite float, or a list of floats; None for all else."""
    if isinstance(value, list):
        numbers = _array(value)
        return None if numbers is None else [float(number) for number in numbers.ravel()]
    return finite(value)


def _array(value: Any) -> np.ndarray[Any, Any] | None:
    """Nested lists as an array; None for a null in it is NaN; None if it is no array of numbers, or empty."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return array if array.ndim and array.size else None


def _files(path: Path) -> dict[str, int]:
    found = {}
    for place in (path, path / "checkpoints", path / "plots"):
        for entry in sorted(place.iterdir()) if place.is_dir() else ():
            try:
                if entry.is_file() and not entry.name.startswith("."):
                    found[entry.relative_to(path).as_posix()] = entry.stat().st_size
            except OSError:  # of a run that is under way, it may be gone by now
                continue
    return found
