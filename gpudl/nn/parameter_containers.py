"""Lists and dictionaries of parameters that belong to a module."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, KeysView, Mapping
from typing import Any, TypeVar

from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import is_on_host
from gpudl.nn.containers import pairs_of
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.nn.uninitialized import is_lazy

__all__ = ["ParameterDict", "ParameterList"]

P = TypeVar("P", bound="ParameterList")
D = TypeVar("D", bound="ParameterDict")


def _kept(value: Any) -> Any:
    """What is put in for a value: Tensors become Parameters, other things stay."""
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _line(key: Any, value: Any) -> str:
    if is_lazy(value):
        return f"  ({key}): {value}"
    if not isinstance(value, Tensor):
        return f"  ({key}): Object of type: {type(value).__name__}"
    kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
    place = "" if is_on_host(value.array) else f" ({value.device})"
    return f"  ({key}): {kind} containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}{place}]"


class ParameterList(Module):
    """A list of parameters that belong to the module that has it.

    Args:
        values: an iterable; Tensors become Parameters, anything else is kept as it is.
    Attributes:
        "0", "1", ...: the entries.
    Raises: TypeError if they cannot be iterated over.
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def append(self: P, value: Any) -> P:
        """Add an entry at the end; returns this list."""
        setattr(self, str(self._size), _kept(value))
        self._size += 1
        return self

    def extend(self: P, values: Iterable[Any]) -> P:
        """Add several entries at the end; returns this list. Raises: TypeError for a Tensor, or what is no iterable."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(f"ParameterList.extend takes an iterable, got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def __getitem__(self, index: int | slice) -> Any:
        """An entry, or a list of those in a slice."""
        if isinstance(index, slice):
            return type(self)([self[place] for place in range(len(self))[index]])
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, self._name(index), _kept(value))

    def __iadd__(self: P, values: Iterable[Any]) -> P:
        return self.extend(values)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def _name(self, index: Any) -> str:
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"entry {index} of a ParameterList of {len(self)}")
        return str(index % len(self))

    def extra_repr(self) -> str:
        return "\n".join(map(_line, range(len(self)), self))


class ParameterDict(Module):
    """Parameters by name that belong to the module that has it.

    Args:
        parameters: a mapping or an iterable of pairs; Tensors become Parameters, anything else is kept as it is. As in
            PyTorch, entries of a plain dict are put in by the order of their names.
    Raises: TypeError for a name that is no string, and what is neither a mapping nor pairs.
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def update(self, parameters: Any) -> None:
        """Put in entries by name, over those that there are.

        Raises: TypeError if it is neither a mapping nor an iterable of pairs; ValueError for a pair of other length.
        """
        if isinstance(parameters, ParameterDict):
            parameters = OrderedDict(parameters.items())
        pairs = pairs_of("ParameterDict", parameters)
        in_order = isinstance(parameters, OrderedDict) or not isinstance(parameters, Mapping)
        for key, value in pairs if in_order else sorted(pairs, key=operator.itemgetter(0)):
            self[key] = value

    def copy(self) -> ParameterDict:
        """A dictionary of its own with the same parameters."""
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The entry of a name, which becomes the default if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The entry of a name, or the default if there is none."""
        return self[key] if key in self else default  # noqa: SIM401

    def pop(self, key: str) -> Any:
        """Take out an entry and return it. Raises: KeyError if there is none of that name."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take out the entry that was put in last and return its name and itself. Raises: KeyError if it is empty."""
        if not self._keys:
            raise KeyError("popitem of an empty ParameterDict")
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def clear(self) -> None:
        """Take out all entries."""
        for key in list(self):
            del self[key]

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new dictionary with the same entry for each of the names."""
        return ParameterDict([(key, default) for key in keys])

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._keys.keys()

    def items(self) -> Iterator[tuple[str, Any]]:
        """The names and entries."""
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterator[Any]:
        """The entries."""
        return (self[key] for key in self._keys)

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a name in a ParameterDict must be a str, got {type(key).__name__}")
        setattr(self, key, _kept(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __or__(self, other: Any) -> ParameterDict:
        result = self.copy()
        result.update(other)
        return result

    def __ror__(self, other: Any) -> ParameterDict:
        return ParameterDict(other) | self

    def __ior__(self: D, other: Any) -> D:
        self.update(other)
        return self

    def extra_repr(self) -> str:
        return "\n".join(_line(key, value) for key, value in self.items())
