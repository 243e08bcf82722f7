"""The parity contract in numbers: how far what an operation gives may lie from the exact result, on every device.

One table of families of operations, and two measures. `exact` is the same operation on the same inputs in float64 on
the CPU, so two devices lie within twice of either.

    abs(got - exact) <= limit * (1 + abs(exact))

with `limit = tolerance("Softmax", "float32")`, 4e-06, is published: it holds for every element, on cpu, sim and cuda,
for numbers of ordinary size, about 1, and for sums of up to about a thousand of them. A limit of 0 means the same bits.
The tests of every kernel and of every public operation hold it.

    abs(got - exact) <= factor * (eps * abs(exact) + rms(response))

with `factor = factor_of(family_of("Softmax"), "float32")`, 256, is what `gpudl compare` judges by: `response` is what a
change of the inputs by a rounding makes of the result (gpudl.compare.measure). It is for numbers of any size.

gpudl/PARITY.md is made of this file and of gpudl/compare/families.py.
"""

from __future__ import annotations

import re

from gpudl.autograd.node import Node
from gpudl.compare.families import FAMILIES, LEVELS, OWN, Level

LOSS_LIMITS = {"float64": 1e-13, "float32": 1e-5, "float16": 1e-3, "bfloat16": 8e-3}
"""dtype -> by how much the losses of two devices may part with each step of training; see loss_tolerance."""

_HALF = 4.0

_BY_OP = {op: family.name for family in FAMILIES.values() for op in family.ops}

_SIGNS = "several results are right, which differ in signs"

LEFT_OUT = {
    **dict.fromkeys(("Qr", "Svd", "Eigh", "Geqrf", "Reflectors"), _SIGNS),
    "ViewAs": "it reads the bits of its input, which in float64 are others",
    "Nextafter": "the next number in float64 is another",
}
"""Operations that `gpudl compare` does not judge, and why."""


def family_of(op: str | type[Node]) -> str:
    """The family of an operation: a key of FAMILIES.

    Args:
        op: the name of a kernel ("gelu_backward", "adam_step_") or of a Primitive ("Gelu", "GetItem"); or an
            operation itself, which is a program's own where it is not gpudl's, whatever its name.
    Returns: "a program's own" for what gpudl does not have.
    """
    if isinstance(op, type):
        if not op.__module__.startswith("gpudl."):
            return OWN
        op = op.__name__
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", op).lower().strip("_")
    return _BY_OP.get(name) or _BY_OP.get(re.sub(r"_(forward|backward)$", "", name)) or OWN


def _level(family: str, gradient: bool) -> Level:
    return LEVELS[FAMILIES[family].backward if gradient else FAMILIES[family].forward]


def tolerance(op: str | type[Node], dtype: object, *, gradient: bool = False) -> float:
    """How far results of an operation may lie from the exact ones: abs(got - exact) <= tolerance * (1 + abs(exact)).

    Args:
        op: as for family_of. The name of a kernel that ends in _backward asks for that of its gradients.
        dtype: in which it computes.
        gradient: True for the operation's gradients, False for its results.
    Returns: the limit; 0 where every bit must agree, as for integers and bools.
    """
    gradient = gradient or (isinstance(op, str) and op.endswith("_backward"))
    return _level(family_of(op), gradient).limits.get(str(dtype), 0.0)


def factor_of(family: str, dtype: object, tolerance: float = 1.0, *, gradient: bool = False) -> float:
    """What `gpudl compare` allows, in roundings of a dtype.

    Args:
        family: a key of FAMILIES.
        tolerance: a user's factor on it.
        gradient: True for the gradients, False for the results.
    """
    factor = _level(family, gradient).factor
    return tolerance * (min(factor, _HALF) if str(dtype) in ("float16", "bfloat16") else factor)


def loss_tolerance(dtype: object, step: int) -> float:
    """How far the losses of a training step may part: abs(one - other) <= loss_tolerance * (1 + abs(one)).

    Rounding of one step moves the next, and a unit that comes to lie on the other side of a kink, as of ReLU, moves
    more. So what is allowed grows with each step.

    Args:
        dtype: a floating one, of weights and activations; with autocast, the half float.
        step: its number, from 1.
    Raises: KeyError for another dtype; ValueError for a step below 1.
    """
    if step < 1:
        raise ValueError(f"loss_tolerance: steps are counted from 1, got {step}")
    return LOSS_LIMITS[str(dtype)] * step
