"""Functions that users hang on an optimizer: around its steps, and around saving and loading its state."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gpudl.autograd.hooks import RemovableHandle

Hook = Callable[..., Any]


class Hooks:
    """Base of Optimizer: lists of hooks, which run in the order in which they were registered."""

    _opt_called = False  # whether step() ever was; schedules look

    def __init__(self) -> None:
        self._hooks: dict[str, list[Hook]] = {}
        self._stepping = False

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if "step" in vars(cls):
            cls.step = with_hooks(vars(cls)["step"])  # type: ignore[attr-defined]

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) before a step; a pair that it returns replaces args and kwargs."""
        return self._register("before step", hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) after a step."""
        return self._register("after step", hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer) before state_dict; before all other hooks if `prepend`."""
        return self._register("before saving", hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer, state_dict) after state_dict; what it returns, if not None, replaces the result."""
        return self._register("after saving", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer, state_dict) before load_state_dict, on a shallow copy; what it returns replaces that."""
        return self._register("before loading", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer) after load_state_dict."""
        return self._register("after loading", hook, prepend)

    def _register(self, when: str, hook: Hook, prepend: bool = False) -> RemovableHandle:
        hooks = self._hooks.setdefault(when, [])
        handle = RemovableHandle(hooks, hook)
        if prepend:
            hooks.insert(0, hooks.pop())
        return handle

    def _run_hooks(self, when: str, *args: Any) -> Any:
        """Call the hooks; what one returns, if not None, is the last argument of the next. Returns that argument."""
        for hook in tuple(self._hooks.get(when, ())):
            changed = hook(self, *args)
            if changed is not None:
                args = (*args[:-1], changed)
        return args[-1] if args else None


def with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step method that notes that it was called and runs the hooks, once if it calls the step of its base class."""

    @functools.wraps(step)
    def run(self: Hooks, *args: Any, **kwargs: Any) -> Any:
        self._opt_called = True
        if self._stepping or not self._hooks:
            return step(self, *args, **kwargs)
        self._stepping = True
        try:
            for hook in tuple(self._hooks.get("before step", ())):
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not isinstance(changed, tuple) or len(changed) != 2:
                        raise RuntimeError(f"a step pre hook must return None or (args, kwargs), got {changed!r}")
                    args, kwargs = changed
            result = step(self, *args, **kwargs)
            for hook in tuple(self._hooks.get("after step", ())):
                hook(self, args, kwargs)
            return result
        finally:
            self._stepping = False

    return run
