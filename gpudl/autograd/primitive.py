"""Primitive: a differentiable operation on bare arrays, the form that every operation of gpudl has.

    class Mul(Primitive):
        def forward(ctx, x, y):
            ctx.save(x, y)
            return x * y

        def backward(ctx, dz):
            x, y = ctx.saved
            return dz * y, dz * x

Mul.apply(a, b) takes Tensors (and other arguments, which pass through), and `ctx` is the node it leaves in the graph.

The backward of a backward comes free: when a graph of the gradients is wanted (create_graph), the same `backward` is
called with Tensors for dz, x and y, and NumPy-compatible code on Tensors records itself. So backward bodies are
written with operators, methods and `xp_of`, never with `numpy` by name. Inputs and outputs come back from ctx.saved
as Tensors with their history; anything else that was saved had its history cut inside forward, so a floating point
intermediate comes back as None and must be computed again.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar, NoReturn

import numpy as np

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.node import Gradients, Node, Pick
from gpudl.autograd.placement import check_devices as check_devices
from gpudl.autograd.tensor import Tensor, node_of, wrap
from gpudl.backend.arrays import QUIET, Array, is_array, quiet_begin, quiet_end
from gpudl.backend.device import backend_of, device_of
from gpudl.backend.errors import GraphError, ShapeError

_new = object.__new__
_ndarray = np.ndarray
_NOTHING: tuple[Any, ...] = ()

Guard = tuple["Tensor | int | None", list[int], int]
"""Whose a saved array is (an input, the index of an output, or nobody's), its version list, and the version then."""

_NOBODYS: Guard = (None, [0], 0)  # what nobody else can change


class Primitive(Node):
    """Base of operations on arrays. A subclass gives forward and backward and is used through `apply`.

    Attributes:
        saved: what forward saved; in backward, arrays or, when recording, Tensors.
        is_view: True when forward returns a view of its first argument, so that each sees the other's changes.
        differentiable: False when no result has a gradient, as for comparisons.
        widens: False when half floats come as they are, not as float32 whose results are rounded: for primitives
            that only move elements, that write into their arguments, or that choose the result's dtype.
        fills: False when backward takes None, not zeros, for those of several results that have no gradient.
    """

    __slots__ = ("_guards", "_likes", "saved")
    is_view: ClassVar[bool] = False
    differentiable: ClassVar[bool] = True
    widens: ClassVar[bool] = True
    fills: ClassVar[bool] = True
    saved: Any
    _guards: tuple[Guard, ...]
    _likes: list[tuple[tuple[int, ...], Any]]

    def forward(ctx, *args: Any) -> Any:
        """The result, an array or a tuple of arrays, from the arrays of the Tensors among the arguments."""
        raise NotImplementedError(f"{ctx.name()} has no forward")

    def backward(ctx, *gradients: Any) -> Any:
        """The gradients of the arguments, in order, from those of the results; None where there is none."""
        raise NotImplementedError(f"{ctx.name()} has no backward")

    @classmethod
    def keeps_half(cls, args: tuple[Any, ...]) -> bool:
        """True when half floats on a device come as they are; see gpudl.autograd.widen."""
        return False

    def save(ctx, *arrays: Any) -> None:
        """Keep arrays for backward; they are let go when it has run."""
        ctx.saved = arrays

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward and, if a Tensor among the arguments wants a gradient, record the node.

        Returns: a Tensor, or a tuple of them.
        Raises: ShapeError and DeviceError naming the operation, and whatever forward raises.
        """
        ctx = _new(cls)
        ctx.saved = ()
        arrays = []
        edges: list[Node | None] = []
        record = foreign = False
        for arg in args:
            if isinstance(arg, Tensor):
                array = arg.array
                if type(array) is not _ndarray:
                    foreign = True
                    if array.dtype.char in "eE" and cls.widens and not (cls.is_view or cls.keeps_half(args)):
                        return _apply_widened(cls, args, array.dtype)
                elif array.dtype.char in "eE" and cls.widens and not cls.is_view:
                    return _apply_widened(cls, args, array.dtype)
                node = arg._node if arg._base is None else node_of(arg)
                if node is not None:
                    record = True
                arrays.append(array)
                edges.append(node)
            else:
                arrays.append(arg)
                edges.append(None)
        if foreign:
            elsewhere = check_devices(cls.name(), args)
            if elsewhere is not None:
                with elsewhere:
                    return cls.apply(*args)
        ctx.edges = tuple(edges)
        token = quiet_begin(QUIET)
        try:
            result = ctx.forward(*arrays)
        except ValueError as error:
            raise _with_shapes(cls.name(), args, error) from error
        finally:
            quiet_end(token)
        record = record and mode.enabled and cls.differentiable
        if type(result) is tuple:
            return ctx._finish_several(args, result, record)
        array = result if type(result) is _ndarray else as_array(result)
        if record:
            ctx.hooks = None
            version = [0]
            output = wrap(array, ctx, version)
            saved = ctx.saved
            if saved is not _NOTHING:
                if len(saved) == 1 and saved[0] is result:
                    ctx._guards = ((0, version, 0),)
                else:
                    ctx._guard(args, ((result, version),))
        else:
            output = wrap(array, None)
        if cls.is_view:
            link_view(cls, args, output)
        return output

    @classmethod
    def apply_pair(cls, x: Tensor, y: Tensor) -> Tensor:
        """`apply` for two Tensors and one differentiable result that is no view: the same, without the loops."""
        a, b = x.array, y.array
        if type(a) is not _ndarray or type(b) is not _ndarray or a.dtype.char in "eE":
            return cls.apply(x, y)  # type: ignore[no-any-return]
        x_node = x._node if x._base is None else node_of(x)
        y_node = y._node if y._base is None else node_of(y)
        ctx = _new(cls)
        ctx.edges = (x_node, y_node)
        ctx.saved = ()
        token = quiet_begin(QUIET)
        try:
            result = ctx.forward(a, b)
        except ValueError as error:
            raise _with_shapes(cls.name(), (x, y), error) from error
        finally:
            quiet_end(token)
        array = result if type(result) is _ndarray else as_array(result)
        if (x_node is None and y_node is None) or not mode.enabled:
            return wrap(array, None)
        ctx.hooks = None
        output = _new(Tensor)
        output.array = array
        output._node = ctx
        output._version = version = [0]
        output._grad = output._base = None
        saved = ctx.saved
        if saved is not _NOTHING:
            x_version, y_version = x._version, y._version
            if len(saved) == 2 and saved[0] is a and saved[1] is b and x_version and y_version:
                ctx._guards = ((x, x_version, x_version[0]), (y, y_version, y_version[0]))
            else:
                ctx._guard((x, y), ((result, version),))
        return output

    def _finish_several(ctx, args: tuple[Any, ...], results: tuple[Any, ...], record: bool) -> Any:
        arrays = [as_array(result) for result in results]
        if not record:
            return tuple(wrap(array, None) for array in arrays)
        ctx.hooks = None
        ctx._likes = [(array.shape, array.dtype) for array in arrays]
        outputs = tuple(
            wrap(array, Pick(ctx, index) if array.dtype.kind in "fV" else None) for index, array in enumerate(arrays)
        )
        if ctx.saved:
            ctx._guard(args, [(result, output._version) for result, output in zip(results, outputs)])
        return outputs

    def _guard(ctx, args: tuple[Any, ...], outputs: Any) -> None:
        """Note for each saved array whose it is, and how often that has been changed in place so far."""
        guards: list[Guard] = []
        for array in ctx.saved:
            if array is None or type(array) is float:
                guards.append(_NOBODYS)
                continue
            for arg in args:
                if isinstance(arg, Tensor) and arg.array is array:
                    version = arg._version
                    if version is None:
                        raise RuntimeError(
                            f"{ctx.name()}: an inference tensor cannot be saved for backward; clone() it first"
                        )
                    guards.append((arg, version, version[0]))
                    break
            else:
                for index, (output, version) in enumerate(outputs):
                    if output is array:
                        guards.append((index, version, version[0]))
                        break
                else:
                    guards.append(_NOBODYS)
        ctx._guards = tuple(guards)

    def run(ctx, gradient: Any, retain: bool) -> tuple[Any, ...]:
        saved = ctx.saved
        if saved is not _NOTHING:
            if saved is None:
                ctx._fail_freed()
            for _, version, value in ctx._guards:
                if version[0] != value:
                    ctx._fail_changed()
        several = type(gradient) is Gradients
        result = ctx.backward(*ctx._all_gradients(gradient)) if several else ctx.backward(gradient)
        if not retain and saved is not _NOTHING:
            ctx.saved = None
            ctx._guards = ()
        return result if type(result) is tuple else (result,)

    def run_recorded(ctx, gradient: Any, retain: bool) -> tuple[Any, ...]:
        twin = copy.copy(ctx)
        if ctx.saved is not _NOTHING:
            if ctx.saved is None:
                ctx._fail_freed()
            if any(version[0] != value for _, version, value in ctx._guards):
                ctx._fail_changed()
            twin.saved = tuple(map(ctx._with_history, ctx.saved, ctx._guards))
        if type(gradient) is Gradients:
            bare = {index: value.array for index, value in gradient.items()}
            filled = enumerate(ctx._all_gradients(bare))
            result = twin.backward(
                *(gradient[i] if i in gradient else None if array is None else wrap(array, None) for i, array in filled)
            )
        else:
            result = twin.backward(gradient)
        if not retain and ctx.saved is not _NOTHING:
            ctx.saved = None
            ctx._guards = ()
        return result if type(result) is tuple else (result,)

    def _fail_freed(ctx) -> NoReturn:
        raise GraphError(
            f"{ctx.name()}: backward ran through this graph before and its saved values are gone; "
            "give retain_graph=True the first time to keep them"
        )

    def _fail_changed(ctx) -> NoReturn:
        array, guard = next(pair for pair in zip(ctx.saved, ctx._guards) if pair[1][1][0] != pair[1][2])
        raise GraphError(
            f"{ctx.name()}: a {array.dtype} tensor of shape {array.shape} that backward needs was changed in place "
            f"after the operation (it is at version {guard[1][0]}, expected {guard[2]}); use the out-of-place form of "
            "that change, or clone() the tensor before it"
        )

    def _with_history(ctx, array: Any, guard: Guard) -> Any:
        """A saved array as a Tensor that knows where it came from; None for a cut floating point intermediate."""
        whose, version, _ = guard
        if isinstance(whose, Tensor):
            return whose
        if whose is not None:
            node = ctx if not hasattr(ctx, "_likes") else Pick(ctx, whose)
            return wrap(as_array(array), node, version)
        if not is_array(array):
            return array  # a number, or None
        return None if array.dtype.kind in "fV" else wrap(array, None)

    def _all_gradients(ctx, given: dict[int, Array]) -> list[Array | None]:
        """The gradients of all results: zeros, or None, where none arrived."""
        if not ctx.fills:
            return [given.get(index) for index in range(len(ctx._likes))]
        some = as_array(next(iter(given.values())))  # NumPy gives numbers for 0-d results
        place, backend = device_of(some), backend_of(some)
        return [
            given[index] if index in given else backend.full(shape, 0, dtype, place)
            for index, (shape, dtype) in enumerate(ctx._likes)
        ]


def as_array(value: Any) -> Array:
    """An array as it is; a NumPy or Python number as a 0-d array."""
    return value if is_array(value) and not isinstance(value, np.generic) else np.asarray(value)


def _apply_widened(cls: type[Primitive], args: tuple[Any, ...], half: Any) -> Any:
    from gpudl.autograd.widen import apply_widened

    check_devices(cls.name(), args)
    return apply_widened(cls, args, half)


def link_view(cls: type[Primitive], args: tuple[Any, ...], output: Tensor) -> None:
    """If `output` shares memory with the first argument, tie their versions together, and say how it was made."""
    source = args[0]
    memory = output.array.base
    while memory is not None and memory is not source.array and memory is not source.array.base:
        memory = getattr(memory, "base", None)  # of a view by strides, NumPy names a helper object first
    if memory is None:
        return
    output._version = source._version
    step = (cls, args[1:])
    if source._base is None:
        output._base, output._steps = source, (step,)
    else:
        output._base, output._steps = source._base, (*source._steps, step)
    output._seen = source._version[0] if source._version is not None else 0


def _with_shapes(name: str, args: tuple[Any, ...], error: ValueError) -> ValueError:
    shapes = [str(arg.shape) for arg in args if isinstance(arg, Tensor)]
    if isinstance(error, ShapeError) or not shapes:
        return error
    problem = "shapes {} do not fit together, reshape or expand one" if len(shapes) > 1 else "shape {} does not fit"
    return ShapeError(f"{name}: {problem.format(' and '.join(shapes))} ({str(error).strip()})")
