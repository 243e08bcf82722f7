"""Lazy modules: layers that learn a length of their input from the first one they get.

A layer becomes lazy in three lines, as in gpudl.nn.linear:

    class LazyLinear(LazyLayer, Linear):
        cls_to_become, infers, dim = Linear, "in_features", -1
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from gpudl.autograd.grad_mode import no_grad
from gpudl.backend.errors import ShapeError
from gpudl.nn.module import Module
from gpudl.nn.uninitialized import UninitializedBuffer, UninitializedParameter, is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin(Module):
    """Gives the parameters of a module, made as UninitializedParameters, their shapes at its first call.

    A subclass, `class LazyThing(LazyModuleMixin, Thing)`, gives `initialize_parameters`, which calls materialize on
    them. A module may be moved, cast, copied, saved and loaded before; an optimizer may be made before, for the
    Parameter objects stay the same.

    Attributes:
        cls_to_become: the class that the module has from then on; None keeps the class.
    """

    cls_to_become: ClassVar[type[Module] | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give all parameters their shapes and values; takes what forward takes. To be given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no initialize_parameters method")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module has no shape yet."""
        return any(map(is_lazy, (*self._parameters.values(), *self._buffers.values())))

    def _infer_parameters(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        """Initialize, and turn the module into one that is not lazy."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError("initialize_parameters has left parameters uninitialized")
        module._initialize_hook.remove()
        del module._initialize_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become


class LazyLayer(LazyModuleMixin):
    """Base of lazy layers of this library, whose constructor is that of cls_to_become without the first argument.

    All parameters, and the buffers with dimensions, are uninitialized at first. The layer must be constructible with 0
    for the length, set its parameters in reset_parameters, and depend on the length in shapes only.

    Attributes:
        infers: name of the attribute, and first argument, that is a length of the input.
        dim: the input's dimension whose length it is.
    """

    cls_to_become: ClassVar[Any]
    infers: ClassVar[str]
    dim: ClassVar[int]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__init__ is LazyLayer.__init__:
            _, *others = inspect.signature(cls.cls_to_become).parameters.values()
            cls.__signature__ = inspect.Signature(others)  # type: ignore[attr-defined]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(0, *args, **kwargs)
        self._arguments = args, kwargs
        for name, parameter in self._parameters.items():
            if parameter is not None:
                settings = parameter.requires_grad, parameter.device, parameter.dtype
                self._parameters[name] = UninitializedParameter(*settings)
        for name, buffer in self._buffers.items():
            if buffer is not None and buffer.ndim:
                self._buffers[name] = UninitializedBuffer(buffer.requires_grad, buffer.device, buffer.dtype)

    def reset_parameters(self) -> None:
        """Draw the parameters anew; nothing while they have no shapes."""
        if getattr(self, self.infers):
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        """Shapes for the length that this input has, and values; only the length if a state_dict has given them."""
        if input.ndim < max(-self.dim, self.dim + 1):
            raise ShapeError(f"expected an input with a dimension {self.dim}, got {input.shape}")
        length, drawn = input.shape[self.dim], not self.has_uninitialized_params()
        sizes = self._eager(length)
        tensor: Any
        for name, tensor in (*self._parameters.items(), *self._buffers.items()):
            if is_lazy(tensor):
                tensor.materialize(getattr(sizes, name).shape)
            elif tensor is not None and tensor.shape != getattr(sizes, name).shape:
                raise ShapeError(
                    f"expected an input for the loaded {name} of shape {tensor.shape}, got {input.shape}, for which it "
                    f"has shape {getattr(sizes, name).shape}"
                )
        setattr(self, self.infers, length)
        del self._arguments
        if not drawn:
            with no_grad():
                self.reset_parameters()

    def _eager(self, length: int) -> Any:
        """A layer for inputs of this length that has not drawn its parameters."""
        args, kwargs = self._arguments
        undrawn = type("Undrawn", (self.cls_to_become,), {"reset_parameters": lambda self: None})
        return undrawn(length, *args, **kwargs)
