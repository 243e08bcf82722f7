"""Modules made of modules."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, TypeVar

from gpudl.nn.fused import is_plain, linear_dropout, steps
from gpudl.nn.module import Module, indented, shown

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

L = TypeVar("L", bound="_Listed")
S = TypeVar("S", bound="Sequential")


class _Listed(Module):
    """Modules in an order, named by numbers unless they came with names."""

    def _checked(self, module: Any) -> Any:
        """What may stand in the list. Raises: TypeError for anything else."""
        return module

    def append(self: L, module: Any) -> L:
        """Add a module at the end, under the next free number; returns this one."""
        self.add_module(self._free_name(), self._checked(module))
        return self

    def extend(self: L, modules: Iterable[Any]) -> L:
        """Add several modules at the end; returns this one.

        Raises: TypeError if they cannot be iterated over.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(f"{type(self).__name__}.extend takes an iterable of modules, got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self: L, index: int, module: Any) -> L:
        """Put a module before the one at a place, or at the end; those after it get the next numbers.

        Args:
            index: -len <= index <= len; below 0 counted from the end. Names that are no numbers stay.
        Raises: IndexError outside of that; TypeError for what is no Module.
        """
        if not -len(self) <= index <= len(self):
            raise IndexError(f"cannot insert at {index} in a {type(self).__name__} of {len(self)}")
        name = self._free_name()
        self.add_module(name, self._checked(module))
        others = list(self._modules.items())[:-1]
        others.insert(index, (name, self._modules[name]))
        self._modules = dict(others)
        if all(name.isdigit() for name in self._modules):
            self._number()
        return self

    def pop(self, key: int | slice) -> Any:
        """Take out a module, or those in a slice, and return it."""
        found = self[key]
        del self[key]
        return found

    def __getitem__(self, index: int | slice) -> Any:
        names = self._names_at(index)
        if isinstance(index, slice):
            return self._with([(name, self._modules[name]) for name in names])
        return self._modules[names[0]]

    def _with(self: L, entries: list[tuple[str, Any]]) -> L:
        """A list of the same class with some of the modules."""
        return type(self)([module for _, module in entries])  # type: ignore[call-arg]

    def __setitem__(self, index: int, module: Any) -> None:
        setattr(self, self._names_at(index)[0], self._checked(module))

    def __delitem__(self, index: int | slice) -> None:
        for name in self._names_at(index):
            delattr(self, name)
        self._number()  # names that are no numbers too, as in PyTorch

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def _free_name(self) -> str:
        number = len(self)
        while str(number) in self._modules:  # a slice keeps its names
            number += 1
        return str(number)

    def _number(self) -> None:
        self._modules = {str(number): module for number, module in enumerate(self)}

    def _names_at(self, index: int | slice) -> list[str]:
        names = list(self._modules)
        if isinstance(index, slice):
            return names[index]
        index = operator.index(index)
        if not -len(names) <= index < len(names):
            raise IndexError(f"module {index} of a {type(self).__name__} of {len(names)}")
        return [names[index]]


class Sequential(_Listed):
    """Modules one after the other: a list of them, and a function of one argument.

    A slice is a Sequential of the same modules under the same names.

    Args:
        args: modules, named "0", "1", ...; or one OrderedDict of names and modules.
    Raises: TypeError for what is no Module.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, self._checked(module))
        else:
            self.extend(args)

    def forward(self, input: Any) -> Any:
        for step in steps(self):
            input = step(input)
        return input

    def _added(self, input: Any, residual: Any) -> Any:
        """residual + self(input), of layers that end with a Linear and a Dropout in as few steps as they allow."""
        modules = list(self)
        if len(modules) < 2 or not is_plain(self, type(self)) or type(self).forward is not Sequential.forward:
            return residual + self(input)
        for step in steps(modules[:-2]):
            input = step(input)
        return linear_dropout(modules[-2], modules[-1], input, residual)

    def _checked(self, module: Any) -> Module:
        if isinstance(module, Module):
            return module
        hint = "; write Sequential(*modules)" if isinstance(module, (list, tuple)) else ""
        raise TypeError(f"Sequential takes Modules, got {type(module).__name__}{hint}")

    def _with(self: S, entries: list[tuple[str, Any]]) -> S:
        return type(self)(OrderedDict(entries))

    def __add__(self, other: Any) -> Sequential:
        return Sequential(*self, *_sequential(other))

    def __iadd__(self: S, other: Any) -> S:
        return self.extend(_sequential(other))

    def __mul__(self, other: Any) -> Sequential:
        return Sequential(*list(self) * _times(other))

    def __rmul__(self, other: Any) -> Sequential:
        return self.__mul__(other)

    def __imul__(self: S, other: Any) -> S:
        return self.extend(list(self) * (_times(other) - 1))


def _sequential(other: Any) -> Sequential:
    if isinstance(other, Sequential):
        return other
    raise ValueError(f"only a Sequential can be added to a Sequential, got {type(other).__name__}")


def _times(other: Any) -> int:
    if not isinstance(other, int):
        raise TypeError(f"a Sequential can be multiplied by an int, got {type(other).__name__}")
    if other <= 0:
        raise ValueError(f"a Sequential can be multiplied by a number >= 1, got {other}")
    return other


class ModuleList(_Listed):
    """A list of modules that belong to the module that has it; what they compute is up to that one's forward.

    Args:
        modules: an iterable of modules, or None for those that are absent.
    Raises: TypeError for anything else.
    """

    def __init__(self, modules: Iterable[Any] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __add__(self, other: Iterable[Any]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self: L, modules: Iterable[Any]) -> L:
        return self.extend(modules)

    def __repr__(self) -> str:
        blocks: list[tuple[int, int, str]] = []  # first and last place of modules that look the same
        for place, text in enumerate(map(repr, self)):
            if blocks and blocks[-1][2] == text:
                blocks[-1] = blocks[-1][0], place, text
            else:
                blocks.append((place, place, text))
        lines = [
            f"({first}): {indented(text)}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {indented(text)}"
            for first, last, text in blocks
        ]
        return shown(self._get_name(), [], lines)


class ModuleDict(Module):
    """Modules by name that belong to the module that has it; what they compute is up to that one's forward.

    Args:
        modules: a mapping of names to modules, or an iterable of pairs.
    Raises: TypeError for what is neither a Module nor None; KeyError for a name that is a method's.
    """

    def __init__(self, modules: Mapping[str, Any] | Iterable[Any] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def update(self, modules: Mapping[str, Any] | Iterable[Any]) -> None:
        """Put in modules by name, over those that there are.

        Raises: TypeError if it is neither a mapping nor an iterable of pairs; ValueError for a pair of other length.
        """
        for name, module in pairs_of("ModuleDict", modules):
            self[name] = module

    def pop(self, key: str) -> Any:
        """Take out a module and return it. Raises: KeyError if there is none of that name."""
        return self._modules.pop(key)

    def clear(self) -> None:
        """Take out all modules."""
        self._modules.clear()

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Any]:
        """The names and modules."""
        return self._modules.items()

    def values(self) -> ValuesView[Any]:
        """The modules."""
        return self._modules.values()

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Any) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules


def pairs_of(kind: str, given: Any) -> list[tuple[Any, Any]]:
    """The entries of a mapping, or of an iterable of pairs, given to a dictionary's update."""
    if isinstance(given, (Mapping, ModuleDict)):
        return list(given.items())
    if not isinstance(given, Iterable):
        raise TypeError(f"{kind}.update takes a mapping or an iterable of pairs, got {type(given).__name__}")
    pairs: list[Any] = list(given)
    for number, pair in enumerate(pairs):
        if not isinstance(pair, Iterable):
            raise TypeError(f"{kind}.update: entry {number} must be a pair, got {type(pair).__name__}")
        if len(pair) != 2:  # type: ignore[arg-type]
            raise ValueError(f"{kind}.update: entry {number} must be a pair, got {len(pair)} values")  # type: ignore[arg-type]
    return pairs
