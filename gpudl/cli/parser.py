"""The tree of commands and options, and what is said where a command line does not fit it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from gpudl.cli import (
    bench,
    compare,
    completion,
    doctor,
    examples,
    plot,
    predict,
    summary,
    test,
    time,
    train,
    warmup,
)
from gpudl.cli.answer import printable, say
from gpudl.version import __version__

if TYPE_CHECKING:
    from gpudl.cli.answer import Answer

_COMMANDS = (train, test, predict, summary, plot, time, bench, compare, doctor, warmup, examples, completion)

_ABOUT = """\
Train neural networks that are described in a file, on a CPU or a GPU.

  gpudl train examples/digits.toml      train, and write a run folder
  gpudl test runs/digits-...            evaluate what was saved
  gpudl predict runs/digits-... x.npy   classes and numbers for new data
  gpudl compare examples/digits.toml    run it on two devices, and say where they differ
  gpudl bench                           how fast operations and networks are here
  gpudl doctor                          say which devices work here, and what to install
  gpudl examples                        programs to start from

Results go to stdout, progress to stderr. Exit codes: 0 done, 1 something could not be written or a check failed,
2 wrong input, 130 interrupted. `gpudl train --help` and so on say more.
"""


class Arguments(argparse.Namespace):
    """What was typed. All commands have these; each has more of its own.

    Attributes:
        run: the command's function.
        overrides: (option, key, text) of each key that is replaced, in their order.
        rest: the arguments behind `--`.
        line: the whole command line, of which "gpudl" is the first word.
    """

    run: Callable[[Arguments], Answer]
    json: bool
    quiet: bool
    verbose: bool
    overrides: list[tuple[str, str, str]]
    rest: list[str]
    line: list[str]


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, printable(f"{self.prog}: {' '.join(message.split())} (see {self.prog} --help)\n"))

    def print_help(self, file: Any = None) -> None:
        """On stdout, where argparse would not tell that it cannot be written; or in a file."""
        if file is None:
            say(self.format_help().rstrip("\n"))
        else:
            super().print_help(file)

    def options(self) -> list[str]:
        """All long options."""
        return [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]


def parse(argv: Sequence[str] | None = None) -> Arguments:
    """What was typed.

    Args:
        argv: the arguments; None for those of the process.
    Raises: SystemExit with code 2 for what does not fit, which is said in one line; 0 after --help and --version.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = make_parser()
    if not words:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    if words[0] == "--version":
        say(f"gpudl {__version__}")
        raise SystemExit(0)
    commands = commands_of(parser)
    if words[0] in ("-h", "--help"):
        parser.print_help()
        raise SystemExit(0)
    if words[0] not in commands:
        if words[0].startswith("-"):
            _refuse(parser, words, "; options of a command stand behind it")
        parser.error(f"there is no command {words[0]!r}{_nearest(words[0], commands)}")
    rest: list[str] = []
    line = ["gpudl", *words]
    if words[:2] == ["examples", "run"] and "--" in words:  # argparse treats -- in its own way, which has changed
        rest = words[words.index("--") + 1 :]
        words = words[: words.index("--")]
    command = commands[words[0]]
    # Intermixed: options may stand between the arguments.
    arguments, unknown = command.parse_known_intermixed_args(words[1:], Arguments(rest=rest, line=line))
    if unknown:
        hint = "; keys of the configuration are set by --set KEY=VALUE" if "--set" in command.options() else ""
        if words[:2] == ["examples", "run"]:
            hint = "; options of the example go behind --, as in: gpudl examples run NAME -- --device cpu"
        _refuse(command, unknown, hint)
    return arguments


def _refuse(parser: Parser, unknown: list[str], hint: str) -> NoReturn:
    option = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
    if option is None:
        parser.error(f"there is an argument too many: {unknown[0]!r}")
    parser.error(f"there is no option {option}{_nearest(option, parser.options()) or hint}")


def _nearest(word: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(word, list(known), 1, 0.65)
    return f"; did you mean {close[0]}?" if close else ""


def make_parser() -> Parser:
    """The whole tree."""
    parser = Parser(prog="gpudl", description=_ABOUT, formatter_class=_formatter, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in _COMMANDS:
        command: argparse.ArgumentParser = commands.add_parser(
            module.__name__.rpartition(".")[2],
            help=module.SUMMARY,
            description=module.ABOUT,
            formatter_class=_formatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, json=False, quiet=False, verbose=False, overrides=[])
    return parser


def summaries() -> dict[str, str]:
    """The line about each command."""
    return {module.__name__.rpartition(".")[2]: module.SUMMARY for module in _COMMANDS}


def commands_of(parser: Parser) -> dict[str, Parser]:
    """The parsers of the commands, by their names."""
    (action,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    found: dict[str, Parser] = action.choices
    return found


def _formatter(prog: str) -> Any:
    formatter = argparse.RawDescriptionHelpFormatter(prog, max_help_position=28)
    formatter._action_max_length = 14  # so that the longest command stands beside its help, which argparse forgets
    return formatter
