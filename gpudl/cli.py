"""The command line: `gpudl train` and `gpudl test`. It parses, calls gpudl.train and prints.

Results go to stdout, progress to stderr. Exit codes: 0 done, 1 the run folder could not be written, 2 wrong input,
130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from gpudl.version import __version__

if TYPE_CHECKING:
    from gpudl.train import Override

_ABOUT = """\
Train neural networks that are described in a file, on a CPU or a GPU.

  gpudl train examples/digits.toml      train, and write a run folder
  gpudl test runs/digits-...            evaluate what was saved

`gpudl train --help` and `gpudl test --help` say more.
"""

_TRAIN = """\
Train the network that a TOML file describes: its data, layers, optimizer and training.

  gpudl train examples/digits.toml
  gpudl train examples/mnist.toml --set data.root=~/data --epochs 3 --device cpu
  gpudl train examples/digits.toml --seed 1 --set optimizer.lr=0.01 --set model.layers.0.bias=false

The run folder gets the weights (model.safetensors, after each epoch), the configuration with all defaults, the seed
and the device (config.toml; training from it repeats the run), and a line for each epoch (log.jsonl).
"""

_SET = """\
replace a key of the configuration, or add one; the value is TOML, else taken as a string. Entries of a list by number:
model.layers.0.out_features=64 or 'model.layers[0].out_features=64'. A whole table: 'optimizer={type="Adam"}'.
May be given several times; the last one counts, also between this and the options above
"""

_TEST = """\
Evaluate the weights in a run folder on the test data.

  gpudl test runs/digits-20250131-120000
  gpudl test runs/mnist-20250131-120000 --device cpu --set data.root=~/data

With the device and batch size of the run, the figures are those that the run ended with.
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments; None for those of the process.
    Returns: the exit code.
    """
    try:
        try:
            arguments = _parser().parse_args(argv)
            code = _run(arguments)
        except SystemExit as exit:  # argparse has answered, or said what is wrong
            code = exit.code if isinstance(exit.code, int) else 2
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        return _give_up_stdout(1)
    except OSError as error:
        return _give_up_stdout(_fail(f"cannot write the results: {error.strerror}", 1))


def _give_up_stdout(code: int) -> int:
    """Let Python's own flush at the end go nowhere, since it would fail again and print a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _run(arguments: argparse.Namespace) -> int:
    try:
        from gpudl.train import ConfigError, RunError, WriteError

        try:
            arguments.command(arguments)
        except (ConfigError, RunError) as error:
            return _fail(error, 2)
        except WriteError as error:
            return _fail(error, 1)
    except KeyboardInterrupt as interrupt:
        return _fail(str(interrupt) or "interrupted", 130)
    return 0


def _train(arguments: argparse.Namespace) -> None:
    from gpudl.train import load_config, train

    config = load_config(arguments.config, [_override(*given) for given in arguments.overrides])
    result = train(config, arguments.out, quiet=arguments.quiet)
    print(f"run folder {result.run}")
    epochs = "1 epoch" if result.epochs == 1 else f"{result.epochs} epochs"
    print(f"{_scores(result)} after {epochs}, {result.seconds:.1f} s, {result.device}")


def _test(arguments: argparse.Namespace) -> None:
    from gpudl.train import evaluate_run

    overrides = [_override(*given) for given in arguments.overrides]
    result = evaluate_run(arguments.run, overrides)
    print(f"{_scores(result)} on {result.samples} samples, {result.seconds:.1f} s, {result.device}")


def _scores(result: Any) -> str:
    return f"test accuracy {result.scores.accuracy:.4f} (loss {result.scores.loss:.4f})"


def _fail(problem: object, code: int) -> int:
    print(f"gpudl: {problem}", file=sys.stderr)
    return code


def _override(origin: str, key: str, text: str) -> Override:
    from gpudl.train import Override

    return Override.parse(key, text, origin)


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog="gpudl", description=_ABOUT, formatter_class=formatter, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"gpudl {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    train = _command(commands, "train", "train from a configuration file", _TRAIN, _train)
    train.add_argument("config", metavar="CONFIG.toml", help="the configuration; see the folder examples")
    _device_and_batch_size(train)
    _option(train, "--epochs", "train.epochs", "N", "train.epochs: passes over the training data")
    _option(train, "--seed", "train.seed", "N", "train.seed: of all random numbers; drawn and recorded if not given")
    train.add_argument("--out", metavar="DIR", help="the run folder; runs/<name of CONFIG>-<date>-<time> by default")
    _set(train)
    train.add_argument("-q", "--quiet", action="store_true", help="no progress on stderr")

    test = _command(commands, "test", "evaluate a run folder", _TEST, _test)
    test.add_argument("run", metavar="RUN_DIR", help="the folder that gpudl train wrote")
    _device_and_batch_size(test)
    _set(test)
    return parser


def _command(
    commands: Any, name: str, summary: str, description: str, function: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=description, formatter_class=formatter, allow_abbrev=False
    )
    parser.set_defaults(command=function, overrides=[])
    return parser


def _device_and_batch_size(parser: argparse.ArgumentParser) -> None:
    places = "auto, cpu, cuda, cuda:N or sim"
    _option(parser, "--device", "train.device", "DEVICE", f"train.device: {places}; auto is a GPU if there is one")
    _option(parser, "--batch-size", "data.batch_size", "N", "data.batch_size: samples at a time")


def _option(parser: argparse.ArgumentParser, flag: str, key: str, metavar: str, help: str) -> None:
    """A flag that is short for --set KEY=...; all are kept in the order in which they were given."""

    def given(text: str) -> tuple[str, str, str]:
        return flag, key, text

    parser.add_argument(flag, action="append", dest="overrides", metavar=metavar, type=given, help=help)


def _set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", action="append", dest="overrides", metavar="KEY=VALUE", type=_key_value, help=_SET)


def _key_value(text: str) -> tuple[str, str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    return "--set", key, value
