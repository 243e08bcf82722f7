"""Rows of losses of differences: l1_loss, mse_loss, smooth_l1_loss, huber_loss."""

from cases import floats, ints, row

F = "nn.functional."
# The two round float16 at different steps between the loss and the weights of the linear layer.
SLACK = {F + "linear_cross_entropy": 4.0}
apart = floats((3, 4), low=0.3, high=3)  # every difference is away from 0
below = floats((3, 4), low=-3, high=0)
weight = floats((3, 4), low=0.2, high=2)
early = {"special float16": "torch rounds a loss before it takes the weight: what is infinite then is nan with 0"}

for reduction in ("mean", "sum", "none"):
    for op in ("l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss"):
        for left, right in ((apart, below), (below, apart)):
            row(F + op, left, right, reduction=reduction, note="up" if left is apart else "down")
        row(F + op, floats((), low=0.5), floats((), high=-0.5), reduction=reduction)
        if op != "huber_loss":  # torch has no gradient there
            row(F + op, (3, 4), ints((3, 4), 3, 5), reduction=reduction)
            row(F + op, apart, floats((3, 4), dtype="float64", high=0), reduction=reduction)
    for op in ("l1_loss", "mse_loss", "huber_loss"):
        rounded = early if reduction == "none" and op != "l1_loss" else None
        row(F + op, apart, below, reduction=reduction, weight=weight, unlike=rounded)
    row(F + "smooth_l1_loss", floats((3, 4), distinct=True), (3, 4), reduction=reduction, beta=0.25)
    row(F + "smooth_l1_loss", apart, below, reduction=reduction, beta=0)
    row(F + "smooth_l1_loss", apart, below, reduction=reduction, beta=3)
    row(F + "huber_loss", floats((3, 4), distinct=True), (3, 4), reduction, 0.25)
    row(F + "huber_loss", apart, below, reduction, 3.0)
for op in ("l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss"):
    row(F + op, apart, below, reduction="average")
    row(F + op, (3, 4), call=lambda lib, x, op=op: getattr(lib.nn.functional, op)(x + 1, x * 2), note="chain")
for op in ("l1_loss", "mse_loss", "huber_loss"):
    row(F + op, (3, 4), (3, 4), weight=floats((4,)))
row(F + "smooth_l1_loss", apart, below, beta=-1)
row(F + "huber_loss", apart, below, delta=0)
row(F + "huber_loss", apart, below, delta=-1)

LINEAR = F + "linear_cross_entropy"
labels, shares = ints((4,), 0, 4), floats((4, 5), low=0.1, high=1)
bias, factors = floats((5,)), floats((5,), low=0.2, high=2)
none = {"norows": "there are no classes then, and no largest of them; torch gives nan or 0"}
for reduction in ("mean", "sum", "none"):
    row(LINEAR, (4, 3), (5, 3), labels, reduction=reduction, unlike=none)
    row(LINEAR, (4, 3), (5, 3), labels, weight=factors, ignore_index=2, reduction=reduction)
    row(LINEAR, (3,), (5, 3), ints((), 0, 4), linear_bias=bias, reduction=reduction)
    places = (4, 3), (5, 2, 3, 3), ints((4, 2, 3), 0, 4)
    row(LINEAR, *places, linear_bias=floats((5, 2, 3)), reduction=reduction, unlike=none)
    row(LINEAR, (4, 3), (5, 3), shares, linear_bias=bias, label_smoothing=0.3, reduction=reduction)
row(LINEAR, (4, 3), (5, 2), labels)
row(LINEAR, (4, 3), (3,), labels)
row(LINEAR, (2, 4, 3), (5, 3), ints((2, 4), 0, 4))
row(LINEAR, (3,), (5, 2, 3), ints((2,), 0, 4))
row(LINEAR, (4, 3), (5, 3), labels, linear_bias=floats((4,)), unlike=none)
row(LINEAR, (4, 3), (5, 3), shares, ignore_index=1)
