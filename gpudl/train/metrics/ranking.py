"""Areas under curves, from all scores: they are kept where they are, and sorted at compute."""

from __future__ import annotations

import math
from typing import ClassVar

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import ShapeError
from gpudl.ops.create import ones_like
from gpudl.ops.elementwise import where
from gpudl.ops.ranges import arange
from gpudl.ops.search import searchsorted
from gpudl.ops.shape import cat, stack
from gpudl.ops.softmax import softmax
from gpudl.ops.sort import argsort
from gpudl.train.metrics.base import undefined
from gpudl.train.metrics.counting import Classified, ratio
from gpudl.train.metrics.forms import Form

__all__ = ["AUROC", "AveragePrecision"]


class _Ranking(Classified):
    """Keeps scores and labels; a subclass gives the area of one class."""

    averages: ClassVar[tuple[str, ...]] = ("macro", "weighted", "none")

    @no_grad()
    def update(self, output: Tensor, target: Tensor) -> None:
        """Keep the scores and labels of a batch.

        Args:
            output: scores, floating; see gpudl.train.metrics.forms for the shapes.
            target: class numbers, or 0 and 1 for each label.
        Raises: as Accuracy.update; ShapeError if the outputs are class numbers.
        """
        if isinstance(output, Tensor) and output.dtype.kind == "b":
            output = output.float()
        _, batch = self._arranged(output, target)
        if batch.scores is None:
            raise ShapeError(f"{self.name}: the outputs are class numbers, {output.dtype}; it needs scores")
        self.append("scores", batch.scores)
        labels = wrap(batch.labels, None)
        self.append("labels", labels)
        self.append("counted", ones_like(labels, dtype=bool) if batch.counted is None else wrap(batch.counted, None))

    def _value(self, form: Form) -> Tensor:
        scores, labels, counted = (self.joined(name) for name in ("scores", "labels", "counted"))
        if not len(labels):
            return undefined(self.batches["scores"])
        classes = form.classes
        if form.task == "multiclass":
            labels = labels.unsqueeze(1) == arange(classes, device=labels.device)
            counted = counted.unsqueeze(1) & (labels | True)
            scores = self._comparable(scores, counted)
        lost = (scores.isnan() & counted).any() | ~counted.any()
        hot, cold = (labels == 1) & counted, (labels != 1) & counted
        scores = where(counted, scores, 0)
        areas = [self._of_class(scores[:, each], hot[:, each], cold[:, each]) for each in range(classes)]
        each, support = where(lost, math.nan, stack(areas)), hot.sum(0)
        if form.task == "binary":
            return each[0]
        if self.average == "none":
            return each
        if self.average == "macro":
            return each.mean()
        # As scikit-learn: the area of a class without samples, nan or not, has no weight.
        total = (where(support == 0, 0.0, each) * support).sum() / where(support.sum() == 0, 1, support.sum())
        return where(lost, math.nan, total)

    def _comparable(self, scores: Tensor, counted: Tensor) -> Tensor:
        """Probabilities, by which classes of different samples compare; in float64 few of them become equal."""
        scores = scores.double()
        if self.from_logits is False:
            return scores
        powers = softmax(scores, -1)
        if self.from_logits:
            return powers
        return where((((scores < 0) | (scores > 1)) & counted).any(), powers, scores)

    def _of_class(self, scores: Tensor, hot: Tensor, cold: Tensor) -> Tensor:
        """The area for one class, 0-d float64; scores (rows,), hot and cold: whether a row is of the class, or not."""
        order = argsort(scores)
        scores, hot, cold = scores[order], hot[order].to(int64), cold[order].to(int64)
        below, through = searchsorted(scores, scores), searchsorted(scores, scores, right=True)
        none = hot[:1] * 0
        hot_before, cold_before = (cat([none, each.cumsum(0)]) for each in (hot, cold))
        return self._area(hot, (hot_before[below], cold_before[below]), cold_before[through], hot.sum(), cold.sum())

    def _area(
        self, hot: Tensor, below: tuple[Tensor, Tensor], cold_through: Tensor, hot_all: Tensor, cold_all: Tensor
    ) -> Tensor:
        """The area, 0-d float64.

        Args:
            hot: (rows,) 1 for the rows of the class, else 0; in ascending order of scores.
            below: how many rows of the class, and of the others, have a lower score than each row.
            cold_through: how many of the others have a lower score or the same.
            hot_all, cold_all: how many there are.
        """
        raise NotImplementedError(f"{type(self).__name__} has no area")


class AUROC(_Ranking):
    """The area under the ROC curve: how often a sample of a class has a higher score than one that is not of it.

    Equal scores count as half. The counts are integers: the area is exact. Of "multiclass" each class stands against
    the rest; scores there are probabilities, or logits, of which softmax is taken.

    Args:
        task, num_classes, num_labels, ignore_index, class_dim, name: as Accuracy.
        average: "macro": the mean over classes; "weighted": by how many samples they have; "none" or None:
            (classes,); "binary": task "binary". A class that has all samples, or none, has no area: its is nan, and so
            is "macro".
        from_logits: whether scores of "multiclass" are logits; None: they are if one of all is outside [0, 1].
    Source: Mann and Whitney 1947; Fawcett 2006.
    """

    def _area(
        self, hot: Tensor, below: tuple[Tensor, Tensor], cold_through: Tensor, hot_all: Tensor, cold_all: Tensor
    ) -> Tensor:
        return ratio((hot * (below[1] + cold_through)).sum(), 2 * hot_all * cold_all, math.nan)


class AveragePrecision(_Ranking):
    """The area under the curve of precision over recall, as steps: the mean, over the samples of a class, of the
    precision of all that score at least as much.

    Args:
        task, num_classes, num_labels, ignore_index, from_logits, class_dim, name: as AUROC.
        average: as AUROC; but the area of a class without samples is 0, as in scikit-learn.
    """

    def _area(
        self, hot: Tensor, below: tuple[Tensor, Tensor], cold_through: Tensor, hot_all: Tensor, cold_all: Tensor
    ) -> Tensor:
        found = hot_all - below[0]
        precision = ratio(found, found + cold_all - below[1], 0.0)
        return (hot * precision).sum() / where(hot_all == 0, 1, hot_all)
