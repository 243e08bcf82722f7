"""How well a model of language predicts: perplexity and BLEU."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import ShapeError
from gpudl.ops.create import ones_like, tensor
from gpudl.ops.cross_entropy import cross_entropy
from gpudl.ops.elementwise import where
from gpudl.train.metrics.base import Metric, undefined
from gpudl.train.metrics.counting import Classified, ratio
from gpudl.train.metrics.forms import Form

__all__ = ["BLEUScore", "Perplexity"]


class Perplexity(Classified):
    """exp(mean negative log-likelihood): among how many words of equal chance a model is undecided.

    Args:
        ignore_index: targets with this number do not count, such as padding.
        class_dim: the dimension of the logits with the vocabulary; the last, unlike that of Accuracy.
        name: in logs.
    Source: Jelinek et al. 1977.
    """

    def __init__(self, ignore_index: int | None = -100, *, class_dim: int = -1, name: str | None = None) -> None:
        super().__init__("multiclass", ignore_index=ignore_index, class_dim=class_dim, name=name)

    @no_grad()
    def update(self, output: Tensor, target: Tensor) -> None:
        """Add the losses of a batch.

        Args:
            output: (count, time, vocabulary), or (count, vocabulary), logits.
            target: (count, time), or (count,), integers.
        Raises: ShapeError and TypeError for what does not fit; LabelError for labels out of range (on a GPU compute
            raises it).
        """
        _, batch = self._arranged(output, target)
        if batch.scores is None:
            raise ShapeError(f"{self.name}: the outputs are {output.dtype}; it needs logits, (*, vocabulary)")
        losses = cross_entropy(batch.scores, wrap(batch.labels, None), reduction="none")
        counted = ones_like(losses, dtype=bool) if batch.counted is None else wrap(batch.counted, None)
        self.add("losses", where(counted, losses, 0.0).double().sum())
        self.add("count", counted.sum())

    def _value(self, form: Form) -> Tensor:
        return ratio(self.state["losses"], self.state["count"], math.nan).exp()


class BLEUScore(Metric):
    """How many of the n-grams of a text occur in reference texts, over a whole corpus.

    BLEU = min(1, exp(1 - references' length / texts' length)) * exp(sum over n of weight[n] log(precision[n])),
    where an n-gram counts as often as it does in the reference with most of it. It counts words, so it works on the
    host.

    Args:
        n_gram: the longest n-grams, >= 1.
        smooth: add 1 to both counts of each precision but the first, so that one 0 does not make all 0.
        weights: n_gram numbers; default 1 / n_gram each.
        name: in logs, default "bleu".
    Source: Papineni et al. 2002; smoothing: Lin and Och 2004.
    """

    def __init__(
        self,
        n_gram: int = 4,
        smooth: bool = False,
        weights: Sequence[float] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name or "bleu")
        if isinstance(n_gram, bool) or not isinstance(n_gram, int) or n_gram < 1:
            raise ValueError(f"{self.name}: n_gram must be an integer >= 1, got {n_gram!r}")
        if weights is not None and len(weights) != n_gram:
            raise ValueError(f"{self.name}: {n_gram} weights are needed, one for each length, got {len(weights)}")
        self.n_gram, self.smooth = n_gram, smooth
        self.weights = [1 / n_gram] * n_gram if weights is None else [float(each) for each in weights]

    def update(self, output: Sequence[Any], target: Sequence[Any]) -> None:
        """Count the n-grams of some texts.

        Args:
            output: texts: strings, whose words are split at white space, or sequences of tokens.
            target: for each text a reference like it, or a sequence of references.
        Raises: ValueError if there are not as many targets as outputs; TypeError for one string in place of a
            sequence of them.
        """
        if isinstance(output, str) or isinstance(target, str):
            raise TypeError(f"{self.name}: output and target must be sequences of texts, got one string; put it in []")
        if len(output) != len(target):
            raise ValueError(f"{self.name}: {len(output)} outputs but {len(target)} targets")
        hits, tried = [0] * self.n_gram, [0] * self.n_gram
        lengths = [0, 0]
        for text, given in zip(output, target):
            words, references = _words(text), _references(text, given)
            if not references:
                raise ValueError(f"{self.name}: a text has no reference")
            lengths[0] += len(words)
            lengths[1] += min((abs(len(each) - len(words)), len(each)) for each in references)[1]
            for place in range(self.n_gram):
                counts = _grams(words, place + 1)
                most: Counter[tuple[Any, ...]] = Counter()
                for each in references:
                    most |= _grams(each, place + 1)
                hits[place] += (counts & most).total()
                tried[place] += counts.total()
        self.add("hits", tensor(hits, dtype=int64))
        self.add("tried", tensor(tried, dtype=int64))
        self.add("lengths", tensor(lengths, dtype=int64))

    def compute(self) -> Tensor:
        """BLEU in [0, 1], 0-d float64 on the CPU; 0 without a match; nan without a text."""
        if not self.state:
            return undefined()
        hits, tried, (length, wanted) = (self.state[name].tolist() for name in ("hits", "tried", "lengths"))
        if not (length or wanted):
            return undefined()
        more = [1 if self.smooth and place else 0 for place in range(self.n_gram)]
        precisions = [(hit + one) / ((of + one) or 1) for hit, of, one in zip(hits, tried, more)]
        if min(hits[:1] if self.smooth else hits) == 0:
            return tensor(0.0, dtype="float64")
        logs = sum(weight * math.log(each) for weight, each in zip(self.weights, precisions))
        return tensor(math.exp(min(0.0, 1 - wanted / length) + logs), dtype="float64")


def _words(text: Any) -> list[Any]:
    return text.split() if isinstance(text, str) else list(text)


def _references(text: Any, given: Any) -> list[list[Any]]:
    """The references of a text: one like the text, or several."""
    several = not isinstance(given, str) if isinstance(text, str) else _holds_texts(given)
    return [_words(each) for each in given] if several else [_words(given)]


def _holds_texts(given: Sequence[Any]) -> bool:
    return len(given) > 0 and all(isinstance(each, (list, tuple)) for each in given)


def _grams(words: list[Any], length: int) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(words[start : start + length]) for start in range(len(words) - length + 1))
