"""The command line: `gpudl train`, `test`, `predict` and so on. It parses, calls, and prints.

Results go to stdout, progress to stderr. Exit codes: 0 done, 1 something could not be written, a check failed, or a
device's memory is spent, 2 wrong input, 130 interrupted. One file holds one command, and imports what it needs when it
runs: the help comes at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TextIO, cast

from gpudl.cli.answer import Answer, StdoutError, Steady, fail, give_up, say, stdout_to, versions, write_json
from gpudl.cli.errors import exit_code, text_of
from gpudl.cli.parser import Arguments, parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments; None for those of the process.
    Returns: the exit code.
    """
    try:
        code = _run(argv)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        return _give_up_stdout(1)
    except OSError as error:
        return _give_up_stdout(fail(f"cannot write the results: {error.strerror}", 1))


def _give_up_stdout(code: int) -> int:
    give_up(sys.stdout)
    return code


def _run(argv: Sequence[str] | None) -> int:
    verbose = False
    try:
        arguments = parse(argv)
        verbose = arguments.verbose
        answer = _answer(arguments)
        if arguments.json:
            write_json(answer.data)
        elif answer.text:
            say(answer.text)
        return answer.code
    except SystemExit as exit:  # argparse has answered, or said what is wrong
        return exit.code if isinstance(exit.code, int) else 2
    except StdoutError as error:
        raise error.reason from None
    except KeyboardInterrupt as interrupt:
        return fail(str(interrupt) or "interrupted", 130)
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        if verbose:
            import traceback

            traceback.print_exc()
        return fail(text_of(error, code), code)


def _answer(arguments: Arguments) -> Answer:
    with contextlib.ExitStack() as stack:
        aside = cast(TextIO, Steady(sys.stderr))
        if arguments.quiet:
            aside = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
        stack.enter_context(contextlib.redirect_stderr(aside))
        if arguments.json:
            stack.enter_context(stdout_to(aside))
        if arguments.verbose:
            print(versions(), file=sys.stderr, flush=True)
        return arguments.run(arguments)
