"""The recorded graph: nodes that point back to the nodes of their inputs.

    x ── Leaf ◄── Mul ◄── Sum ── loss          arrows are `edges`; backward walks along them
    w ── Leaf ◄────┘

A tensor made by an operation holds the operation's node; a tensor that the user marked with requires_grad holds a
Leaf, where the walk ends in `.grad`. Nodes hold no tensors but the values that their backward needs, so what is not
needed is freed as soon as the user lets go of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Node:
    """One step of the recorded computation.

    Attributes:
        edges: for each argument of the operation the node that made it, or None where no gradient is wanted.
        hooks: functions of the gradient that arrives here (a Tensor); what one returns replaces it. None for none.
    """

    __slots__ = ("__weakref__", "edges", "hooks")
    edges: tuple[Node | None, ...]
    hooks: list[Callable[[Any], Any]] | None

    @classmethod
    def name(cls) -> str:
        """The operation's name, as in error messages."""
        return cls.__name__

    def run(self, gradient: Any, retain: bool) -> tuple[Any, ...]:
        """The gradients for `edges`, given that of the output: arrays all. Saved values go unless `retain`."""
        raise NotImplementedError(f"{self.name()} has no backward")

    def run_recorded(self, gradient: Any, retain: bool) -> tuple[Any, ...]:
        """The same on Tensors, recording a graph of its own."""
        raise NotImplementedError(f"{self.name()} has no backward")

    def __repr__(self) -> str:
        return f"<{self.name()}Backward>"


class Gradients(dict[int, Any]):
    """Output index -> gradient, for an operation with several outputs.

    An index may arrive more than once: from the output itself, and from a backward that had saved it.
    """

    def __add__(self, other: Gradients) -> Gradients:
        total = Gradients(self)
        for index, gradient in other.items():
            total[index] = total[index] + gradient if index in total else gradient
        return total


class Pick(Node):
    """One output of an operation that has several, so that every tensor has a node of its own.

    Attributes:
        index: which output.
    """

    __slots__ = ("index",)

    def __init__(self, source: Node, index: int):
        self.edges = (source,)
        self.hooks = None
        self.index = index

    def run(self, gradient: Any, retain: bool) -> tuple[Any, ...]:
        return (Gradients({self.index: gradient}),)

    run_recorded = run

    def __repr__(self) -> str:
        (source,) = self.edges
        return f"<{source.name()}Backward, result {self.index}>" if source else "<Pick>"
