"""gpudl predict."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from gpudl.cli.answer import Answer
from gpudl.cli.errors import REFUSALS, UsageError, refused, text_of
from gpudl.cli.options import count, overrides, shared

if TYPE_CHECKING:
    from gpudl.cli.parser import Arguments
    from gpudl.train import OpenRun
    from gpudl.train.predicting import Inputs, Predictions

SUMMARY = "predict with the weights in a run folder"

ABOUT = """\
Predict with the weights in a run folder: a class with its probability for each input, or numbers.

  gpudl predict runs/digits-20250131-120000 images.npy
  gpudl predict runs/flowers-20250131-120000 rose.jpg photos/ --top-k 3
  gpudl predict runs/prices-20250131-120000 houses.csv --out prices.csv
  gpudl predict runs/digits-20250131-120000 --limit 10

INPUT is .npy, .npz, .csv, image files, folders of images, or text files, by what the model was trained on; without any
it is the run's test data. --out writes .csv, .json or .npy instead of the table on stdout. Exit codes: 0 done,
1 --out cannot be written or memory is spent, 2 wrong input, 130 interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("run_folder", metavar="RUN", help="the folder that gpudl train wrote")
    parser.add_argument("inputs", metavar="INPUT", nargs="*", help="files and folders; the test data if not given")
    parser.add_argument("--top-k", metavar="K", type=count, help="the K most probable classes of each input")
    parser.add_argument("--limit", metavar="N", type=count, help="the first N inputs only")
    out = ("FILE", "write the predictions to this file, by its ending .csv, .json or .npy")
    shared(parser, "device", "batch-size", "out", "set", "json", "quiet", "verbose", out=out)


def run(arguments: Arguments) -> Answer:
    """Do it."""
    from pathlib import Path

    from gpudl.train import open_run

    out = None if arguments.out is None else Path(arguments.out)
    if out is not None and out.suffix.lower() not in (".csv", ".json", ".npy"):
        raise UsageError(f"--out: predictions are written as .csv, .json or .npy, not as {out.name!r}")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out: there is no folder {out.parent}")
    opened = open_run(arguments.run_folder, overrides(arguments))
    made = _of_files(opened, arguments) if arguments.inputs else _of_test_data(opened, arguments.limit)
    top = arguments.top_k or 1
    data = {
        "run": arguments.run_folder,
        "device": str(opened.trainer.device),
        "classes": made.classes,
        "count": len(made),
    }
    if out is None:
        return Answer(made.table(top), {**data, "predictions": made.rows(top)})
    made.write(out, top)
    predictions = "1 prediction" if len(made) == 1 else f"{len(made)} predictions"
    return Answer(f"{predictions} in {out}", {**data, "out": str(out)})


def _of_files(opened: OpenRun, arguments: Arguments) -> Predictions:
    from gpudl.train.predicting import predict, read_inputs

    if len(opened.fit.inputs) != 1:
        raise UsageError(f"the model takes {len(opened.fit.inputs)} inputs, and files are read for models of one")
    sample, size = opened.fit.inputs[0][0], opened.config.data["batch_size"]
    try:
        inputs = read_inputs(arguments.inputs, sample, opened.test.dataset, batch_size=size)
        return predict(opened.trainer.model, _first(inputs, arguments.limit), _classes(opened))
    except OSError as error:
        raise UsageError(text_of(error, 2)) from error
    except REFUSALS as error:
        raise refused(error) from error


def _of_test_data(opened: OpenRun, limit: int | None) -> Predictions:
    from dataclasses import replace

    from gpudl.data import Subset
    from gpudl.train import build_data
    from gpudl.train.predicting import Predictions

    number = min(limit or len(opened.test.dataset), len(opened.test.dataset))
    part = replace(opened.test, dataset=Subset(opened.test.dataset, range(number)))
    outputs = opened.trainer.predict(build_data.loader(opened.config, part, train=False))
    return Predictions([f"test[{place}]" for place in range(number)], outputs, _classes(opened))


def _classes(opened: OpenRun) -> list[str] | None:
    """Their names, or numbers where there are classes without names; None where the model gives numbers."""
    output: Any = opened.fit.output
    if not opened.fit.labels or opened.test.classes:
        return list(opened.test.classes) or None
    return list(map(str, range(output.shape[1]))) if getattr(output, "ndim", 0) == 2 else None


def _first(inputs: Inputs, limit: int | None) -> Inputs:
    from gpudl.train.predicting import Inputs

    if limit is None or limit >= len(inputs):
        return inputs

    def batches() -> Any:
        left = limit
        for batch in inputs.batches:
            yield batch[:left]
            left -= len(batch)
            if left <= 0:
                return

    return Inputs(inputs.names[:limit], batches())
