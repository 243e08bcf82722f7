"""A line search that ends where the loss has fallen enough and its slope is flat enough: the strong Wolfe conditions.

Nocedal & Wright 2006, "Numerical Optimization", algorithms 3.5 and 3.6, with cubic interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from gpudl.backend.arrays import Array

DECREASE, CURVATURE = 1e-4, 0.9


class Point(NamedTuple):
    """What is known at distance t on the line."""

    t: float
    loss: float
    gradient: Array
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, t: float, length: float, tolerance: float, trials: int = 25
) -> tuple[Point, int]:
    """Search from t on.

    Args:
        evaluate: what is known at a distance.
        start: what is known at 0; its slope is negative.
        t: the first distance to try.
        length: largest component of the direction.
        tolerance: a bracket that is smaller is not searched further.
        trials: how many points to try after the first.
    Returns: the best point that was found, and how many were evaluated.
    """

    def is_flat(point: Point) -> bool:
        return abs(point.slope) <= -CURVATURE * start.slope

    def is_high(point: Point) -> bool:
        return point.loss > start.loss + DECREASE * point.t * start.slope

    previous, point, tried = start, evaluate(t), 0
    while tried < trials:
        if is_high(point) or (tried > 1 and point.loss >= previous.loss):
            break
        if is_flat(point):
            return point, tried + 1
        if point.slope >= 0:
            break
        bounds = point.t + 0.01 * (point.t - previous.t), point.t * 10
        previous, point, tried = point, evaluate(_lowest(previous, point, bounds)), tried + 1
    bracket = [previous if tried < trials else start, point]
    low = _lower(bracket)
    stuck = False
    while tried < trials:
        ends = sorted(end.t for end in bracket)
        if (ends[1] - ends[0]) * length < tolerance:
            break
        t = _lowest(bracket[0], bracket[1], (ends[0], ends[1]))
        margin = 0.1 * (ends[1] - ends[0])
        if min(ends[1] - t, t - ends[0]) < margin:
            # Twice in a row near an end, or at it: no progress. Try a tenth away from it.
            if stuck or t >= ends[1] or t <= ends[0]:
                t = ends[1] - margin if ends[1] - t < t - ends[0] else ends[0] + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point, tried = evaluate(t), tried + 1
        if is_high(point) or point.loss >= bracket[low].loss:
            bracket[1 - low] = point
            low = _lower(bracket)
            continue
        done = is_flat(point)
        if not done and point.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = point
        if done:
            break
    return bracket[low], tried + 1


def _lower(bracket: list[Point]) -> int:
    return 0 if bracket[0].loss <= bracket[1].loss else 1


def _lowest(first: Point, second: Point, bounds: tuple[float, float]) -> float:
    """Where the cubic through two points with their slopes is lowest, within bounds; the middle if it has no bottom."""
    a, b = (first, second) if first.t <= second.t else (second, first)
    bend = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = bend * bend - a.slope * b.slope
    if not square >= 0:
        return (bounds[0] + bounds[1]) / 2
    root = math.sqrt(square)
    steepness = b.slope - a.slope + 2 * root
    bottom = b.t - (b.t - a.t) * ((b.slope + root - bend) / steepness) if steepness else math.inf
    return min(max(bottom, bounds[0]), bounds[1])
