"""The PyTorch twin of a model: its own source, with gpudl replaced by torch."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import types
from typing import Any


@functools.cache
def models(lib: Any, file: str) -> Any:
    """A file of gpudl/models as a module of a library."""
    own = importlib.import_module(f"gpudl.models.{file}")
    if lib.__name__ == "gpudl":
        return own
    twin = types.ModuleType(f"{file} in PyTorch")
    exec(compile(re.sub(r"\bgpudl\b", lib.__name__, inspect.getsource(own)), twin.__name__, "exec"), twin.__dict__)
    return twin
