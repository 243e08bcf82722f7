"""The symbol tables of 64-bit little-endian ELF files: what `nm` and `readelf` print, without needing them.

Source: Tool Interface Standard, Executable and Linking Format, version 1.2, 1995; ELF-64 Object File Format, 1998.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_SYMTAB, _DYNAMIC, _DYNSYM = 2, 6, 11
_WRITABLE = 1  # SHF_WRITE
_LOAD = 1  # PT_LOAD
_NEEDED = 1  # DT_NEEDED
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_ENTRY = struct.Struct("<qQ")


class Symbol(NamedTuple):
    """One entry of a symbol table.

    Attributes:
        name: as it stands there, mangled.
        address: where, from the start of the image.
        size: in bytes.
        kind: "object", "function" or "other".
        defined: whether this file defines it.
        writable: whether it lies in memory that can be written.
    """

    name: str
    address: int
    size: int
    kind: str
    defined: bool
    writable: bool


@dataclass(frozen=True)
class Elf:
    """A file's symbols, its image, and the libraries it needs.

    Attributes:
        symbols: of the full symbol table, and where a file has none, of the dynamic one.
        dynamic: the dynamic symbols: what other files see and what this one wants of them.
        low: address of the image's first byte, before the loader moves it.
        high: address after its last.
        needed: the names of the libraries it was linked with.
    """

    symbols: list[Symbol]
    dynamic: list[Symbol]
    low: int
    high: int
    needed: list[str]


def read(path: Path) -> Elf:
    """Read a file's tables.

    Raises: ValueError if it is no 64-bit little-endian ELF file, or a broken one.
    """
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError(f"{path} is no 64-bit little-endian ELF file")
    try:
        return _read(data)
    except (struct.error, IndexError) as error:
        raise ValueError(f"{path} is a broken ELF file: {error}") from error


def is_whole(path: Path) -> bool:
    """Whether a file is there and not cut off; to load one that is would end the process."""
    try:
        return bool(read(path).symbols)  # sections, and with them the symbols, stand at the end
    except (OSError, ValueError):
        return False


def _read(data: bytes) -> Elf:
    header = _HEADER.unpack_from(data)
    segment_start, section_start = header[5], header[6]
    segment_count, section_count = header[10], header[12]
    sections = [_SECTION.unpack_from(data, section_start + index * _SECTION.size) for index in range(section_count)]
    segments = [_SEGMENT.unpack_from(data, segment_start + index * _SEGMENT.size) for index in range(segment_count)]
    loaded = [(segment[3], segment[3] + segment[6]) for segment in segments if segment[0] == _LOAD]

    tables: dict[int, list[Symbol]] = {_SYMTAB: [], _DYNSYM: []}
    needed = []
    for section in sections:
        kind, offset, size, link = section[1], section[4], section[5], section[6]
        content = data[offset : offset + size]
        if len(content) < size and kind in (_SYMTAB, _DYNSYM, _DYNAMIC):
            raise IndexError("a table lies past the end of the file")
        if kind in tables:
            tables[kind] = _symbols(content, _strings(data, sections[link]), sections)
        elif kind == _DYNAMIC:
            names = _strings(data, sections[link])
            needed = [_name(names, value) for tag, value in _ENTRY.iter_unpack(content) if tag == _NEEDED]
    return Elf(
        symbols=tables[_SYMTAB] or tables[_DYNSYM],
        dynamic=tables[_DYNSYM],
        low=min((low for low, _ in loaded), default=0),
        high=max((high for _, high in loaded), default=0),
        needed=needed,
    )


def _symbols(table: bytes, names: bytes, sections: list[tuple[int, ...]]) -> list[Symbol]:
    writable = [bool(section[2] & _WRITABLE) for section in sections]
    found = []
    for name, info, _, section, address, size in _SYMBOL.iter_unpack(table):
        if name:
            kind = {1: "object", 2: "function"}.get(info & 15, "other")
            inside = 0 < section < len(writable)
            found.append(Symbol(_name(names, name), address, size, kind, section != 0, inside and writable[section]))
    return found


def _strings(data: bytes, section: tuple[int, ...]) -> bytes:
    return data[section[4] : section[4] + section[5]]


def _name(strings: bytes, offset: int) -> str:
    return strings[offset : strings.index(b"\0", offset)].decode("utf-8", "replace")
