"""Parameters and buffers without a shape, until the first input of a lazy module gives them one."""

from __future__ import annotations

from typing import Any, ClassVar

from gpudl.autograd.tensor import Tensor, adopt
from gpudl.backend.arrays import Array
from gpudl.backend.device import Device, device_of
from gpudl.backend.dtypes import DType
from gpudl.backend.errors import ShapeError
from gpudl.nn.parameter import Buffer, Parameter
from gpudl.ops.cast import to
from gpudl.ops.create import empty

__all__ = ["UninitializedBuffer", "UninitializedParameter"]

_PLACE: Any = Tensor.__dict__["array"]  # where a tensor has its array


class Uninitialized(Tensor):
    """A tensor that has a dtype and a device and nothing else: using its array, and so all that needs one, raises.

    An empty array stands in its place and says dtype and device.
    """

    # No __slots__: with an attribute dictionary, as Parameter has one, objects can change from one class to the other.
    cls_to_become: ClassVar[type[Tensor]]

    @property
    def array(self) -> Array:
        raise ShapeError(
            f"this {type(self).__name__} has no shape and no values yet; call the model once, with an input as it will "
            "get, before they are used"
        )

    @array.setter
    def array(self, value: Array) -> None:
        _PLACE.__set__(self, value)

    @property
    def dtype(self) -> DType:
        return _PLACE.__get__(self).dtype  # type: ignore[no-any-return]

    @property
    def device(self) -> Device:
        return device_of(_PLACE.__get__(self))

    @property
    def data(self) -> Tensor:
        return self

    @data.setter
    def data(self, value: Tensor) -> None:
        self.array = _PLACE.__get__(value)

    def detach(self) -> Tensor:
        return self

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """A tensor without a shape of another dtype or on another device."""
        moved = to(empty(0, device=self.device, dtype=self.dtype), *args, **kwargs)
        return type(self)(self.requires_grad, moved.device, moved.dtype)

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary one, the same object, of a shape; its values are to be written.

        Args:
            device, dtype: in place of those that it has.
        """
        values = empty(*shape, device=device or self.device, dtype=dtype or self.dtype)
        self.__class__ = self.cls_to_become  # type: ignore[assignment]
        self.array = values.array

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        memo[id(self)] = copied = type(self)(self.requires_grad, self.device, self.dtype)
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, str(self.device), self.dtype)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter without a shape; the same object becomes a Parameter when it gets one.

    Args:
        requires_grad: whether it is trained.
        device, dtype: of the values to come.
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return adopt(cls, empty(0, device=device, dtype=dtype)).requires_grad_(requires_grad)


class UninitializedBuffer(Uninitialized, Buffer):
    """A buffer without a shape; the same object becomes a Buffer when it gets one.

    Args:
        requires_grad: whether it wants a gradient.
        device, dtype: of the values to come.
        persistent: whether state_dict has it.
    """

    cls_to_become = Buffer

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        buffer: Any = adopt(cls, empty(0, device=device, dtype=dtype)).requires_grad_(requires_grad)
        buffer.persistent = persistent
        return buffer


def is_lazy(tensor: Any) -> bool:
    """Whether it is a parameter or buffer without a shape."""
    return isinstance(tensor, Uninitialized)
