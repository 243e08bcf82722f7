"""Transforms made of transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.data.transforms.base import Transform, chosen, probability
from gpudl.nn.module import Module

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Several(Transform):
    """Base of those that hold others. Modules among them are children, so that their state is saved."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        super().__init__()
        name = type(self).__name__
        if not isinstance(transforms, Sequence) or not all(map(callable, transforms)):
            raise TypeError(f"{name} takes a list of transforms, got {transforms!r}; write {name}([...])")
        self.transforms = list(transforms)
        for position, one in enumerate(self.transforms):
            if isinstance(one, Module):
                self.add_module(str(position), one)


def _draws(one: Any) -> int:
    return one.draws if isinstance(one, Transform) else 0


def _run(one: Any, input: Any, numbers: NDArray[np.float64]) -> Any:
    return one.run(input, numbers if numbers.shape[1] else None) if isinstance(one, Transform) else one(input)


class Compose(_Several):
    """Transforms one after another.

    The random numbers of all of them are drawn at once, when the first random one is reached.

    Args:
        transforms: Transforms and other callables, which get what the one before gave.
    Raises: TypeError for anything else.
    """

    @property
    def draws(self) -> int:
        """How many random numbers an image takes now."""
        return sum(map(_draws, self.transforms))

    def run(self, input: Any, numbers: NDArray[np.float64] | None) -> Any:
        """The transforms' result; `numbers` None to draw them here."""
        used = 0
        for one in self.transforms:
            if not isinstance(one, Transform):
                input = one(input)
                continue
            count = one.draws
            if count and numbers is None:
                numbers = self.drawn(input, self.draws)
            input = one.run(input, None if numbers is None or not count else numbers[:, used : used + count])
            used += count
        return input

    def forward(self, input: Any) -> Any:
        return self.run(input, None)


class RandomApply(_Several):
    """Transforms that are applied, all of them, with probability p; in evaluation never.

    Args:
        transforms: the size of images must stay.
        p: the probability.
    Raises: TypeError for what is no list of transforms; ValueError for p that is not in [0, 1].
    """

    numbers = 1

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5):
        super().__init__(transforms)
        self.p = probability(self, p)

    @property
    def draws(self) -> int:
        """How many random numbers an image takes now."""
        return 1 + sum(map(_draws, self.transforms)) if self.training else 0

    def transform(self, images: Tensor, numbers: NDArray[np.float64]) -> Tensor:
        groups = [numbers[:, 0] < self.p, numbers[:, 0] >= self.p]

        def applied(part: Tensor, group: int, own: NDArray[np.float64]) -> Tensor:
            if group:
                return part
            used = 1
            for one in self.transforms:
                count = _draws(one)
                part = _run(one, part, own[:, used : used + count])
                used += count
            return part

        return in_groups("RandomApply", images, numbers, groups, applied)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"p={self.p}"


class RandomChoice(_Several):
    """One of several transforms, for each image another; in evaluation none.

    Args:
        transforms: one or more, whose results must be of one size.
        p: the probability of each, or numbers in proportion to it; None for all alike.
    Raises: TypeError for what is no list of transforms; ValueError for an empty one, or probabilities that are
        negative, all 0, or not as many.
    """

    numbers = 1

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None):
        super().__init__(transforms)
        weights = np.ones(len(self.transforms)) if p is None else np.asarray(p, np.float64)
        if not self.transforms or weights.shape != (len(self.transforms),):
            raise ValueError(f"RandomChoice: needs one probability each of {len(self.transforms)} transforms, got {p}")
        if not np.isfinite(weights).all() or (weights < 0).any() or not weights.sum() > 0:
            raise ValueError(f"RandomChoice: probabilities must be 0 or more, and some above; got {p}")
        self.p = (weights / weights.sum()).tolist()

    @property
    def draws(self) -> int:
        """How many random numbers an image takes now."""
        return 1 + max(map(_draws, self.transforms)) if self.training else 0

    def transform(self, images: Tensor, numbers: NDArray[np.float64]) -> Tensor:
        bounds = np.cumsum(self.p)
        which = np.minimum(np.searchsorted(bounds / bounds[-1], numbers[:, 0], side="right"), len(bounds) - 1)

        def applied(part: Tensor, group: int, own: NDArray[np.float64]) -> Tensor:
            one = self.transforms[group]
            return _run(one, part, own[:, 1 : 1 + _draws(one)])  # type: ignore[no-any-return]

        groups = [which == place for place in range(len(self.transforms))]
        return in_groups("RandomChoice", images, numbers, groups, applied)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Lambda(Transform):
    """A function as a transform.

    Args:
        lambd: of whatever it is given: an image, a batch, a label.
    Raises: TypeError for what cannot be called.
    """

    def __init__(self, lambd: Callable[[Any], Any]):
        super().__init__()
        if not callable(lambd):
            raise TypeError(f"Lambda takes a function, got {lambd!r}")
        self.lambd = lambd

    def run(self, input: Any, numbers: Any = None) -> Any:
        """What the function gives."""
        return self.lambd(input)

    def extra_repr(self) -> str:
        return getattr(self.lambd, "__name__", repr(self.lambd))


def in_groups(
    name: str,
    images: Array,
    numbers: NDArray[np.float64],
    groups: Sequence[NDArray[np.bool_]],
    apply: Callable[[Array, int, NDArray[np.float64]], Array],
) -> Array:
    """A batch of which each group of images is transformed in another way: apply(images, group, numbers).

    Args:
        groups: (count,) which images are in each; every image is in one.
    Raises: ShapeError, TypeError if results differ in size or dtype.
    """
    rows = [np.flatnonzero(group) for group in groups]
    there = [place for place, group in enumerate(rows) if len(group)]
    if not there:
        return images
    if len(there) == 1:
        return apply(images, there[0], numbers)
    parts = [apply(chosen(images, rows[place]), place, numbers[rows[place]]) for place in there]
    for part in parts[1:]:
        if part.shape[1:] != parts[0].shape[1:]:
            raise ShapeError(f"{name}: images of one batch came out as {parts[0].shape[1:]} and {part.shape[1:]}")
        if part.dtype != parts[0].dtype:
            raise TypeError(f"{name}: images of one batch came out as {parts[0].dtype} and {part.dtype}")
    order = np.concatenate([rows[place] for place in there])
    return chosen(xp_of(images).concatenate(parts, 0), np.argsort(order))
