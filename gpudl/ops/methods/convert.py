"""Dtypes, devices and the ways out to NumPy and Python as methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpudl.backend.dtypes import is_floating
from gpudl.ops import cast


class ConversionMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: Any

    to = cast.to
    astype = cast.astype
    type_as = cast.type_as
    clone = cast.clone
    contiguous = cast.contiguous
    is_contiguous = cast.is_contiguous
    double = cast.double
    float = cast.float_
    half = cast.half
    int = cast.int_
    long = cast.long
    bool = cast.bool_
    cpu = cast.cpu
    cuda = cast.cuda
    numpy = cast.numpy
    __array__ = cast.array_interface
    item = cast.item
    tolist = cast.tolist

    def element_size(self) -> Any:
        """Bytes per element."""
        return self.array.dtype.itemsize

    def is_floating_point(self) -> Any:
        """True for the floating point dtypes."""
        return is_floating(self.array.dtype)
