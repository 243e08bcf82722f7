"""The op table's rows: what to call, on what, and where PyTorch is not followed.

A row is one line in a rows_*.py file of this folder:

    row("clamp", (3, 4), min=-0.5, max=1.0)               gpudl.clamp(x, min=...) against torch.clamp(x, min=...)
    row("nn.functional.linear", (2, 3), (4, 3), (4,))     a shape is a tensor of each floating dtype in turn
    row("log", floats((3,), low=0.1))                     a range
    row("abs", floats((3, 4), avoid=(0,)))                kept away from a kink, for the gradients' sake
    row("masked_fill", (3, 4), bools((4,)), 2.5)          other dtypes, and arguments that are no tensors
    row("cat", (2, 3), (2, 1), call=lambda lib, *xs: lib.cat(xs, dim=1), note="dim1")    any code; lib: gpudl or torch
    row("sum", (2, 3), unlike={"integers": "why we differ from PyTorch there"})          a check not to be made

test_op_table.py makes every check on every row. A rows_*.py file may also have

    UNLIKE = {"entry": why, "entry dtype": why, "entry errors": why}    where test_opinfo.py is not to follow PyTorch
    SLACK = {"entry": 10.0, "entry dtype": 10.0}                        factors on the tolerance there
    CALLS = {"entry": lambda a, b: gpudl.f(b, a)}                       what an entry calls, where not gpudl.entry
    RANDOM = {"entry": why}                                             where it compares shapes and dtypes alone
    ELSEWHERE = {"name": "test_file.py"}                                exported names that no row can hold
"""

from __future__ import annotations

import importlib
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
ROWS: dict[str, Row] = {}


@dataclass(frozen=True)
class Input:
    """A tensor argument.

    Attributes:
        shape: its shape.
        dtype: its dtype; None for that of the run.
        low, high: the range of its elements.
        avoid: numbers that no floating point element comes within 0.1 of.
        distinct: no two elements are equal, nor closer than differences of a gradient check can tell.
    """

    shape: tuple[int, ...]
    dtype: str | None = None
    low: float = -2.0
    high: float = 2.0
    avoid: tuple[float, ...] = ()
    distinct: bool = False

    def make(self, dtype: str, label: str) -> np.ndarray[Any, Any]:
        """The elements, the same for one label."""
        rng = np.random.default_rng(zlib.crc32(label.encode()))
        kind = np.dtype(self.dtype or dtype)
        if kind.kind == "b":
            return np.asarray(rng.random(self.shape) < 0.5)
        if kind.kind in "iu":
            low, high = int(np.ceil(self.low)), int(np.floor(self.high))
            if kind.kind == "u":
                low, high = (-high, -low) if high < 0 else (max(low, 0), high)
            return np.asarray(rng.integers(low, high + 1, self.shape).astype(kind))
        x = np.asarray(rng.uniform(self.low, self.high, self.shape))
        if self.distinct:
            x = np.asarray(rng.permutation(np.linspace(self.low, self.high, x.size)).reshape(self.shape))
        for kink in self.avoid:
            x = np.where(abs(x - kink) < 0.1, kink + np.where(x < kink, -0.1, 0.1) + (x - kink), x)
        return np.asarray(x.astype(kind))


def floats(shape: tuple[int, ...], **settings: Any) -> Input:
    """A tensor of the run's dtype with a range of its own."""
    return Input(shape, **settings)


def ints(shape: tuple[int, ...], low: int = -3, high: int = 3, dtype: str = "int64") -> Input:
    """A tensor of integers whatever the run's dtype is."""
    return Input(shape, dtype, low, high)


def bools(shape: tuple[int, ...]) -> Input:
    """A tensor of bools whatever the run's dtype is."""
    return Input(shape, "bool")


@dataclass(frozen=True)
class Row:
    """One operation with one set of arguments; see the head of this file for how to write one."""

    op: str
    parts: tuple[Any, ...]
    named: Mapping[str, Any]
    call: Callable[..., Any] | None
    twin: Callable[..., Any] | None
    unlike: Mapping[str, str]
    id: str
    specials: tuple[float, ...] | None
    slack: float
    inputs: tuple[Input, ...] = field(init=False)

    def __post_init__(self) -> None:
        given = (*self.parts, *self.named.values())
        object.__setattr__(self, "inputs", tuple(part for part in given if isinstance(part, Input)))

    def run(self, lib: Any, *tensors: Any) -> Any:
        """The result that `lib`, gpudl or torch, gives for these tensors in the place of the inputs."""
        if self.twin is not None and lib.__name__ == "torch":
            return self.twin(lib, *tensors)
        if self.call is not None:
            return self.call(lib, *tensors)
        function = lib
        for name in self.op.split("."):
            function = getattr(function, name)
        if self.changes_in_place:
            tensors = (tensors[0].clone(), *tensors[1:])
        given = iter(tensors)
        parts = [next(given) if isinstance(part, Input) else part for part in self.parts]
        named = {key: next(given) if isinstance(part, Input) else part for key, part in self.named.items()}
        if "dtype" in named:
            named["dtype"] = getattr(lib, named["dtype"])
        return function(*parts, **named)

    @property
    def changes_in_place(self) -> bool:
        """True for names such as add_ and __iadd__; they are run on a copy."""
        return (
            re.search(
                r"([^_]_|\b__i(add|sub|mul|truediv|floordiv|mod|pow|and|or|xor|lshift|rshift|matmul)__)$", self.op
            )
            is not None
        )

    def make(self, dtype: str, *, change: Callable[[Input], Input] = lambda each: each) -> list[np.ndarray[Any, Any]]:
        """The elements of the inputs."""
        return [change(each).make(dtype, f"{self.id} {i}") for i, each in enumerate(self.inputs)]

    def __str__(self) -> str:
        return self.id


def row(
    op: str,
    *parts: Any,
    call: Callable[..., Any] | None = None,
    twin: Callable[..., Any] | None = None,
    note: str = "",
    unlike: Mapping[str, str] | None = None,
    specials: tuple[float, ...] | None = None,
    slack: float = 1.0,
    **named: Any,
) -> None:
    """Add a row to the table.

    Args:
        op: dotted name in gpudl and in torch: "add", "Tensor.add_", "nn.functional.linear".
        parts: its arguments: a shape (a tuple), an Input, or anything else as it is.
        named: its keyword arguments; a dtype by name.
        call: what to run instead of op(*parts, **named): a function of the library and the tensors.
        twin: the same for torch alone, where its name or arguments differ.
        note: a word that tells rows of one op apart, where the arguments do not.
        unlike: check (or dtype, or "special float16") -> why gpudl is unlike PyTorch there; the check is skipped.
        specials: the special numbers to try, where not all of them make sense.
        slack: factor on the tolerance.
    """
    parts = tuple(Input(part) if isinstance(part, tuple) else part for part in parts)
    words = [op, *map(_word, parts), *(f"{key}={_word(value)}" for key, value in named.items()), note]
    name = "-".join(word for word in words if word)
    if name in ROWS:
        raise ValueError(f"there is a row {name!r} already; give it a note")
    ROWS[name] = Row(op, parts, named, call, twin, unlike or {}, name, specials, slack)


def _word(part: Any) -> str:
    if not isinstance(part, Input):
        return (part.__name__ if callable(part) else str(part)).replace(" ", "")
    return f"({','.join(map(str, part.shape))}){part.dtype or ''}"


MODULES = [importlib.import_module(path.stem) for path in sorted(Path(__file__).parent.glob("rows_*.py"))]


def declared(name: str) -> dict[str, Any]:
    """The dictionaries of one name in all rows_*.py files, as one."""
    return {key: value for module in MODULES for key, value in getattr(module, name, {}).items()}
