"""GPT-2's tokenizer: byte pair encoding of the bytes of a text, within pieces that a fixed pattern makes.

Sources: Sennrich, Haddow and Birch 2016, arXiv:1508.07909; Radford et al. 2019, "Language models are unsupervised
multitask learners", and its encoder.py, whose files and results these are.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import json
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gpudl.data.bpe_train import learn
from gpudl.data.tokenizers import checked, read_json

_CACHED = 1 << 16  # pieces whose tokens are remembered
_VERSION = "#version: 0.2"

# Unicode's White_Space. Python's \s has the separators U+001C to U+001F besides, which for GPT-2 are none.
_SPACE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


@functools.cache
def byte_characters() -> tuple[str, ...]:
    """The character that stands for each byte in GPT-2's files: itself if it can be seen, else one from U+0100 on."""
    seen = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = iter(range(256, 512))
    return tuple(chr(byte if byte in seen else next(hidden)) for byte in range(256))


@functools.cache
def pattern() -> re.Pattern[str]:
    r"""GPT-2's pattern of pieces, which needs the classes \p{L} and \p{N} that Python's re lacks.

        's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

    The classes are made from the categories of unicodedata, once, in about 0.1 s.
    """
    # Planes 4 to 16 have no letters and no numbers.
    categories = "".join([unicodedata.category(chr(code))[0] for code in range(0x40000)])
    letters, numbers = (
        "".join(f"\\U{run.start():08x}-\\U{run.end() - 1:08x}" for run in re.finditer(f"{kind}+", categories))
        for kind in "LN"
    )
    return re.compile(
        f"'s|'t|'re|'ve|'m|'ll|'d| ?[{letters}]+| ?[{numbers}]+| ?[^{_SPACE}{letters}{numbers}]+"
        f"|[{_SPACE}]+(?![^{_SPACE}])|[{_SPACE}]+"
    )


class BPETokenizer:
    """Byte pair encoding as GPT-2's: any text and any bytes have tokens, and come back from them.

    Args:
        vocab: token -> number, 0 to len - 1. Tokens are written with one visible character for each byte, a space as
            "Ġ", as in vocab.json; special tokens as they are.
        merges: pairs of tokens that become one, the first ones before the others.
        special_tokens: those of the vocabulary that stand for no bytes, such as "<|endoftext|>".
    Attributes:
        vocab, merges, special_tokens: as given.
    Raises: ValueError if the vocabulary lacks a byte, a merged pair or a special token, or its numbers have gaps.
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        merges: Iterable[tuple[str, str]],
        special_tokens: Iterable[str] = (),
    ):
        self.vocab, self.merges = dict(vocab), [(first, second) for first, second in merges]
        self.special_tokens = (special_tokens,) if isinstance(special_tokens, str) else tuple(special_tokens)
        if sorted(self.vocab.values()) != list(range(len(self.vocab))):
            raise ValueError(
                f"BPETokenizer: the numbers of {len(self.vocab)} tokens must be 0 to {len(self.vocab) - 1}"
            )
        bytes_of = {character: bytes([byte]) for byte, character in enumerate(byte_characters())}
        for token in (*bytes_of, *map("".join, self.merges), *self.special_tokens):
            if token not in self.vocab:
                raise ValueError(f"BPETokenizer: the vocabulary lacks {token!r}")
        self._bytes = [b""] * len(self.vocab)
        for token, number in self.vocab.items():
            plain = token not in self.special_tokens and all(character in bytes_of for character in token)
            self._bytes[number] = b"".join(map(bytes_of.__getitem__, token)) if plain else token.encode()
        self._start = [self.vocab[character] for character in byte_characters()]
        self._ranks: dict[tuple[int, int], tuple[int, int]] = {}
        for rank, (first, second) in enumerate(self.merges):
            for part in (first, second):
                if part not in self.vocab:
                    raise ValueError(f"BPETokenizer: the vocabulary lacks {part!r}, which merge {rank} needs")
            pair = self.vocab[first], self.vocab[second]
            self._ranks.setdefault(pair, (rank, self.vocab[first + second]))
        self._cache: dict[str, list[int]] = {}

    @classmethod
    def from_files(
        cls,
        vocab: str | os.PathLike[str],
        merges: str | os.PathLike[str],
        special_tokens: Iterable[str] | None = None,
    ) -> BPETokenizer:
        """The tokenizer in GPT-2's two files, vocab.json (encoder.json) and merges.txt (vocab.bpe).

        Args:
            vocab, merges: the files.
            special_tokens: None for "<|endoftext|>", if it is in the vocabulary.
        Raises: ValueError, which names file and line, for what is no such file; OSError if one cannot be opened.
        """
        found = read_json(Path(vocab))
        numbers = found.values() if isinstance(found, dict) else [None]
        if any(not isinstance(number, int) or isinstance(number, bool) for number in numbers):
            raise ValueError(f"{vocab}: a vocabulary is a JSON object of tokens and their numbers")
        pairs: list[tuple[str, str]] = []
        try:
            lines = Path(merges).read_text(encoding="utf-8").split("\n")  # not splitlines, which splits at more
        except UnicodeDecodeError as error:
            raise ValueError(f"{merges}: not a file of merges: {error}") from error
        for line, text in enumerate(lines, 1):
            parts = text.split(" ")
            if not text or (line == 1 and text.startswith("#version")):
                continue
            if len(parts) != 2 or not all(parts):
                raise ValueError(f"{merges}:{line}: a merge is two tokens with a space between, got {text!r}")
            pairs.append((parts[0], parts[1]))
        if special_tokens is None:
            special_tokens = [token for token in ("<|endoftext|>",) if token in found]
        try:
            return cls(found, pairs, special_tokens)
        except ValueError as error:
            raise ValueError(f"{vocab} and {merges} do not belong together: {error}") from error

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        vocab_size: int,
        special_tokens: Sequence[str] = (),
        min_frequency: int = 2,
    ) -> BPETokenizer:
        """Learn merges from texts: always the pair that is most frequent, of several the one of the lowest numbers.

        The vocabulary is that of GPT-2's layout: the 256 bytes, the merges, the special tokens.

        Args:
            texts: one or more; pieces of different texts never meet.
            vocab_size: tokens in all; fewer, if no pair is left.
            special_tokens: which no text has.
            min_frequency: of a pair, to become a token.
        Raises: ValueError if vocab_size has no room for the bytes and the special tokens.
        """
        special_tokens = (special_tokens,) if isinstance(special_tokens, str) else tuple(special_tokens)
        room = vocab_size - 256 - len(special_tokens)
        if room < 0:
            raise ValueError(f"BPETokenizer.train: vocab_size must be {vocab_size - room} or more, got {vocab_size}")
        counts: dict[str, int] = {}
        for text in (texts,) if isinstance(texts, str) else texts:
            for piece in pattern().findall(text):
                counts[piece] = counts.get(piece, 0) + 1
        # GPT-2's order: the bytes that can be seen, then the others.
        tokens = sorted(byte_characters())
        number_of = {character: number for number, character in enumerate(tokens)}
        start = [number_of[character] for character in byte_characters()]
        words = [([start[byte] for byte in piece.encode()], count) for piece, count in counts.items()]
        merges = learn(words, tokens, room, min_frequency)
        return cls({token: number for number, token in enumerate([*tokens, *special_tokens])}, merges, special_tokens)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write vocab.json and merges.txt, as GPT-2's, into a folder, which is made if it is not there."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        (place / "vocab.json").write_text(json.dumps(self.vocab) + "\n", encoding="utf-8")
        lines = [_VERSION, *(f"{first} {second}" for first, second in self.merges), ""]
        (place / "merges.txt").write_text("\n".join(lines), encoding="utf-8", newline="\n")

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return len(self.vocab)

    def __len__(self) -> int:
        return self.vocab_size

    def encode(self, text: str | bytes, allowed_special: str | Collection[str] = ()) -> list[int]:
        """The tokens of a text.

        Args:
            text: a string; or bytes, which are one piece where they are not UTF-8.
            allowed_special: the special tokens that the text may name, or "all"; others are text like any other.
        Raises: ValueError for an allowed one that is no special token.
        """
        if isinstance(text, bytes):
            raw = text
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                return self._merged([self._start[byte] for byte in raw])
        one = (allowed_special,) if isinstance(allowed_special, str) else tuple(allowed_special)
        allowed = self.special_tokens if allowed_special == "all" else one
        for token in allowed:
            if token not in self.special_tokens:
                raise ValueError(f"BPETokenizer: {token!r} is none of the special tokens {self.special_tokens}")
        if not allowed:
            return self._plain(text)
        tokens: list[int] = []
        longest_first = sorted(allowed, key=len, reverse=True)
        for place, part in enumerate(re.split(f"({'|'.join(map(re.escape, longest_first))})", text)):
            tokens += [self.vocab[part]] if place % 2 else self._plain(part)
        return tokens

    def decode(self, tokens: Iterable[int], errors: str = "replace") -> str:
        """The text that the tokens write; what is not UTF-8 becomes U+FFFD, or as `errors` of bytes.decode says.

        Args:
            tokens: integers, or a Tensor or array of one dimension.
        Raises: ValueError for a token out of range.
        """
        return self.decode_bytes(tokens).decode(errors=errors)

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """As `decode`, the bytes themselves: any bytes come back from `encode`."""
        return b"".join([self._bytes[token] for token in checked("BPETokenizer", tokens, len(self))])

    def _plain(self, text: str) -> list[int]:
        tokens: list[int] = []
        cache, start = self._cache, self._start
        for piece in pattern().findall(text):
            found = cache.get(piece)
            if found is None:
                found = self._merged([start[byte] for byte in piece.encode()])
                if len(cache) >= _CACHED:
                    cache.clear()
                cache[piece] = found
            tokens += found
        return tokens

    def _merged(self, tokens: list[int]) -> list[int]:
        """Merge the pair of the lowest rank wherever it is, left to right, then the next, until there is none.

        A heap of pairs makes it n log n, so that a long piece without a space does no harm.
        """
        ranks, count = self._ranks, len(tokens)
        after = list(range(1, count + 1))
        before = list(range(-1, count - 1))
        heap = [(*ranks[pair], place, *pair) for place, pair in enumerate(itertools.pairwise(tokens)) if pair in ranks]
        heapq.heapify(heap)
        while heap:
            rank, fresh = heap[0][0], []
            while heap and heap[0][0] == rank:
                _, merged, place, first, second = heapq.heappop(heap)
                follower = after[place]
                if follower >= count or tokens[place] != first or tokens[follower] != second:
                    continue  # one of the two has become part of another token
                tokens[place], tokens[follower] = merged, -1
                after[place] = follower = after[follower]
                if follower < count:
                    before[follower] = place
                    fresh.append(place)
                if before[place] >= 0:
                    fresh.append(before[place])
            for place in fresh:
                follower = after[place]
                if tokens[place] >= 0 and follower < count and (tokens[place], tokens[follower]) in ranks:
                    pair = tokens[place], tokens[follower]
                    heapq.heappush(heap, (*ranks[pair], place, *pair))
        return [token for token in tokens if token >= 0]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}}

    def __repr__(self) -> str:
        return f"BPETokenizer({len(self)} tokens, {len(self.merges)} merges, special_tokens={self.special_tokens})"
