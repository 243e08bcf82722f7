"""README.md says nothing that is not so: its programs run, its commands parse, its paths exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from gpudl.cli.parser import parse

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_RUN = "<!-- not run -->"  # on the line above a block: a fragment, no whole program
GENERATED = {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()}


class Block(NamedTuple):
    """A fenced block: its language, text, the line it begins at, the heading it stands under, and the line above it."""

    language: str
    text: str
    line: int
    heading: str
    above: str


def blocks_of(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text."""
    found: list[Block] = []
    language, body, start, heading, above = None, [], 0, "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("```") and language is not None:
            body.append(line)
        elif not line.startswith("```"):
            heading = line[3:] if line.startswith("## ") else heading
            above = line if line.strip() else above
        elif language is None:
            language, body, start = line[3:].strip(), [], number
        else:
            found.append(Block(language, "\n".join(body), start, heading, above))
            language, above = None, ""
    assert language is None, f"README.md: the block that begins at line {start} does not end"
    return found


BLOCKS = blocks_of(README)
PROGRAMS = [block for block in BLOCKS if block.language == "python" and block.above != NOT_RUN]
QUICK_START = [block for block in BLOCKS if block.heading == "Quick start"]


def commands() -> list[str]:
    """The shell commands in README.md: the lines of its sh blocks, cut at &&, and its inline code."""
    lines = [
        line for block in BLOCKS if block.language == "sh" for line in block.text.replace("\\\n", " ").splitlines()
    ]
    return [part.strip() for line in lines for part in line.split("&&")] + inline_code()


def inline_code() -> list[str]:
    outside = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", outside)]


def gpudl_commands() -> list[list[str]]:
    """The arguments of each gpudl command."""
    split = [shlex.split(command, comments=True) for command in commands() if re.match(r"(\S*/)?gpudl +\w", command)]
    return [words[1:] for words in split]


def paths() -> set[str]:
    """What README.md names that looks like a path in this checkout."""
    texts = [*inline_code(), *(block.text for block in BLOCKS if block.language != "python")]
    words = {word.strip(",;:()\"'") for text in texts for word in text.split()} | set(
        re.findall(r"\]\(([^)#]+)\)", README)
    )
    here = {path.name for path in ROOT.iterdir()} - GENERATED
    # A file for a function that README.md itself writes down is an example, to be made by the reader.
    examples = set(re.findall(r"^def (\w+)\(", "\n".join(block.text for block in PROGRAMS), re.MULTILINE))
    candidates = {word for word in words if word.split("/")[0] in here or re.fullmatch(r"\w+\.py", word)}
    return {word for word in candidates if Path(word).stem not in examples}


def test_quick_start_is_two_blocks_of_one_command_line() -> None:
    assert [block.language for block in QUICK_START] == ["sh", "sh"]
    for block in QUICK_START:
        assert len(block.text.replace("\\\n", " ").splitlines()) == 1, f"README.md:{block.line}: more than one line"
    first, second = (block.text for block in QUICK_START)
    assert "gpudl train" in first and "pytest" not in first
    assert second.endswith("&& .venv/bin/python -m pytest -n auto -q")


def test_readme_has_programs_commands_and_paths_to_check() -> None:
    assert PROGRAMS and gpudl_commands() and paths()


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: f"line{block.line}")
def test_program_runs_without_a_warning(block: Block, tmp_path: Path) -> None:
    if "Digits" in block.text:
        pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    # Outside the checkout, so that the program finds what a user's finds; gpudl itself is still this checkout's.
    (tmp_path / "program.py").write_text(block.text, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"README.md:{block.line}:\n{run.stderr}"


@pytest.mark.parametrize("arguments", gpudl_commands(), ids=" ".join)
def test_command_parses(arguments: list[str]) -> None:
    assert callable(parse(arguments).run)


def test_paths_exist() -> None:
    # gpudl/kernels is where kernels/ is in an installed package, and a bare name stands beside a path named before it.
    places = {path: path.replace("gpudl/kernels", "kernels") if "/" in path else f"**/{path}" for path in paths()}
    missing = [path for path, place in sorted(places.items()) if next(ROOT.glob(place), None) is None]
    assert not missing, f"README.md names {', '.join(missing)}"
