"""Likelihoods of counts, of normal variables and of sequences, and the divergence of distributions: settings, and one
call into ops."""

from __future__ import annotations

from collections.abc import Sequence

from gpudl.autograd.tensor import Tensor
from gpudl.nn.loss import Loss
from gpudl.ops.ctc_loss import ctc_loss
from gpudl.ops.gaussian_nll_loss import gaussian_nll_loss
from gpudl.ops.kl_div import kl_div
from gpudl.ops.poisson_nll_loss import poisson_nll_loss

__all__ = ["CTCLoss", "GaussianNLLLoss", "KLDivLoss", "PoissonNLLLoss"]


class PoissonNLLLoss(Loss):
    """The negative log-likelihood of counts that are Poisson distributed: rate - target * log(rate).

    Args:
        log_input: whether the input is the logarithm of the rate.
        full: add Stirling's target * log(target) - target + log(2 pi target) / 2 for targets above 1.
        eps: added to a rate before its logarithm is taken.
        reduction: "mean" | "sum" | "none".
    Shape: input and target, which broadcast, to (), or the shape of both for "none".
    Raises: ValueError for another reduction.
    """

    def __init__(
        self, log_input: bool = True, full: bool = False, *, eps: float = 1e-8, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return poisson_nll_loss(log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction)


class GaussianNLLLoss(Loss):
    """The negative log-likelihood of normal variables: (log(var) + (input - target)**2 / var) / 2.

    Args:
        full: add the constant log(2 pi) / 2.
        eps: the smallest variance that is reckoned with.
        reduction: "mean" | "sum" | "none".
    Shape: input, the means, and target broadcast; var as the input, without its last dimension, with one dimension of
        length 1 instead, or a number. To (), or the input's shape for "none".
    Raises: ValueError for another reduction.
    Source: Nix & Weigend 1994, "Estimating the mean and variance of the target probability distribution".
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class KLDivLoss(Loss):
    """The divergence of a distribution target from one whose logarithm is the input: target * (log(target) - input).

    Args:
        reduction: "mean" (over all elements) | "batchmean" (over the first dimension, as the divergence is defined) |
            "sum" | "none".
        log_target: whether the target holds logarithms.
    Shape: input and target, which broadcast, to (), or the shape of both for "none".
    Raises: ValueError for another reduction.
    Source: Kullback & Leibler 1951, "On information and sufficiency".
    """

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction="mean" if reduction == "batchmean" else reduction)
        self.reduction, self.log_target = reduction, log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class CTCLoss(Loss):
    """Connectionist temporal classification: -log of the probability of all alignments that spell the target.

    Args:
        blank: the class that spells nothing.
        reduction: "mean" (of each loss divided by the target's length) | "sum" | "none".
        zero_infinity: count targets that do not fit into their input as 0, without a gradient, not as infinity.
    Shape: log_probs (times, batch, classes), from log_softmax; targets (batch, labels), or all of them in one row;
        input_lengths and target_lengths (batch,). To (), or (batch,) for "none". All without batch as well.
    Raises: ValueError for another reduction.
    Source: Graves, Fernandez, Gomez & Schmidhuber 2006, "Connectionist temporal classification".
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int] | int,
        target_lengths: Tensor | Sequence[int] | int,
    ) -> Tensor:
        return ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
