"""Changing a tensor in place, and what that means for the graph.

Memory may be seen through several tensors: views share it with their base. Writing through any of them

  - raises the version that they share, so that a backward which saved the old values fails instead of giving a wrong
    gradient;
  - gives the tensor that was written, or the base of the view that was written, a new node; and
  - leaves every other view with a node that no longer holds. Such a view gets its new one when it is next used
    (`refresh`), by replaying on the base the steps that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gpudl.autograd.grad_mode import mode, no_grad
from gpudl.autograd.node import Node
from gpudl.autograd.placement import check_devices
from gpudl.autograd.primitive import as_array
from gpudl.autograd.slots import joined
from gpudl.autograd.tensor import Leaf, Tensor, node_of, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import guarded
from gpudl.backend.dtypes import category
from gpudl.backend.errors import ShapeError
from gpudl.backend.strided_copy import written


def assign(target: Tensor, value: Tensor, name: str, replace: bool = False) -> Tensor:
    """Write `value`, with its history, over `target`; every in-place operation ends here.

    Args:
        target: any shape; changed, and given the history of the value.
        value: a shape that broadcasts to the target's.
        name: the operation, for messages.
        replace: the value was not computed from the target, whose earlier history thus gets a gradient of 0.
    Returns: target.
    Raises: RuntimeError for a leaf that requires grad (outside no_grad), and for a dtype that the target cannot
        hold; ShapeError if the value does not broadcast; DeviceError across devices.
    """
    require_writable(target, name)
    check_devices(name, (target, value))
    if category(value.array.dtype) > category(target.array.dtype):
        raise RuntimeError(f"{name}: the result is {value.dtype} and cannot be written into a {target.dtype} tensor")
    if value.shape != target.shape or value.dtype != target.dtype:
        try:
            value = value.to(target.dtype).expand(target.shape)
        except ShapeError as error:
            raise ShapeError(f"{name}: a {value.shape} result cannot be written into {target.shape}") from error
    node = node_of(value)
    with guarded(target.array):
        if type(target.array) is np.ndarray:
            target.array[...] = value.array
        else:
            written(target.array, value.array)
    if replace and target._base is None and target._node is not None:
        node = Overwrite(target._node, node, ())
    rebind(target, node)
    return target


def require_writable(target: Tensor, name: str) -> None:
    """Raise RuntimeError where PyTorch does: for a leaf that requires grad, a view of one, an inference tensor, and
    memory that several elements share (an expanded tensor)."""
    if target._version is None and not mode.inference:
        raise RuntimeError(f"{name}: an inference tensor cannot be changed outside inference_mode; clone() it first")
    if mode.enabled:
        owner = target if target._base is None else base_of(target)
        if isinstance(owner._node, Leaf):
            what = "a leaf tensor" if owner is target else "a view of a leaf tensor"
            raise RuntimeError(f"{name}: {what} that requires grad cannot be changed in place; do it under no_grad()")
    array = target.array
    if array.size and any(stride == 0 and length > 1 for stride, length in zip(array.strides, array.shape)):
        raise RuntimeError(f"{name}: several elements of an expanded tensor share one memory place; clone() it first")


def writable_gradients(parameters: Tensor | Iterable[Tensor], name: str) -> list[Array]:
    """The arrays of all gradients, those that lie end to end joined, for an operation that changes them in place.

    Their versions are raised.
    """
    arrays = []
    with no_grad():
        for parameter in [parameters] if isinstance(parameters, Tensor) else parameters:
            gradient = parameter._grad
            if gradient is not None:
                require_writable(gradient, name)
                if gradient._version is not None:
                    gradient._version[0] += 1
                arrays.append(gradient.array)
    return joined(arrays)


def rebind(target: Tensor, node: Node | None) -> None:
    """Note that the memory of `target` was written with what `node` made."""
    if target._version is not None:
        target._version[0] += 1
    if not mode.enabled:
        return
    if target._base is None:
        target._node = node
        return
    base = base_of(target)
    if node is not None or base._node is not None:
        base._node = Overwrite(base._node, node, target._steps)
        target._node = node
        target._seen = target._version[0] if target._version is not None else 0


def base_of(view: Tensor) -> Tensor:
    """What a view's steps start from: its base, or what that was before its own shape was changed in place."""
    base = view._base
    assert base is not None
    return base if base._base is None else base._base


def reshape_(name: str, operation: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The in-place form of an operation that gives a view: the tensor becomes that view of what it was.

    Views of the tensor made earlier keep it as their base; `base_of` leads them on to what it was.

    Args:
        name: the method's, for messages.
        operation: the function that it is the in-place form of.
    """

    def change(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self._version is None and not mode.inference:
            raise RuntimeError(
                f"{name}: an inference tensor cannot be changed outside inference_mode; clone() it first"
            )
        owner = self if self._base is None else base_of(self)
        if isinstance(self._node, Leaf) or (mode.enabled and isinstance(owner._node, Leaf)):
            raise RuntimeError(f"{name}: a leaf tensor that requires grad, or a view of one, cannot change its shape")
        before = wrap(self.array, node_of(self), self._version)
        if self._base is not None:
            before._base, before._steps, before._seen = self._base, self._steps, self._seen
        after = operation(before, *args, **kwargs)
        if self._version is not None:
            self._version[0] += 1
            after._seen = self._version[0]
        for part in ("array", "_node", "_base", "_steps", "_seen"):
            setattr(self, part, getattr(after, part))
        return self

    change.__name__ = name
    change.__doc__ = f"{operation.__name__}, in place: the tensor itself takes the new shape, and is returned."
    return change


def refresh(view: Tensor) -> None:
    """Give a view the node that it has after its base was changed."""
    base = base_of(view)
    assert view._version is not None
    view._seen = view._version[0]
    if base._node is None:
        view._node = None
        return
    before = mode.enabled
    mode.enabled = True  # the view has a history whether or not what is computed just now gets one
    try:
        view._node = replay(wrap(base.array, base._node, base._version), view._steps)._node
    finally:
        mode.enabled = before


def replay(tensor: Tensor, steps: tuple[tuple[Any, tuple[Any, ...]], ...]) -> Tensor:
    """The view that these steps make of a tensor."""
    for primitive, arguments in steps:
        tensor = primitive.apply(tensor, *arguments)
    return tensor


class Overwrite(Node):
    """A tensor after a view of it was written: the old one outside the view, the written value inside.

    Attributes:
        steps: how the view is made from the tensor; none when all of it was written.
    """

    __slots__ = ("steps",)

    def __init__(self, base: Node | None, value: Node | None, steps: tuple[tuple[Any, tuple[Any, ...]], ...]):
        self.edges = (base, value)
        self.hooks = None
        self.steps = steps

    def run(self, gradient: Any, retain: bool) -> tuple[Any, ...]:
        outside, inside = self.run_recorded(wrap(as_array(gradient), None), retain)
        return outside.array, inside.array

    def run_recorded(self, gradient: Tensor, retain: bool) -> tuple[Any, ...]:
        inside = replay(gradient, self.steps).clone()
        outside = gradient.clone()
        hole = replay(outside, self.steps)
        if hole is outside or hole._base is outside:
            hole.zero_()
            return outside, inside
        # In this memory order the steps make a copy; element numbers sent through them tell where the hole is.
        xp = xp_of(gradient.array)
        mask = xp.zeros(gradient.array.size, bool)
        numbers = wrap(xp.arange(gradient.array.size).reshape(gradient.shape), None)
        mask[replay(numbers, self.steps).array.ravel()] = True
        return gradient.masked_fill(wrap(mask.reshape(gradient.shape), None), 0), inside
