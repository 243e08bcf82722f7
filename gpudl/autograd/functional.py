"""backward and grad: the two ways to start the walk back through the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpudl.autograd.engine import walk
from gpudl.autograd.node import Node
from gpudl.autograd.primitive import as_array
from gpudl.autograd.tensor import Tensor, node_of, wrap
from gpudl.backend.device import backend_of, device_of
from gpudl.backend.errors import DeviceError, GraphError, ShapeError

Tensors = Tensor | Sequence[Tensor]
Gradients = Tensor | Sequence[Tensor | None] | None


def backward(
    tensors: Tensors,
    grad_tensors: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """Accumulate the derivative of the tensors with respect to the graph's leaves into their `.grad`.

    Args:
        tensors: one Tensor or several, whose derivatives add up.
        grad_tensors: for each the gradient of whatever is computed from it, of its shape; None for a scalar means 1.
        retain_graph: keep the values saved in the graph for another backward; default create_graph.
        create_graph: record the backward itself, so that the gradients can be differentiated.
        inputs: accumulate in these leaves only.
    Raises: GraphError if a tensor does not require grad, is not a scalar and has no gradient given, if the graph
        was used up, or if a value in it was changed in place; ShapeError for a gradient of another shape.
    """
    outputs, gradients = _pairs(tensors, grad_tensors)
    roots = _roots(outputs, gradients, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        walk(roots, retain=retain, record=create_graph)
        return
    leaves = _list_of(inputs, "inputs")
    if not leaves:
        raise GraphError("backward: inputs is empty; leave it out to accumulate in every leaf")
    nodes = [_node_that_wants(tensor, "inputs") for tensor in leaves]
    found = walk(roots, retain=retain, record=create_graph, targets=set(nodes))
    for tensor, node in zip(leaves, nodes):
        if node in found:
            gradient = found[node] if create_graph else wrap(as_array(found[node]).copy(), None)
            tensor._grad = gradient if tensor._grad is None else tensor._grad + gradient


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The derivative of the outputs with respect to each of the inputs; no `.grad` is touched.

    Args:
        outputs: one Tensor or several, whose derivatives add up.
        inputs: leaves or results of operations, in the graph of the outputs.
        grad_outputs, retain_graph, create_graph: as in backward.
        allow_unused: give None for an input that the outputs do not depend on, instead of raising.
        materialize_grads: give zeros for it.
    Returns: a tuple with a gradient for each input.
    Raises: as backward; GraphError for an input that the outputs do not depend on.
    """
    results, gradients = _pairs(outputs, grad_outputs)
    wanted = _list_of(inputs, "inputs")
    nodes = [_node_that_wants(tensor, "inputs") for tensor in wanted]
    roots = _roots(results, gradients, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    found = walk(roots, retain=retain, record=create_graph, targets=set(nodes))
    answer: list[Tensor | None] = []
    for position, (tensor, node) in enumerate(zip(wanted, nodes)):
        if node in found:
            value = found[node]
            answer.append(value if create_graph else wrap(_owned(value, gradients), None))
        elif materialize_grads:
            answer.append(wrap(backend_of(tensor.array).full(tensor.shape, 0, tensor.dtype, tensor.device), None))
        elif allow_unused:
            answer.append(None)
        else:
            raise GraphError(
                f"grad: the outputs do not depend on input {position}, a tensor of shape {tensor.shape}; "
                "give allow_unused=True to get None for it"
            )
    return tuple(answer)


def _owned(value: Any, given: list[Tensor | None]) -> Any:
    """A gradient that shares no memory with the caller's grad_outputs, with another gradient or with a view."""
    array = as_array(value)
    return array.copy() if array.base is not None or any(g is not None and g.array is array for g in given) else array


def _list_of(tensors: Tensors, name: str) -> list[Tensor]:
    found = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for tensor in found:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be Tensors, got {type(tensor).__name__}")
    return found


def _pairs(tensors: Tensors, gradients: Gradients) -> tuple[list[Tensor], list[Tensor | None]]:
    outputs = _list_of(tensors, "the tensors to differentiate")
    given: list[Tensor | None]
    if gradients is None:
        given = [None] * len(outputs)
    else:
        given = [gradients] if isinstance(gradients, Tensor) else list(gradients)
    if len(given) != len(outputs):
        raise GraphError(f"{len(outputs)} tensors to differentiate but {len(given)} gradients")
    return outputs, given


def _node_that_wants(tensor: Tensor, name: str) -> Node:
    node = node_of(tensor)
    if node is None:
        raise GraphError(
            f"one of the {name}, a tensor of shape {tensor.shape}, does not require grad and has no grad_fn; call "
            "requires_grad_() on a leaf before it is used, and do not compute under no_grad"
        )
    return node


def _roots(outputs: list[Tensor], gradients: list[Tensor | None], record: bool) -> list[tuple[Node, Any]]:
    roots: list[tuple[Node, Any]] = []
    for output, gradient in zip(outputs, gradients):
        node = _node_that_wants(output, "tensors to differentiate")
        if gradient is None:
            array = output.array
            if array.size != 1:
                raise GraphError(
                    f"backward needs a gradient for an output of shape {output.shape}: only for scalars it is 1; "
                    "reduce the output with sum() or mean(), or pass the gradient"
                )
            gradient = wrap(backend_of(array).full(array.shape, 1, array.dtype, device_of(array)), None)
        elif not isinstance(gradient, Tensor):
            raise TypeError(f"gradients must be Tensors, got {type(gradient).__name__}")
        elif gradient.shape != output.shape:
            raise ShapeError(f"a gradient of shape {gradient.shape} was given for an output of shape {output.shape}")
        elif device_of(gradient.array) is not output.device:
            raise DeviceError(f"a gradient on {gradient.device} was given for an output on {output.device}")
        elif gradient.dtype != output.dtype:
            gradient = wrap(gradient.array.astype(output.dtype), None) if not record else gradient.to(output.dtype)
        roots.append((node, gradient if record else gradient.array))
    return roots
