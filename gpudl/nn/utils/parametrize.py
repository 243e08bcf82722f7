"""Parameters that are computed from others: `module.weight` becomes what a module makes of the original weight.

A parametrized tensor is a property of a class of the module's own, which register_parametrization derives from the
module's class. What it is computed from is in `module.parametrizations`.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy
from typing import Any, TypeVar

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.nn.containers import ModuleDict
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.nn.utils.parametrization_list import ParametrizationList, cached, check_kept, register

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip

M = TypeVar("M", bound=Module)


def register_parametrization(module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> M:
    """Compute a parameter or buffer of a module, whenever it is read, from the one that was there.

    module.weight becomes parametrization(original), and original stands in module.parametrizations.weight. Several
    parametrizations of one tensor work one after the other. Assigning to module.weight sets the original by
    `parametrization.right_inverse(value)`, if there is one; so does registering, which thus leaves the value as it is
    if right_inverse is an inverse. If it gives several tensors, all are originals, and arguments of the forward of the
    parametrization.

    Args:
        module: its class is replaced by a derived one, Parametrized<name>.
        tensor_name: of a parameter, a buffer, or a tensor that is parametrized already.
        parametrization: a module from the original tensors to the tensor.
        unsafe: dtype and shape may change; nothing is checked.
    Returns: the module.
    Raises: ValueError if there is no such tensor, or the parametrization changes dtype or shape.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        stack = module.parametrizations[tensor_name]
        if not unsafe:
            _check_next(parametrization, getattr(module, tensor_name))
        stack.append(parametrization)
        stack.unsafe |= unsafe
        stack.forget()
    elif tensor_name in _registered(module):
        original = getattr(module, tensor_name)
        stack = ParametrizationList([parametrization], original, unsafe)
        delattr(module, tensor_name)
        _install(module, tensor_name, stack)
    else:
        raise ValueError(
            f"{type(module).__name__} has no parameter, buffer or parametrized tensor named {tensor_name!r}"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a tensor of a module is parametrized; any tensor, if no name is given."""
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """Make a parametrized tensor a parameter, or a buffer, again.

    Args:
        module: has the parametrized tensor.
        tensor_name: of the tensor.
        leave_parametrized: with the value that it has; otherwise with that of the original. There may be but one
            original then.
    Returns: the module, of its former class once nothing of it is parametrized.
    Raises: ValueError if there is no such parametrized tensor, or there are several originals; RuntimeError if the
        original would change its dtype.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"{type(module).__name__} has no parametrized tensor named {tensor_name!r}")
    stack = module.parametrizations[tensor_name]
    if stack.is_tensor:
        tensor = stack.original
        if leave_parametrized:
            with no_grad():
                value = getattr(module, tensor_name)
            if value.dtype != tensor.dtype:
                raise RuntimeError(
                    f"remove_parametrizations: the original of {tensor_name!r} is {tensor.dtype}, its value is "
                    f"{value.dtype}; use leave_parametrized=False"
                )
            tensor.data = value
    elif leave_parametrized:
        tensor = getattr(module, tensor_name)
        tensor = Parameter(tensor) if tensor.requires_grad else tensor
    else:
        raise ValueError(
            f"{tensor_name!r} is computed from {stack.ntensors} originals; none of them can take its place"
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    register(module, tensor_name, tensor)
    if not len(module.parametrizations):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that a module had before its tensors were parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module: Module, to_module: M, tensor_name: str | None = None) -> M:
    """Give a module the parametrized tensors of another one: the same parametrizations and originals, shared.

    Args:
        from_module: what is parametrized there.
        to_module: what it has under these names is replaced.
        tensor_name: only this tensor.
    Returns: to_module.
    Raises: KeyError if from_module has parametrized tensors, but none of that name.
    """
    if is_parametrized(from_module):
        for name in [*from_module.parametrizations] if tensor_name is None else [tensor_name]:
            stack = from_module.parametrizations[name].sharing()
            if is_parametrized(to_module, name):
                to_module.parametrizations[name] = stack
                continue
            if hasattr(to_module, name):
                delattr(to_module, name)
            _install(to_module, name, stack)
    return to_module


def _install(module: Module, name: str, stack: ParametrizationList) -> None:
    """Make an attribute, which is free, what the list computes."""
    if not is_parametrized(module):
        module.__class__ = _derived(type(module), ())
        module.parametrizations = ModuleDict()
    setattr(type(module), name, _property(name))
    module.parametrizations[name] = stack


def _derived(base: type, names: Iterable[str]) -> type:
    """A class for one module whose tensors of these names are parametrized."""
    members = {"__getstate__": _refuse_to_pickle, "__module__": base.__module__}
    if not hasattr(base, "__deepcopy__"):
        members["__deepcopy__"] = _copied
    return type(f"Parametrized{base.__name__}", (base,), {**members, **{name: _property(name) for name in names}})


def _property(name: str) -> property:
    def read(self: Module) -> Tensor:
        try:
            return self.parametrizations[name].value()  # type: ignore[no-any-return]
        except AttributeError as error:  # which Python would take for "no such attribute" of the module
            raise RuntimeError(f"the parametrization of {name!r} failed: {error}") from error

    def assign(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, assign)


def _copied(self: Module, memo: dict[int, Any]) -> Module:
    """A deep copy, with a class of its own, so that parametrizations removed from one module stay with the other."""
    base = type_before_parametrizations(self)
    kind: type[Module] = _derived(base, self.parametrizations) if is_parametrized(self) else base
    memo[id(self)] = replica = object.__new__(kind)
    replica.__dict__.update(deepcopy(self.__dict__, memo))
    for slot in copyreg._slotnames(kind):  # type: ignore[attr-defined]
        if hasattr(self, slot):
            setattr(replica, slot, deepcopy(getattr(self, slot), memo))
    return replica


def _refuse_to_pickle(self: Module) -> Any:
    raise RuntimeError(f"{type(self).__name__} cannot be pickled; save and load its state_dict")


def _registered(module: Module) -> set[str]:
    """The names of a module's own parameters and buffers."""
    walks = module.named_parameters, module.named_buffers
    return {name for walk in walks for name, _ in walk(recurse=False, remove_duplicate=False)}


def _check_next(parametrization: Any, value: Tensor) -> None:
    """Raise unless a further parametrization keeps dtype and shape, and its right_inverse as well."""
    new = parametrization(value)
    check_kept("a parametrization", new, value.shape, value.dtype)
    if hasattr(parametrization, "right_inverse"):
        with suppress(NotImplementedError):
            check_kept("right_inverse", parametrization.right_inverse(new), value.shape, value.dtype)
