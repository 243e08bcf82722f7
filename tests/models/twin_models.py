"""What the tests of models share: their PyTorch twins, and the comparison of modules in both libraries."""

import sys
from pathlib import Path

import pytest

from gpudl.bench.twin import models

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nn"))
from twins import array, compare, twins

torch = pytest.importorskip("torch")

__all__ = ["array", "compare", "models", "torch", "twins"]
