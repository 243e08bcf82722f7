"""Rows of negative log-likelihoods, of the divergence, and of the cross-entropy of yes-or-no targets."""

import numpy as np
from cases import floats, ints, row

F = "nn.functional."
# torch rounds to float16 after each step; our gradients are nearer those of float64.
SLACK = {F + "binary_cross_entropy_with_logits": 5.0}

packed = {"layout": "torch's backward raises where the input is not contiguous"}
added = {"second": "torch adds 1e-12 to both factors of the divisor in its second derivative"}
endless = {"special_gradient": "where a target is infinite torch's gradient is nan, ours sometimes infinite"}
steps = {"special float16": "torch rounds after each step: a product or a square is infinite, and nan with the next"}
inexact = {"special_gradient": "torch divides dy * t by t again: of dy * 1e-42 few digits are left"}
masked = {"special_gradient": "where Stirling's term is left out torch multiplies its 0 gradient by inf or nan"}
logs = floats((5, 4), low=-3, high=0)
labels = ints((5,), 0, 3)


def weighted(op, *names, shape=(4,), **settings):
    """The loss with constants as weights: torch refuses to derive those."""
    factor = np.random.default_rng(0).uniform(0.2, 2, shape).tolist()

    def call(lib, x, t):
        given = lib.tensor(factor, device=x.device).to(x.dtype)
        named = {name: given * (1 + i) for i, name in enumerate(names)}
        return getattr(lib.nn.functional, op)(x, t, **named, **settings)

    return call


def cut(**settings):
    return lambda lib, x, t: lib.nn.functional.nll_loss(x.detach(), t, **settings)


for reduction in ("mean", "sum", "none"):
    for settings in ({}, {"ignore_index": 2}):
        row(F + "nll_loss", logs, labels, reduction=reduction, **settings)
        row(F + "nll_loss", floats((2, 4, 3)), ints((2, 3), 0, 3), reduction=reduction, **settings)
        row(F + "nll_loss", (2, 4, 3, 2), ints((2, 3, 2), 0, 3), reduction=reduction, unlike=packed, **settings)
        row(F + "nll_loss", (4,), ints((), 0, 3), reduction=reduction, **settings)
        call = weighted("nll_loss", "weight", reduction=reduction, **settings)
        for shape, target in (((5, 4), (5,)), ((2, 4, 3), (2, 3)), ((4,), ())):
            note = f"weight-{reduction}-{len(settings)}"
            row(F + "nll_loss", shape, ints(target, 0, 3), call=call, note=note)
    # torch's own backward fails where the target is no scalar
    row(F + "nll_loss", (4,), ints((1,), 0, 3), call=cut(reduction=reduction), note=f"one-{reduction}")
    row(F + "nll_loss", logs, ints((5,), -3, -3), reduction=reduction, ignore_index=-3)
    row(F + "nll_loss", logs, ints((5,), 4, 5), reduction=reduction, note="toohigh")
    row(F + "nll_loss", logs, ints((5,), -2, -1), reduction=reduction, note="negative")
row(F + "nll_loss", logs, labels)
row(F + "nll_loss", logs, labels, reduction="average")
row(F + "nll_loss", logs, ints((4,), 0, 3))

chance, logit = floats((3, 4), low=0.05, high=1), floats((3, 4), low=-9, high=9)
BCE, LOGITS = F + "binary_cross_entropy", F + "binary_cross_entropy_with_logits"
for reduction in ("mean", "sum", "none"):
    row(BCE, chance, chance, reduction=reduction, unlike=added)
    row(BCE, floats((), low=0.1, high=1), floats((), low=0.1, high=1), reduction=reduction)
    row(LOGITS, logit, chance, reduction=reduction)
    row(LOGITS, (), (), reduction=reduction)
    for shape in ((3, 4), (4,), (3, 1), ()):
        settings, note = {"reduction": reduction, "shape": shape}, f"{len(shape)}{shape[-1:]}{reduction}"
        call = weighted("binary_cross_entropy", "weight", **settings)
        row(BCE, chance, chance, call=call, note=note, unlike=added)
        for names in (["weight"], ["pos_weight"], ["weight", "pos_weight"]):
            call = weighted("binary_cross_entropy_with_logits", *names, **settings)
            row(LOGITS, logit, chance, call=call, unlike=endless, note=f"{'+'.join(names)}{note}")
for op in (BCE, LOGITS):
    row(op, chance, chance, reduction="average")
    row(op, chance, floats((4,), low=0.2, high=1))
    row(op, chance, ints((3, 4), 0, 1))
row(BCE, floats((3, 4), low=0.5, high=1.5), chance)

for reduction in ("mean", "batchmean", "sum", "none"):
    for shape in ((3, 4), (4,), (2, 3, 1), (3, 1)):
        unlike = (inexact if shape == (3, 4) else {}) | (steps if reduction == "none" else {})
        row(F + "kl_div", (3, 4), floats(shape, low=0.1), reduction=reduction, unlike=unlike)
        row(F + "kl_div", (3, 4), shape, reduction=reduction, log_target=True)
    row(F + "kl_div", (), floats((), low=0.1), reduction=reduction, unlike=steps)
row(F + "kl_div", (3, 4), floats((3, 4), low=0.1), unlike=inexact)
row(F + "kl_div", (3, 4), (3, 4), reduction="average")
row(F + "kl_div", (3, 4), ints((3, 4)), reduction="sum")

count = floats((3, 4), low=1.1, high=6)
for reduction in ("mean", "sum", "none"):
    for shape in ((3, 4), (4,), ()):
        counts = floats(shape, low=0.1, high=6, avoid=(1.0,))
        rounded = steps if reduction == "none" and shape != (3, 4) else {}
        row(F + "poisson_nll_loss", (3, 4), counts, reduction=reduction, note="log", unlike=rounded)
        unlike = (masked if shape else {}) | (steps if reduction == "none" else {})
        row(F + "poisson_nll_loss", (3, 4), counts, full=True, reduction=reduction, unlike=unlike)
        # torch adds 1e-3 to the rate in float16, and is further from float64 than we are
        slack = 2 if reduction == "none" else 1
        row(F + "poisson_nll_loss", count, counts, False, eps=1e-3, reduction=reduction, unlike=rounded, slack=slack)
    row(F + "poisson_nll_loss", (3, 4), ints((3, 4), 0, 4), True, True, reduction=reduction)
row(F + "poisson_nll_loss", (3, 4), counts, reduction="average")

for reduction in ("mean", "sum", "none"):
    for shape in ((3, 4), (3,), (3, 1), (1, 4)):
        spread = floats(shape, low=0.1, high=3)
        rounded = steps if reduction == "none" and shape != (3, 4) else {}
        row(F + "gaussian_nll_loss", (3, 4), (3, 4), spread, reduction=reduction, unlike=rounded)
        row(F + "gaussian_nll_loss", (3, 4), (4,), spread, full=True, reduction=reduction)
    row(F + "gaussian_nll_loss", (3, 4), (3, 4), 0.5, reduction=reduction)
row(F + "gaussian_nll_loss", (3, 4), (3, 4), floats((3, 4), low=0.1, high=1), False, 0.5, "sum", unlike={
    "gradcheck": "the gradient passes where the variance is raised to eps"
})  # fmt: skip
row(F + "gaussian_nll_loss", (3, 4), (3, 4), floats((3, 4), low=0.1), reduction="average")
row(F + "gaussian_nll_loss", (3, 4), (3, 4), floats((4,), low=0.1))
row(F + "gaussian_nll_loss", (3, 4), (3, 4), -0.5)
row(F + "gaussian_nll_loss", (3, 4), (3, 4), floats((3, 4), high=-0.1))
