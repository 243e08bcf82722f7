"""Tokenizers of bytes and characters, and what all tokenizers share."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import gpudl
from gpudl.data import BPETokenizer, ByteTokenizer, CharTokenizer


@pytest.fixture(scope="module")
def trained() -> BPETokenizer:
    return BPETokenizer.train("low low lower lowest", 260)


def test_characters_are_sorted_and_saved(tmp_path: Path) -> None:
    tokenizer = CharTokenizer.fit(["banana", "é\n"])
    assert tokenizer.characters == "\nabné" and len(tokenizer) == tokenizer.vocab_size == 5
    assert tokenizer.encode("ban") == [2, 1, 3]
    tokenizer.save(tmp_path / "c.json")
    assert CharTokenizer.load(tmp_path / "c.json").characters == tokenizer.characters
    with pytest.raises(ValueError, match="'x', character 2, is not among its characters"):
        tokenizer.encode("bax")


def test_unknown_characters_have_a_token_if_one_is_named(tmp_path: Path) -> None:
    tokenizer = CharTokenizer.fit("abc", unknown="?")
    assert tokenizer.decode(tokenizer.encode("axb")) == "a?b"
    tokenizer.save(tmp_path / "c.json")
    assert CharTokenizer.load(tmp_path / "c.json").encode("x") == tokenizer.encode("?")
    with pytest.raises(ValueError, match="unknown must be one character"):
        CharTokenizer("abc", unknown="<unk>")


@pytest.mark.parametrize("content", ["", "[]", '{"type": "other"}', '{"type": "CharTokenizer", "characters": 3}'])
def test_file_of_characters_is_checked(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(ValueError, match=r"c\.json: not"):
        CharTokenizer.load(tmp_path / "c.json")


def test_tokens_are_checked(trained: BPETokenizer) -> None:
    for tokenizer in (ByteTokenizer(), CharTokenizer("abc"), trained):
        count = len(tokenizer)
        assert tokenizer.decode([]) == "" and tokenizer.encode("") == []
        first = tokenizer.decode([0, 0])
        for tokens in (gpudl.tensor([0, 0]), np.zeros(2, np.uint8), iter([0, 0])):
            assert tokenizer.decode(tokens) == first
        for wrong in (-1, count):
            with pytest.raises(ValueError, match=rf"must be in \[0, {count}\), got {wrong}"):
                tokenizer.decode([0, wrong])
        with pytest.raises(TypeError, match="must be integers"):
            tokenizer.decode([0.5])
        with pytest.raises(ValueError, match=r"one row, got shape \(1, 2\)"):
            tokenizer.decode([[0, 0]])
        again = pickle.loads(pickle.dumps(tokenizer))
        assert again.encode("abc") == tokenizer.encode("abc") and repr(again) == repr(tokenizer)


def test_text_that_is_cut_within_a_character_is_replaced() -> None:
    assert ByteTokenizer().decode([0xC3]) == "\ufffd"
    with pytest.raises(UnicodeDecodeError):
        ByteTokenizer().decode([0xC3], errors="strict")
