"""Tokenizers that need no training: one token for each byte, or for each character."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np


class ByteTokenizer:
    """One token for each byte of the text in UTF-8: 256 tokens, and no text that they cannot write."""

    vocab_size = 256

    def __len__(self) -> int:
        return self.vocab_size

    def encode(self, text: str | bytes) -> list[int]:
        """The bytes of the text, as a list of integers in [0, 256)."""
        return list(text.encode() if isinstance(text, str) else text)

    def decode(self, tokens: Iterable[int], errors: str = "replace") -> str:
        """The text that the tokens write; what is not UTF-8 becomes U+FFFD, or as `errors` of bytes.decode says.

        Args:
            tokens: integers, or a Tensor or array of one dimension.
        Raises: ValueError for a token outside [0, 256).
        """
        return self.decode_bytes(tokens).decode(errors=errors)

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """As `decode`, the bytes themselves: any bytes come back from `encode`."""
        return bytes(checked("ByteTokenizer", tokens, self.vocab_size))

    def __repr__(self) -> str:
        return "ByteTokenizer()"


class CharTokenizer:
    """One token for each character of a fixed set; tokens are the places in the sorted set.

    Args:
        characters: those that there are; the others cannot be encoded.
        unknown: the character that takes the place of those that are none of them; None for an error.
    Attributes:
        characters: a string, sorted.
    Raises: ValueError if `unknown` is no single character.
    """

    def __init__(self, characters: Iterable[str], unknown: str | None = None):
        if unknown is not None and len(unknown) != 1:
            raise ValueError(f"CharTokenizer: unknown must be one character, got {unknown!r}")
        self.characters = "".join(sorted({*"".join(characters), *(unknown or "")}))
        self.unknown = unknown
        self._numbers = {character: number for number, character in enumerate(self.characters)}

    @classmethod
    def fit(cls, text: str | Iterable[str], unknown: str | None = None) -> CharTokenizer:
        """The tokenizer for the characters of a text, or of several."""
        found: set[str] = set()
        for one in (text,) if isinstance(text, str) else text:
            found.update(one)
        return cls(found, unknown)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CharTokenizer:
        """The tokenizer that `save` wrote.

        Raises: ValueError, which names the file, if it is none; OSError if it cannot be opened.
        """
        found = read_json(Path(path))
        if not (
            isinstance(found, dict)
            and found.get("type") == "CharTokenizer"
            and isinstance(found.get("characters"), str)
            and isinstance(found.get("unknown"), (str, type(None)))
        ):
            raise ValueError(f"{path}: not a file of CharTokenizer.save")
        return cls(found["characters"], found["unknown"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file that `load` reads."""
        kept = {"type": "CharTokenizer", "characters": self.characters, "unknown": self.unknown}
        Path(path).write_text(json.dumps(kept) + "\n", encoding="utf-8")

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return len(self.characters)

    def __len__(self) -> int:
        return self.vocab_size

    def encode(self, text: str) -> list[int]:
        """The number of each character.

        Raises: ValueError, which names character and place, for one that is not in the set, without `unknown`.
        """
        numbers = self._numbers
        if self.unknown is not None:
            other = numbers[self.unknown]
            return [numbers.get(character, other) for character in text]
        try:
            return [numbers[character] for character in text]
        except KeyError as error:
            wrong = error.args[0]
        fix = "fit it to such texts too, or give it an unknown"
        raise ValueError(f"CharTokenizer: {wrong!r}, character {text.index(wrong)}, is not among its characters; {fix}")

    def decode(self, tokens: Iterable[int]) -> str:
        """The text that the tokens write.

        Args:
            tokens: integers, or a Tensor or array of one dimension.
        Raises: ValueError for a token out of range.
        """
        return "".join([self.characters[token] for token in checked("CharTokenizer", tokens, len(self))])

    def __repr__(self) -> str:
        return f"CharTokenizer({len(self)} characters, unknown={self.unknown!r})"


def checked(caller: str, tokens: Iterable[int], count: int) -> Sequence[int]:
    """The tokens as Python integers in [0, count).

    Raises: ValueError for one out of range, or tokens in more than one row; TypeError for what is no integer.
    """
    tokens = getattr(tokens, "tolist", lambda: tokens)()  # of Tensors and arrays
    array = np.asarray(tokens if isinstance(tokens, Sequence) else list(tokens))
    if not array.size:
        return []
    if array.dtype.kind not in "iu":
        raise TypeError(f"{caller}: tokens must be integers, got {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{caller}: tokens must be in one row, got shape {array.shape}")
    if array.min() < 0 or array.max() >= count:
        wrong = next(token for token in array.tolist() if not 0 <= token < count)
        raise ValueError(f"{caller}: tokens must be in [0, {count}), got {wrong}")
    return array.tolist()  # type: ignore[no-any-return]


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises: ValueError, which names the file, if it is none.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON, or damaged: {error}") from error
