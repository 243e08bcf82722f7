"""Registry: parameters, buffers and modules that are attributes and stand in tables, to be found by dotted name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from gpudl.autograd.tensor import Tensor
from gpudl.nn.hooks import as_registered
from gpudl.nn.parameter import Buffer, Parameter

if TYPE_CHECKING:
    from gpudl.nn.module import Module


class Registry:
    """Base of Module: what is assigned to its attributes, and the walks over it.

    A Parameter or Module that is assigned takes its name from whatever had it, except that a parameter's name takes
    Parameters and None only. A name keeps its place in the order when it is assigned again.
    """

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]  # names of buffers that state_dict leaves out

    def __init__(self) -> None:
        # Past __setattr__, which looks for the tables.
        self.__dict__.update(_parameters={}, _buffers={}, _modules={}, _non_persistent_buffers_set=set())

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if isinstance(value, Parameter) or name in own.get("_parameters", ()):
            self._release(name, "_modules", "_buffers")
            self.register_parameter(name, value)
        elif isinstance(value, Registry) or name in own.get("_modules", ()):
            self._release(name, "_buffers")
            self.add_module(name, cast("Module", value))
        elif isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent)
        elif name in own.get("_buffers", ()):
            self.register_buffer(name, value, name not in self._non_persistent_buffers_set)
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if "_parameters" not in own:
            raise AttributeError(self._uninitialized(f"reading {name!r}"))
        for table in ("_parameters", "_modules", "_buffers"):
            if name in own[table]:
                return own[table][name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = [*super().__dir__(), *self._parameters, *self._buffers, *self._modules]
        return sorted(name for name in set(names) if not name[0].isdigit())

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Register a parameter under a name, or None where there may be one.

        Raises: TypeError if it is no Parameter; KeyError for a name that is taken, empty, or has a dot; ValueError for
            the result of an operation.
        """
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter {name!r} must be a Parameter or None, not {type(param).__name__}")
        if param is not None and not param.is_leaf:
            raise ValueError(f"parameter {name!r} must be a leaf, not the result of an operation")
        self._table("_parameters", name)[name] = as_registered("parameter", self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Register a tensor that moves and is saved with the module but is not trained.

        Args:
            persistent: False keeps it out of state_dict.
        Raises: TypeError if it is no Tensor; KeyError for a name that is taken, empty, or has a dot.
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"buffer {name!r} must be a Tensor or None, not {type(tensor).__name__}")
        self._table("_buffers", name)[name] = as_registered("buffer", self, name, tensor)
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Register a module under a name, which need not be a Python name.

        Raises: TypeError if it is no Module; KeyError for a name that is taken, empty, or has a dot.
        """
        if module is not None and not isinstance(module, Registry):
            raise TypeError(f"module {name!r} must be a Module or None, not {type(module).__name__}")
        self._table("_modules", name)[name] = as_registered("module", self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as add_module."""
        self.add_module(name, module)

    def _table(self, table: str, name: str) -> dict[str, Any]:
        """One of the three tables, if `name` may be put there."""
        if table not in self.__dict__:
            raise AttributeError(self._uninitialized(f"assigning {name!r}"))
        if not isinstance(name, str):
            raise TypeError(f"a name must be a str, not {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"a name may neither be empty nor contain a dot, got {name!r}")
        entries: dict[str, Any] = self.__dict__[table]
        if name not in entries and hasattr(self, name):
            raise KeyError(f"{type(self).__name__!r} has an attribute {name!r} already")
        return entries

    def _release(self, name: str, *tables: str) -> None:
        """Let go of a plain attribute, or of what stands in other tables, so that the name can be taken."""
        for entries in (self.__dict__, *(self.__dict__.get(table, {}) for table in tables)):
            entries.pop(name, None)
        self.__dict__.get("_non_persistent_buffers_set", set()).discard(name)

    def _uninitialized(self, what: str) -> str:
        return f"call super().__init__() in {type(self).__name__}.__init__ before {what}"

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name; this one for "". Raises: AttributeError if there is none."""
        module: Any = self
        for name in target.split(".") if target else ():
            if name not in module._modules and not isinstance(getattr(module, name, None), Registry):
                raise AttributeError(f"{type(module).__name__} has no module {name!r}, looking for {target!r}")
            module = getattr(module, name)
        return cast("Module", module)

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module in the place of a dotted name.

        Args:
            target: not empty; all but its last part must be there.
            strict: the last must be there too.
        Raises: ValueError for an empty name, or what is no Module; AttributeError if the place is not there, or is
            something else.
        """
        if not target:
            raise ValueError("set_submodule needs the name of the place, got ''")
        if not isinstance(module, Registry):
            raise ValueError(f"set_submodule takes a Module, got {type(module).__name__}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict or hasattr(parent, name):
            parent.get_submodule(name)
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name. Raises: AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = getattr(module, name, None)
        if not isinstance(found, Parameter):
            raise AttributeError(f"{type(module).__name__} has no parameter {name!r}, looking for {target!r}")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name. Raises: AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in module._buffers:
            raise AttributeError(f"{type(module).__name__} has no buffer {name!r}, looking for {target!r}")
        return cast(Tensor, module._buffers[name])

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module, named by the prefix, and all modules inside by dotted name; shared ones once, unless told.

        Args:
            memo: modules to be left out; those that are given are added.
        """
        seen = set() if memo is None else memo
        stack = [(prefix, cast("Module", self))]
        while stack:
            name, module = stack.pop()
            if module not in seen:
                if remove_duplicate:
                    seen.add(module)
                yield name, module
                inside = [(dotted(name, key), child) for key, child in module._modules.items() if child is not None]
                stack.extend(reversed(inside))

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all modules inside, shared ones once, unless told otherwise."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, each once, by name."""
        seen: set[int] = set()
        for name, child in self._modules.items():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """The modules directly inside, each once."""
        return (child for _, child in self.named_children())

    def _named(self, table: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = (
            self.named_modules(None, prefix, remove_duplicate) if recurse else iter([(prefix, cast("Module", self))])
        )
        for path, module in modules:
            for name, value in module.__dict__[table].items():
                if value is not None and id(value) not in seen:
                    if remove_duplicate:
                        seen.add(id(value))
                    yield dotted(path, name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters by dotted name; shared ones once, unless told otherwise."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, shared ones once."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers by dotted name; shared ones once, unless told otherwise."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, shared ones once."""
        return (value for _, value in self.named_buffers(recurse=recurse))


def dotted(path: str, name: str) -> str:
    """The name of something inside a module, given the module's."""
    return f"{path}.{name}" if path else name
