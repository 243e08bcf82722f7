"""Tensor: an array, and the node that says how it was made. No math: the operations are attached by gpudl.ops."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.hooks import RemovableHandle
from gpudl.autograd.node import Node
from gpudl.autograd.slots import Slot
from gpudl.backend.arrays import Array
from gpudl.backend.device import CPU, Device, device_of, guarded, transfer
from gpudl.backend.dtypes import DType
from gpudl.backend.errors import DeviceError, ShapeError
from gpudl.backend.flat_memory import put
from gpudl.backend.strided_copy import copied

if TYPE_CHECKING:
    from gpudl.ops.methods import TensorMethods
else:
    TensorMethods = object


class Tensor(TensorMethods):
    """A multi-dimensional array on a device, with the gradient of whatever is computed from it.

    Made by `gpudl.tensor`, `gpudl.from_numpy`, `gpudl.zeros` and the other creation functions.

    Attributes:
        array: the NumPy array (on a GPU the CuPy array) that holds the values; shared, not a copy.
        requires_grad: True if backward gives this tensor, or what it was made from, a gradient.
        grad: the accumulated gradient, a Tensor, or None.
        grad_fn: the node of the operation that made it; None for a leaf.
    """

    # Tensors with different histories never hold the same array object, though their arrays may share memory: a saved
    # array tells by its identity whose it is.
    #
    # _node     the operation's node, a Leaf, or None when no gradient is wanted
    # _version  [number of in-place changes], one list for all tensors on the same memory; None in inference mode
    # _base     the tensor that this is a view of, else None
    # _steps    how: ((primitive, arguments), ...), to be replayed when the base has changed
    # _seen     the version for which a view's _node holds
    __slots__ = ("__weakref__", "_base", "_grad", "_node", "_seen", "_steps", "_version", "array")
    array: Array
    _node: Node | None
    _grad: Tensor | None
    _version: list[int] | None
    _base: Tensor | None
    _steps: tuple[tuple[Any, tuple[Any, ...]], ...]
    _seen: int

    __array_priority__ = 1000  # NumPy arrays on the left leave the operation to us

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        if cls is Tensor:
            raise TypeError("make a tensor with gpudl.tensor(values), gpudl.from_numpy(array), gpudl.zeros(...), ...")
        return super().__new__(cls)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its dimensions."""
        return self.array.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim  # type: ignore[no-any-return]

    @property
    def dtype(self) -> DType:
        """The element type, such as gpudl.float32."""
        return self.array.dtype  # type: ignore[no-any-return]

    @property
    def device(self) -> Device:
        """Where the values are."""
        return device_of(self.array)

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.array.dtype.itemsize  # type: ignore[no-any-return]

    @property
    def requires_grad(self) -> bool:
        return node_of(self) is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    @property
    def grad_fn(self) -> Node | None:
        node = node_of(self)
        return None if type(node) is Leaf else node

    @property
    def is_leaf(self) -> bool:
        """True for tensors that no recorded operation made."""
        return self.grad_fn is None

    @property
    def grad(self) -> Tensor | None:
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad must be a Tensor or None, got {type(value).__name__}")
            if value.shape != self.shape:
                raise ShapeError(f"grad must have the tensor's shape {self.shape}, got {value.shape}")
            if value.dtype != self.dtype:
                raise TypeError(f"grad must have the tensor's dtype {self.dtype}, got {value.dtype}")
            if value.device is not self.device:
                raise DeviceError(f"grad must be on the tensor's device {self.device}, got {value.device}")
        self._grad = value

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Mark a leaf as wanting a gradient, or not; returns the tensor.

        Raises: RuntimeError for integer and bool tensors, and for switching it off on the result of an operation.
        """
        node = node_of(self)
        if not requires_grad:
            if node is not None and type(node) is not Leaf:
                raise RuntimeError("only leaves can stop requiring grad; use detach() for the result of an operation")
            self._node = None
        elif node is None:
            if self.dtype.kind not in "fV":
                raise RuntimeError(f"only floating point tensors can require gradients, this one is {self.dtype}")
            if self._version is None and not mode.inference:
                raise RuntimeError("an inference tensor cannot require grad outside inference_mode; clone() it first")
            self._base = None
            self._node = Leaf(self)
        return self

    def detach(self) -> Tensor:
        """The same values without history: memory is shared, gradients do not pass."""
        return wrap(self.array.view(), None, self._version)

    @property
    def data(self) -> Tensor:
        """The values without history, as detach(); assigning replaces the memory behind the tensor."""
        return wrap(self.array.view(), None)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data must be a Tensor, got {type(value).__name__}")
        self.array = value.array.view()
        if isinstance(self._node, Leaf):
            self._node.slot = None  # made for another array

    def is_inference(self) -> bool:
        """True for tensors made in inference_mode."""
        return self._version is None

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook(gradient)` whenever the gradient of this tensor is computed; what it returns replaces it.

        Returns: a handle whose remove() takes the hook off.
        Raises: RuntimeError if the tensor does not require grad.
        """
        node = node_of(self)
        if node is None:
            raise RuntimeError("cannot register a hook on a tensor that does not require grad")
        if node.hooks is None:
            node.hooks = []
        return RemovableHandle(node.hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call `hook(tensor)` when backward has accumulated into this leaf's `.grad`.

        Raises: RuntimeError unless the tensor is a leaf that requires grad.
        """
        node = self._node
        if not isinstance(node, Leaf):
            raise RuntimeError("post accumulate grad hooks need a leaf tensor that requires grad")
        if node.after is None:
            node.after = []
        return RemovableHandle(node.after, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is no leaf in `.grad` too."""
        if not self.is_leaf:
            mine = weakref.ref(self)

            def keep(gradient: Tensor) -> None:
                tensor = mine()
                if tensor is not None:
                    tensor._grad = gradient if tensor._grad is None else tensor._grad + gradient

            self.register_hook(keep)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("only leaves can be copied deeply; detach() or clone() the result of an operation")
        with guarded(self.array):
            copied = like(self, self.array.copy())
        copied._grad = None if self._grad is None else self._grad.detach().__deepcopy__(memo)
        memo[id(self)] = copied
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.is_leaf:
            raise RuntimeError("only leaves can be pickled; detach() the result of an operation")
        host = transfer(self.array, CPU)
        return _unpickle, (type(self), host, str(self.device), self.requires_grad)


class Leaf(Node):
    """The end of a path: accumulates what arrives in its tensor's `.grad`.

    Attributes:
        tensor: weak reference; when the tensor is gone nobody can read its gradient.
        after: functions of the tensor, run when its gradient has been accumulated; None for none.
        slot: where an optimizer wants the gradient to be, beside others; None for anywhere.
    """

    __slots__ = ("after", "slot", "tensor")
    after: list[Callable[[Tensor], None]] | None
    slot: Slot | None

    def __init__(self, tensor: Tensor):
        self.edges = ()
        self.hooks = self.after = self.slot = None
        self.tensor = weakref.ref(tensor)

    def run(self, gradient: Array, retain: bool) -> tuple[Any, ...]:
        tensor = self.tensor()
        if tensor is not None:
            before = tensor._grad
            if before is not None:
                before.array += gradient
                if before._version is not None:
                    before._version[0] += 1
            elif self.slot is not None and gradient is self.slot.gradient:
                tensor._grad = wrap(gradient, None)
            elif self.slot is not None and self.slot.accepts(gradient.shape, gradient.dtype):
                home = self.slot.gradient
                put(gradient, home)
                tensor._grad = wrap(home, None)
            else:
                # Two leaves may be handed the same array (a + b): keep it only if nobody else can see it.
                if sys.getrefcount(gradient) > _UNSHARED or gradient.base is not None:
                    gradient = copied(gradient)
                if type(gradient) is not np.ndarray and isinstance(gradient, np.generic):
                    gradient = np.asarray(gradient)  # NumPy gives scalars for 0-d results
                tensor._grad = wrap(gradient, None)
            for hook in self.after or ():
                hook(tensor)
        return ()

    def run_recorded(self, gradient: Tensor, retain: bool) -> tuple[Any, ...]:
        tensor = self.tensor()
        if tensor is not None:
            tensor._grad = gradient if tensor._grad is None else tensor._grad + gradient
            for hook in self.after or ():
                hook(tensor)
        return ()


def _references(gradient: Array, retain: bool) -> int:
    return sys.getrefcount(gradient)


def _measure_unshared() -> int:
    """What getrefcount says in Leaf.run of an array that only the engine's local variable holds."""
    gradient = np.empty(0)
    count = _references(gradient, False)
    del gradient
    return count


_UNSHARED = _measure_unshared()


_new = object.__new__


def wrap(array: Array, node: Node | None, version: list[int] | None = None) -> Tensor:
    """A Tensor over an array as it is, made by `node`; `version` is given when the memory is shared."""
    tensor = _new(Tensor)
    tensor.array = array
    tensor._node = node
    tensor._version = version or (None if mode.inference else [0])
    tensor._grad = tensor._base = None
    return tensor


def like(tensor: Tensor, array: Array) -> Tensor:
    """A leaf of the same class (Tensor or a subclass) and requires_grad over another array."""
    result = wrap(array, None)
    if type(tensor) is not Tensor:
        result = adopt(type(tensor), result)
    return result.requires_grad_() if tensor.requires_grad else result


def adopt(kind: type[Tensor], tensor: Tensor) -> Tensor:
    """The same tensor as an object of a subclass."""
    result = _new(kind)
    for name in ("array", "_node", "_version", "_grad", "_base"):
        setattr(result, name, getattr(tensor, name))
    return result


def _unpickle(kind: type[Tensor], host: Any, place: str, requires_grad: bool) -> Tensor:
    from gpudl.backend.device import device

    tensor = wrap(transfer(host, device(place)), None)
    if kind is not Tensor:
        tensor = adopt(kind, tensor)
    return tensor.requires_grad_(requires_grad)


def node_of(tensor: Tensor) -> Node | None:
    """The tensor's node; for a view of something that was changed in place since, its new one."""
    if tensor._base is not None and tensor._version is not None and tensor._seen != tensor._version[0]:
        from gpudl.autograd.inplace import refresh

        refresh(tensor)
    return tensor._node
