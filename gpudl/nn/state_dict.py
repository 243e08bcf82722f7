"""State dictionaries: tensors by dotted name, and copying them back all together or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.ops.create import as_tensor


class IncompatibleKeys(NamedTuple):
    """What load_state_dict(strict=False) did not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def tensor_of(value: Any) -> Tensor:
    """A Tensor as it is; what NumPy can read as an array (its own, a PyTorch CPU tensor, ...) as one, dtype kept.

    Raises: TypeError for anything else, and for arrays whose dtype gpudl does not have.
    """
    if isinstance(value, Tensor):
        return value
    if not hasattr(value, "__array__"):
        raise TypeError(f"expected a Tensor or an array, got {type(value).__name__}")
    return as_tensor(np.asarray(value))


def copy_values(owner: str, own: Mapping[str, Tensor], given: Mapping[str, Any], strict: bool) -> IncompatibleKeys:
    """Copy given values over the tensors of the same names, if all of them fit.

    Args:
        owner: whose tensors they are, for messages.
        own: name -> tensor to be written; cast and moved to is what comes in.
        given: name -> Tensor or array.
        strict: the names must match exactly.
    Returns: the names that were missing and unexpected.
    Raises: RuntimeError listing all that does not fit, TypeError if `given` is no mapping; nothing is changed then.
    """
    if not isinstance(given, Mapping):
        raise TypeError(
            f"load_state_dict of {owner}: expected a mapping of names to Tensors, got {type(given).__name__}"
        )
    missing = [name for name in own if name not in given]
    unexpected = [name for name in given if name not in own]
    problems = []
    if strict and missing:
        problems.append(f"Missing key(s) in state_dict: {_quoted(missing)}.")
    if strict and unexpected:
        problems.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}.")
    values = {}
    for name in own:
        if name in given:
            try:
                values[name] = value = tensor_of(given[name])
            except (TypeError, RuntimeError, ValueError) as error:
                problems.append(f"{name}: {error}")
                continue
            if value.shape != own[name].shape:
                problems.append(f"size mismatch for {name}: got {value.shape}, the module has {own[name].shape}.")
    if problems:
        raise RuntimeError(f"Error(s) in loading state_dict for {owner}:\n\t" + "\n\t".join(problems))
    with no_grad():
        for name, value in values.items():
            own[name].copy_(value)
    return IncompatibleKeys(missing, unexpected)


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
