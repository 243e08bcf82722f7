"""The examples that learn from text: the GPT that writes, and the LSTM that says the class of a word."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

import pytest

from gpudl.data import CharTokenizer
from tests.test_examples import assert_one_line_of_error, result_of, run

VERSE = "to be or not to be\n"
COMMAND = ("--epochs", 2, "--steps", 8, "--length", 30)


@pytest.fixture
def verses(tmp_path: Path) -> Path:
    path = tmp_path / "verses.txt"
    path.write_text(VERSE * 60, encoding="utf-8")
    return path


def test_char_gpt_learns_stops_in_time_and_goes_on_to_the_same_end(verses: Path, tmp_path: Path) -> None:
    whole = run("char_gpt.py", "--data", verses, *COMMAND, "--out", tmp_path / "a")
    loss, text = re.fullmatch(r"validation loss: (\d\.\d{4})\n((?s:.+))\n", result_of(whole)).groups()
    shares = [count / len(VERSE) for count in Counter(VERSE).values()]
    assert float(loss) < -sum(share * math.log(share) for share in shares)  # more than how often each character comes
    assert len(text) == 31 and set(text) <= set(VERSE)
    assert whole.stderr.count("\n") == 2 and "val_loss" in whole.stderr

    halves = [run("char_gpt.py", "--data", verses, *COMMAND, "--out", tmp_path / "b", "--minutes", 0) for _ in range(2)]
    assert [half.stderr.split("/")[0] for half in halves] == ["epoch 1", "epoch 2"]
    assert result_of(halves[0]) != whole.stdout == result_of(halves[1])
    assert (tmp_path / "b" / "metrics.csv").read_text() == (tmp_path / "a" / "metrics.csv").read_text()

    longer = run("char_gpt.py", "--data", verses, *COMMAND, "--epochs", 3, "--out", tmp_path / "b")
    assert_one_line_of_error(longer, "a schedule of 16 steps", "another --out")


def test_char_gpt_says_in_one_line_what_is_wrong(verses: Path, tmp_path: Path) -> None:
    assert_one_line_of_error(run("char_gpt.py", "--data", tmp_path / "none.txt"), "none.txt")
    (tmp_path / "short.txt").write_text(VERSE)
    assert_one_line_of_error(run("char_gpt.py", "--data", tmp_path / "short.txt"), "short.txt", "19 characters", "650")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert_one_line_of_error(run("char_gpt.py", "--data", tmp_path / "bytes"), "bytes", "UTF-8")
    CharTokenizer.fit("other").save(tmp_path / "characters.json")
    command = ("char_gpt.py", "--data", verses, "--out", tmp_path)
    assert_one_line_of_error(run(*command), str(tmp_path), "other characters", "--out")


def test_text_classifier_tells_languages_apart_by_their_names() -> None:
    process = run("text_classifier.py", "Nakashima", "Kowalczuk", "O'Neill", "--epochs", 12)
    accuracy, *said = result_of(process).splitlines()
    assert float(accuracy.removeprefix("test accuracy: ")) >= 0.6  # one of eight by guessing
    assert re.fullmatch(r"Nakashima: Japanese \(0\.\d\d\)", said[0])
    assert re.fullmatch(r"Kowalczuk: Polish \(0\.\d\d\)", said[1])
    assert said[2].startswith("O'Neill: ")  # has a character that no name of the file has


def test_text_classifier_learns_a_file_of_ones_own_and_repeats_itself(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text("label,text\n" + "".join(f"long,{'ab' * n}c\nshort,{'ab'[n % 2]}\n" for n in range(2, 40)))
    command = ("text_classifier.py", "--data", path, "--epochs", 4, "abababc")
    first, again, other = run(*command), run(*command), run(*command, "--seed", 1)
    assert result_of(first).startswith("test accuracy: 1.0000\nabababc: long ")
    assert first.stdout == again.stdout != other.stdout


def test_text_classifier_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    for content, words in (
        ("text,label\na,x\n,y\n", ("words.csv:3:text",)),
        ("text,kind\na,x\n", ("words.csv", "label")),
        ("text,label\na,x\nb,y\n", ("words.csv", "2 rows", "10")),
    ):
        path.write_text(content)
        assert_one_line_of_error(run("text_classifier.py", "--data", path), *words)
    assert_one_line_of_error(run("text_classifier.py", "--data", tmp_path / "none.csv"), "none.csv")
