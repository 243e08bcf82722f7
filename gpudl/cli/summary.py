"""gpudl summary."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from gpudl.cli.answer import Answer
from gpudl.cli.errors import REFUSALS, refused
from gpudl.cli.options import depth, model_to_look_at, shared, subject_of

if TYPE_CHECKING:
    from gpudl.cli.parser import Arguments

SUMMARY = "show the layers of a model, with shapes and parameters"

ABOUT = """\
Show the layers of a model: the shape that comes out of each, its parameters and its multiply-adds, and what the whole
takes in memory. SPEC is a configuration, a run folder, a model of gpudl.models, or a name in a Python file.

  gpudl summary examples/digits.toml
  gpudl summary runs/digits-20250131-120000
  gpudl summary resnet18 --input-size 3,224,224
  gpudl summary my_models.py:Net --input-size 1,28,28 --depth 2

Nothing is trained or written. Exit codes: 0 done, 1 memory is spent, 2 wrong input, 130 interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    model_to_look_at(parser)
    parser.add_argument("--depth", metavar="N", type=depth, default=3, help="how deep the rows go; 3 if not given")
    shared(parser, "device", "batch-size", "set", "json", "quiet", "verbose", plain="device batch-size")


def run(arguments: Arguments) -> Answer:
    """Do it."""
    from gpudl.nn.summary import summary

    found = subject_of(arguments)
    try:
        result = summary(found.model, input_data=found.inputs, depth=arguments.depth, verbose=0)
    except REFUSALS as error:
        raise refused(error) from error
    data = {
        "name": found.name,
        "device": str(found.device),
        "parameters": result.total_params,
        "trainable_parameters": result.trainable_params,
        "mult_adds": result.total_mult_adds,
        "input_bytes": result.total_input,
        "output_bytes": result.total_output_bytes,
        "parameter_bytes": result.total_param_bytes,
        "layers": [_row(row) for row in result.summary_list if row.depth <= arguments.depth],
    }
    return Answer(str(result), data)


def _row(row: Any) -> dict[str, Any]:
    return {
        "name": row.var_name,
        "type": row.class_name,
        "depth": row.depth,
        "input_size": row.input_size,
        "output_size": row.output_size,
        "parameters": row.num_params,
        "mult_adds": row.mult_adds,
    }
