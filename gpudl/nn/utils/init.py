"""Modules without initial values."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from gpudl.nn.fill import skipping
from gpudl.nn.module import Module

__all__ = ["skip_init"]

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """A module whose parameters are not initialized: quicker, where values are loaded or drawn in another way anyway.

    Functions of gpudl.nn.init do nothing while the module is made, and no random numbers are used up. The parameters
    hold whatever their memory held.

    Args:
        module_cls: a class of modules that takes a device.
        args, kwargs: of its constructor.
    Raises: RuntimeError if it is no such class.
    """
    if not (inspect.isclass(module_cls) and issubclass(module_cls, Module)):
        raise RuntimeError(f"skip_init: expected a class of modules, got {module_cls!r}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError(f"skip_init: {module_cls.__name__} must take a device to skip its initialization")
    with skipping():
        return module_cls(*args, **kwargs)
