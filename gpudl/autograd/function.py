"""Function: a user's own differentiable operation, with PyTorch's contract. Tensors in, Tensors out.

    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, dy):
            (y,) = ctx.saved_tensors
            return dy * y

    y = Exp.apply(x)

For an operation written on bare arrays, with kernels of its own, see gpudl.autograd.Primitive.
"""

from __future__ import annotations

from typing import Any

from gpudl.autograd.grad_mode import mode, no_grad
from gpudl.autograd.node import Gradients, Node, Pick
from gpudl.autograd.primitive import as_array, check_devices
from gpudl.autograd.tensor import Tensor, node_of, wrap
from gpudl.backend.device import require
from gpudl.backend.errors import GraphError, ShapeError

_Saved = tuple["Tensor | None", int, "int | None"]
"""A saved tensor, its version then, and, for a result of the operation, which result."""


class Function(Node):
    """Base of user-defined operations. A subclass gives static methods forward and backward and is used by `apply`.

    `forward(ctx, *args)` takes what was given to apply and returns a Tensor or a tuple of them; nothing in it is
    recorded. `backward(ctx, *gradients)` takes a gradient for each result and returns one for each argument of
    forward, None for those that have none. With create_graph it is recorded, so it can be differentiated again if
    it is written in operations on Tensors. PyTorch's newer form, `forward(*args)` with a separate
    `setup_context(ctx, inputs, output)`, works too.

    Attributes of ctx:
        saved_tensors: in backward, what save_for_backward was given.
        needs_input_grad: for each argument, whether a gradient is wanted.
    Any attribute may be set on ctx to carry other values from forward to backward.
    """

    _several: bool
    _to_save: tuple[Tensor | None, ...] = ()
    _saved: tuple[_Saved, ...] | None = ()
    _dirty: tuple[Tensor, ...] = ()
    _plain: tuple[Tensor, ...] = ()
    _materialize = True
    _outputs: list[tuple[tuple[int, ...], Any, Any]]
    _inputs: list[tuple[tuple[int, ...], Any] | None]
    needs_input_grad: tuple[bool, ...]

    @staticmethod
    def forward(*args: Any) -> Any:
        """The result of the operation; to be given by the subclass."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """The gradients of the arguments of forward; to be given by the subclass."""
        raise NotImplementedError("a Function needs a static method backward(ctx, *gradients) to be differentiated")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Save for backward, when forward does not take ctx; a Function whose forward does has none."""
        raise NotImplementedError("a Function whose forward takes ctx has no setup_context")

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (or None) for backward, checked against in-place changes; they are let go when it has run."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"{self.name()}: save_for_backward takes Tensors, got {type(tensor).__name__}; "
                    "set other values as attributes of ctx"
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        if self._saved is None:
            raise GraphError(
                f"{self.name()}: backward ran through this graph before and its saved values are gone; "
                "give retain_graph=True the first time to keep them"
            )
        tensors: list[Tensor | None] = []
        for saved, value, index in self._saved:
            tensor = saved
            if tensor is not None and tensor._version is not None and tensor._version[0] != value:
                raise GraphError(
                    f"{self.name()}: a saved tensor of shape {tensor.shape} was changed in place after the operation "
                    f"(it is at version {tensor._version[0]}, expected {value}); clone() it before the change"
                )
            if tensor is not None and index is not None:
                tensor = wrap(tensor.array, self._node_of_result(index), tensor._version)
            tensors.append(tensor)
        return tuple(tensors)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say that forward changed these arguments in place; they must be among its results."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these results have no gradient."""
        self._plain = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """False: backward gets None instead of zeros for a result that was not used."""
        self._materialize = value

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward and, if a Tensor among the arguments wants a gradient, record the operation.

        Returns: what forward returns, with history.
        Raises: DeviceError for Tensors on different devices; TypeError for a result that is no Tensor.
        """
        ctx = cls()
        ctx.hooks = None
        check_devices(cls.name(), args)
        ctx.edges = tuple(node_of(arg) if isinstance(arg, Tensor) else None for arg in args)
        ctx.needs_input_grad = tuple(edge is not None for edge in ctx.edges)
        with no_grad():
            if cls.setup_context is Function.setup_context:
                results = cls.forward(ctx, *args)
            else:
                results = cls.forward(*args)
                cls.setup_context(ctx, args, results)
        ctx._several = isinstance(results, tuple)
        outputs: tuple[Any, ...] = results if ctx._several else (results,)
        for output in outputs:
            if not isinstance(output, Tensor):
                raise TypeError(f"{cls.name()}: forward must return Tensors, got {type(output).__name__}")
        record = mode.enabled and any(ctx.needs_input_grad)
        ctx._inputs = [(arg.shape, arg.dtype) if isinstance(arg, Tensor) else None for arg in args]
        ctx._outputs = [(output.shape, output.dtype, output.device) for output in outputs]
        finished = tuple(ctx._with_node(output, index, args, record) for index, output in enumerate(outputs))
        if record:
            ctx._saved = tuple([ctx._held(each, outputs) for each in ctx._to_save])
        ctx._to_save = ctx._dirty = ctx._plain = ()
        return finished if ctx._several else finished[0]

    def _with_node(self, output: Tensor, index: int, args: tuple[Any, ...], record: bool) -> Tensor:
        changed = any(output is tensor for tensor in self._dirty)
        plain = output.dtype.kind not in "fV" or any(output is tensor for tensor in self._plain)
        if changed:
            if record and output.is_leaf and output.requires_grad:
                raise RuntimeError(f"{self.name()}: a leaf that requires grad was changed in place")
            if output._version is not None:
                output._version[0] += 1
        elif any(output is arg for arg in args) or not output.is_leaf:
            output = wrap(
                output.array.view(), None, output._version
            )  # an argument returned as it is gets a node of its own
        if record and not plain:
            output._node = self._node_of_result(index)
        return output

    def _node_of_result(self, index: int) -> Node:
        return Pick(self, index) if self._several else self

    def _held(self, tensor: Tensor | None, outputs: Any) -> _Saved:
        """What to keep of a saved tensor: for a result its values only, since with its node it would keep us alive."""
        if tensor is None:
            return None, 0, None
        if tensor._version is None:
            raise RuntimeError(f"{self.name()}: an inference tensor cannot be saved for backward; clone() it first")
        for index, output in enumerate(outputs):
            if tensor is output:
                return wrap(tensor.array, None, tensor._version), tensor._version[0], index
        return tensor, tensor._version[0], None

    def run(self, gradient: Any, retain: bool) -> tuple[Any, ...]:
        given = gradient if self._several else {0: gradient}
        tensors = Gradients({index: wrap(as_array(value), None) for index, value in given.items()})
        result = self.run_recorded(tensors if self._several else tensors[0], retain)
        return tuple(None if value is None else value.array for value in result)

    def run_recorded(self, gradient: Any, retain: bool) -> tuple[Any, ...]:
        arrived = gradient if self._several else {0: gradient}
        given: list[Tensor | None] = []
        for index, (shape, dtype, place) in enumerate(self._outputs):
            value = arrived.get(index)
            if value is None and self._materialize:
                value = wrap(require(place).full(shape, 0, dtype, place), None)
            given.append(value)
        result = self.backward(self, *given)
        if not retain:
            self._saved = None if self._saved else ()
        returned = result if isinstance(result, tuple) else (result,)
        count = len(self.edges)
        if len(returned) < count or any(value is not None for value in returned[count:]):
            raise GraphError(f"{self.name()}: backward returned {len(returned)} gradients for {count} arguments")
        return tuple(self._checked(index, value) for index, value in enumerate(returned[:count]))

    def _checked(self, index: int, value: Any) -> Tensor | None:
        expected = self._inputs[index]
        if value is None or self.edges[index] is None or expected is None:
            return None
        if not isinstance(value, Tensor):
            raise TypeError(f"{self.name()}: backward must return Tensors or None, got {type(value).__name__}")
        shape, dtype = expected
        if value.shape != shape:
            raise ShapeError(
                f"{self.name()}: backward returned a gradient of shape {value.shape} for argument {index}, "
                f"which has shape {shape}"
            )
        return value if value.dtype == dtype else value.to(dtype)
