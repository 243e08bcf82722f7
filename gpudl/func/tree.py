"""Nested tuples, lists and dicts of tensors, taken apart and put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gpudl.autograd.tensor import Tensor


def leaves(tree: Any) -> list[Any]:
    """What is in the nested tuples, lists and dicts, in order; dicts in the order of their keys' insertion."""
    if isinstance(tree, (tuple, list)):
        return [leaf for part in tree for leaf in leaves(part)]
    if isinstance(tree, dict):
        return [leaf for part in tree.values() for leaf in leaves(part)]
    return [tree]


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The same nest with function(leaf, its counterparts in other nests of that form) in each place.

    Raises: ValueError if the nests differ in form.
    """
    if isinstance(tree, (tuple, list)):
        if any(not isinstance(other, (tuple, list)) or len(other) != len(tree) for other in others):
            raise ValueError(f"expected a {type(tree).__name__} of {len(tree)} in each of {(tree, *others)}")
        made = [tree_map(function, *parts) for parts in zip(tree, *others)]
        return type(tree)(*made) if hasattr(tree, "_fields") else type(tree)(made)
    if isinstance(tree, dict):
        if any(not isinstance(other, dict) or other.keys() != tree.keys() for other in others):
            raise ValueError(f"expected a dict with the keys {list(tree)} in each of {(tree, *others)}")
        return {key: tree_map(function, part, *(other[key] for other in others)) for key, part in tree.items()}
    return function(tree, *others)


def filled(tree: Any, values: Iterable[Any]) -> Any:
    """The same nest with its leaves replaced, in order."""
    given = iter(values)
    return tree_map(lambda _: next(given), tree)


def tensors(name: str, tree: Any) -> list[Tensor]:
    """The leaves of a nest, all of them Tensors.

    Raises: TypeError if one is not.
    """
    found = leaves(tree)
    for leaf in found:
        if not isinstance(leaf, Tensor):
            raise TypeError(f"{name}: expected Tensors, or tuples, lists and dicts of them, got {type(leaf).__name__}")
    return found
