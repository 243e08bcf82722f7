"""How the result of a training or a test is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpudl.train import Result


def scores_text(scores: Mapping[str, float]) -> str:
    """The metrics, and the loss behind them: "test accuracy 0.9722, f1 0.9719 (loss 0.0876)"."""
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in scores.items() if name != "loss")
    loss = f"loss {scores['loss']:.4f}" if "loss" in scores else ""
    return f"test {metrics} ({loss})" if metrics and loss else f"test {metrics or loss}"


def data_of(result: Result) -> dict[str, Any]:
    """The result as plain values."""
    return {**vars(result), "run": str(result.run)}
