"""gpudl completion: the scripts, and what bash makes of its own."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from gpudl.cli import main
from gpudl.cli.completion_scripts import Word, _quoted, _zsh_option, script
from gpudl.cli.parser import commands_of, make_parser, summaries
from gpudl.examples_index import examples

TREE = commands_of(make_parser())
EXAMPLES = [each.name for each in examples()]
SCRIPTS = {shell: script(shell, TREE, summaries(), EXAMPLES) for shell in ("bash", "zsh", "fish")}
BASH = shutil.which("bash")

# The words from the script's own function, in a folder with files of each kind.
ASK = """
{script}
compopt() {{ :; }}
COMP_WORDS=({words})
COMP_CWORD={place}
_gpudl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.toml", "b.csv", "c d.toml"):
        (tmp_path / name).touch()
    for name in ("runs", "other run"):
        (tmp_path / name).mkdir()
    return tmp_path


def completed(folder: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    assert BASH is not None
    text = ASK.format(script=SCRIPTS["bash"], words=" ".join(map(shlex.quote, words)), place=len(words) - 1)
    done = subprocess.run([BASH, "-c", text], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return set(done.stdout.splitlines()) - {""}


FILES = {"a.toml", "b.csv", "c d.toml", "runs", "other run"}
FOLDERS = {"runs", "other run"}
OFFERED = [
    ("gpudl ", {*TREE, "--help", "--version"}),
    ("gpudl t", {"train", "test", "time"}),
    ("gpudl --v", {"--version"}),
    ("gpudl zzz ", set()),
    ("gpudl train ", {"a.toml", "c d.toml", *FOLDERS}),
    ("gpudl train r", {"runs"}),
    ("gpudl train a.toml ", set()),
    ("gpudl train --ep", {"--epochs"}),
    ("gpudl train a.toml --", set(TREE["train"].options())),
    ("gpudl train --device ", {"auto", "cpu", "cuda", "sim"}),
    ("gpudl train --device c", {"cpu", "cuda"}),
    ("gpudl train --device = c", {"cpu", "cuda"}),
    ("gpudl train --device =", {"auto", "cpu", "cuda", "sim"}),
    ("gpudl train --device cpu ", {"a.toml", "c d.toml", *FOLDERS}),
    ("gpudl train --device = cpu ", {"a.toml", "c d.toml", *FOLDERS}),
    ("gpudl compare --devices ", {"cpu", "cuda", "sim", "cpu,cuda", "cpu,sim"}),
    ("gpudl compare a.toml --devices cpu,", {"cpu,cuda", "cpu,sim"}),
    ("gpudl bench --devices = s", {"sim"}),
    ("gpudl compare --devices cpu,sim ", FILES),
    ("gpudl compare --html ", FILES),
    ("gpudl train -q --epochs 3 ", {"a.toml", "c d.toml", *FOLDERS}),
    ("gpudl train --epochs ", set()),
    ("gpudl train --resume ", FOLDERS),
    ("gpudl train --out o", {"other run"}),
    ("gpudl test ", FOLDERS),
    ("gpudl predict ", FOLDERS),
    ("gpudl predict runs ", FILES),
    ("gpudl predict runs b.csv a", {"a.toml"}),
    ("gpudl predict runs --out ", FILES),
    ("gpudl summary ", FILES),
    ("gpudl plot runs o", {"other run"}),
    ("gpudl time --depth 1 a", {"a.toml"}),
    ("gpudl warmup --dtype f", {"float16", "float32", "float64"}),
    ("gpudl doctor --device s", {"sim"}),
    ("gpudl examples ", {"list", "show", "copy", "run"}),
    ("gpudl examples show digits_t", {"digits_trainer"}),
    ("gpudl examples -q run ", set(EXAMPLES)),
    ("gpudl examples copy dqn ", FOLDERS),
    ("gpudl completion ", {"bash", "zsh", "fish"}),
]


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize(("line", "offered"), OFFERED, ids=[line for line, _ in OFFERED])
def test_bash_offers(folder: Path, line: str, offered: set[str]) -> None:
    assert completed(folder, *line.split(" ")) == offered


@pytest.mark.parametrize("shell", SCRIPTS)
def test_every_command_and_option_is_in_the_script(shell: str) -> None:
    for name, command in TREE.items():
        for flag in command.options():
            options = [line for line in SCRIPTS[shell].splitlines() if name in line or shell == "zsh"]
            assert any(flag.removeprefix("--") in line for line in options), (name, flag)
    assert "auto cpu cuda sim" in SCRIPTS[shell]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_shell_takes_the_script(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    (tmp_path / "script").write_text(SCRIPTS[shell], encoding="utf-8")
    check = subprocess.run([program, "-n", tmp_path / "script"], capture_output=True, text=True, timeout=60)
    assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_quotes_and_brackets_are_balanced(shell: str) -> None:
    """What can be said of them without these shells: quoted words end, and a help has no bracket of its own."""
    for line in SCRIPTS[shell].replace("'\\''", "").splitlines():
        assert line.count("'") % 2 == 0, line
        for spec in re.findall(r"'[*]?-[^']*'", line) if shell == "zsh" else []:
            assert re.fullmatch(r"'[*]?-[\w-]+\[([^\[\]:\\]|\\[\[\]:])*\](:([^:\\]|\\:)+:.*)?'", spec), spec


def test_what_zsh_takes_for_its_own_signs_is_escaped() -> None:
    word = Word(["--x"], r"a[0]: b\c", "N:M", "", ["1", "2"], False)
    assert _zsh_option(word, "--x") == r"--x[a\[0\]\: b\\c]:N\:M:(1 2)"
    assert _quoted("it's") == r"'it'\''s'"


def test_the_command_prints_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    for shell, text in SCRIPTS.items():
        assert main(["completion", shell]) == 0
        assert capsys.readouterr() == (text + "\n", "")
