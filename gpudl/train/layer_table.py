"""What layer_times found, and its table."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LayerTime:
    """A row: one layer, all of its calls together.

    Attributes:
        path: its name in the model, "layer1.0.conv1"; "" for the model itself, "loss" for the loss.
        type: its class.
        calls: how often it is called in a forward.
        is_container: whether other rows are inside of it; its times are of what it computes besides them.
        output_shape: of the first Tensor of its last call; None for none.
        parameters: numbers in parameters, without those of rows inside; what is shared counts in the first row.
        forward, backward: milliseconds, of all calls of a step; backward is None where there is none to compute.
    """

    path: str
    type: str
    calls: int
    is_container: bool
    output_shape: tuple[int, ...] | None
    parameters: int
    forward: float
    backward: float | None


@dataclass(frozen=True)
class LayerTimes:
    """How long the layers of a model took. Its str is the table.

    Attributes:
        layers: the rows, in the order of the first calls.
        forward, backward: milliseconds of the whole, undisturbed; backward is None if there was none.
        step: of both, with no waiting for the device between them.
        device, threads: where; threads of the processor's math libraries.
        repeats: how many rounds the medians are of.
        batch: the first length of the first input; None without one.
        training: whether the model was in training mode.
    """

    layers: tuple[LayerTime, ...]
    forward: float
    backward: float | None
    step: float
    device: str
    threads: int
    repeats: int
    batch: int | None
    training: bool

    @property
    def forward_sum(self) -> float:
        """Milliseconds of all layers."""
        return sum(layer.forward for layer in self.layers)

    @property
    def backward_sum(self) -> float:
        """Milliseconds of all layers."""
        return sum(layer.backward or 0.0 for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, times in milliseconds, shares in 0 to 1 of the layers' sum."""
        return {
            "layers": [
                {
                    "path": layer.path,
                    "type": layer.type,
                    "calls": layer.calls,
                    "container": layer.is_container,
                    "output_shape": None if layer.output_shape is None else list(layer.output_shape),
                    "parameters": layer.parameters,
                    "forward_ms": layer.forward,
                    "forward_share": _share(layer.forward, self.forward_sum),
                    "backward_ms": layer.backward,
                    "backward_share": _share(layer.backward, self.backward_sum),
                }
                for layer in self.layers
            ],
            "sum": {
                "parameters": sum(layer.parameters for layer in self.layers),
                "forward_ms": self.forward_sum,
                "backward_ms": None if self.backward is None else self.backward_sum,
            },
            "undisturbed": {"forward_ms": self.forward, "backward_ms": self.backward, "step_ms": self.step},
            "device": self.device,
            "threads": self.threads,
            "repeats": self.repeats,
            "batch": self.batch,
            "training": self.training,
        }

    def __str__(self) -> str:
        head = ("Layer", "Type", "Output", "Parameters", "Forward ms", "%", "Backward ms", "%")
        rows = [self._cells(layer) for layer in self.layers]
        parameters = f"{sum(layer.parameters for layer in self.layers):,}"
        both = [_time(self.forward_sum), "", _time(self.backward_sum if self.backward is not None else None), ""]
        rows.append(("Sum of the layers", "", "", parameters, *both))
        rows.append(("Undisturbed", "", "", "", _time(self.forward), "", _time(self.backward), ""))
        columns = range(len(head) if self.backward is not None else 6)
        widths = [max(len(row[column]) for row in (head, *rows)) for column in columns]
        lines = [
            "  ".join(f"{row[at]:<{widths[at]}}" if at < 3 else f"{row[at]:>{widths[at]}}" for at in columns).rstrip()
            for row in (head, *rows)
        ]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([lines[0], rule, *lines[1:-2], rule, *lines[-2:], "", *self._notes()])

    def _cells(self, layer: LayerTime) -> tuple[str, ...]:
        kind = layer.type + "*" * layer.is_container + (f" x{layer.calls}" if layer.calls > 1 else "")
        return (
            layer.path or "(model)",
            kind,
            "-" if layer.output_shape is None else "x".join(map(str, layer.output_shape)) or "1 number",
            f"{layer.parameters:,}" if layer.parameters else "-",
            _time(layer.forward),
            _percent(_share(layer.forward, self.forward_sum)),
            _time(layer.backward),
            _percent(_share(layer.backward, self.backward_sum)),
        )

    def _notes(self) -> list[str]:
        """What was measured, and what the marks mean."""
        batch = "" if self.batch is None else f", batch {self.batch}"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        mode = "training" if self.training else "evaluation"
        rounds = "one round" if self.repeats == 1 else f"medians of {self.repeats} rounds"
        whole = "forward" if self.backward is None else "step (forward and backward at once)"
        notes = [
            f"Whole {whole}: {_time(self.step)} ms, undisturbed. The layers are measured apart, waiting at each.",
            f"{self.device}, {threads}{batch}, {mode} mode, {rounds}.",
        ]
        if any(layer.is_container for layer in self.layers):
            notes.append("* what it computes itself, without the layers in it")
        if self.backward is not None and any(layer.backward is None for layer in self.layers):
            notes.append("- no backward: it computes nothing that a gradient goes through")
        return notes


def processor_threads() -> int:
    """How many threads the math libraries take: what the environment says, else one for each processor."""
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        if (value := os.environ.get(name, "")).isdecimal() and int(value):
            return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share(part: float | None, whole: float) -> float | None:
    return None if part is None else part / whole if whole else 0.0


def _time(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.3f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"[:-1]
