"""Dtypes, devices and the ways out to NumPy and Python as methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from typing import cast as typing_cast

from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import is_on_host
from gpudl.ops import cast, dtype_info, interchange


class ConversionMethods:
    """A part of TensorMethods."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: Any
        device: Any
        _base: Any
        _node: Any

    to = cast.to
    astype = cast.astype
    type = cast.type_
    type_as = cast.type_as
    clone = cast.clone
    contiguous = cast.contiguous
    is_contiguous = cast.is_contiguous
    double = cast.double
    float = cast.float_
    half = cast.half
    bfloat16 = cast.bfloat16
    byte = cast.byte
    char = cast.char
    short = cast.short
    int = cast.int_
    long = cast.long
    bool = cast.bool_
    cpu = cast.cpu
    cuda = cast.cuda
    numpy = cast.numpy
    __array__ = cast.array_interface
    __dlpack__ = interchange.dlpack
    __dlpack_device__ = interchange.dlpack_device
    __cuda_array_interface__ = property(interchange.cuda_array_interface)
    pin_memory = interchange.pin_memory
    is_pinned = interchange.is_pinned
    item = cast.item
    tolist = cast.tolist

    def get_device(self) -> Any:
        """The number of the GPU that the tensor is on; -1 on the CPU."""
        index = self.device.index
        return -1 if index is None else index

    def detach_(self) -> Tensor:
        """Cut off from its history, in place: the tensor becomes a leaf that wants no gradient.

        Raises: RuntimeError for a view, whose base would keep the history; use detach() there.
        """
        if self._base is not None:
            raise RuntimeError("detach_: a view cannot be cut off in place from what it is a view of; use detach()")
        self._node = None
        return typing_cast(Tensor, self)

    @property
    def nbytes(self) -> Any:
        """Bytes of all elements together."""
        return self.array.nbytes

    @property
    def is_cuda(self) -> Any:
        """True where the values are not in the host's memory."""
        return not is_on_host(self.array)

    def element_size(self) -> Any:
        """Bytes per element."""
        return self.array.dtype.itemsize

    is_floating_point = dtype_info.is_floating_point
    is_signed = dtype_info.is_signed
    is_nonzero = dtype_info.is_nonzero
