"""State dictionaries: tensors by dotted name, and copying them back all together or not at all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.hooks import RemovableHandle
from gpudl.autograd.tensor import Tensor
from gpudl.nn.hooks import ModuleHookHandle, Tables
from gpudl.nn.parameter import Parameter
from gpudl.nn.registry import Registry
from gpudl.nn.uninitialized import is_lazy
from gpudl.ops.create import as_tensor

_EXTRA_STATE = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What load_state_dict(strict=False) did not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def tensor_of(value: Any) -> Tensor:
    """A Tensor as it is; what NumPy can read as an array (its own, a PyTorch CPU tensor, ...) as one, dtype kept.

    Raises: TypeError for anything else, and for arrays whose dtype gpudl does not have.
    """
    if isinstance(value, Tensor):
        return value
    if not hasattr(value, "__array__"):
        raise TypeError(f"expected a Tensor or an array, got {type(value).__name__}")
    return as_tensor(np.asarray(value))


class Loading(list[str]):
    """What is wrong with a state_dict, as messages, and what loading it does if nothing is.

    Attributes:
        steps: functions that write the values.
        assigned: id of a tensor of the module -> what takes its place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Callable[[], Any]] = []
        self.assigned: dict[int, Tensor] = {}

    def plan(self, module: Stateful, name: str, key: str, given: Any, assign: bool) -> None:
        """Add the step that gives a module's tensor its value, or the message why it cannot be."""
        own: Any = getattr(module, name)
        try:
            value = tensor_of(given)
            if is_lazy(own):
                if is_lazy(value):
                    return
                self.steps.append(partial(own.materialize, value.shape))
            elif own.ndim == 0 and value.shape == (1,):
                value = value[0]  # as scalars were saved before PyTorch 0.4
            elif value.shape != own.shape:
                self.append(f"size mismatch for {key}: got {value.shape}, the module has {own.shape}.")
                return
            if assign:
                new = self.assigned.setdefault(id(own), _in_place_of(own, value))
                self.steps.append(partial(setattr, module, name, new))
            else:
                self.steps.append(partial(own.copy_, value))
        except (TypeError, RuntimeError, ValueError) as error:
            self.append(f"{key}: {error}")


def _in_place_of(own: Tensor, value: Tensor) -> Any:
    """What a value becomes when it replaces a parameter or buffer: it keeps its memory."""
    if not isinstance(own, Parameter):
        return value
    if not isinstance(value, Parameter):
        return Parameter(value, requires_grad=own.requires_grad)
    return value.requires_grad_(own.requires_grad)


class Stateful(Registry):
    """The part of Module that saves and loads its state."""

    _version: ClassVar[int] = 1  # of the state's layout; state_dict notes it for those who load
    _state_hooks: Tables

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """Parameters and persistent buffers by dotted name, shared ones under each of their names.

        Args:
            destination: a dict that is filled and returned, in place of a new one.
            prefix: put before every name.
            keep_vars: give the Parameters themselves; otherwise Tensors that share memory with them.
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in self._hooks_on_state("save_pre"):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._hooks_on_state("save_post"):
            if hook(self, destination, prefix, metadata) is not None:
                raise RuntimeError("a state_dict post-hook changes the state_dict in place and must return None")
        return destination  # type: ignore[no-any-return]

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into the parameters and buffers of the same names; they are cast and moved as needed.

        Nothing is changed unless all of it fits. Only where a post-hook stands, which may forgive names, are the names
        checked after it, and thus after the values were written.

        Args:
            state_dict: dotted name -> Tensor, as from state_dict(), or anything NumPy reads as an array, such as the
                tensors of a PyTorch state_dict.
            strict: the names must match exactly.
            assign: put the given tensors in the place of the module's own, with their dtype and device; an optimizer
                must be made afterwards. What was shared stays shared.
        Returns: the names that were missing and unexpected, both empty if strict.
        Raises: RuntimeError listing every missing, unexpected, mis-shaped and unreadable entry; TypeError if
            state_dict is no mapping.
        """
        kind = type(self).__name__
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict of {kind}: expected a mapping of names to Tensors, got {type(state_dict).__name__}"
            )
        keys, problems = IncompatibleKeys([], []), Loading()
        afterwards: list[Callable[[], Any]] = []

        def check(module: Stateful, given: dict[str, Any], prefix: str) -> None:
            metadata = dict(getattr(state_dict, "_metadata", {}).get(prefix[:-1], {}))
            if assign:
                metadata["assign_to_params_buffers"] = True
            module._load_from_state_dict(given, prefix, metadata, True, *keys, problems)
            for name, child in module._modules.items():
                if child is not None:
                    start = f"{prefix}{name}."
                    check(child, {key: value for key, value in given.items() if key.startswith(start)}, start)
            afterwards.extend(partial(hook, module, keys) for hook in module._hooks_on_state("load_post"))

        check(self, dict(state_dict), "")
        if not problems and (afterwards or not strict or not any(keys)):
            with no_grad():
                for step in problems.steps:
                    step()
            for hook in afterwards:
                if hook() is not None:
                    raise RuntimeError("a load_state_dict post-hook changes the keys in place and must return None")
        if strict:
            problems[:0] = [
                f"{what} key(s) in state_dict: {', '.join(map(_quoted, names))}."
                for what, names in zip(("Missing", "Unexpected"), keys)
                if names
            ]
        if problems:
            raise RuntimeError(f"Error(s) in loading state_dict for {kind}:\n\t" + "\n\t".join(problems))
        return keys

    def _own_state(self) -> dict[str, Tensor]:
        """What of this module alone is saved, by name."""
        kept = {name: b for name, b in self._buffers.items() if name not in self._non_persistent_buffers_set}
        return {name: value for name, value in {**self._parameters, **kept}.items() if value is not None}

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Save the state of this module without those inside; for subclasses that save more, or under other names."""
        for name, value in self._own_state().items():
            destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load the state of this module without those inside; for subclasses that read what older versions saved.

        A subclass may change state_dict, a copy, and then calls this. Values are written when all modules are checked.

        Args:
            state_dict: the entries whose names start with the prefix.
            prefix: the module's path and a dot, or nothing.
            local_metadata: has the "version" of the module that was saved, if known.
            strict: add to missing_keys and unexpected_keys.
            error_msgs: takes messages of what else is wrong.
        """
        for hook in self._hooks_on_state("load_pre"):
            hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        loading = error_msgs if isinstance(error_msgs, Loading) else Loading()
        own = self._own_state()
        for name in own:
            key = prefix + name
            if key in state_dict:
                assign = bool(local_metadata.get("assign_to_params_buffers"))
                loading.plan(self, name, key, state_dict[key], assign)
            elif strict:
                missing_keys.append(key)
        expected = {prefix + name for name in own}
        if type(self).set_extra_state is not Stateful.set_extra_state:
            key = prefix + _EXTRA_STATE
            expected.add(key)
            if key in state_dict:
                loading.steps.append(partial(self.set_extra_state, state_dict[key]))
            elif strict:
                missing_keys.append(key)
        if strict:
            unexpected_keys += [key for key in state_dict if key not in expected and not self._inside(key, prefix)]
        if loading is not error_msgs:  # called by itself, with lists of its own
            error_msgs += loading
            with no_grad():
                for step in loading.steps:
                    step()

    def _inside(self, key: str, prefix: str) -> bool:
        """Whether a name is for a module inside to judge, or has nothing to do with this one."""
        name, dot, _ = key.removeprefix(prefix).partition(".")
        return not key.startswith(prefix) or bool(dot and self._modules.get(name) is not None)

    def get_extra_state(self) -> Any:
        """What else belongs to the state, anything; to be given by a subclass, with set_extra_state."""
        raise RuntimeError(f"{type(self).__name__} has no extra state")

    def set_extra_state(self, state: Any) -> None:
        """Take over what get_extra_state gave; to be given by a subclass."""
        raise RuntimeError(f"{type(self).__name__} has no extra state")

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) before state_dict saves the module."""
        return ModuleHookHandle(self._state_hooks, "save_pre", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata) after it; the hook changes state_dict in place."""
        return ModuleHookHandle(self._state_hooks, "save_post", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call a hook before load_state_dict reads the module's entries.

        Args:
            hook: takes the module and the arguments of _load_from_state_dict, which it may change in place.
        """
        return ModuleHookHandle(self._state_hooks, "load_pre", hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) after load_state_dict; the hook may change the two lists in place."""
        return ModuleHookHandle(self._state_hooks, "load_post", hook)

    def _hooks_on_state(self, kind: str) -> tuple[Callable[..., Any], ...]:
        return tuple(self._state_hooks.get(kind, {}).values())


def _quoted(name: str) -> str:
    return f'"{name}"'
