"""Rows of losses of comparisons, of pairs and triples of vectors, and of several labels."""

import math

import numpy as np
from cases import floats, ints, row

F = "nn.functional."
OVERFLOW = "torch's exp(-target * input) overflows from 11 on in float16, from 88 on in float32, and its loss is inf"
UNLIKE = {F + "soft_margin_loss float16": OVERFLOW}
overflow = {"special": OVERFLOW}
bare = {
    "float16": "torch has no half floats there",
    "norows": "torch gives uninitialized memory, or raises; ours is nan for the mean of no rows, 0 for the sum",
    "second": "torch has no second derivative",
    "special": "torch skips what is not above 0, and nan with it; our result is nan",
}
wrapped = {"uint8": "differences wrap around, so that distances are in the hundreds, and the loss is their last digits"}
SIGNS = np.array([1.0, -1.0, -1.0, 1.0, -1.0])


def signed(op, *shape, **settings):
    """The loss with a constant target of 1 and -1."""
    sign = np.resize(SIGNS, shape).tolist()

    def call(lib, *tensors):
        target = lib.tensor(sign, device=tensors[0].device).to(tensors[0].dtype)
        return getattr(lib.nn.functional, op)(*tensors, target, **settings)

    return call


apart, below = floats((5, 4), low=0.5, high=3, distinct=True), floats((5, 4), low=-3, high=0.2, distinct=True)
for reduction in ("mean", "sum", "none"):
    for margin in (1.0, 2.5):
        settings = {"margin": margin, "reduction": reduction}
        note = f"{margin}{reduction}"
        row(F + "hinge_embedding_loss", apart, call=signed("hinge_embedding_loss", 5, 4, **settings), note=note)
        row(F + "hinge_embedding_loss", apart, call=signed("hinge_embedding_loss", 4, **settings), note=f"row{note}")
        row(F + "margin_ranking_loss", apart, below, call=signed("margin_ranking_loss", 5, 4, **settings), note=note)
        row(
            F + "margin_ranking_loss",
            apart,
            apart,
            call=signed("margin_ranking_loss", 1, 4, **settings),
            note=f"row{note}",
        )
    for margin in (0.0, 0.3, -0.5):
        settings = {"margin": margin, "reduction": reduction}
        note = f"{margin}{reduction}"
        row(F + "cosine_embedding_loss", (5, 4), (5, 4), call=signed("cosine_embedding_loss", 5, **settings), note=note)
    row(F + "cosine_embedding_loss", (4,), (4,), ints((), 1, 1), reduction=reduction)
    row(F + "cosine_embedding_loss", (4,), (4,), ints((), -1, -1), reduction=reduction, note="unlike")
    for p in (1, 2.0, 3, 0.5, math.inf, -math.inf, 0):
        for swap in (False, True):
            settings = {"p": p, "swap": swap, "reduction": reduction}
            row(F + "triplet_margin_loss", (3, 4), (3, 4), (3, 4), margin=2.0, **settings)
    row(F + "triplet_margin_loss", (3, 4), (4,), (3, 4), reduction=reduction)
    row(F + "triplet_margin_loss", (2, 3, 4), (1, 3, 4), (3, 4), reduction=reduction)
    row(F + "triplet_margin_loss", (2, 3, 4), (1, 3, 4), (2, 1, 4), 0.5, eps=0.1, reduction=reduction, unlike=wrapped)
    own = F + "triplet_margin_with_distance_loss"
    row(own, (3, 4), (3, 4), (3, 4), margin=2.0, swap=True, reduction=reduction)
    row(own, (3, 4), (3, 4), (3, 4), distance_function=lambda x, y: ((x - y) * (x - y)).sum(-1), reduction=reduction)

    row(
        F + "soft_margin_loss",
        (5, 4),
        call=signed("soft_margin_loss", 5, 4, reduction=reduction),
        note=reduction,
        unlike=overflow,
    )
    row(F + "multilabel_soft_margin_loss", (5, 4), (5, 4), reduction=reduction)
    row(F + "multilabel_soft_margin_loss", (4,), (4,), reduction=reduction)
    row(F + "multilabel_soft_margin_loss", (2, 5, 4), (5, 4), weight=floats((4,), low=0.2), reduction=reduction)
    for p in (1, 2):
        row(F + "multi_margin_loss", apart, ints((5,), 0, 3), p=p, reduction=reduction, unlike=bare)
        row(F + "multi_margin_loss", apart, ints((5,), 0, 3), p, 0.3, reduction=reduction, unlike=bare)
        row(F + "multi_margin_loss", floats((4,), distinct=True), ints((), 0, 3), p=p, reduction=reduction, unlike=bare)
    row(F + "multilabel_margin_loss", apart, ints((5, 4), -1, 3), reduction=reduction, unlike=bare)
    row(F + "multilabel_margin_loss", floats((4,), distinct=True), ints((4,), -1, 3), reduction=reduction, unlike=bare)

for op in ("hinge_embedding_loss", "soft_margin_loss", "multilabel_soft_margin_loss"):
    row(F + op, (5, 4), (5, 4), reduction="average")
for op in ("margin_ranking_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss"):
    row(F + op, (5, 4), (5, 4), (5, 4), reduction="average")
row(F + "cosine_embedding_loss", (5, 4), (5, 4), ints((5,), 1, 1), reduction="average")
row(F + "multi_margin_loss", apart, ints((5,), 0, 3), reduction="average", unlike=bare)
row(F + "multi_margin_loss", apart, ints((5,), 0, 3), 3, unlike=bare)
row(F + "multilabel_margin_loss", apart, ints((5, 4), 0, 3), reduction="average", unlike=bare)
for low in (4, -3):
    row(F + "multi_margin_loss", apart, ints((5,), low, low + 1), note=str(low), unlike=bare)
    row(F + "multilabel_margin_loss", apart, ints((5, 4), low, low + 1), note=str(low), unlike=bare)
row(F + "triplet_margin_loss", (3, 4), (3, 4), (3, 4), margin=0)
row(F + "triplet_margin_with_distance_loss", (3, 4), (3, 4), (3, 4), margin=-1.0)
