"""Hook: a parameter of a module is taken away, and computed from others as a plain attribute before every forward."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from gpudl.autograd.hooks import RemovableHandle
from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter

H = TypeVar("H", bound="Reparametrization")


class Reparametrization:
    """Base of the hooks of weight_norm and spectral_norm.

    A subclass says what stands in the module beside the attribute, by the ends of the names, and computes the weight.
    """

    caller: ClassVar[str]
    ends: ClassVar[tuple[str, ...]]
    name: str
    handle: RemovableHandle

    def compute(self, module: Module) -> Tensor:
        """The weight, from what the module has."""
        raise NotImplementedError

    def settle(self, module: Module) -> Tensor:
        """The weight that stays when the hook is removed."""
        return self.compute(module)

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute(module))

    def attach(self, module: Module) -> None:
        """Compute the weight from now on; the module has all it is computed from."""
        module.__dict__.setdefault("_reparametrized", {})[self.name] = self
        self.handle = module.register_forward_pre_hook(self)

    def remove(self, module: Module) -> None:
        """Make the weight, as it is, a parameter again."""
        weight = self.settle(module)
        for end in ("", *self.ends):
            delattr(module, self.name + end)
        module.register_parameter(self.name, Parameter(weight))
        self.handle.remove()
        del module._reparametrized[self.name]


def weight_for(hook: type[Reparametrization], module: Module, name: str) -> Parameter:
    """The parameter that a hook is to compute, if there is one.

    Raises: RuntimeError if a hook computes it already; AttributeError if the module has no such parameter; ValueError
        if it is None.
    """
    if name in module.__dict__.get("_reparametrized", {}):
        raise RuntimeError(
            f"{hook.caller}: parameter {name!r} of {type(module).__name__} is computed by a hook already"
        )
    weight = getattr(module, name)
    if not isinstance(weight, Parameter):
        raise ValueError(f"{hook.caller}: {name!r} of {type(module).__name__} must be a Parameter, got {weight!r}")
    return weight


def hook_on(hook: type[H], module: Module, name: str) -> H:
    """The hook of this kind that computes a parameter. Raises: ValueError if there is none."""
    found = module.__dict__.get("_reparametrized", {}).get(name)
    if not isinstance(found, hook):
        raise ValueError(f"{hook.caller} of {name!r} not found in {type(module).__name__}")
    return found
