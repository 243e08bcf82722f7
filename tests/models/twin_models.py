"""The PyTorch twin of a model: its own source, with gpudl replaced by torch."""

import functools
import importlib
import inspect
import re
import sys
import types
from pathlib import Path

import pytest

import gpudl

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nn"))
from twins import array, compare, twins

torch = pytest.importorskip("torch")

__all__ = ["array", "compare", "models", "torch", "twins"]


@functools.cache
def models(lib, file):
    """A file of gpudl/models as a module of a library."""
    own = importlib.import_module(f"gpudl.models.{file}")
    if lib is gpudl:
        return own
    twin = types.ModuleType(f"{file} in PyTorch")
    exec(compile(re.sub(r"\bgpudl\b", "torch", inspect.getsource(own)), twin.__name__, "exec"), twin.__dict__)
    return twin
