"""Module: parameters, buffers and other modules under names, and a forward."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.hooks import RemovableHandle
from gpudl.autograd.tensor import Tensor
from gpudl.nn.parameter import Parameter

M = TypeVar("M", bound="Module")


class IncompatibleKeys(NamedTuple):
    """What load_state_dict(strict=False) did not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base of all layers and models. A subclass assigns parameters and modules to attributes and gives `forward`.

    Attributes:
        training: True in training mode, set by train() and eval().
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]

    def __init__(self) -> None:
        set_plainly = super().__setattr__
        set_plainly("training", True)
        set_plainly("_parameters", {})
        set_plainly("_buffers", {})
        set_plainly("_transient", set())
        set_plainly("_modules", {})
        set_plainly("_before", [])
        set_plainly("_after", [])

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The output for an input; to be given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
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

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple[Any, ...]], Any]) -> RemovableHandle:
        """Call hook(module, args) before forward; what it returns replaces the arguments."""
        return RemovableHandle(self._before, hook)

    def register_forward_hook(self, hook: Callable[[Module, tuple[Any, ...], Any], Any]) -> RemovableHandle:
        """Call hook(module, args, output) after forward; what it returns replaces the output."""
        return RemovableHandle(self._after, hook)

    def __setattr__(self, name: str, value: Any) -> None:
        tables = self.__dict__.get("_parameters"), self.__dict__.get("_modules"), self.__dict__.get("_buffers")
        parameters, modules, buffers = tables
        if isinstance(value, (Parameter, Module)):
            if parameters is None or modules is None or buffers is None:
                kind = type(self).__name__
                raise AttributeError(f"call super().__init__() in {kind}.__init__ before assigning {name!r}")
            for table in (self.__dict__, parameters, modules, buffers):
                table.pop(name, None)
            (parameters if isinstance(value, Parameter) else modules)[name] = value
        elif parameters is not None and name in parameters:
            if value is not None:
                raise TypeError(f"{name!r} is a parameter: assign a Parameter or None, not {type(value).__name__}")
            parameters[name] = None
        elif modules is not None and name in modules:
            if value is not None:
                raise TypeError(f"{name!r} is a module: assign a Module or None, not {type(value).__name__}")
            modules[name] = None
        elif buffers is not None and name in buffers:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(f"{name!r} is a buffer: assign a Tensor or None, not {type(value).__name__}")
            buffers[name] = value
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        for table in ("_parameters", "_modules", "_buffers"):
            found = self.__dict__.get(table)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._modules, self._buffers):
            if name in table:
                del table[name]
                return
        super().__delattr__(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Register a parameter under a name, or None where there may be one."""
        self._check_name(name)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Register a tensor that moves and is saved with the module but is not trained.

        Args:
            persistent: False keeps it out of state_dict.
        """
        self._check_name(name)
        self._buffers[name] = tensor
        if not persistent:
            self._transient.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Register a module under a name, which need not be a Python name."""
        self._check_name(name)
        self._modules[name] = module

    def _check_name(self, name: str) -> None:
        if not name or "." in name:
            raise KeyError(f"a name may neither be empty nor contain a dot, got {name!r}")
        if name not in self._modules and name not in self._parameters and hasattr(self, name):
            raise KeyError(f"{type(self).__name__!r} has an attribute {name!r} already")

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module as "" and all modules inside, each once, by dotted name."""
        seen: set[int] = set()
        stack = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            inside = [(f"{name}.{key}" if name else key, child) for key, child in module._modules.items() if child]
            stack.extend(reversed(inside))

    def modules(self) -> Iterator[Module]:
        """This module and all modules inside, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, each once, by name."""
        return ((name, child) for name, child in OrderedDict(self._modules).items() if child is not None)

    def children(self) -> Iterator[Module]:
        """The modules directly inside."""
        return (child for _, child in self.named_children())

    def _named(self, table: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in getattr(module, table).items():
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """All parameters, shared ones once, by dotted name."""
        return self._named("_parameters", prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, shared ones once."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """All buffers, shared ones once, by dotted name."""
        return self._named("_buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, shared ones once."""
        return (value for _, value in self.named_buffers(recurse=recurse))

    def _slots(self) -> Iterator[tuple[str, dict[str, Any], str]]:
        """(dotted name, table, key) of every parameter and persistent buffer, shared ones under each of their names."""
        stack: list[tuple[str, Module]] = [("", self)]
        while stack:
            path, module = stack.pop()
            for table in (module._parameters, module._buffers):
                for key, value in table.items():
                    if value is not None and not (table is module._buffers and key in module._transient):
                        yield path + key, table, key
            inside = [(f"{path}{key}.", child) for key, child in module._modules.items() if child is not None]
            stack.extend(reversed(inside))

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters and persistent buffers by dotted name; the tensors share memory with the module's."""
        return {name: table[key].detach() for name, table, key in self._slots()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copy values into the parameters and buffers of the same names.

        Args:
            state_dict: dotted name -> Tensor, as from state_dict(); nothing is changed unless all of it fits.
            strict: the names must match exactly.
        Returns: the names that were missing and unexpected, both empty if strict.
        Raises: RuntimeError listing every missing, unexpected and mis-shaped name.
        """
        slots = {name: table[key] for name, table, key in self._slots()}
        missing = [name for name in slots if name not in state_dict]
        unexpected = [name for name in state_dict if name not in slots]
        problems = []
        if strict and missing:
            problems.append(f"missing: {', '.join(missing)}")
        if strict and unexpected:
            problems.append(f"unexpected: {', '.join(unexpected)}")
        problems += [
            f"{name} has shape {tuple(state_dict[name].shape)}, the module's has {tensor.shape}"
            for name, tensor in slots.items()
            if name in state_dict and tuple(state_dict[name].shape) != tensor.shape
        ]
        if problems:
            raise RuntimeError(f"load_state_dict of {type(self).__name__}: {'; '.join(problems)}")
        with no_grad():
            for name, tensor in slots.items():
                if name in state_dict:
                    tensor.copy_(state_dict[name])
        return IncompatibleKeys(missing, unexpected)

    def _convert(self: M, change: Callable[[Tensor], Tensor]) -> M:
        for module in self.modules():
            for table in (module._parameters, module._buffers):
                for value in table.values():
                    if value is not None:
                        value.data = change(value.detach())
                        if value.grad is not None:
                            value.grad = change(value.grad)
        return self

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Move all parameters and buffers to a device, or cast the floating ones to a dtype; arguments as Tensor.to.

        The Parameter objects stay the same, so an optimizer made before goes on with them.
        """

        def change(tensor: Tensor) -> Tensor:
            moved = tensor.to(*args, **kwargs)
            if moved.dtype.kind != "f" and moved.dtype == tensor.dtype:
                return moved
            return moved if tensor.dtype.kind == "f" else tensor.to(moved.device)

        return self._convert(change)

    def cpu(self: M) -> M:
        """Move to the CPU."""
        return self.to("cpu")

    def cuda(self: M, index: int = 0) -> M:
        """Move to a CUDA device. Raises: DeviceError if there is none."""
        return self.to(f"cuda:{index}")

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
        """Training mode, for this module and all inside."""
        for module in self.modules():
            module.training = mode
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
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = parameter.grad.detach().zero_()

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
        lines = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._modules.items()]
        settings = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({settings})"
        if settings:
            lines.insert(0, settings)
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"
