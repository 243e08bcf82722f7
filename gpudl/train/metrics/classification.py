"""Accuracy, precision, recall, F, Jaccard index and confusion matrix, from counts that are exact."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops.accumulate import counts_at
from gpudl.ops.elementwise import where
from gpudl.ops.operands import widened
from gpudl.ops.shape import stack
from gpudl.train.metrics.counting import Counting, mean, ratio
from gpudl.train.metrics.forms import Arranged, Form

__all__ = [
    "Accuracy", "ConfusionMatrix", "F1Score", "FBetaScore", "JaccardIndex", "Precision", "Recall", "TopKAccuracy",
]  # fmt: skip


class Accuracy(Counting):
    """The share of right predictions.

    Args:
        task: "binary", "multiclass" or "multilabel"; None to see it from the shapes of the first batch, see
            gpudl.train.metrics.forms.
        threshold: the probability above which a label is predicted, of "binary" and "multilabel"; default 0.5.
        num_classes, num_labels: how many; needed only where the outputs are class numbers.
        average: "micro": of all samples (and labels); "macro": the mean over the classes with samples, which is known
            as balanced accuracy ("multilabel": over labels); "weighted": by how many samples they have; "none" or
            None: of each class, nan without samples; "binary": task "binary", one number whatever the average.
        ignore_index: targets with this number do not count.
        from_logits: whether scores of "binary" and "multilabel" are logits; None: they are if one of them, in any
            batch, is outside [0, 1].
        class_dim: the dimension of scores with the classes, default 1; -1 for (batch, time, classes).
        name: in logs.
    """

    def __init__(self, task: str | None = None, *, average: str | None = "micro", **settings: Any) -> None:
        super().__init__(task, average=average, **settings)

    def _count_chosen(self, classes: int, chosen: Array, lost: Array | None, batch: Arranged) -> None:
        if self.average == "micro":
            self._sum_hits(chosen == batch.labels, lost, batch.counted)
        else:
            super()._count_chosen(classes, chosen, lost, batch)

    def _value(self, form: Form) -> Tensor:
        if "hits" in self.state:
            return self._share_of_hits()
        hits, predicted, actual, samples = self._counts()
        if form.task != "multiclass":
            hits, actual = samples - predicted - actual + 2 * hits, samples
        if self.average == "micro" or form.task == "binary":
            return self._unless_nan(ratio(hits.sum(), actual.sum(), math.nan))
        value = ratio(hits, actual, math.nan)
        if self.average != "none":
            value = mean(value, actual if self.average == "weighted" else None)
        return self._unless_nan(value)


class TopKAccuracy(Counting):
    """The share of samples whose class is among the k with the highest scores.

    Of equal scores the class with the lower number comes first, as in argmax: with k = 1 it is Accuracy.

    Args:
        k: how many, >= 1.
        ignore_index, class_dim, name: as Accuracy.
    """

    def __init__(
        self, k: int = 5, *, ignore_index: int | None = None, class_dim: int = 1, name: str | None = None
    ) -> None:
        name = name or f"top_{k}_accuracy"
        super().__init__("multiclass", ignore_index=ignore_index, class_dim=class_dim, name=name)
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"{self.name}: k must be an integer >= 1, got {k!r}")
        self.k = k

    def _count_classes(self, classes: int, batch: Arranged) -> None:
        if batch.scores is None:
            raise ShapeError(f"{self.name}: the outputs are class numbers; it needs scores, (count, classes, ...)")
        scores, label = widened(batch.scores.array), batch.labels[:, None]
        xp = xp_of(scores)
        own = xp.take_along_axis(scores, label, 1)
        before = ((scores > own) | ((scores == own) & (xp.arange(classes) < label))).sum(1)
        self._sum_hits(before < self.k, (scores != scores).any(1), batch.counted)

    def _value(self, form: Form) -> Tensor:
        return self._share_of_hits()


class _OfClasses(Counting):
    """A share of counts for each class, and its averages."""

    def __init__(self, task: str | None = None, *, zero_division: float = 0.0, **settings: Any) -> None:
        super().__init__(task, **settings)
        if zero_division not in (0, 1) and not math.isnan(zero_division):
            raise ValueError(f"{self.name}: zero_division must be 0, 1 or nan, got {zero_division!r}")
        self.zero_division = zero_division

    def _share(self, hits: Tensor, predicted: Tensor, actual: Tensor) -> tuple[Tensor, Tensor]:
        """What is divided by what."""
        raise NotImplementedError(f"{type(self).__name__} has no share")

    def _value(self, form: Form) -> Tensor:
        hits, predicted, actual, samples = self._counts()
        if self.average == "micro" or form.task == "binary":
            value = ratio(*self._share(hits.sum(), predicted.sum(), actual.sum()), self.zero_division)
        else:
            value = ratio(*self._share(hits, predicted, actual), self.zero_division)
            if self.average != "none":
                if form.task == "multiclass":
                    value = where(predicted + actual == 0, math.nan, value)  # a class that does not occur has no part
                value = mean(value, actual if self.average == "weighted" else None)
        return self._unless_nan(where(samples.sum() == 0, math.nan, value))


class Precision(_OfClasses):
    """The share of the predictions of a class that are right: hits / predicted.

    Args:
        task, threshold, num_classes, num_labels, ignore_index, from_logits, class_dim, name: as Accuracy.
        average: "micro": of all classes' counts together; "macro" (the default): the mean over the classes that occur
            in targets or predictions ("multilabel": all); "weighted": by how often they occur in targets; "none" or
            None: (classes,); "binary": task "binary", which has one number whatever the average.
        zero_division: 0, 1 or nan, the precision of a class without predictions; nan takes no part in a mean.
    """

    def _share(self, hits: Tensor, predicted: Tensor, actual: Tensor) -> tuple[Tensor, Tensor]:
        return hits, predicted


class Recall(_OfClasses):
    """The share of the samples of a class that are predicted so: hits / actual.

    Args:
        task, threshold, num_classes, num_labels, ignore_index, from_logits, class_dim, name: as Accuracy.
        average: as Precision.
        zero_division: 0, 1 or nan, the recall of a class without samples; nan takes no part in a mean.
    """

    def _share(self, hits: Tensor, predicted: Tensor, actual: Tensor) -> tuple[Tensor, Tensor]:
        return hits, actual


class FBetaScore(_OfClasses):
    """(1 + beta^2) hits / (beta^2 actual + predicted), precision and recall in one number.

    Args:
        task, threshold, num_classes, num_labels, ignore_index, from_logits, class_dim, name: as Accuracy.
        average: as Precision.
        beta: > 0, how many times recall is as important as precision.
        zero_division: 0, 1 or nan, for a class neither in targets nor predictions.
    Source: van Rijsbergen 1979, Information Retrieval.
    """

    def __init__(self, task: str | None = None, *, beta: float = 1.0, **settings: Any) -> None:
        super().__init__(task, **settings)
        if not 0 < beta < math.inf:
            raise ValueError(f"{self.name}: beta must be a number > 0, got {beta!r}")
        self.beta = beta

    def _share(self, hits: Tensor, predicted: Tensor, actual: Tensor) -> tuple[Tensor, Tensor]:
        square = self.beta * self.beta
        return (1 + square) * hits.double(), square * actual.double() + predicted


class F1Score(FBetaScore):
    """FBetaScore with beta = 1, the harmonic mean of precision and recall."""

    def __init__(self, task: str | None = None, **settings: Any) -> None:
        super().__init__(task, beta=1.0, **settings)


class JaccardIndex(_OfClasses):
    """Intersection over union: hits / (predicted + actual - hits). With average "macro", the mean IoU.

    Segmentation maps are outputs (count, classes, rows, columns) beside targets (count, rows, columns), or both maps
    of class numbers.

    Args:
        task, threshold, num_classes, num_labels, ignore_index, from_logits, class_dim, name: as Accuracy.
        average: as Precision.
        zero_division: 0, 1 or nan, for a class neither in targets nor predictions.
    Source: Jaccard 1901.
    """

    def _share(self, hits: Tensor, predicted: Tensor, actual: Tensor) -> tuple[Tensor, Tensor]:
        return hits, predicted + actual - hits


class ConfusionMatrix(Counting):
    """How many samples of class i were predicted to be j.

    Args:
        task, threshold, num_classes, num_labels, ignore_index, from_logits, class_dim, name: as Accuracy.
        normalize: None for counts; "true": shares of the samples of a class, "pred": of its predictions, "all": of all
            samples; 0 where there are none.
    """

    def __init__(self, task: str | None = None, *, normalize: str | None = None, **settings: Any) -> None:
        super().__init__(task, **settings)
        if normalize not in (None, "true", "pred", "all"):
            raise ValueError(f"{self.name}: normalize must be 'true', 'pred', 'all' or None, got {normalize!r}")
        self.normalize = normalize

    def _count_chosen(self, classes: int, chosen: Array, lost: Array | None, batch: Arranged) -> None:
        self._sum("nans", lost, batch.counted)
        places = batch.labels * classes + chosen
        if batch.counted is not None:
            places = xp_of(places).where(batch.counted, places, classes * classes)
        counts = counts_at(places, classes * classes + 1)[:-1]
        self.add("matrix", wrap(counts.reshape((classes, classes)), None))

    def compute(self) -> Tensor:
        """(classes, classes), actual by predicted; (2, 2) for "binary", (labels, 2, 2) for "multilabel".

        int64 counts, or float64 shares. Raises: LabelError, see update; ValueError if an output was nan; RuntimeError
        before the first batch.
        """
        if self._form is None:
            raise RuntimeError(f"{self.name}: there is no matrix before the first batch; call update first")
        if "nans" in self.state and (count := self.state["nans"].cpu().item()):
            raise ValueError(f"{self.name}: {count} outputs are nan, which is no prediction")
        return super().compute()

    def _value(self, form: Form) -> Tensor:
        if form.task == "multiclass":
            matrix = self.state["matrix"].clone()  # the result is the user's to change
        else:
            hits, predicted, actual, samples = self._counts()
            rest = samples - predicted - actual + hits
            matrix = stack([rest, predicted - hits, actual - hits, hits], 1).reshape(-1, 2, 2)
            matrix = matrix[0] if form.task == "binary" else matrix
        if self.normalize is None:
            return matrix
        over = {"true": (-1,), "pred": (-2,), "all": (-2, -1)}[self.normalize]
        return ratio(matrix, matrix.sum(over, keepdim=True), 0.0)
