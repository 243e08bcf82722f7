"""Byte pair encoding: what is encoded comes back, and pieces and merges are made as GPT-2 makes them."""

from __future__ import annotations

import itertools
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudl.data import BPETokenizer, ByteTokenizer, CharTokenizer
from gpudl.data.bpe import byte_characters, pattern

TINY = Path(__file__).resolve().parents[3] / "shared" / "data" / "tinyshakespeare" / "input.txt"
needs_text = pytest.mark.skipif(
    not TINY.is_file(), reason="the text ../shared/data/tinyshakespeare/input.txt is absent"
)
END = "<|endoftext|>"

TEXT = "low low low low low lower lower newest newest newest newest newest newest widest widest widest"


@pytest.fixture(scope="module")
def trained() -> BPETokenizer:
    return BPETokenizer.train(TEXT, 256 + 10 + 1, [END])


# Of many kinds: letters, digits that are no decimals, spaces of every sort, marks, planes above the first.
texts = st.text(
    st.one_of(
        st.sampled_from(
            "abc'stremvld 019_ \n\t\r\x1c\x1f\x85\xa0\u2003\u3000²½Ⅷ一٣é\u0301́!?.😀\U0001d400\U0001f1e9\U000e0100"
        ),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=30,
)

SPACES = {
    *map(chr, (*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000))
}


def kind_of(character: str) -> str:
    if character in SPACES:
        return "space"
    return {"L": "letter", "N": "number"}.get(unicodedata.category(character)[0], "other")


def pieces_of(text: str) -> list[str]:
    """GPT-2's pattern by hand: alternative after alternative, each as long as it can be."""
    found, place = [], 0
    while place < len(text):
        rest = text[place:]
        short = next((end for end in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d") if rest.startswith(end)), None)
        if short:
            length = len(short)
        else:
            lead = rest[0] == " " and len(rest) > 1 and kind_of(rest[1]) != "space"
            kind = kind_of(rest[lead])
            length = int(lead)
            while length < len(rest) and kind_of(rest[length]) == kind:
                length += 1
            if kind == "space" and length < len(rest) and length > 1:
                length -= 1  # the last one belongs to what follows
        found.append(rest[:length])
        place += length
    return found


def merged_of(tokenizer: BPETokenizer, piece: str) -> list[int]:
    """encoder.py's loop: all of the best pair, left to right, until there is none."""
    ranks = {pair: rank for rank, pair in reversed(list(enumerate(tokenizer.merges)))}
    word = [byte_characters()[byte] for byte in piece.encode()]
    while True:
        best = min(itertools.pairwise(word), key=lambda pair: ranks.get(pair, 1 << 60), default=None)
        if best is None or best not in ranks:
            return [tokenizer.vocab[token] for token in word]
        joined, place = [], 0
        while place < len(word):
            here = tuple(word[place : place + 2]) == best
            joined.append("".join(best) if here else word[place])
            place += 1 + here
        word = joined


@given(texts)
def test_pieces_are_those_of_the_pattern_of_gpt2(text: str) -> None:
    assert pattern().findall(text) == pieces_of(text)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello world", ["Hello", " world"]),
        ("I've 3 cats, they're  2x!!", ["I", "'ve", " 3", " cats", ",", " they", "'re", " ", " 2", "x", "!!"]),
        ("a  \n b", ["a", "  \n", " b"]),
        ("a  ", ["a", "  "]),
        ("x²½ Ⅷ一", ["x", "²½", " Ⅷ", "一"]),
        ("a_b", ["a", "_", "b"]),
        ("I'LL", ["I", "'", "LL"]),
        ("a\x1cb", ["a", "\x1c", "b"]),
        ("a \x1f", ["a", " \x1f"]),
        ("", []),
    ],
)
def test_pieces_of_known_texts(text: str, pieces: list[str]) -> None:
    assert pattern().findall(text) == pieces


def test_planes_without_letters_have_none() -> None:
    assert not any(unicodedata.category(chr(code))[0] in "LN" for code in range(0x40000, 0x110000))


def test_bytes_are_written_as_in_the_files_of_gpt2() -> None:
    written = byte_characters()
    assert len(set(written)) == 256
    assert (written[0x20], written[0x0A], written[0x00], written[0x41], written[0xE9]) == ("Ġ", "Ċ", "Ā", "A", "é")
    assert (written[0x7F], written[0xAD]) == ("ġ", "Ń")


def test_numbers_are_those_of_gpt2() -> None:
    """The first merges of GPT-2's file, in its layout, give the numbers that they have in its vocabulary."""
    lines = "Ġ t,Ġ a,h e,i n,r e,o n,Ġt he,e r,Ġ s,a t,Ġ w,Ġ o,e n,Ġ c,i t,i s,a n,o r,e s,Ġ b,e d,Ġ f,in g"
    merges = [(first, second) for first, second in (line.split(" ") for line in lines.split(","))]
    names = [*BPETokenizer.train("", 256).vocab, *map("".join, merges)]
    tokenizer = BPETokenizer({token: number for number, token in enumerate(names)}, merges)
    assert tokenizer.encode("the thing") == [83, 258, 256, 71, 278]
    assert tokenizer.encode(" the\n!") == [262, 198, 0]
    assert tokenizer.encode("  é") == [220, 220, 127, 102]


@given(st.binary(max_size=40))
def test_all_bytes_come_back(content: bytes) -> None:
    tokenizer = BPETokenizer.train(TEXT, 262)
    assert tokenizer.decode_bytes(tokenizer.encode(content)) == content
    assert ByteTokenizer().decode_bytes(ByteTokenizer().encode(content)) == content


def test_every_single_byte_comes_back(trained: BPETokenizer) -> None:
    for byte in range(256):
        assert trained.decode_bytes(trained.encode(bytes([byte]))) == bytes([byte])
    assert trained.decode_bytes(trained.encode(bytes(range(256)))) == bytes(range(256))


@given(texts)
def test_texts_come_back(text: str) -> None:
    for tokenizer in (ByteTokenizer(), CharTokenizer.fit(text), BPETokenizer.train(text + TEXT, 270)):
        assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.text("lowernsid ab", max_size=40), st.text("abc", max_size=40))
def test_merges_are_made_in_the_order_of_gpt2(text: str, sample: str) -> None:
    trained = BPETokenizer.train([TEXT, "ab abab aaab aaaa bcbc"], 290)
    # Files by hand may give a pair a better rank than the pairs of its parts.
    odd = [("ab", "a"), ("a", "b"), ("b", "c"), ("a", "a"), ("aa", "aa"), ("c", "ab"), ("a", "bc"), ("ab", "c")]
    names = [*byte_characters(), *dict.fromkeys(map("".join, odd))]
    by_hand = BPETokenizer({token: number for number, token in enumerate(names)}, odd)
    for tokenizer in (trained, by_hand):
        for one in (text, sample):
            assert tokenizer.encode(one) == [t for piece in pieces_of(one) for t in merged_of(tokenizer, piece)]


def test_training_takes_the_most_frequent_pair_first() -> None:
    # Sennrich's example: "es" 9 times, then "est"; then "lo", 7 times, and "low".
    merges = BPETokenizer.train(TEXT.replace(" ", "\n"), 256 + 4).merges
    assert [first + second for first, second in merges] == ["es", "est", "lo", "low"]
    assert BPETokenizer.train("aaaa", 300).merges == [("a", "a")]
    assert BPETokenizer.train("ab ab", 300, min_frequency=3).merges == []
    assert BPETokenizer.train("", 300).vocab_size == 256


def test_training_counts_as_if_it_counted_anew_each_time() -> None:
    text = "the cat that sat at the mat then hated that rat; banana bandana anna nanna aaaaa aaaa " * 3
    words = [[byte_characters()[byte] for byte in piece.encode()] for piece in pieces_of(text)]
    order = {token: number for number, token in enumerate(sorted(byte_characters()))}
    expected: list[tuple[str, str]] = []
    while True:
        counts: dict[tuple[str, str], int] = {}
        for word in words:
            for pair in itertools.pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
        if max(counts.values(), default=0) < 2:
            break
        best = min(counts, key=lambda pair: (-counts[pair], order[pair[0]], order[pair[1]]))
        expected.append(best)
        order.setdefault("".join(best), len(order))
        for word in words:
            place = 0
            while place < len(word) - 1:
                if (word[place], word[place + 1]) == best:
                    word[place : place + 2] = ["".join(best)]
                place += 1
    assert len(expected) > 30
    assert BPETokenizer.train(text, 1000).merges == expected


def test_files_are_those_of_gpt2(trained: BPETokenizer, tmp_path: Path) -> None:
    trained.save(tmp_path / "new")
    vocab, merges = tmp_path / "new" / "vocab.json", tmp_path / "new" / "merges.txt"
    assert json.loads(vocab.read_text())["!"] == 0
    assert merges.read_text(encoding="utf-8").startswith("#version: 0.2\n")
    loaded = BPETokenizer.from_files(vocab, merges)
    assert (loaded.vocab, loaded.merges, loaded.special_tokens) == (trained.vocab, trained.merges, (END,))
    assert loaded.encode(TEXT) == trained.encode(TEXT)
    merges.write_bytes(merges.read_bytes().replace(b"\n", b"\r\n"))
    assert BPETokenizer.from_files(vocab, merges).merges == trained.merges


def test_merges_may_begin_with_a_number_sign(trained: BPETokenizer, tmp_path: Path) -> None:
    tokenizer = BPETokenizer.train("## ## ##", 257)
    assert tokenizer.merges == [("#", "#")]
    tokenizer.save(tmp_path)
    assert BPETokenizer.from_files(tmp_path / "vocab.json", tmp_path / "merges.txt").merges == [("#", "#")]


def test_special_tokens_are_text_unless_they_are_allowed(trained: BPETokenizer) -> None:
    end = trained.vocab[END]
    assert end not in trained.encode(f"low{END}")
    assert trained.encode(f"low{END}low", allowed_special="all") == [
        *trained.encode("low"),
        end,
        *trained.encode("low"),
    ]
    assert trained.encode(f"{END}{END}", allowed_special=[END]) == [end, end]
    assert trained.encode(END, allowed_special=END) == [end]
    assert BPETokenizer.train("", 257, END).special_tokens == (END,)
    for allowed in ((), "all"):
        assert trained.decode(trained.encode(f"a{END} b", allowed_special=allowed)) == f"a{END} b"
    with pytest.raises(ValueError, match="'<pad>' is none of the special tokens"):
        trained.encode("a", allowed_special=["<pad>"])


def test_long_piece_is_no_burden(trained: BPETokenizer) -> None:
    text = "lowest" * 20000
    assert trained.decode(trained.encode(text)) == text


def test_pieces_are_remembered_and_not_shared(trained: BPETokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    trained.encode("low").append(5)
    assert trained.decode(trained.encode("low")) == "low"
    monkeypatch.setattr("gpudl.data.bpe._CACHED", 2)
    assert trained.decode(trained.encode("a b c d e f")) == "a b c d e f"
    assert len(trained._cache) <= 2


@pytest.mark.parametrize(
    ("vocab", "merges", "message"),
    [
        ("{", "", "vocab.json: not JSON"),
        ("[1]", "", "vocab.json: a vocabulary is a JSON object"),
        ('{"a": "b"}', "", "vocab.json: a vocabulary is a JSON object"),
        ('{"a": 0}', "", "do not belong together: .* lacks '"),
        (None, "#version: 0.2\na b\nabc\n", "merges.txt:3: a merge is two tokens"),
        (None, "a b c\n", "merges.txt:1: a merge is two tokens"),
        (None, "q z\n", "do not belong together: .* lacks 'qz'"),
        ("gap", "", "must be 0 to 255"),
        (None, "\ud8ff", "merges.txt: not a file of merges"),
    ],
)
def test_files_that_are_none_are_named(tmp_path: Path, vocab: str | None, merges: str, message: str) -> None:
    whole = {character: number + (vocab == "gap") for number, character in enumerate(byte_characters())}
    text = json.dumps(whole) if vocab in (None, "gap") else vocab
    (tmp_path / "vocab.json").write_text(text)
    (tmp_path / "merges.txt").write_bytes(merges.encode(errors="surrogatepass"))
    with pytest.raises(ValueError, match=message):
        BPETokenizer.from_files(tmp_path / "vocab.json", tmp_path / "merges.txt")


def test_vocabulary_needs_room_for_all_bytes() -> None:
    with pytest.raises(ValueError, match="vocab_size must be 257 or more, got 256"):
        BPETokenizer.train("a", 256, [END])


@needs_text
def test_real_text_comes_back_shorter() -> None:
    text = TINY.read_text(encoding="utf-8")[:200_000]
    tokenizer = BPETokenizer.train(text, 512)
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert len(tokens) < 0.55 * len(text)
    assert CharTokenizer.fit(text).vocab_size < 70
