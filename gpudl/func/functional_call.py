"""Calling a module with other parameters and buffers than its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from gpudl.autograd.tensor import Tensor

State = Mapping[str, Tensor]


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: State | Sequence[State],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with the given tensors in the place of its parameters and buffers of these names.

    The module is as before afterwards. Derivatives are those by the given tensors, so that gpudl.func.grad and vmap
    see a model as a function of its weights. What forward changes in place is changed in the given tensors.

    Args:
        module: a gpudl.nn.Module.
        parameter_and_buffer_dicts: dotted name -> Tensor, or several such dicts without a name in common. What has
            other names is ignored.
        args: a tuple of the arguments, or the only one; None for none.
        kwargs: the arguments by name.
        tie_weights: a tensor that the module has under several names is replaced under all of them.
        strict: every name of the module, or one that it is tied to, must be given, and no other.
    Returns: what the module does.
    Raises: ValueError for a name that is given twice, or two tensors for tied names; RuntimeError for missing and
        unexpected names if strict; TypeError for what is no Tensor.
    """
    given = _joined(parameter_and_buffer_dicts)
    own = {**_named(module.named_parameters), **_named(module.named_buffers)}
    replaced = {name: value for name, value in given.items() if name in own}
    if tie_weights:
        replaced = _tied(own, replaced)
    if strict:
        problems = [
            f"{what} {', '.join(names)}"
            for what, names in (
                ("missing", [name for name in own if name not in replaced]),
                ("unexpected", [name for name in given if name not in own]),
            )
            if names
        ]
        if problems:
            raise RuntimeError(f"functional_call of {type(module).__name__}: {'; '.join(problems)}")
    with ExitStack() as stack:
        for name, value in replaced.items():
            stack.enter_context(_in_place_of_own(module, name, value))
        arguments = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*arguments, **(kwargs or {}))


def _named(walk: Any) -> dict[str, Tensor]:
    return dict(walk(remove_duplicate=False))


def _joined(given: State | Sequence[State]) -> dict[str, Tensor]:
    joined: dict[str, Tensor] = {}
    for each in [given] if isinstance(given, Mapping) else given:
        twice = sorted(joined.keys() & each.keys())
        if twice:
            raise ValueError(f"functional_call: given twice: {', '.join(twice)}")
        joined.update(each)
    for name, value in joined.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"functional_call: {name} must be a Tensor, got {type(value).__name__}")
    return joined


def _tied(own: dict[str, Tensor], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """What is given for one name of a tensor of the module, for all of its names."""
    of_tensor: dict[int, tuple[str, Tensor]] = {}
    for name, value in given.items():
        first, known = of_tensor.setdefault(id(own[name]), (name, value))
        if known is not value:
            raise ValueError(f"functional_call: {first} and {name} are tied, but two tensors are given for them")
    return {name: of_tensor[id(tensor)][1] for name, tensor in own.items() if id(tensor) in of_tensor}


@contextmanager
def _in_place_of_own(module: Any, name: str, value: Tensor) -> Iterator[None]:
    path, _, last = name.rpartition(".")
    owner = module.get_submodule(path)
    table = owner._parameters if last in owner._parameters else owner._buffers
    before = table[last]
    table[last] = value
    try:
        yield
    finally:
        table[last] = before
