"""To stand beside every operation on Tensors: for tools that record, compare or measure them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gpudl.autograd.function import Function
from gpudl.autograd.node import Node
from gpudl.autograd.primitive import Primitive

Observer = Callable[[type[Node], tuple[Any, ...], Callable[[], Any]], Any]
"""Called with the operation's class, the arguments of its apply, and what runs it; returns the result."""

_one_at_a_time = threading.RLock()  # of threads, since doors are put back as they were found
_DOORS = ((Primitive, "apply"), (Primitive, "apply_pair"), (Function, "apply"))


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Let an observer run the operations of this thread. What an operation itself is made of is not shown to it.

    Outside of the block operations cost what they always do: their `apply` is replaced inside of it alone. A second
    thread that wants to observe waits until the first has ended.

    Args:
        observer: `observer(operation, args, run)`; it returns `run()`, or something like it.
    """
    thread, busy = threading.get_ident(), False

    def door(apply: Callable[..., Any]) -> classmethod[Any, Any, Any]:
        def observed(cls: type[Node], *args: Any) -> Any:
            nonlocal busy
            if busy or threading.get_ident() != thread:
                return apply(cls, *args)
            busy = True
            try:
                return observer(cls, args, lambda: apply(cls, *args))
            finally:
                busy = False

        return classmethod(observed)

    with _one_at_a_time:
        plain = [(owner, name, vars(owner)[name]) for owner, name in _DOORS]
        try:
            for owner, name, member in plain:
                setattr(owner, name, door(member.__func__))
            yield
        finally:
            for owner, name, member in plain:
                setattr(owner, name, member)
