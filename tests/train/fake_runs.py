"""Run folders as `gpudl train` writes them, made without any training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

CONFIG = """\
# Resolved by gpudl 0.1; `gpudl train` with this file repeats the run.

[data]
name = "digits"
flatten = true
batch_size = 32

[[model.layers]]
type = "Linear"
in_features = 64
out_features = 10

[train]
epochs = 12
seed = 3
device = "cpu"
"""


def manifest(**changes: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "name": "digits",
        "status": "done",
        "error": None,
        "started": "2025-01-31T12:00:00+0000",
        "finished": "2025-01-31T12:00:14+0000",
        "seconds": 14.2,
        "gpudl": "0.1",
        "python": "3.12.1",
        "numpy": "2.2.0",
        "platform": "Linux-6.1-x86_64",
        "cpu": "Some CPU @ 2.40GHz",
        "threads": 2,
        "device": "cpu",
        "device_name": "Some CPU @ 2.40GHz",
        "packages": {"numpy": "2.2.0", "safetensors": "0.5.0"},
        "seed": 3,
        "epochs": 12,
        "parameters": 85002,
        "train_samples": 1437,
        "validation_samples": None,
        "test_samples": 360,
        "classes": [str(digit) for digit in range(10)],
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": True},
        "command": ["gpudl", "train", "examples/digits.toml", "--set", "train.epochs=12"],
        "model": "Sequential(\n  (0): Linear(in_features=64, out_features=10, bias=True)\n)",
        "scores": {"loss": 0.1202, "accuracy": 0.9591},
        **changes,
    }


def epochs(count: int, noise: float = 0.02) -> list[dict[str, Any]]:
    """Records of a classifier that learns and, later, overfits a little."""
    random = np.random.default_rng(0)
    records = []
    for epoch in range(1, count + 1):
        part = 3 * epoch / max(count, 4)
        loss = 2.2 * np.exp(-1.6 * part) + 0.02
        other = 2.1 * np.exp(-1.5 * part) + 0.06 + 0.012 * part
        loss, other = (value * (1 + noise * random.standard_normal()) for value in (loss, other))
        records.append(
            {
                "epoch": epoch,
                "loss": float(loss),
                "accuracy": float(1 - 0.3 * loss),
                "val_loss": float(other),
                "val_accuracy": float(1 - 0.34 * other),
                "lr": 0.01 * 0.5 * (1 + np.cos(np.pi * epoch / (count + 1))),
                "seconds": 1.18,
                "samples_per_second": 1437 / 0.9,
            }
        )
    return records


def confusion(classes: int, seed: int = 0) -> list[list[int]]:
    random = np.random.default_rng(seed)
    counts = np.diag(random.integers(28, 37, classes))
    for row, column in random.integers(0, classes, (classes, 2)):
        counts[row, column] += 1 + 3 * (row % 3 == 0)
    return counts.tolist()


def picture(digit: int, side: int = 8) -> Any:
    """Something with strokes: a ring or a bar by the number."""
    y, x = np.mgrid[:side, :side] / (side - 1) * 2 - 1
    ring = np.exp(-(((np.hypot(x, y) - 0.6) / 0.2) ** 2))
    bar = np.exp(-(((x * np.cos(digit) + y * np.sin(digit)) / 0.25) ** 2))
    return np.where(digit % 2, ring, bar).round(3)


def samples(count: int = 16, classes: int = 10) -> list[dict[str, Any]]:
    return [
        {
            "index": 17 * place,
            "target": place % classes,
            "predicted": (place % classes + (place % 5 == 4)) % classes,
            "probability": 0.995 - 0.03 * place,
            "input": picture(place % classes).tolist(),
        }
        for place in range(count)
    ]


def steps(count: int, broken: bool = False) -> str:
    random = np.random.default_rng(1)
    lines = ["step,epoch,loss,lr"]
    for step in range(1, count + 1):
        loss = 2.3 * np.exp(-4 * step / count) * (1 + 0.25 * abs(random.standard_normal())) + 0.05
        lines.append(f"{step},{1 + 12 * step // (count + 1)},{loss:.5f},{0.01 * min(1, step / 50):.6f}")
    return "\n".join(lines) + ("\n400,12,0.0" if broken else "\n")


def make_run(
    folder: Path,
    records: list[dict[str, Any]] | None = None,
    about: dict[str, Any] | None = None,
    evaluation: dict[str, Any] | None = None,
    step_count: int = 540,
    damage: str = "",
) -> Path:
    """A run folder; `damage` goes behind the last line of the log."""
    folder.mkdir(parents=True)
    records = epochs(12) if records is None else records
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps(about or manifest()), encoding="utf-8")
    log = "".join(json.dumps(record, allow_nan=False) + "\n" for record in records)
    (folder / "log.jsonl").write_text(log + damage, encoding="utf-8")
    if records:
        whole = {"epoch": records[-1]["epoch"], "confusion": confusion(10), "samples": samples()}
        given = json.dumps(whole if evaluation is None else evaluation)
        (folder / "evaluation.json").write_text(given, encoding="utf-8")
        (folder / "steps.csv").write_text(steps(step_count), encoding="utf-8")
        (folder / "model.safetensors").write_bytes(b"weights" * 1000)
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "step-540.safetensors").write_bytes(b"weights" * 3000)
    return folder
