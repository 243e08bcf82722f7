"""IDX files: every element type, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpudl.data import IdxError, read_idx, write_idx


def idx(code: int, shape: tuple[int, ...], content: bytes) -> bytes:
    """An IDX file written by hand, from the description of the format."""
    return bytes([0, 0, code, len(shape)]) + b"".join(struct.pack(">I", length) for length in shape) + content


IMAGE = idx(0x08, (2, 3), bytes(range(6)))


@pytest.fixture(params=["plain", "gzip"])
def save(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Writes a file under a name that says nothing about whether it is packed."""

    def write(content: bytes) -> Path:
        path = tmp_path / "some-file"
        path.write_bytes(gzip.compress(content) if request.param == "gzip" else content)
        return path

    return write


@pytest.mark.parametrize(
    ("code", "format", "dtype", "values"),
    [
        (0x08, "B", np.uint8, [0, 1, 200, 255]),
        (0x09, "b", np.int8, [0, 1, -128, 127]),
        (0x0B, "h", np.int16, [0, 1, -32768, 258]),
        (0x0C, "i", np.int32, [0, 1, -(2**31), 16909060]),
        (0x0D, "f", np.float32, [0, 1, -2.5, 1e20]),
        (0x0E, "d", np.float64, [0, 1, -2.5, 1e200]),
    ],
)
def test_every_element_type_is_read(save: Any, code: int, format: str, dtype: Any, values: list[float]) -> None:
    array = read_idx(save(idx(code, (2, 2), struct.pack(f">4{format}", *values))))
    assert array.dtype == np.dtype(dtype) and array.dtype.isnative
    np.testing.assert_array_equal(array, np.array(values, dtype).reshape(2, 2))


def test_array_is_writable_and_of_any_rank(save: Any) -> None:
    array = read_idx(save(idx(0x08, (1, 2, 1, 3), bytes(6))))
    assert array.shape == (1, 2, 1, 3)
    array[0, 0, 0, 0] = 7
    assert read_idx(save(idx(0x0C, (0, 5), b""))).shape == (0, 5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz"])
def test_written_arrays_are_read_back(tmp_path: Path, dtype: Any, name: str) -> None:
    array = np.arange(-6, 6).astype(dtype).reshape(3, 4).T
    write_idx(tmp_path / name, array)
    back = read_idx(tmp_path / name)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b") == name.endswith(".gz")


def test_written_bytes_follow_the_format(tmp_path: Path) -> None:
    write_idx(tmp_path / "a", np.array([[1, 2], [-1, 256]], ">i2"))
    assert (tmp_path / "a").read_bytes() == bytes.fromhex("00000b02 00000002 00000002 0001 0002 ffff 0100")


@pytest.mark.parametrize("array", [np.zeros(2, np.int64), np.zeros(2, bool), np.array(["a"]), np.uint8(1)])
def test_what_the_format_cannot_hold_is_not_written(tmp_path: Path, array: Any) -> None:
    with pytest.raises(ValueError, match="IDX h"):
        write_idx(tmp_path / "a", array)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file: it is empty"),
        (b"\0\0", "not an IDX file: it begins with 00 00;"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file: it begins with 89 50 4e 47"),
        (b"\0\0\x07" + IMAGE[3:], "not an IDX file"),
        (b"\0\0\x0a" + IMAGE[3:], "not an IDX file"),
        (b"\0\x01" + IMAGE[2:], "not an IDX file"),
        (idx(0x08, (), b"\0"), "0 dimensions"),
        (idx(0x08, (1,) * 33, b"\0"), "33 dimensions"),
        (IMAGE[:9], "within the IDX header: 9 of 12 bytes"),
        (IMAGE[:-1], r"uint8 \(2, 3\), so 6 bytes must follow it, but 5 do"),
        (IMAGE[:12], "but 0 do"),
        (idx(0x0E, (2, 3), bytes(6)), r"float64 \(2, 3\), so 48 bytes must follow it, but 6 do"),
        (idx(0x08, (2**31, 2**31, 2**31), bytes(10)), f"so {2**93} bytes must follow it"),
        (idx(0x0E, (2**32 - 1,) * 8 + (0,), b""), "no array"),
    ],
)
def test_damaged_file_is_refused_by_name(save: Any, content: bytes, message: str) -> None:
    path = save(content)
    with pytest.raises(IdxError, match=message) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert isinstance(caught.value, ValueError)


def test_trailing_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content, found in ((IMAGE + b"\0", "7 do"), (gzip.compress(IMAGE + b"\0"), "there are more")):
        path.write_bytes(content)
        with pytest.raises(IdxError, match=f"so 6 bytes must follow it, but {found}.*over-long"):
            read_idx(path)


def test_size_on_disk_is_compared_before_elements_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = idx(0x08, (2**31, 2), bytes(10))
    asked = []

    def take(file: Any, path: Any, count: int) -> bytes:
        asked.append(count)
        return bytes(file.read(count))

    monkeypatch.setattr("gpudl.data.idx._take", take)
    path = tmp_path / "a"
    for raw, message in ((content, "but 10 do"), (gzip.compress(content), r"more than \d+ bytes of gzip")):
        path.write_bytes(raw)
        with pytest.raises(IdxError, match=message):
            read_idx(path)
    assert asked == [4, 8] * 2, "only the header is read"


@pytest.mark.parametrize("cut", [3, 9, 15, -9, -1])
def test_truncated_gzip_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(idx(0x08, (100,), bytes(range(100))))[:cut])
    with pytest.raises(IdxError, match=r"a\.gz: the gzip data is truncated or corrupt"):
        read_idx(path)


def test_every_damaged_byte_of_gzip_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    packed = gzip.compress(IMAGE, mtime=0)
    refused = 0
    for position in range(2, len(packed)):
        damaged = bytearray(packed)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            found = read_idx(path)
        except IdxError:
            refused += 1
        else:  # the time stamp and the like
            assert position < 10
            np.testing.assert_array_equal(found, np.arange(6).reshape(2, 3))
    assert refused >= len(packed) - 10


def test_garbage_behind_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(IMAGE) + b"garbage")
    with pytest.raises(IdxError, match="truncated or corrupt at its end"):
        read_idx(path)


def test_header_of_a_huge_array_takes_no_memory(save: Any) -> None:
    # 64 KiB of data that claim to be 60 MiB: few enough that gzip could hold it, so only reading can tell.
    path = save(idx(0x08, (60 << 20,), np.random.default_rng(0).bytes(1 << 16)))
    tracemalloc.start()
    try:
        with pytest.raises(IdxError, match=f"so {60 << 20} bytes must follow it, but {1 << 16} do"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "absent")
