"""The command line as a whole: help that teaches, one line for each mistake, options alike, text or JSON."""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gpudl
from gpudl.cli import main, parser, train
from gpudl.cli.answer import Answer
from gpudl.cli.errors import UsageError
from gpudl.cli.options import ORDER
from gpudl.train import ConfigError, WriteError

COMMANDS = [
    *("train", "test", "predict", "summary", "plot", "time", "bench", "compare", "doctor", "warmup"),
    *("examples", "completion"),
]
TREE = parser.commands_of(parser.make_parser())


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch):
    """A function that has another one answer for `gpudl train`."""
    return lambda function: monkeypatch.setattr(train, "run", function)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gpudl {gpudl.__version__}\n"


def test_no_command_shows_the_help_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and all(re.search(rf"^    {name}\b", err, re.MULTILINE) for name in COMMANDS)


def test_commands_are_the_contract() -> None:
    assert list(TREE) == COMMANDS


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_teaches_with_examples_that_parse_and_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 120 and "Exit codes: 0 " in text and "%" not in text
    lines = re.findall(rf"^  .*?\bgpudl ({command or '[a-z]+'}\b.*)$", text, re.MULTILINE)
    assert lines
    for line in lines:
        parser.parse(re.split(r"\)|  | >", line)[0].split())


def test_shared_options_are_alike_everywhere() -> None:
    order = "device seed epochs batch-size resume out set json quiet verbose"  # as users know them
    assert list(ORDER) == order.split()
    texts: dict[str, set[str]] = {}
    for name, command in TREE.items():
        flags = {action.option_strings[-1][2:]: action for action in command._actions if action.option_strings}
        ours = [flag for flag in flags if flag in ORDER]
        assert ours == [flag for flag in ORDER if flag in ours], name
        for flag in ours:
            texts.setdefault(flag, set()).add(re.sub(r" \([a-z_.]+\)$", "", flags[flag].help or ""))
        assert all(action.help for action in command._actions), name
    assert set(texts) == set(ORDER)
    assert {flag for flag, helps in texts.items() if len(helps) > 1} == {"out"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian", "small.toml"], "gpudl: there is no command 'trian'; did you mean train? (see gpudl --help)"),
        (["fly"], "gpudl: there is no command 'fly' (see gpudl --help)"),
        (["--verison"], "gpudl: there is no option --verison; did you mean --version? (see gpudl --help)"),
        (["train", "a.toml", "--epoch", "3"], "gpudl train: there is no option --epoch; did you mean --epochs? "),
        (["test", "run", "--batchsize=3"], "gpudl test: there is no option --batchsize; did you mean --batch-size? "),
        (["train", "a", "--lr", "3"], "there is no option --lr; keys of the configuration are set by --set KEY=VALUE"),
        (["doctor", "cpu"], "gpudl doctor: there is an argument too many: 'cpu' (see gpudl doctor --help)"),
        (["train", "a.toml", "b.toml"], "gpudl train: there is an argument too many: 'b.toml'"),
        (["train", "a.toml", "--epochs"], "gpudl train: argument --epochs: expected one argument"),
        (["train", "a.toml", "--set", "optimizer.lr"], "argument --set: expected KEY=VALUE, got 'optimizer.lr'"),
        (["train", "a.toml", "-q", "-v"], "argument -v/--verbose: not allowed with argument -q/--quiet"),
        (["summary", "resnet18", "--input-size", "3x2"], "expected whole numbers with commas, such as 3,224,224"),
        (["summary", "resnet18", "--input-size", "3,0"], "expected whole numbers with commas, such as 3,224,224"),
        (["summary", "resnet18", "--depth", "-1"], "gpudl summary: argument --depth: expected "),
        (["time", "resnet18", "--repeats", "0"], "argument --repeats: expected a whole number from 1, got '0'"),
        (["predict", "run", "--top-k", "x"], "argument --top-k: expected a whole number from 1, got 'x'"),
        (["warmup", "--dtype", "int8"], "argument --dtype: invalid choice: 'int8'"),
        (["completion", "tcsh"], "invalid choice: 'tcsh'"),
        (["test"], "gpudl test: the following arguments are required: RUN"),
        (["train", "a\x1b[31m.toml\nb", "--x\x1b[0m"], "there is no option --x"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line_with_the_nearest(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gpudl") and err.count("\n") == 1 and said in err and "\x1b" not in err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("so\nnot"), 2, "so not"),
        (ConfigError("train.epochs", "expected\nmore", "a.toml"), 2, "a.toml: train.epochs: expected more"),
        (gpudl.DeviceError("device 'x' is not available: no"), 2, "device 'x' is not available: no"),
        (ImportError('no Pillow; run: pip install "gpudl[image]"'), 2, 'no Pillow; run: pip install "gpudl[image]"'),
        (gpudl.OutOfMemoryError("cuda:0 is out of memory\nx 3 MB"), 1, "cuda:0 is out of memory\nx 3 MB"),
        (WriteError(Path("run"), OSError(28, "disk full")), 1, "run: cannot write: disk full"),
        (PermissionError(13, "Permission denied", "out.csv"), 1, "out.csv: Permission denied"),
        (OSError("odd"), 1, "odd"),
        (UsageError("red \x1b[31m end\x07"), 2, r"red \x1b[31m end\x07"),
        (KeyboardInterrupt("interrupted after epoch 1"), 130, "interrupted after epoch 1"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)  # fmt: skip
def test_each_error_has_its_exit_code_and_words(
    answering, error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(arguments: parser.Arguments) -> Answer:
        raise error

    answering(fail)
    for options in ([], ["-q"], ["--json"], ["--json", "-q"]):
        assert main(["train", "a.toml", *options]) == code
        assert capsys.readouterr() == ("", f"gpudl: {said}\n")


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("ours"), ValueError("ours"), ImportError("ours"), KeyError("ours")]
)
def test_a_bug_keeps_its_traceback(answering, error: Exception) -> None:
    def fail(arguments: parser.Arguments) -> Answer:
        raise error

    answering(fail)
    with pytest.raises(type(error)):
        main(["train", "a.toml", "-q", "--json"])


def test_verbose_shows_versions_and_the_traceback_above_the_line(answering, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(arguments: parser.Arguments) -> Answer:
        raise UsageError("not so")

    answering(fail)
    assert main(["train", "a.toml", "-v"]) == 2
    first, *middle, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"gpudl {gpudl.__version__}, Python 3.") and f"NumPy {np.__version__}" in first
    assert middle[0].startswith("Traceback") and last == "gpudl: not so"
    assert any("in fail" in line for line in middle)


def test_json_is_one_object_whatever_else_is_printed(answering, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(arguments: parser.Arguments) -> Answer:
        print("printed by a user's module")
        data = {
            "nan": float("nan"), "inf": [-float("inf")], "array": np.array([1.5, np.nan]), "path": Path("a"),
            "int": np.int64(3), "text": "\x1b é \udcff", "none": None, "yes": True, "scores": {"loss": 0.25},
        }  # fmt: skip
        return Answer("text", data, 1)

    answering(answer)
    assert main(["train", "a.toml", "--json"]) == 1
    out, err = capsys.readouterr()
    assert err == "printed by a user's module\n" and out.isascii() and "\x1b" not in out
    assert json.loads(out) == {
        "nan": None, "inf": [None], "array": [1.5, None], "path": "a", "int": 3, "text": "\x1b é \udcff",
        "none": None, "yes": True, "scores": {"loss": 0.25},
    }  # fmt: skip
    assert main(["train", "a.toml"]) == 1
    assert capsys.readouterr() == ("printed by a user's module\ntext\n", "")


def test_quiet_leaves_stderr_empty(answering, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(arguments: parser.Arguments) -> Answer:
        print("progress", file=sys.stderr)
        return Answer("text", {})

    answering(answer)
    assert main(["train", "a.toml", "-q"]) == 0
    assert capsys.readouterr() == ("text\n", "")
    assert main(["train", "a.toml"]) == 0
    assert capsys.readouterr() == ("text\n", "progress\n")


def test_stdout_that_lacks_a_letter_gets_an_escape(answering, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(lambda arguments: Answer("café \udcff ☃", {}))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    assert main(["train", "a.toml"]) == 0
    assert written.getvalue() == b"caf\xe9 \\udcff \\u2603\n"


def test_help_and_version_import_nothing_that_is_slow() -> None:
    code = """
import sys, gpudl
before = set(sys.modules)
from gpudl.cli import main
for line in (["--version"], ["--help"], ["train", "--help"], ["completion", "--help"]):
    assert main(line) == 0
print(sorted({name.partition(".")[0] for name in set(sys.modules) - before} - {"gpudl"}))
print(sorted(name for name in set(sys.modules) - before if name.startswith("gpudl.") and "gpudl.cli" not in name))
"""
    root = str(Path(gpudl.__file__).resolve().parents[1])
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    others, ours = done.stdout.splitlines()[-2:]
    assert ours == "[]"
    assert set(eval(others)) <= {"argparse", "gettext", "locale", "_locale", "shutil", "zlib", "bz2", "_bz2", "lzma",
                                 "_lzma", "_compression", "fnmatch", "grp", "pwd", "errno", "_colorize"}  # fmt: skip


def test_every_command_can_be_verbose_and_its_parser_is_ours() -> None:
    for name, command in TREE.items():
        assert isinstance(command, parser.Parser) and isinstance(command, argparse.ArgumentParser)
        assert ("--verbose" in command.options()) == (name != "completion")
