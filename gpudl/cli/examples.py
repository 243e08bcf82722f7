"""gpudl examples."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from gpudl.cli.answer import Answer
from gpudl.cli.errors import UsageError
from gpudl.cli.options import shared

if TYPE_CHECKING:
    from gpudl.cli.parser import Arguments
    from gpudl.examples_index import Example

SUMMARY = "programs and configurations to start from"

ABOUT = """\
Programs and configurations to start from: say which there are, show one, copy one to change it, or run it.

  gpudl examples
  gpudl examples show digits_mlp
  gpudl examples copy digits_mlp my_project
  gpudl examples run digits_mlp -- --device cpu --epochs 3

copy writes the files into DIR, or into the current folder, and replaces none. What stands behind -- goes to the
example. Exit codes: 0 done, 1 the copy cannot be written, 2 wrong input, 130 interrupted; run ends as the example does.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    actions = ("list", "show", "copy", "run")
    parser.add_argument(
        "action", metavar="ACTION", nargs="?", choices=actions, default="list", help=f"{', '.join(actions)}; or list"
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="of the example, as the list has it")
    parser.add_argument("folder", metavar="DIR", nargs="?", help="for copy: where to; the current folder if not given")
    shared(parser, "json", "quiet", "verbose")


def run(arguments: Arguments) -> Answer:
    """Do it."""
    action = arguments.action
    if action == "list" and arguments.name is not None:
        raise UsageError(f"list takes no NAME; did you mean: gpudl examples show {arguments.name}")
    if action != "list" and arguments.name is None:
        raise UsageError(f"{action} needs the NAME of an example; gpudl examples lists them")
    if action != "copy" and arguments.folder is not None:
        raise UsageError(f"{action} takes no DIR, got {arguments.folder!r}; options of an example go behind --")
    try:
        return {"list": _list, "show": _show, "copy": _copy, "run": _start}[action](arguments)
    except ValueError as error:  # no example of this name
        raise UsageError(str(error)) from error


def _list(arguments: Arguments) -> Answer:
    from gpudl.examples_index import examples

    found = examples()
    width = max(len(each.name) for each in found)
    lines = [f"{each.name:{width}}  {each.title}" for each in found]
    lines += ["", "gpudl examples show NAME prints one, copy NAME copies it here, run NAME runs it"]
    return Answer("\n".join(lines), {"examples": [_described(each) for each in found]})


def _show(arguments: Arguments) -> Answer:
    from gpudl.examples_index import example

    found = example(arguments.name)
    text = found.path.read_text(encoding="utf-8")
    return Answer(text.rstrip("\n"), {**_described(found), "text": text})


def _copy(arguments: Arguments) -> Answer:
    from gpudl.examples_index import copy

    try:
        paths = copy(arguments.name, arguments.folder or ".")
    except FileExistsError as error:
        raise UsageError(str(error)) from error
    return Answer("\n".join(map(str, paths)), {"files": list(map(str, paths))})


def _start(arguments: Arguments) -> Answer:
    """Run the example in a process of its own, by this Python and with this gpudl."""
    import subprocess

    from gpudl.examples_index import example

    if arguments.json:
        raise UsageError("run prints what the example prints, not JSON; leave out --json")
    with subprocess.Popen([*_command(example(arguments.name)), *arguments.rest], env=_environment()) as process:
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:  # which the terminal gives to the example, too: it says how it ends
                continue
    return Answer("", {}, code if code >= 0 else 128 - code)


def _command(example: Example) -> list[str]:
    """Its command until the file, by this Python: `python` itself, `gpudl train` and `pytest` as modules."""
    words = example.command.split()
    words = words[: words.index(f"examples/{example.path.name}")]
    program = [sys.executable] if words[0] == "python" else [sys.executable, "-m", words[0]]
    return [*program, *words[1:], str(example.path)]


def _environment() -> dict[str, str]:
    """With the folder of this gpudl to import from, unless it is one where packages are installed."""
    import sysconfig
    from pathlib import Path

    folder = str(Path(__file__).resolve().parents[2])
    if folder in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return dict(os.environ)
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": folder if not before else f"{folder}{os.pathsep}{before}"}


def _described(each: Example) -> dict[str, Any]:
    return {
        "name": each.name,
        "title": each.title,
        "command": each.command,
        "needs": list(each.needs),
        "path": str(each.path),
    }
