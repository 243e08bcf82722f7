"""A PNG from an array, by zlib alone, so that a report needs no library of images."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np

_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> PNG's number: gray, gray and alpha, RGB, RGBA


def encode_png(pixels: np.ndarray[Any, Any]) -> bytes:
    """A PNG file.

    Args:
        pixels: (rows, columns) gray, or (rows, columns, channels) with 1 to 4 channels: gray, gray and opacity, RGB,
            RGB and opacity; uint8, 0 to 255.
    Raises: ValueError for another shape or dtype, or no pixels.
    Source: PNG specification, third edition, W3C 2025.
    """
    image = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if image.ndim != 3 or image.shape[2] not in _COLOR_TYPES or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"encode_png: a picture is (rows, columns[, 1 to 4]) uint8, got {pixels.shape} {pixels.dtype}")
    rows, columns, channels = image.shape
    lines = np.zeros((rows, 1 + columns * channels), np.uint8)  # each begins with the number of its filter: none
    lines[:, 1:] = image.reshape(rows, -1)
    header = struct.pack(">2I5B", columns, rows, 8, _COLOR_TYPES[channels], 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def data_url(pixels: np.ndarray[Any, Any]) -> str:
    """The same as the address of an image that stands in the page itself."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def to_picture(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """What a model was given, as gray (rows, columns) or RGB (rows, columns, 3), uint8; None if it is no picture.

    Args:
        values: (rows, columns) or (channels, rows, columns). From 0 to 1 they are taken as they are; others, such as
            normalized ones, are stretched over that range. NaN is black. Of two channels, or more than four, the
            first is shown.
    """
    image = values[None] if values.ndim == 2 else values
    if image.ndim != 3 or min(image.shape[1:]) < 2:
        return None
    image = np.nan_to_num(image[:3] if image.shape[0] in (3, 4) else image[:1], nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        image = (image - low) / ((high - low) or 1.0)
    picture = (image * 255).round().astype(np.uint8)
    return picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
