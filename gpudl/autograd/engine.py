"""Reverse mode, whole. Everything else in this folder is convenience around these lines:

    pending = {root: gradient of the result}
    for node in the graph, consumers before producers:
        for edge, gradient in zip(node.edges, node.run(pending.pop(node))):
            pending[edge] += gradient

"Consumers before producers" comes from counting, for every node, the consumers that have not run yet (Kahn 1962).
There is no recursion, so depth is bounded by memory alone. Gradients are bare arrays, and saved values are let go
node by node; with create_graph they are Tensors instead, and the very same backward code records itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.node import Gradients, Node
from gpudl.autograd.primitive import as_array
from gpudl.autograd.tensor import wrap
from gpudl.backend.arrays import quiet
from gpudl.backend.device import guard_of
from gpudl.backend.errors import GraphError

_ndarray = np.ndarray
_NONE = itertools.repeat(None)


def walk(
    roots: Iterable[tuple[Node, Any]], *, retain: bool, record: bool, targets: Collection[Node] | None = None
) -> dict[Node, Any]:
    """Send gradients from the roots back through the graph.

    Args:
        roots: (node, gradient) pairs to start from; gradients are Tensors if `record`, else arrays.
        retain: keep saved values, so that the graph can be walked again.
        record: run the backward code on Tensors, recording a graph of the gradients.
        targets: when given, run only what leads to these nodes, and return their gradients instead of
            accumulating them in `.grad`.
    Returns: gradients of the targets that were reached.
    Raises: GraphError for a value changed in place since it was saved, or a graph whose values are gone.
    """
    pending: dict[Node, Any] = {}
    for node, gradient in roots:
        pending[node] = pending[node] + gradient if node in pending else gradient
    waiting = _count_consumers(pending)
    passes = None if targets is None else _leading_to(targets, waiting)
    found: dict[Node, Any] = {}
    ready = [node for node in pending if not waiting[node]]
    enabled = mode.enabled
    mode.enabled = record and not mode.inference
    try:
        with quiet():
            while ready:
                node = ready.pop()
                gradient = pending.pop(node, None)
                gradients: Iterable[Any] = _NONE
                if gradient is not None:
                    if node.hooks:
                        gradient = _run_hooks(node.hooks, gradient, record)
                    if targets is not None and node in targets:
                        found[node] = gradient
                    if passes is None or node in passes:
                        if record:
                            gradients = node.run_recorded(gradient, retain)
                        elif type(gradient) is _ndarray:
                            gradients = node.run(gradient, retain)
                        else:
                            elsewhere = _guard_of(gradient)
                            if elsewhere is None:
                                gradients = node.run(gradient, retain)
                            else:
                                with elsewhere:
                                    gradients = node.run(gradient, retain)
                for edge, gradient in zip(node.edges, gradients):
                    if edge is not None:
                        if gradient is not None:
                            if edge not in pending:
                                pending[edge] = gradient
                            elif record or type(gradient) is _ndarray:
                                pending[edge] = pending[edge] + gradient
                            else:
                                with _guard_of(gradient) or nullcontext():
                                    pending[edge] = pending[edge] + gradient
                        waiting[edge] = left = waiting[edge] - 1
                        if not left:
                            ready.append(edge)
                gradient = gradients = _NONE  # a Leaf may keep an array that nobody else refers to
    finally:
        mode.enabled = enabled
    if any(waiting.values()):
        raise GraphError("a backward gave fewer gradients than its operation has differentiable arguments")
    return found


def _guard_of(gradient: Any) -> Any:
    """A context in which the current device is that of an array, or of several results' arrays; None if it is so."""
    return guard_of(next(iter(gradient.values())) if type(gradient) is Gradients else gradient)


def _count_consumers(roots: Iterable[Node]) -> dict[Node, int]:
    """For every node that can be reached, how many edges lead to it; in an order of discovery."""
    count = dict.fromkeys(roots, 0)
    order = list(count)
    for node in order:  # grows while it is read
        for edge in node.edges:
            if edge is not None:
                if edge in count:
                    count[edge] += 1
                else:
                    count[edge] = 1
                    order.append(edge)
    return count


def _leading_to(targets: Collection[Node], waiting: dict[Node, int]) -> set[Node]:
    """The nodes from which a target can be reached, targets that lead to no other left out."""
    left = dict(waiting)
    order = [node for node, count in left.items() if not count]
    for node in order:  # grows while it is read
        for edge in node.edges:
            if edge is not None:
                left[edge] -= 1
                if not left[edge]:
                    order.append(edge)
    passes: set[Node] = set()
    for node in reversed(order):
        if any(edge in passes or edge in targets for edge in node.edges if edge is not None):
            passes.add(node)
    return passes


def _run_hooks(hooks: list[Any], gradient: Any, record: bool) -> Any:
    tensor = gradient if record else wrap(as_array(gradient), None)
    for hook in tuple(hooks):
        replaced = hook(tensor)
        if replaced is not None:
            tensor = replaced
    return tensor if record else tensor.array
