"""Whether operations record a graph: per thread, switched by contexts that are decorators too."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    enabled = True
    inference = False


mode = _Mode()


def is_grad_enabled() -> bool:
    """True while operations in this thread record a graph."""
    return mode.enabled


def is_inference_mode_enabled() -> bool:
    """True inside inference_mode in this thread."""
    return mode.inference


class _Context:
    """Sets both switches on entry and restores them on exit; an instance may be entered again, also nested."""

    def __init__(self) -> None:
        self._before: list[tuple[bool, bool]] = []

    def _switch(self) -> None:
        """Set `mode` to what holds inside."""
        raise NotImplementedError(f"{type(self).__name__} sets nothing")

    def __enter__(self) -> None:
        self._before.append((mode.enabled, mode.inference))
        self._switch()

    def __exit__(self, *exception: object) -> None:
        mode.enabled, mode.inference = self._before.pop()

    def _fresh(self) -> _Context:
        return type(self)()

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self._fresh():
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]


class _Decorator(type):
    """Lets `@no_grad` stand without parentheses, as PyTorch does."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and callable(args[0]):
            return super().__call__()(args[0])
        return super().__call__(*args, **kwargs)


class no_grad(_Context, metaclass=_Decorator):
    """Inside, operations record nothing: results have requires_grad False. A context and a decorator."""

    def _switch(self) -> None:
        mode.enabled = False


class enable_grad(_Context, metaclass=_Decorator):
    """Inside, operations record again, also within no_grad; inference_mode stays in force."""

    def _switch(self) -> None:
        mode.enabled = not mode.inference


class set_grad_enabled(_Context):
    """Switch recording by a flag: at once when called, and back at the end when used as a context.

    Args:
        enabled: True to record.
    """

    def __init__(self, enabled: bool):
        super().__init__()
        self.enabled = enabled
        self._at_call = (mode.enabled, mode.inference)
        self._switch()

    def _switch(self) -> None:
        mode.enabled = self.enabled and not mode.inference

    def __enter__(self) -> None:
        self._before.append(self._at_call)
        self._switch()

    def _fresh(self) -> _Context:
        return set_grad_enabled(self.enabled)

    def __call__(self, function: F) -> F:
        mode.enabled, mode.inference = self._at_call
        return super().__call__(function)


class inference_mode(_Context, metaclass=_Decorator):
    """no_grad, and the tensors made inside carry no version counter: a graph may not save them afterwards.

    Args:
        enabled: False makes the context do nothing but leave an outer inference_mode.
    """

    def __init__(self, enabled: bool = True):
        super().__init__()
        self.enabled = enabled

    def _switch(self) -> None:
        mode.inference = self.enabled
        if self.enabled:
            mode.enabled = False

    def _fresh(self) -> _Context:
        return inference_mode(self.enabled)
