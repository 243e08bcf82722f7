"""Derivatives of functions of tensors, as functions: grad, vjp, jvp."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gpudl.autograd.functional import grad as gradients
from gpudl.autograd.grad_mode import enable_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.func.tree import filled, leaves, tensors, tree_map
from gpudl.ops.create import zeros_like

Function = Callable[..., Any]
Places = int | tuple[int, ...]

_nesting = threading.local()


@contextmanager
def inside() -> Iterator[bool]:
    """Count how many of these functions stand around each other; yields whether there is another outside."""
    depth = getattr(_nesting, "depth", 0)
    _nesting.depth = depth + 1
    try:
        with enable_grad():
            yield depth > 0
    finally:
        _nesting.depth = depth


def _fresh(tensor: Tensor) -> Tensor:
    """The tensor as one that wants a gradient of its own, and passes it on to whoever else wants one."""
    if tensor.requires_grad:
        return tensor.clone()
    if tensor.dtype.kind not in "fV":
        raise RuntimeError(f"only floating point tensors can be differentiated, got {tensor.dtype}")
    return tensor.detach().requires_grad_()


def chosen_of(name: str, args: tuple[Any, ...], argnums: Places) -> tuple[tuple[Any, ...], list[int], bool]:
    """The arguments with fresh tensors at the places to differentiate, the places, and whether to keep a graph."""
    places = [argnums] if isinstance(argnums, int) else list(argnums)
    for place in places:
        if not -len(args) <= place < len(args):
            raise RuntimeError(f"{name}: argnums {argnums} is out of range for {len(args)} arguments")
    places = [place % len(args) for place in places]
    wanted = any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in leaves(args))
    made = tuple(
        tree_map(_fresh, arg) if i in places and tensors(name, arg) is not None else arg for i, arg in enumerate(args)
    )
    return made, places, wanted


def derive(outputs: list[Tensor], inputs: list[Tensor], along: list[Tensor] | None, keep: bool) -> list[Tensor]:
    """The gradients of outputs along some directions; zeros where an input has no part in them."""
    pairs = [(y, None if along is None else along[i]) for i, y in enumerate(outputs) if y.requires_grad]
    if not pairs:
        return [zeros_like(x) for x in inputs]
    ys, directions = zip(*pairs)
    found = gradients(
        list(ys), inputs, None if along is None else list(directions),
        retain_graph=True, create_graph=keep, allow_unused=True,
    )  # fmt: skip
    return [zeros_like(x) if dx is None else dx for x, dx in zip(inputs, found)]


def shown_outside(tree: Any, keep: bool) -> Any:
    """A result as the caller gets it: without history unless somebody outside asks for it."""
    return tree if keep else tree_map(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, tree)


def grad_and_value(func: Function, argnums: Places = 0, has_aux: bool = False) -> Function:
    """A function that gives the gradient of `func`, whose result is one number, and that result.

    Args:
        func: a function of Tensors, or of nested tuples, lists and dicts of them, with a 0-d Tensor as its result.
        argnums: which of its arguments to differentiate, one or a tuple.
        has_aux: func gives (result, anything), and the anything comes back beside the result.
    Returns: a function of the same arguments that returns (gradient, result), or (gradient, (result, anything)). The
        gradient has the form of the argument, of a tuple of them if argnums is a tuple.
    Raises: that function: RuntimeError if the result is not 0-d, or argnums is out of range; TypeError if the result or
        an argument to differentiate is no Tensor.
    """

    def derivative(*args: Any, **kwargs: Any) -> Any:
        with inside() as nested:
            args, places, wanted = chosen_of("grad", args, argnums)
            result = func(*args, **kwargs)
            value, aux = result if has_aux else (result, None)
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: the function must return a Tensor, got {type(value).__name__}")
            if value.ndim:
                raise RuntimeError(f"grad: the function must return a 0-d Tensor, got shape {value.shape}; sum() it")
            chosen = [args[place] for place in places]
            keep = nested or wanted
            made = filled(tuple(chosen), derive([value], leaves(chosen), None, keep))
            gradient = made[0] if isinstance(argnums, int) else made
            return shown_outside(gradient, keep), shown_outside((value, aux) if has_aux else value, keep)

    return derivative


def grad(func: Function, argnums: Places = 0, has_aux: bool = False) -> Function:
    """A function that gives the gradient of `func`, whose result is one number.

    Args: as in grad_and_value.
    Returns: a function of the same arguments that returns the gradient, or (gradient, anything) with has_aux. Applied
        twice it gives the second derivative, and so on.
    Raises: as grad_and_value.
    """
    both = grad_and_value(func, argnums, has_aux)

    def derivative(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return derivative


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The result of `func`, and a function that takes a vector times its Jacobian.

    Args:
        func: a function of Tensors or nests of them that returns such.
        primals: where to evaluate it.
        has_aux: func gives (result, anything).
    Returns: (result, vjp_fn), or (result, vjp_fn, anything). vjp_fn(v), v of the form of the result, gives a tuple with
        v times the Jacobian for each primal; it can be called again.
    Raises: TypeError for what is no Tensor; ValueError or ShapeError if v does not have the form of the result.
    """
    with inside() as nested:
        args, _, wanted = chosen_of("vjp", primals, tuple(range(len(primals))))
        keep = nested or wanted
        result = func(*args)
        value, aux = result if has_aux else (result, None)
        outputs, inputs = tensors("vjp", value), tensors("vjp", args)

    def product(cotangents: Any) -> tuple[Any, ...]:
        along = leaves(tree_map(_matched("vjp"), value, cotangents))
        with inside() as inner:
            live = keep or inner or any(each.requires_grad for each in along)
            found = filled(args, derive(outputs, inputs, along, live))
            return shown_outside(found, live)  # type: ignore[no-any-return]

    outside = shown_outside(value, keep)
    return (outside, product, shown_outside(aux, keep)) if has_aux else (outside, product)


def _matched(name: str) -> Function:
    def matched(y: Tensor, direction: Any) -> Tensor:
        if not isinstance(direction, Tensor) or direction.shape != y.shape:
            got = getattr(direction, "shape", type(direction).__name__)
            raise ShapeError(f"{name}: expected a Tensor of shape {y.shape}, got {got}")
        return direction

    return matched


def jvp(func: Function, primals: tuple[Any, ...], tangents: tuple[Any, ...], *, has_aux: bool = False) -> Any:
    """The result of `func`, and its Jacobian times a vector.

    v times the Jacobian is linear in v, so its own gradient along t is the Jacobian times t: two backward walks.

    Args:
        func: a function of Tensors or nests of them that returns such.
        primals: where to evaluate it, a tuple.
        tangents: the vector, of the form of primals.
        has_aux: func gives (result, anything).
    Returns: (result, product), or (result, product, anything); the product has the form of the result.
    Raises: TypeError for what is no Tensor; ValueError or ShapeError if tangents do not have the form of primals.
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise TypeError("jvp: primals and tangents must be tuples, one entry an argument")
    directions = leaves(tree_map(_matched("jvp"), primals, tangents))
    with inside() as nested:
        args, _, wanted = chosen_of("jvp", primals, tuple(range(len(primals))))
        keep = nested or wanted or any(each.requires_grad for each in directions)
        result = func(*args)
        value, aux = result if has_aux else (result, None)
        outputs, inputs = tensors("jvp", value), tensors("jvp", args)
        # Any cotangent will do, the product does not depend on it.
        cotangents = [zeros_like(y).requires_grad_() for y in outputs]
        rows = derive(outputs, inputs, cotangents, True)
        product = filled(value, derive(rows, cotangents, directions, keep))
        return shown_outside((value, product, aux) if has_aux else (value, product), keep)
