"""Hooks of modules: functions that are called around forward, of one module or of all, and what takes them off again.

Hooks stand in tables, kind -> number -> function. A kind without hooks has no table, so that a module, or all of them
together, without any hook has tables that are false.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gpudl.autograd.hooks import RemovableHandle
from gpudl.nn.crossing import Crossing

if TYPE_CHECKING:
    from gpudl.nn.module import Module

__all__ = [
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

Tables = dict[str, dict[int, Any]]

EVERYWHERE: Tables = {}  # around the calls of all modules
_ON_REGISTRATION: Tables = {}

_numbers = itertools.count()


class ModuleHookHandle(RemovableHandle):
    """Takes a hook of modules off again.

    Args:
        tables: where it stands.
        kind: what it is called at.
        hook: the function.
        prepend: call it before the others of its kind.
        flags: what else holds for it, "with_kwargs" or "always_call", as name -> whether.
    Attributes:
        id: its number in the tables.
    """

    def __init__(
        self, tables: Tables, kind: str, hook: Callable[..., Any], prepend: bool = False, **flags: bool
    ) -> None:
        taken = {number for table in tables.values() for number in table}  # a pickled module comes with its numbers
        self.id = next(number for number in _numbers if number not in taken)
        self._tables = tables
        table = tables.setdefault(kind, {})
        later = dict(table) if prepend else {}
        for number in later:
            del table[number]
        table[self.id] = hook
        table.update(later)
        for flag in flags:
            if flags[flag]:
                tables.setdefault(flag, {})[self.id] = True

    def remove(self) -> None:
        """Remove the hook; removing it twice does nothing."""
        for kind, table in list(self._tables.items()):
            table.pop(self.id, None)
            if not table:
                del self._tables[kind]


class _Hook:
    """A hook that is due.

    Attributes:
        with_kwargs: it takes the keyword arguments too.
        always_call: it is called even when an error was raised.
    """

    def __init__(self, tables: Tables, number: int, function: Callable[..., Any]) -> None:
        self.function = function
        self.with_kwargs = number in tables.get("with_kwargs", ())
        self.always_call = number in tables.get("always_call", ())

    def __call__(self, module: Module, args: Any, kwargs: dict[str, Any], *result: Any) -> Any:
        given = (args, kwargs) if self.with_kwargs else (args,)
        return self.function(module, *given, *result)


def _due(module: Module, kind: str) -> list[_Hook]:
    """The hooks of a kind, those of all modules first."""
    return [
        _Hook(tables, number, function)
        for tables in (EVERYWHERE, module._hooks)
        for number, function in tables.get(kind, {}).items()
    ]


def call_with_hooks(module: Module, args: Any, kwargs: dict[str, Any]) -> Any:
    """What calling a module does when there are hooks: they see, and may replace, what goes in and out."""
    result, after = None, None
    try:
        for hook in _due(module, "forward_pre"):
            args, kwargs = _replaced(hook, hook(module, args, kwargs), args, kwargs)
        crossing = None
        backward = [[hook.function for hook in _due(module, kind)] for kind in ("backward_pre", "backward")]
        if any(backward):
            crossing = Crossing(module, *backward)
            args = crossing.enter(args)
        result = module.forward(*args, **kwargs)
        after = iter(_due(module, "forward"))
        for hook in after:
            changed = hook(module, args, kwargs, result)
            if changed is not None:
                result = changed
        return crossing.leave(result) if crossing else result
    except Exception:
        _call_always(module, args, kwargs, result, iter(_due(module, "forward")) if after is None else after)
        raise


def _replaced(hook: _Hook, changed: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The arguments that a hook before forward leaves."""
    if changed is None:
        return args, kwargs
    if not hook.with_kwargs:
        return changed if isinstance(changed, tuple) else (changed,), kwargs
    if isinstance(changed, tuple) and len(changed) == 2:
        return changed
    raise RuntimeError(f"a forward pre-hook with_kwargs returns None or (args, kwargs), got {changed!r}")


def _call_always(module: Module, args: Any, kwargs: dict[str, Any], result: Any, left: Iterator[_Hook]) -> None:
    """After an error: the hooks not called yet that are to be called always; what they raise becomes a warning."""
    for hook in left:
        if hook.always_call:
            try:
                changed = hook(module, args, kwargs, result)
                result = result if changed is None else changed
            except Exception as error:
                warnings.warn(
                    f"a forward hook with always_call=True raised after another error and was silenced: {error}",
                    stacklevel=4,
                )


class Hooked:
    """The part of Module that takes hooks on its calls."""

    _hooks: Tables

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before forward; what it returns replaces the arguments.

        Args:
            hook: returns None, a tuple of arguments, or the only one.
            prepend: call it before the hooks that there are, though after those of all modules.
            with_kwargs: call hook(module, args, kwargs), which returns None or (args, kwargs).
        """
        return ModuleHookHandle(self._hooks, "forward_pre", hook, prepend, with_kwargs=with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call hook(module, args, output) after forward; what it returns, unless None, replaces the output.

        Args:
            prepend: call it before the hooks that there are, though after those of all modules.
            with_kwargs: call hook(module, args, kwargs, output).
            always_call: call it also when an error is raised, with None or what there is for the output.
        """
        flags = {"with_kwargs": with_kwargs, "always_call": always_call}
        return ModuleHookHandle(self._hooks, "forward", hook, prepend, **flags)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when the gradients of the module's inputs have been computed.

        Both are tuples, with None for what is no Tensor. grad_input stands for the positional arguments, with zeros for
        those without a gradient; grad_output has None for results without one. What the hook returns, unless None,
        replaces grad_input. When no input requires grad the hook is called, with None for all of them, as soon as there
        is grad_output. Forward must not change its inputs in place.

        Args:
            prepend: call it before the hooks that there are, though after those of all modules.
        """
        return ModuleHookHandle(self._hooks, "backward", hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_output) when backward comes to the module's outputs.

        What it returns, unless None, replaces grad_output.

        Args:
            prepend: call it before the hooks that there are, though after those of all modules.
        """
        return ModuleHookHandle(self._hooks, "backward_pre", hook, prepend)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, args) before the forward of every module; see Module.register_forward_pre_hook."""
    return ModuleHookHandle(EVERYWHERE, "forward_pre", hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call hook(module, args, output) after the forward of every module; see Module.register_forward_hook."""
    return ModuleHookHandle(EVERYWHERE, "forward", hook, with_kwargs=with_kwargs, always_call=always_call)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, grad_input, grad_output) for every module; see Module.register_full_backward_hook."""
    return ModuleHookHandle(EVERYWHERE, "backward", hook)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, grad_output) for every module; see Module.register_full_backward_pre_hook."""
    return ModuleHookHandle(EVERYWHERE, "backward_pre", hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, name, parameter) when any module registers one; what it returns is registered in its place."""
    return ModuleHookHandle(_ON_REGISTRATION, "parameter", hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, name, buffer) when any module registers one; what it returns is registered in its place."""
    return ModuleHookHandle(_ON_REGISTRATION, "buffer", hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, name, inner) when any module registers one; what it returns is registered in its place."""
    return ModuleHookHandle(_ON_REGISTRATION, "module", hook)


def as_registered(kind: str, module: Any, name: str, value: Any) -> Any:
    """What the hooks on registration make of a parameter, buffer or module."""
    for hook in tuple(_ON_REGISTRATION.get(kind, {}).values()):
        changed = hook(module, name, value)
        value = value if changed is None else changed
    return value
