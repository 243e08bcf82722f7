"""ParametrizationList: the originals of a parametrized tensor, the modules that compute it, and the cache of values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from gpudl.autograd.grad_mode import mode, no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn.containers import ModuleList
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter

# What was computed within cached(), by its ParametrizationList and whether gradients were recorded; None outside.
_cache: ContextVar[dict[tuple[ParametrizationList, bool], Tensor] | None] = ContextVar("parametrized", default=None)


@contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once within the block, when it is first read; for weights that are used often.

    Values are forgotten at the end, and where a parametrized tensor is assigned. They do not follow changes of the
    originals, such as an optimizer's step.
    """
    if _cache.get() is not None:  # the outermost block keeps the values
        yield
        return
    token = _cache.set({})
    try:
        yield
    finally:
        _cache.reset(token)


class ParametrizationList(ModuleList):
    """What one tensor is computed from, and the modules that do it, one after the other.

    register_parametrization makes it: `module.parametrizations.weight` for a parametrized `module.weight`.

    Args:
        modules: parametrizations, at least one.
        original: the tensor as it was; a Parameter becomes Parameters, another tensor buffers.
        unsafe: dtype and shape may change, and nothing is checked.
    Attributes:
        original: what the first module is given; or original0, original1, ... if its right_inverse gives a sequence.
        is_tensor: whether there is but one original.
        ntensors: how many there are.
        unsafe: as given.
    Raises: ValueError without modules, and for what right_inverse or the parametrization may not give.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList: expected one or more modules, got none")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype, device = original.shape, original.dtype, original.device
        new: Any = original
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):
                        new = module.right_inverse(new)
        self.is_tensor = isinstance(new, Tensor)
        if self.is_tensor:
            self.ntensors = 1
            if new.dtype != dtype or new.device is not device:
                raise ValueError(
                    f"right_inverse may not change dtype or device if it gives one tensor: expected {dtype} on "
                    f"{device}, got {new.dtype} on {new.device}"
                )
            original.data = new
            register(self, "original", original)
        else:
            self.ntensors = len(_sequence(new))
            for name, each in zip(self._names(), new):
                made = Parameter(each) if isinstance(original, Parameter) else each
                register(self, name, made.requires_grad_(original.requires_grad))
        if not unsafe:
            check_kept("a parametrization", self(), shape, dtype)

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes `value`, by the modules' right_inverse.

        Args:
            value: as a parametrization gives it.
        Raises: RuntimeError for a parametrization without right_inverse; ValueError if it gives other tensors than at
            first.
        """
        new: Any = value
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse")
                new = module.right_inverse(new)
        if self.is_tensor:
            if not isinstance(new, Tensor):
                raise ValueError(f"right_inverse must give a Tensor, got {type(new).__name__}")
            new = [new]
        elif len(_sequence(new)) != self.ntensors:
            raise ValueError(f"right_inverse must give {self.ntensors} tensors, got {len(new)}")
        names = self._names()
        for name, each in zip(names, new):
            if each.dtype != getattr(self, name).dtype:
                raise ValueError(
                    f"right_inverse gave a tensor of {each.dtype} for {name}, which is {getattr(self, name).dtype}"
                )
        for name, each in zip(names, new):
            getattr(self, name).data = each
        self.forget()

    def forward(self) -> Tensor:
        first, *others = self
        x = first(*(getattr(self, name) for name in self._names()))
        for module in others:
            x = module(x)
        return x  # type: ignore[no-any-return]

    def value(self) -> Tensor:
        """The parametrized tensor, computed once within cached()."""
        cache = _cache.get()
        if cache is None:
            return self()  # type: ignore[no-any-return]
        key = self, mode.enabled
        if key not in cache:
            cache[key] = self()
        return cache[key]

    def forget(self) -> None:
        """Drop what cached() keeps of it."""
        for key in ((self, True), (self, False)):
            (_cache.get() or {}).pop(key, None)

    def sharing(self) -> ParametrizationList:
        """Another list of the same modules and originals."""
        other = ParametrizationList.__new__(ParametrizationList)
        ModuleList.__init__(other, self)
        for setting in ("unsafe", "is_tensor", "ntensors"):
            setattr(other, setting, getattr(self, setting))
        for name in self._names():
            register(other, name, getattr(self, name))
        return other

    def _names(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]


def register(module: Module, name: str, tensor: Tensor) -> None:
    """Register a tensor with a module, as a parameter or as a buffer."""
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _sequence(value: Any) -> Any:
    """The value, if it is a sequence of Tensors."""
    if not isinstance(value, Sequence):
        raise ValueError(f"right_inverse must give a Tensor or a sequence of them, got {type(value).__name__}")
    for place, each in enumerate(value):
        if not isinstance(each, Tensor):
            raise ValueError(f"right_inverse must give Tensors, got {type(each).__name__} at place {place}")
    return value


def check_kept(what: str, value: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """Raise a ValueError unless it is a Tensor of this shape and dtype."""
    if not isinstance(value, Tensor):
        raise ValueError(f"{what} must give a Tensor, got {type(value).__name__}")
    if value.dtype != dtype:
        raise ValueError(f"{what} may not change the dtype, unless unsafe=True: expected {dtype}, got {value.dtype}")
    if value.shape != shape:
        raise ShapeError(f"{what} may not change the shape, unless unsafe=True: expected {shape}, got {value.shape}")
