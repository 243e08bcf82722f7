"""What the metrics of classifiers count, once for all of them, and how numbers of classes become one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float64, int64
from gpudl.ops.accumulate import counts_at
from gpudl.ops.create import tensor
from gpudl.ops.elementwise import where
from gpudl.ops.extreme import place_forward
from gpudl.ops.loss_checks import LabelError
from gpudl.ops.operands import widened
from gpudl.ops.shape import stack
from gpudl.train.metrics.base import Metric, undefined
from gpudl.train.metrics.forms import TASKS, Arranged, Form, arrange, check_task, form_of

AVERAGES = ("micro", "macro", "weighted", "none")


class Classified(Metric):
    """Base of the metrics of classifiers: the form of the batches, found with the first, and what is out of range."""

    averages: ClassVar[tuple[str, ...]] = AVERAGES

    def __init__(
        self,
        task: str | None = None,
        *,
        num_classes: int | None = None,
        num_labels: int | None = None,
        average: str | None = "macro",
        ignore_index: int | None = None,
        from_logits: bool | None = None,
        class_dim: int = 1,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        if average == "binary":
            if task not in (None, "binary"):
                raise ValueError(f'{self.name}: average "binary" is of task "binary", got task={task!r}')
            task, average = "binary", self.averages[0]
        average = average or "none"
        if average not in self.averages:
            raise ValueError(f"{self.name}: average must be one of {', '.join((*self.averages, 'binary'))}, or None; "
                             f"got {average!r}")  # fmt: skip
        check_task(self.name, task, num_classes, num_labels)
        self.task, self.num_classes, self.num_labels = task, num_classes, num_labels
        self.average, self.ignore_index = average, ignore_index
        self.from_logits, self.class_dim = from_logits, class_dim
        self._form: Form | None = None

    def reset(self) -> None:
        super().reset()
        self._form = None

    def state_dict(self) -> dict[str, Tensor]:
        if self._form is None:
            return super().state_dict()
        form = tensor([TASKS.index(self._form.task), self._form.classes], dtype=int64)
        return {**super().state_dict(), "form": form}

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        state = dict(state_dict)
        form = state.pop("form", None)
        super().load_state_dict(state)
        if form is not None:
            task, classes = form.tolist()
            self._form = Form(TASKS[task], classes)

    def _arranged(self, output: Tensor, target: Tensor) -> tuple[Form, Arranged]:
        form = form_of(
            self.name, output, target, self._form.task if self._form else self.task, self.num_classes,
            self.num_labels, self.class_dim,
        )  # fmt: skip
        if self._form is not None and form != self._form:
            raise ValueError(
                f"{self.name}: the batches so far were {self._form.task} with {self._form.classes} classes, this one "
                f"has {form.classes}: output {output.shape}, target {target.shape}; reset() between data sets"
            )
        batch = arrange(self.name, form, output, target, self.class_dim, self.ignore_index)
        self._form = form
        if batch.wrong is not None:
            self.add("wrong", wrap(batch.wrong, None))
        return form, batch

    def compute(self) -> Tensor:
        """The metric over all batches since the last reset; nan without samples. See the class for its shape.

        Raises: LabelError if labels on a GPU were out of range.
        """
        if self._form is None:
            return undefined()
        if "wrong" in self.state and (count := self.state["wrong"].cpu().item()):
            raise LabelError(f"{self.name}: {count} labels were out of range; leave them out with ignore_index=")
        return self._value(self._form)

    def so_far(self) -> Tensor | None:
        return None if self._form is None or self.batches else self._value(self._form)

    def _value(self, form: Form) -> Tensor:
        """What compute gives of labels that are right; waits for nothing."""
        raise NotImplementedError(f"{type(self).__name__} has no value")


class Counting(Classified):
    """Base of the metrics that counts of classes decide.

    A nan among the scores of a sample is no prediction: the metric is nan. Whether scores of two-way decisions are
    probabilities or logits, if not said, all batches together decide: outside [0, 1] there are no probabilities. So
    both are counted, and the result is the same for batches of any size.

    State: counts, int64: of "multiclass" (1, 3, classes), true positives, predicted and actual samples of each class;
    else (readings, 4, labels), with all samples, where readings is 2 if both are counted. outside: scores outside
    [0, 1]. nans: samples with a nan. hits, int64 (3,): right samples, all, and those with a nan,
    where these are enough.
    """

    def __init__(self, task: str | None = None, *, threshold: float = 0.5, **settings: Any) -> None:
        super().__init__(task, **settings)
        if not 0 <= threshold <= 1:
            raise ValueError(f"{self.name}: threshold must be a probability in [0, 1], got {threshold!r}")
        self.threshold = threshold

    @no_grad()
    def update(self, output: Tensor, target: Tensor) -> None:
        """Count a batch.

        Args:
            output: scores (logits or probabilities), or class numbers; see gpudl.train.metrics.forms for the shapes.
            target: class numbers, or 0 and 1 for each label.
        Raises: ShapeError, TypeError and ValueError for what does not fit; LabelError for labels out of range (on a
            GPU compute raises it).
        """
        form, batch = self._arranged(output, target)
        if form.task == "multiclass":
            self._count_classes(form.classes, batch)
        else:
            self._count_labels(batch)

    def _count_classes(self, classes: int, batch: Arranged) -> None:
        if batch.scores is None:
            self._count_chosen(classes, batch.chosen, None, batch)
            return
        chosen, highest = (each.reshape(-1) for each in place_forward(widened(batch.scores.array), 1, True))
        self._count_chosen(classes, chosen, highest != highest, batch)

    def _count_chosen(self, classes: int, chosen: Array, lost: Array | None, batch: Arranged) -> None:
        """Count the chosen classes, and where they are lost in a nan (None for nowhere)."""
        xp, labels, counted = xp_of(chosen), batch.labels, batch.counted
        self._sum("nans", lost, counted)
        # What does not count goes to a class of its own, since to leave it out would make a device wait.
        numbers = xp.stack([xp.where(chosen == labels, labels, classes), chosen, labels])
        if counted is not None:
            numbers = xp.where(counted, numbers, classes)
        numbers += xp.arange(3)[:, None] * (classes + 1)
        counts = counts_at(numbers.reshape(-1), 3 * (classes + 1)).reshape((3, classes + 1))[:, :classes]
        self.add("counts", wrap(xp.ascontiguousarray(counts)[None], None))

    def _count_labels(self, batch: Arranged) -> None:
        counted, hot, xp = batch.counted, batch.labels == 1, xp_of(batch.labels)
        if batch.scores is None:
            readings = [batch.chosen == 1]
        else:
            scores = widened(batch.scores.array)
            self._sum("nans", scores != scores, counted)
            self._sum("outside", (scores < 0) | (scores > 1), counted)
            logit = -math.inf if self.threshold == 0 else math.inf if self.threshold == 1 else (
                math.log(self.threshold / (1 - self.threshold)))  # fmt: skip
            both = {False: [self.threshold], True: [logit], None: [self.threshold, logit]}
            readings = [scores > level for level in both[self.from_logits]]
        actual = hot.sum(0)
        samples = xp.full_like(actual, len(hot)) if counted is None else counted.sum(0)
        counts = [
            xp.stack([(chosen & hot).sum(0), among(chosen, counted).sum(0), actual, samples]) for chosen in readings
        ]
        self.add("counts", wrap(xp.stack(counts), None))

    def _sum(self, name: str, flags: Array | None, counted: Array | None) -> None:
        if flags is not None:
            self.add(name, wrap(xp_of(flags).asarray(among(flags, counted).sum()), None))

    def _sum_hits(self, hits: Array, lost: Array | None, counted: Array | None) -> None:
        """For those metrics that need no more."""
        xp = xp_of(hits)
        flags = xp.empty((3, hits.size), bool)
        flags[0], flags[1], flags[2] = hits, True, False if lost is None else lost
        self.add("hits", wrap(among(flags, counted).sum(1), None))

    def _share_of_hits(self) -> Tensor:
        hits, samples, nans = self.state["hits"]
        return where(nans > 0, math.nan, ratio(hits, samples, math.nan))

    def _counts(self) -> Tensor:
        """(4, classes) of the reading that holds."""
        counts = self.state["counts"]
        if self._form is not None and self._form.task == "multiclass":
            hits, predicted, actual = counts[0]
            return stack([hits, predicted, actual, actual.sum().expand(actual.shape)])
        return counts[0] if len(counts) == 1 else where(self.state["outside"] > 0, counts[1], counts[0])

    def _unless_nan(self, value: Tensor) -> Tensor:
        return value if "nans" not in self.state else where(self.state["nans"] > 0, math.nan, value)


def among(flags: Array, counted: Array | None) -> Array:
    """The flags, false where something does not count."""
    return flags if counted is None else flags & counted


def ratio(part: Tensor, whole: Tensor, zero_division: float) -> Tensor:
    """part / whole in float64; zero_division where whole is 0."""
    nothing = whole == 0
    return where(nothing, zero_division, part.double() / where(nothing, 1, whole))


def mean(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """The weighted mean of the values that are not nan; the plain one if all their weights are 0; nan if all are."""
    known = ~values.isnan()
    even = known.to(float64)
    weights = even if weights is None else weights * even
    weights = where(weights.sum() == 0, even, weights)
    return (where(known, values, 0) * weights).sum() / where(known.any(), weights.sum(), math.nan)
