"""Hooks: lists of functions, and the handle that takes one out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class RemovableHandle:
    """Takes a hook off again.

    Args:
        hooks: the list it stands in.
        hook: the function that was added.
    """

    def __init__(self, hooks: list[Any], hook: Callable[..., Any]):
        self._hooks, self._hook = hooks, hook
        self._removed = False
        hooks.append(hook)

    def remove(self) -> None:
        """Remove the hook; removing it twice does nothing."""
        if not self._removed:
            self._removed = True
            self._hooks.remove(self._hook)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()
