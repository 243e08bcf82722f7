"""What `gpudl predict` does: samples from files, through the model, as classes with probabilities or as numbers."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import CPU
from gpudl.nn.module import Module
from gpudl.train.errors import WriteError
from gpudl.train.files import write_whole
from gpudl.train.reading import Inputs, read_inputs

__all__ = ["Inputs", "Predictions", "predict", "read_inputs"]

_SHOWN = 8


def predict(model: Module, inputs: Inputs, classes: Sequence[str] | None = None) -> Predictions:
    """Run a model over inputs, in evaluation mode, on the device where it is.

    Args:
        model: gives one Tensor, its first length the samples.
        inputs: from read_inputs.
        classes: names of the classes, of a model that gives scores of classes; None for numbers.
    Raises: ValueError if the model gives something else; what reading and the model raise.
    """
    device = next((each.device for each in (*model.parameters(), *model.buffers())), CPU)
    modes = [(module, module.training) for module in model.modules()]
    outputs = []
    try:
        model.eval()
        with no_grad():
            for batch in inputs.batches:
                output = model(batch.to(device))
                if not isinstance(output, Tensor) or output.shape[:1] != batch.shape[:1]:
                    got = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
                    raise ValueError(f"the model gives {got} for {len(batch)} samples; expected one Tensor, a row each")
                outputs.append(_host(output))
    finally:
        for module, training in modes:
            module.training = training
    return Predictions(inputs.names, np.concatenate(outputs), classes)


class Predictions:
    """What a model says about inputs.

    With classes, scores (count, classes) become probabilities by softmax, unless they are such already (all rows 0 or
    more, with a sum of 1); one score each, of two classes, becomes the second one's probability by the sigmoid. All
    else stays numbers, as without classes.

    Args:
        names: of the inputs.
        outputs: Tensor or array, (count, ...).
        classes: their names; None for numbers.
    Attributes:
        names, outputs, classes: as given; outputs as an array of NumPy; classes None where outputs are no scores.
        probabilities: (count, classes) float64, or None for numbers. NaN where the outputs are.
    Raises: ValueError if there are not as many outputs as names.
    """

    def __init__(self, names: Sequence[str], outputs: Any, classes: Sequence[str] | None = None) -> None:
        self.names = list(names)
        self.outputs = _host(outputs) if isinstance(outputs, Tensor) else np.asarray(outputs)
        if self.outputs.ndim == 0 or len(self.outputs) != len(self.names):
            raise ValueError(f"{len(self.names)} names, but outputs of shape {self.outputs.shape}")
        self.probabilities = _probabilities(self.outputs, len(classes or ()))
        known = list(map(str, classes or ()))
        count = 0 if self.probabilities is None else self.probabilities.shape[1]
        known += [str(number) for number in range(len(known), count)]
        self.classes = None if self.probabilities is None else known

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, top: int = 1) -> list[dict[str, Any]]:
        """A dict of plain values for each input.

        Of classes: "input", "class" and "probability" of the likeliest (None if the model gave NaN), and, if `top` is
        above 1, "top": that many, the likeliest first, each with "class" and "probability". Of numbers: "input" and
        "output", a number or nested lists.

        Raises: ValueError for `top` below 1.
        """
        if top < 1:
            raise ValueError(f"top must be 1 or more, got {top}")
        return list(self._rows(top))

    def _rows(self, top: int) -> Iterator[dict[str, Any]]:
        if self.probabilities is None or self.classes is None:
            for name, output in zip(self.names, self.outputs, strict=True):
                plain = output.tolist()
                yield {"input": name, "output": plain[0] if output.shape == (1,) else plain}
            return
        for name, row in zip(self.names, self.probabilities, strict=True):
            best = [] if np.isnan(row).any() else np.argsort(-row, kind="stable")[:top].tolist()
            found = [{"class": self.classes[place], "probability": float(row[place])} for place in best]
            first = found[0] if found else {"class": None, "probability": None}
            yield {"input": name, **first, **({"top": found} if top > 1 else {})}

    def write(self, path: str | os.PathLike[str], top: int = 1) -> None:
        """Write all of it, whole or not at all: .csv or .json with the rows, or .npy with the outputs themselves.

        A .csv file has the columns input, class, probability, class_2, probability_2, ...; or input and output, or
        output_0, output_1, ... for several numbers each.

        Raises: ValueError for another ending; WriteError, an OSError, if it cannot be written.
        """
        place = Path(path)
        made = {".csv": self._csv, ".json": self._json, ".npy": self._npy}.get(place.suffix.lower())
        if made is None:
            raise ValueError(f"{place}: predictions are written as .csv, .json or .npy")
        content = made(top)
        try:
            write_whole(place, content)
        except OSError as error:
            raise WriteError(place, error) from error

    def _csv(self, top: int) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if self.classes is None:
            flat = self.outputs.reshape(len(self), -1) if len(self) else self.outputs.reshape(0, 1)
            several = flat.shape[1] != 1
            writer.writerow(["input", *([f"output_{n}" for n in range(flat.shape[1])] if several else ["output"])])
            writer.writerows([name, *row] for name, row in zip(self.names, flat.tolist(), strict=True))
        else:
            count = min(top, len(self.classes))
            suffixes = ["", *(f"_{number}" for number in range(2, count + 1))]
            writer.writerow(["input", *(f"{name}{end}" for end in suffixes for name in ("class", "probability"))])
            for row in self.rows(max(count, 2)):
                cells = [cell for one in row["top"][:count] for cell in one.values()]
                writer.writerow([row["input"], *cells, *[""] * (2 * count - len(cells))])
        return text.getvalue().encode("utf-8", "surrogateescape")

    def _json(self, top: int) -> bytes:
        return (json.dumps(_finite(self.rows(top)), indent=1, allow_nan=False) + "\n").encode()

    def _npy(self, top: int) -> bytes:
        file = io.BytesIO()
        np.save(file, self.outputs, allow_pickle=False)
        return file.getvalue()

    def table(self, top: int = 1) -> str:
        """The rows for a terminal."""
        if self.classes is None:
            head: tuple[str, ...] = ("Input", "Output")
            rows: list[tuple[str, ...]] = [(row["input"], _numbers(row["output"])) for row in self.rows()]
        else:
            head = ("Input", "Class", "Probability", *(["Then"] if top > 1 else []))
            rows = [self._cells(row, top) for row in self.rows(top)]
        cells = [tuple(map(_printable, row)) for row in (head, *rows)]
        widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
        return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in cells)

    def _cells(self, row: dict[str, Any], top: int) -> tuple[str, ...]:
        if row["class"] is None:
            return (row["input"], "-", "nan", *([""] if top > 1 else []))
        others = [f"{each['class']} {each['probability']:.4f}" for each in row.get("top", ())[1:]]
        return (row["input"], row["class"], f"{row['probability']:.4f}", *([", ".join(others)] if top > 1 else []))

    def __str__(self) -> str:
        return self.table()


def _probabilities(outputs: np.ndarray[Any, Any], classes: int) -> np.ndarray[Any, Any] | None:
    """(count, classes), or None if outputs are no scores of so many classes."""
    if not classes or outputs.dtype.kind not in "fV":
        return None
    scores = outputs.astype(np.float64)
    with np.errstate(all="ignore"):
        if classes == 2 and scores.shape[1:] in ((), (1,)):
            second = np.exp(-np.logaddexp(0, -scores.reshape(-1)))
            return np.stack([1 - second, second], 1)
        if scores.ndim != 2 or scores.shape[1] < classes:
            return None
        if len(scores) and (scores >= 0).all() and (abs(scores.sum(1) - 1) < 1e-3).all():
            return scores
        powers = np.exp(scores - scores.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True))


def _host(tensor: Tensor) -> np.ndarray[Any, Any]:
    array = tensor.detach().cpu().numpy()
    return np.asarray(array if array.dtype.kind != "V" else array.astype(np.float32))  # bfloat16 is no NumPy dtype


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return list(map(_finite, value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(value: Any) -> str:
    """The first numbers of an output."""
    flat = np.asarray(value).reshape(-1).tolist()
    shown = ", ".join(f"{each:.6g}" if isinstance(each, float) else str(each) for each in flat[:_SHOWN])
    return shown + f", ... ({len(flat)} numbers)" * (len(flat) > _SHOWN)


def _printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(each if each.isprintable() else "?" for each in text)
