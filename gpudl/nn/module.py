"""Module: a registry of parameters, buffers and modules, with a forward; how it is called, saved, moved and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.hooks import RemovableHandle
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import Device
from gpudl.backend.errors import ShapeError
from gpudl.nn.locate import name_layer
from gpudl.nn.parameter import clear_grads
from gpudl.nn.registry import Registry, dotted
from gpudl.nn.state_dict import IncompatibleKeys, copy_values
from gpudl.ops.create import zeros

M = TypeVar("M", bound="Module")


class Module(Registry):
    """Base of all layers and models. A subclass assigns parameters and modules to attributes and gives `forward`.

    Attributes:
        training: True in training mode, set by train() and eval().
    """

    training: bool

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(training=True, _before=[], _after=[])

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The output for an input; to be given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if not self._before and not self._after:
                return self.forward(*args, **kwargs)
            for hook in tuple(self._before):
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
            result = self.forward(*args, **kwargs)
            for hook in tuple(self._after):
                changed = hook(self, args, result)
                if changed is not None:
                    result = changed
            return result
        except (ShapeError, RuntimeError) as error:  # what operations raise; DeviceError is a RuntimeError
            name_layer(error, self)
            raise

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple[Any, ...]], Any]) -> RemovableHandle:
        """Call hook(module, args) before forward; what it returns replaces the arguments."""
        return RemovableHandle(self._before, hook)

    def register_forward_hook(self, hook: Callable[[Module, tuple[Any, ...], Any], Any]) -> RemovableHandle:
        """Call hook(module, args, output) after forward; what it returns replaces the output."""
        return RemovableHandle(self._after, hook)

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """Parameters and persistent buffers by dotted name, shared ones under each of their names.

        Args:
            prefix: put before every name.
            keep_vars: give the Parameters themselves; otherwise Tensors that share memory with them.
        """
        return {
            prefix + dotted(path, key): value if keep_vars else value.detach()
            for path, module in self.named_modules(remove_duplicate=False)
            for table in (module._parameters, module._buffers)
            for key, value in table.items()
            if value is not None and key not in module._transient
        }

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copy values into the parameters and buffers of the same names; they are cast and moved as needed.

        Args:
            state_dict: dotted name -> Tensor, as from state_dict(), or anything NumPy reads as an array, such as the
                tensors of a PyTorch state_dict; nothing is changed unless all of it fits.
            strict: the names must match exactly.
        Returns: the names that were missing and unexpected, both empty if strict.
        Raises: RuntimeError listing every missing, unexpected, mis-shaped and unreadable entry.
        """
        return copy_values(type(self).__name__, self.state_dict(keep_vars=True), state_dict, strict)

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

        changed: dict[int, Tensor] = {}  # what is shared stays shared
        with no_grad():
            for parameter in self.parameters():
                parameter.data = change(parameter)
                if parameter.grad is not None:
                    parameter.grad = change(parameter.grad)
            for module in self.modules():
                for name, buffer in module._buffers.items():
                    if buffer is not None:
                        if id(buffer) not in changed:
                            changed[id(buffer)] = change(buffer)
                        module._buffers[name] = changed[id(buffer)]
        return self

    def cpu(self: M) -> M:
        """Move to the CPU."""
        return self.to("cpu")

    def cuda(self: M, device: int | str | Device = 0) -> M:
        """Move to a CUDA device, given by its number or name. Raises: DeviceError if there is none."""
        return self.to(f"cuda:{device}" if isinstance(device, int) else device)

    def float(self: M) -> M:
        """Cast floating parameters and buffers to float32."""
        return self.to("float32")

    def double(self: M) -> M:
        """Cast floating parameters and buffers to float64."""
        return self.to("float64")

    def half(self: M) -> M:
        """Cast floating parameters and buffers to float16."""
        return self.to("float16")

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

    def extra_repr(self) -> str:
        """What stands in the parentheses of repr: the settings."""
        return ""

    def __repr__(self) -> str:
        settings = self.extra_repr().splitlines()
        inside = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._modules.items()]
        if not inside and len(settings) < 2:
            return f"{type(self).__name__}({''.join(settings)})"
        return f"{type(self).__name__}(\n  " + "\n  ".join(settings + inside) + "\n)"
