"""The language of einsum: equations and lists of labels, and the order in which several operands are multiplied."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any, NamedTuple

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError

Labels = tuple[int, ...]
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ELLIPSIS = -1
_SEARCHED = 6  # up to so many operands all orders are tried


class Operand(NamedTuple):
    """What is to be done with an operand first.

    Attributes:
        diagonals: pairs of dimensions with one label, one after the other: the diagonal takes the first one's place.
        shape: the shape without the dimensions of length 1 that broadcast; None if there are none.
        alone: the dimensions, of those left, whose label nobody else has, which are summed over.
        labels: of what is left then.
    """

    diagonals: tuple[tuple[int, int], ...]
    shape: tuple[int, ...] | None
    alone: tuple[int, ...]
    labels: Labels


class Plan(NamedTuple):
    """How a sum of products is computed.

    Attributes:
        operands: see there.
        products: which two terms to multiply next, their labels and those of the product, which becomes the last term.
        order: of the dimensions of the only operand; None if there are several.
    """

    operands: tuple[Operand, ...]
    products: tuple[tuple[int, int, Labels, Labels, Labels], ...]
    order: tuple[int, ...] | None


def planned(equation: Any, operands: tuple[Any, ...]) -> tuple[list[Tensor], Plan]:
    """The tensors of a call of einsum, and what to do with them.

    Raises: TypeError, ValueError and RuntimeError (ShapeError where it is about shapes) as einsum does.
    """
    if isinstance(equation, str):
        given = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
        tensors = list(given)
        spec: tuple[Any, Any] = _split(equation)
    else:
        pieces = [equation, *operands]
        tensors, lists = pieces[0 : len(pieces) // 2 * 2 : 2], [tuple(each) for each in pieces[1::2]]
        last = tuple(pieces[-1]) if len(pieces) % 2 else None
        spec = (tuple(map(_of_list, lists)), None if last is None else _of_list(last))
    if not tensors:
        raise ValueError("einsum: give at least one tensor")
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"einsum: expected Tensors, got {type(tensor).__name__}")
    return tensors, plan_of(*spec, tuple(tensor.array.shape for tensor in tensors))


@functools.lru_cache(4096)
def plan_of(inputs: tuple[Labels, ...], output: Labels | None, shapes: tuple[tuple[int, ...], ...]) -> Plan:
    """What to do with tensors of these shapes whose dimensions have these labels.

    Raises: as planned.
    """
    inputs, output = _resolved(inputs, output, shapes)
    diagonals, kept = [], []
    lengths: dict[int, int] = {}
    for number, shape in enumerate(shapes):
        pairs, labels, rest = _without_repeats(number, inputs[number], shape)
        diagonals.append(pairs)
        kept.append((labels, rest))
        for label, length in zip(labels, rest):
            if lengths.setdefault(label, length) == 1:
                lengths[label] = length
            elif length not in (1, lengths[label]):
                raise ShapeError(
                    f"einsum: operand {number} of shape {shape} has length {length} where another has "
                    f"{lengths[label]} for the same label; they must be equal, or one of them 1"
                )
    left = [tuple(each for each, n in zip(labels, shape) if n == lengths[each]) for labels, shape in kept]
    operands = []
    for number, (labels, (before, _)) in enumerate(zip(left, kept)):
        wanted = {*output, *(each for other in (*left[:number], *left[number + 1 :]) for each in other)}
        alone = tuple(place for place, each in enumerate(labels) if each not in wanted)
        unstretched = tuple(lengths[each] for each in labels) if labels != before else None
        operands.append(
            Operand(diagonals[number], unstretched, alone, tuple(each for each in labels if each in wanted))
        )
    terms = [operand.labels for operand in operands]
    products = []
    for first, second in contraction_order(tuple(terms), output, tuple(lengths.items())):
        y, x = terms.pop(second), terms.pop(first)
        used = {*output, *(each for labels in terms for each in labels)}
        z = tuple(each for each in dict.fromkeys(x + y) if each in used) if terms else output
        products.append((first, second, x, y, z))
        terms.append(z)
    order = None if products else tuple(map(terms[0].index, output))
    return Plan(tuple(operands), tuple(products), order)


def _without_repeats(
    number: int, labels: Labels, shape: tuple[int, ...]
) -> tuple[tuple[tuple[int, int], ...], Labels, tuple[int, ...]]:
    """The pairs of dimensions that have one label, and the labels and the shape without the second of each."""
    have, lengths, pairs = list(labels), list(shape), []
    for label in dict.fromkeys(labels):
        while have.count(label) > 1:
            first = have.index(label)
            second = have.index(label, first + 1)
            if lengths[first] != lengths[second]:
                raise ShapeError(
                    f"einsum: a label of operand {number} stands twice, but the shape {shape} has different lengths, "
                    f"{lengths[first]} and {lengths[second]}, there"
                )
            pairs.append((first, second))
            del have[second], lengths[second]
    return tuple(pairs), tuple(have), tuple(lengths)


@functools.lru_cache(1024)
def _split(equation: str) -> tuple[tuple[Labels, ...], Labels | None]:
    left, arrow, right = equation.replace(" ", "").partition("->")
    return tuple(map(_of_text, left.split(","))), _of_text(right) if arrow else None


def _of_text(text: str) -> Labels:
    labels = []
    for letter in text.replace("...", "*"):
        if letter != "*" and letter not in _LETTERS:
            raise RuntimeError(f"einsum: {letter!r} in {text!r} is no label; labels are letters, and '...' all others")
        labels.append(_ELLIPSIS if letter == "*" else _LETTERS.index(letter))
    return _once(labels)


def _of_list(given: tuple[Any, ...]) -> Labels:
    labels = []
    for each in given:
        if each is not Ellipsis and (not isinstance(each, int) or not 0 <= each < len(_LETTERS)):
            raise ValueError(f"einsum: {each!r} is no label; in lists these are 0 to {len(_LETTERS) - 1} and Ellipsis")
        labels.append(_ELLIPSIS if each is Ellipsis else each)
    return _once(labels)


def _once(labels: list[int]) -> Labels:
    if labels.count(_ELLIPSIS) > 1:
        raise RuntimeError("einsum: an operand, or the result, has at most one ellipsis")
    return tuple(labels)


def _resolved(
    inputs: tuple[Labels, ...], output: Labels | None, shapes: tuple[tuple[int, ...], ...]
) -> tuple[tuple[Labels, ...], Labels]:
    """The labels with numbers for what an ellipsis covers."""
    if len(inputs) != len(shapes):
        raise RuntimeError(f"einsum: {len(inputs)} lists of labels for {len(shapes)} tensors")
    covered = []
    for labels, shape in zip(inputs, shapes):
        extra = len(shape) - len(labels) + (_ELLIPSIS in labels)
        if extra < 0 or (extra and _ELLIPSIS not in labels):
            raise ShapeError(
                f"einsum: {_told(labels)!r} has {len(labels)} labels for a tensor of shape {shape}; "
                "give one for each dimension, or '...' for the rest"
            )
        covered.append(extra)
    most = max((n for n, labels in zip(covered, inputs) if _ELLIPSIS in labels), default=0)
    others = tuple(len(_LETTERS) + i for i in range(most))  # aligned at their ends, as broadcasting is

    def filled(labels: Labels, count: int) -> Labels:
        if _ELLIPSIS not in labels:
            return labels
        place = labels.index(_ELLIPSIS)
        return (*labels[:place], *others[most - count :], *labels[place + 1 :])

    found = tuple(map(filled, inputs, covered))
    every = [label for labels in inputs for label in labels if label != _ELLIPSIS]
    if output is None:
        return found, (*others, *sorted(label for label in set(every) if every.count(label) == 1))
    for label in output:
        if label != _ELLIPSIS and (label not in every or output.count(label) > 1):
            what = "stands there twice" if label in every else "is no label of an operand"
            raise RuntimeError(f"einsum: {_told((label,))!r} in the result {_told(output)!r} {what}")
    return found, filled(output, most)


def _told(labels: Labels) -> str:
    return "".join("..." if label == _ELLIPSIS else _LETTERS[label] for label in labels)


def contraction_order(
    inputs: tuple[Labels, ...], output: Labels, lengths: tuple[tuple[int, int], ...]
) -> list[tuple[int, int]]:
    """Which two of the terms to multiply next, again and again; the product goes to the end of the list of terms.

    All orders are compared for a few operands; for many, the next product is always the cheapest one.
    """
    if len(inputs) <= 2:
        return [(0, 1)] * (len(inputs) - 1)
    terms = tuple(map(frozenset, inputs))
    return (_best if len(inputs) <= _SEARCHED else _greedy)(terms, frozenset(output), dict(lengths))[1]


Terms = tuple[frozenset[int], ...]


def _after(terms: Terms, output: frozenset[int], pair: tuple[int, int]) -> Terms:
    rest = tuple(term for place, term in enumerate(terms) if place not in pair)
    used = output.union(*rest)
    return (*rest, (terms[pair[0]] | terms[pair[1]]) & used)


def _cost(terms: Terms, pair: tuple[int, int], lengths: dict[int, int]) -> int:
    return math.prod(lengths[label] for label in terms[pair[0]] | terms[pair[1]])


def _best(terms: Terms, output: frozenset[int], lengths: dict[int, int]) -> tuple[int, list[tuple[int, int]]]:
    known: dict[Terms, tuple[int, list[tuple[int, int]]]] = {}

    def search(terms: Terms) -> tuple[int, list[tuple[int, int]]]:
        if len(terms) == 1:
            return 0, []
        if terms not in known:
            ways = []
            for pair in itertools.combinations(range(len(terms)), 2):
                cost, path = search(_after(terms, output, pair))
                ways.append((cost + _cost(terms, pair, lengths), [pair, *path]))
            known[terms] = min(ways)
        return known[terms]

    return search(terms)


def _greedy(terms: Terms, output: frozenset[int], lengths: dict[int, int]) -> tuple[int, list[tuple[int, int]]]:
    total, path = 0, []
    while len(terms) > 1:
        cost, pair = min((_cost(terms, each, lengths), each) for each in itertools.combinations(range(len(terms)), 2))
        total += cost
        path.append(pair)
        terms = _after(terms, output, pair)
    return total, path
