"""A softmax over many classes, of which the rare ones stand in clusters that cost little. Grave et al. 2016."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import ShapeError
from gpudl.nn.arguments import count
from gpudl.nn.containers import ModuleList, Sequential
from gpudl.nn.linear import Linear
from gpudl.nn.module import Module
from gpudl.ops.elementwise import where
from gpudl.ops.loss_checks import LabelError
from gpudl.ops.shape import cat
from gpudl.ops.softmax import log_softmax

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class AdaptiveSoftmaxOutput(NamedTuple):
    """The log-probability of each target, and the negative of their mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probability of a target class, of classes that are sorted from frequent to rare; rare ones are clustered.

    A head tells the first cutoffs[0] classes and the clusters apart; in each cluster a tail, whose inner width is
    in_features // div_value**number, tells its classes apart. Only the clusters that have targets are evaluated.

    Args:
        in_features: length of the input's last dimension.
        n_classes: how many classes there are.
        cutoffs: at which classes the clusters begin: whole numbers that increase, above 0 and below n_classes.
        div_value: by how much narrower each tail is than the one before.
        head_bias: whether the head has a bias.
        device, dtype: of the parameters.
    Shape: input (batch, in_features) and target (batch,), to an output (batch,) and a loss (); or (in_features,) and
        (), to () and ().
    Attributes:
        head: a Linear of in_features to cutoffs[0] + clusters.
        tail: for each cluster a Sequential of a Linear to the inner width and one to its classes, without biases.
        cutoffs: those given, and n_classes.
    Raises: ValueError for bad cutoffs; TypeError and ShapeError for bad counts.
    Source: Grave, Joulin, Cisse, Grangier, Jegou 2016, arXiv:1609.04309.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = "AdaptiveLogSoftmaxWithLoss"
        self.in_features = count(name, "in_features", in_features)
        self.n_classes = count(name, "n_classes", n_classes)
        bounds = [0, *cutoffs, n_classes]
        if len(bounds) == 2 or any(low >= high for low, high in pairwise(bounds)):
            raise ValueError(f"{name}: cutoffs must increase, above 0 and below {n_classes}, got {list(cutoffs)}")
        self.cutoffs = [count(name, "each cutoff", bound) for bound in bounds[1:]]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for number, (low, high) in enumerate(pairwise(self.cutoffs), 1):
            width = int(in_features // div_value**number)
            down = Linear(in_features, width, False, device, dtype)
            self.tail.append(Sequential(down, Linear(width, high - low, False, device, dtype)))

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        self.head.reset_parameters()
        for down, up in self.tail:
            down.reset_parameters()
            up.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> AdaptiveSoftmaxOutput:
        if target_.ndim > 1 or input_.ndim != target_.ndim + 1 or input_.shape[:-1] != target_.shape:
            raise ShapeError(
                f"expected an input (batch, {self.in_features}) and a target (batch,), or ({self.in_features},) and "
                f"(), got {input_.shape} and {target_.shape}"
            )
        if target_.dtype.kind not in "iu":
            raise RuntimeError(f"expected integer class indices as targets, got {target_.dtype}")
        input = input_ if target_.ndim else input_.unsqueeze(0)
        target = target_.to(int64).reshape((-1,))
        # This waits for the device: which clusters are evaluated depends on the targets.
        found = int(((target >= 0) & (target < self.n_classes)).sum())
        if found != len(target):
            raise LabelError(
                f"expected targets from 0 to {self.n_classes - 1}, got {int(target.min())} to {int(target.max())}"
            )
        column = where(target < self.shortlist_size, target, 0)
        inside = []
        for number, (low, high) in enumerate(pairwise(self.cutoffs)):
            member = (target >= low) & (target < high)
            column = where(member, self.shortlist_size + number, column)
            rows = member.nonzero().squeeze(1)
            if len(rows):
                logs = log_softmax(self.tail[number](input[rows]), 1)
                inside.append((rows, logs.gather(1, (target[rows] - low).unsqueeze(1)).squeeze(1)))
        output = log_softmax(self.head(input), 1).gather(1, column.unsqueeze(1)).squeeze(1)
        for rows, logs in inside:
            output = output.index_add(0, rows, logs)
        return AdaptiveSoftmaxOutput(output if target_.ndim else output.squeeze(0), -output.mean())

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (batch, in_features) to (batch, n_classes)."""
        return self._log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The likeliest class of each row: (batch, in_features) to (batch,), int64."""
        head = self.head(input)
        likeliest: Tensor = head.argmax(1)
        # A class of the shortlist that is above every cluster is above every class in them.
        rows = (likeliest >= self.shortlist_size).nonzero().squeeze(1)
        if len(rows):
            likeliest = likeliest.index_copy(0, rows, self._log_prob(input[rows], head[rows]).argmax(1))
        return likeliest

    def _log_prob(self, input: Tensor, head: Tensor) -> Tensor:
        logs = log_softmax(head, 1)
        parts = [logs[:, : self.shortlist_size]]
        for number, tail in enumerate(self.tail, self.shortlist_size):
            parts.append(log_softmax(tail(input), 1) + logs[:, number : number + 1])
        return cat(parts, 1)
