"""Modules made of modules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from gpudl.nn.module import Module

__all__ = ["ModuleList", "Sequential"]


class ModuleList(Module):
    """A list of modules.

    Args:
        modules: named "0", "1", ...
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for number, module in enumerate(modules):
            self.add_module(str(number), module)

    def __getitem__(self, index: int) -> Any:
        return list(self)[index]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __repr__(self) -> str:
        lines: list[str] = []
        for shown, run in groupby(enumerate(map(repr, self)), lambda pair: pair[1]):
            first, *others = (number for number, _ in run)
            label = f"({first}-{others[-1]}): {len(others) + 1} x " if others else f"({first}): "
            lines += (label + shown).splitlines()
        return "ModuleList(" + "".join(f"\n  {line}" for line in lines) + ("\n)" if lines else ")")


class Sequential(Module):
    """Modules one after the other: a list of them, and a function of one argument.

    Args:
        args: modules, named "0", "1", ...; or one OrderedDict of names and modules.
    Raises: TypeError for what is no Module.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, _checked(module))
        else:
            self.extend(args)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input

    def append(self, module: Module) -> Sequential:
        """Add a module at the end, under the next free number; returns this one."""
        number = len(self)
        while str(number) in self._modules:  # a slice keeps its names
            number += 1
        self.add_module(str(number), _checked(module))
        return self

    def extend(self, modules: Iterable[Module]) -> Sequential:
        """Add several modules at the end; returns this one."""
        for module in modules:
            self.append(module)
        return self

    def __getitem__(self, index: int | slice) -> Any:
        """A module by its place, or a Sequential of the modules in a slice, which keep their names."""
        names = self._names_at(index)
        if isinstance(index, slice):
            return type(self)(OrderedDict((name, self._modules[name]) for name in names))
        return self._modules[names[0]]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._names_at(index)[0], _checked(module))

    def __delitem__(self, index: int | slice) -> None:
        for name in self._names_at(index):
            delattr(self, name)
        # Numbered anew, as in PyTorch.
        self._modules = {str(number): module for number, module in enumerate(self)}

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def _names_at(self, index: int | slice) -> list[str]:
        names = list(self._modules)
        if isinstance(index, slice):
            return names[index]
        if not -len(names) <= index < len(names):
            raise IndexError(f"module {index} of a Sequential of {len(names)}")
        return [names[index]]


def _checked(module: Any) -> Module:
    if isinstance(module, Module):
        return module
    hint = "; write Sequential(*modules)" if isinstance(module, (list, tuple)) else ""
    raise TypeError(f"Sequential takes Modules, got {type(module).__name__}{hint}")
