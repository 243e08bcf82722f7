"""How far an array is from its float64 reference: in numbers, in roundings, in direction, and against what is allowed.

    allowed = factor * (eps * |reference| + rms(response)) + tiny

`eps` is the spacing of the dtype at 1. The response is what a change of every input by up to one eps makes of the
reference: how far the operation itself carries the roundings of its inputs. So a sum whose terms cancel is held to
what its terms are, not to the little that is left of them, and no operation needs a bound of its own.
The perturbation analysis is Higham 2002, "Accuracy and Stability of Numerical Algorithms", chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Host = np.ndarray[Any, Any]

_FORMATS = {
    "bfloat16": (7, 2.0**-126),
    "float16": (10, 2.0**-14),
    "float32": (23, 2.0**-126),
    "float64": (52, 2.0**-1022),
}


@dataclass(frozen=True)
class Difference:
    """How far results are from their reference, of several the farthest.

    Attributes:
        max_abs: the largest difference; inf where one of the two is not finite and the other is not the same.
        max_rel: the largest difference by its reference, of those that are not 0.
        ulp: the largest difference in units in the last place of the reference.
        cosine: of the angle between them; 1.0 where both are all 0, or where neither is a floating point array.
        excess: the largest share of what is allowed; above 1 the result departs. None where nothing is judged.
    """

    max_abs: float = 0.0
    max_rel: float = 0.0
    ulp: float = 0.0
    cosine: float = 1.0
    excess: float | None = None

    @property
    def departs(self) -> bool:
        """Whether it is beyond what is allowed."""
        return self.excess is not None and not self.excess <= 1

    def worse(self, other: Difference) -> Difference:
        """The worse of both in every respect."""
        known = [each for each in (self.excess, other.excess) if each is not None]
        return Difference(
            max(self.max_abs, other.max_abs),
            max(self.max_rel, other.max_rel),
            max(self.ulp, other.ulp),
            min(self.cosine, other.cosine),
            max(known) if known else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def eps_of(dtype: str) -> float:
    """The distance from 1 to the next number of a floating dtype."""
    return float(2.0 ** -_FORMATS[dtype][0])


def is_floating(dtype: Any) -> bool:
    """Whether it is one of gpudl's floating dtypes."""
    return np.dtype(dtype).name in _FORMATS


def difference(
    got: Host, want: Host, *, factor: float | None = None, eps: float = 0.0, response: float = 0.0
) -> Difference:
    """How far an array is from its reference.

    Args:
        got: of any dtype.
        want: the reference, of the same shape.
        factor: of what is allowed, see above; 0 for what has to agree to the bit; None to judge nothing.
        eps: of the coarsest dtype that the computation went through.
        response: rms of what a change of the inputs makes of the reference.
    """
    if got.shape != want.shape:
        return Difference(math.inf, math.inf, math.inf, 0.0, None if factor is None else math.inf)
    if not got.size:
        return Difference(excess=None if factor is None else 0.0)
    name = got.dtype.name
    with np.errstate(all="ignore"):
        if name not in _FORMATS:
            apart = np.abs(got.astype(np.float64) - want.astype(np.float64))
            wrong = bool((got != want).any())
            return Difference(float(apart.max()), excess=None if factor is None else math.inf if wrong else 0.0)
        # What the reference is in this dtype, for its overflows; and for what has to agree to the bit.
        rounded = want.astype(got.dtype).astype(np.float64)
        x, y = got.astype(np.float64), rounded if factor == 0 else want.astype(np.float64)
        finite = np.isfinite(x) & np.isfinite(rounded)
        same = (x == rounded) | (np.isnan(x) & np.isnan(rounded))
        error = np.where(finite, np.abs(x - np.where(finite, y, 0)), np.where(same, 0.0, np.inf))
        size = np.where(finite, np.abs(y), 0.0)
        found = Difference(
            float(error.max()),
            float(np.where(size > 0, error / np.where(size > 0, size, 1), 0).max()),
            float((error / _spacing(size, name)).max()),
            _cosine(np.where(finite, x, 0), np.where(finite, y, 0)) if finite.any() else 1.0,
        )
        if factor is None:
            return found
        allowed = factor * (eps * size + response) + (_FORMATS[name][1] if factor else 0.0)
        excess = float(np.where(error > 0, error / allowed, 0).max())
        return Difference(found.max_abs, found.max_rel, found.ulp, found.cosine, excess)


def rms(x: Host) -> float:
    """The root of the mean square of what is finite."""
    finite = x[np.isfinite(x)]
    return float(np.sqrt(np.mean(np.square(finite)))) if finite.size else 0.0


def _spacing(size: Host, dtype: str) -> Host:
    """The unit in the last place of numbers of a dtype."""
    bits, tiny = _FORMATS[dtype]
    _, exponent = np.frexp(np.maximum(size, tiny))
    return np.ldexp(1.0, exponent - 1 - bits)  # type: ignore[no-any-return]


def _cosine(x: Host, y: Host) -> float:
    largest, other = float(np.abs(x).max()), float(np.abs(y).max())
    if not largest or not other:
        return 1.0 if largest == other else 0.0
    x, y = x.ravel() / largest, y.ravel() / other
    return min(1.0, float(x @ y / math.sqrt(float(x @ x) * float(y @ y))))
