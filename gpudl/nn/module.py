"""Module: a registry of parameters, buffers and modules, with a forward; how it is called, saved, moved and shown."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import Device
from gpudl.nn.hooks import EVERYWHERE, Hooked, call_with_hooks
from gpudl.nn.locate import name_layer, want_of_tensor
from gpudl.nn.parameter import clear_grads
from gpudl.nn.state_dict import Stateful
from gpudl.nn.uninitialized import is_lazy
from gpudl.ops.create import empty_like, zeros

M = TypeVar("M", bound="Module")


class Module(Hooked, Stateful):
    """Base of all layers and models. A subclass assigns parameters and modules to attributes and gives `forward`.

    Attributes:
        training: True in training mode, set by train() and eval().
    """

    training: bool

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(training=True, _hooks={}, _state_hooks={})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The output for an input; to be given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooks or EVERYWHERE:
                return call_with_hooks(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except (RuntimeError, TypeError, IndexError, ValueError) as error:  # what operations raise
            name_layer(error, self)
            raise
        except AttributeError as error:
            mistake = want_of_tensor(error)
            if mistake is None:
                raise
            name_layer(mistake, self)
            raise mistake from error

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Move all parameters and buffers to a device, or cast the floating ones to a dtype; arguments as Tensor.to.

        The Parameter objects stay the same, so an optimizer made before goes on with them.

        Raises: TypeError for a dtype that is not floating point; DeviceError if there is no such device.
        """
        dtype = zeros(0, dtype="float64").to(*args, **kwargs).dtype
        if dtype.kind not in "fV":
            raise TypeError(f"a module can only be cast to a floating point dtype, not {dtype}")

        def change(tensor: Tensor) -> Tensor:
            moved = tensor.to(*args, **kwargs)
            return moved if tensor.dtype.kind in "fV" else tensor.to(moved.device)

        return self._apply(_once(change))

    def to_empty(self: M, *, device: Any, recurse: bool = True) -> M:
        """Move to a device without the values, which are to be written anew.

        Args:
            device: where to.
            recurse: with the modules inside.
        """

        def change(tensor: Tensor) -> Tensor:
            return tensor.to(device) if is_lazy(tensor) else empty_like(tensor, device=device)

        return self._apply(_once(change), recurse)

    def _apply(self: M, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> M:
        """Replace the memory of all parameters and their gradients, and all buffers, by what a function makes of them.

        Subclasses that keep other tensors override it. The Parameter objects stay the same.
        """
        if recurse:
            for child in self.children():
                child._apply(fn)
        with no_grad():
            for parameter in self._parameters.values():
                # What stays as it is keeps its place in the flat memory of an optimizer.
                if parameter is not None and (changed := fn(parameter)) is not parameter:
                    parameter.data = changed
                    if parameter.grad is not None:
                        parameter.grad = fn(parameter.grad)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def cpu(self: M) -> M:
        """Move to the CPU."""
        return self.to("cpu")

    def cuda(self: M, device: int | str | Device | None = None) -> M:
        """Move to a CUDA device, by default the first, given by its number or name.

        Raises: DeviceError if there is none.
        """
        return self.to(f"cuda:{device or 0}" if device is None or isinstance(device, int) else device)

    def type(self: M, dst_type: Any) -> M:
        """Cast all parameters and buffers, those that are not floating point too, to a dtype.

        Raises: RuntimeError for a dtype that is not floating point if a parameter requires grad.
        """
        dtype = zeros(0, dtype=dst_type).dtype
        if dtype.kind not in "fV" and any(parameter.requires_grad for parameter in self.parameters()):
            raise RuntimeError(f"parameters that require grad can only be cast to a floating point dtype, not {dtype}")
        return self._apply(_once(lambda tensor: tensor.to(dtype)))

    def float(self: M) -> M:
        """Cast floating parameters and buffers to float32."""
        return self.to("float32")

    def double(self: M) -> M:
        """Cast floating parameters and buffers to float64."""
        return self.to("float64")

    def half(self: M) -> M:
        """Cast floating parameters and buffers to float16."""
        return self.to("float16")

    def bfloat16(self: M) -> M:
        """Cast floating parameters and buffers to bfloat16."""
        return self.to("bfloat16")

    def train(self: M, mode: bool = True) -> M:
        """Training mode, for this module and, by their own train(), all inside.

        Raises: ValueError if the mode is no bool.
        """
        if not isinstance(mode, bool):
            raise ValueError(f"train() takes True or False, got {mode!r}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self: M) -> M:
        """Evaluation mode, for this module and all inside."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Train the parameters, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with 0."""
        clear_grads(self.parameters(), set_to_none)

    def apply(self: M, function: Callable[[Module], Any]) -> M:
        """Call a function on every module inside and then on this one."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def summary(self, input_shape: Any = None, **options: Any) -> Any:
        """The layers with their shapes, parameters and multiply-adds, printed; see gpudl.nn.summary.summary.

        Args:
            input_shape: of one sample, such as (3, 32, 32); options has input_size= and input_data= in its place.
        """
        from gpudl.nn.summary import summary  # which knows the layers

        return summary(self, input_shape, **options)

    def extra_repr(self) -> str:
        """What stands in the parentheses of repr: the settings."""
        return ""

    def _get_name(self) -> str:
        return self.__class__.__name__

    def __repr__(self) -> str:
        settings = self.extra_repr().split("\n") if self.extra_repr() else []
        inside = [f"({name}): {indented(repr(child))}" for name, child in self._modules.items()]
        return shown(self._get_name(), settings, inside)


def indented(text: str) -> str:
    """A text that goes on two spaces further right; empty lines stay empty."""
    first, *others = text.split("\n")
    return "\n".join([first, *("  " + line if line.strip() else "" for line in others)])


def shown(name: str, settings: list[str], inside: list[str]) -> str:
    """The repr of a module, on one line if there is only one setting."""
    if not inside and len(settings) < 2:
        return f"{name}({''.join(settings)})"
    return f"{name}(\n  " + "\n  ".join(settings + inside) + "\n)"


def _once(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The function, called once for each tensor, so that what is shared stays shared."""
    done: dict[int, tuple[weakref.ref[Tensor], Tensor]] = {}

    def changed(tensor: Tensor) -> Tensor:
        known = done.get(id(tensor))
        if known is None or known[0]() is not tensor:  # what had this id is gone
            known = done[id(tensor)] = weakref.ref(tensor), change(tensor)
        return known[1]

    return changed
