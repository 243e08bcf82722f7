"""Rows of running sums, products and extremes, differences and integrals."""

from cases import bools, floats, ints, row

shape, distinct = (2, 3, 4), floats((2, 3, 4), distinct=True)

# As for prod, torch's gradient beside an inf depends on whether there is a 0 anywhere.
finite = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0)
for op, numbers in (("cumsum", None), ("cumprod", finite)):
    for lib_op in (op, f"Tensor.{op}", f"Tensor.{op}_"):
        row(lib_op, shape, 1, specials=numbers)
        row(lib_op, shape, dim=-1, specials=numbers)
    row(op, (), dim=0)
    row(op, shape, dim=0, dtype="float64", specials=numbers)
    row(op, bools(shape), dim=1)
    row(op, shape, dim=3)
    row(op, shape, axis=2, specials=numbers)
row("cumsum", (300,), dim=0, slack=10)
row("cumsum", (3, 97), dim=1, slack=10)
row("cumsum", (97, 70), dim=0, slack=10)
unseen = dict.fromkeys(("norows", "nocolumns"), "torch does not look at the dim of an empty tensor")
for op in ("cummax", "cummin"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, distinct, 1)
        row(lib_op, distinct, dim=-1)
    row(op, ints((3, 9), 0, 2), dim=1)
    row(op, floats((3, 37), distinct=True), dim=1)
    row(op, (), dim=0)
    row(
        op,
        distinct,
        dim=3,
        unlike=dict.fromkeys(("norows", "nocolumns"), "torch does not look at an empty tensor's dim"),
    )
    row(op, distinct, call=lambda lib, x, op=op: getattr(lib, op)(x, 1).values, note="values")
# Beside 1e30 torch's gradient through logarithms has no digits.
near = (float("nan"), float("inf"), -float("inf"), *finite)
for lib_op in ("logcumsumexp", "Tensor.logcumsumexp"):
    row(lib_op, shape, 1, slack=10, specials=near)
    row(lib_op, shape, dim=-1, slack=10, specials=near)
row("logcumsumexp", (), dim=0)
row("logcumsumexp", (3, 37), dim=1, slack=100, specials=near)
row("logcumsumexp", shape, dim=3)

for lib_op in ("diff", "Tensor.diff"):
    row(lib_op, shape)
    row(lib_op, shape, dim=1)
    row(lib_op, shape, n=2, dim=0)
row("diff", shape, n=0)
row("diff", shape, n=5)
row("diff", shape, prepend=floats((2, 3, 2)), append=floats((2, 3, 1)))
row("diff", shape, dim=1, append=floats((2, 2, 4)))
row("diff", bools(shape))
row("diff", shape, n=-1)
row("diff", shape, dim=3)
row("diff", shape, prepend=floats((2,)))
cut = {"nocolumns": "torch's zeros for no values have no history"}
for op in ("trapezoid", "trapz"):
    # torch takes half of both ends off the sum, and inf - inf is nan.
    row(op, shape, specials=finite, unlike=cut)
    row(op, shape, dim=1, specials=finite)
    row(op, shape, dx=0.5, specials=finite, unlike=cut)
    row(op, shape, floats((4,)), unlike=cut)
    row(op, shape, floats((3,)), dim=1)
    row(op, shape, shape, dim=0, unlike={"norows": cut["nocolumns"]})
    row(op, shape, floats((3, 4)), dim=1)
    row(op, shape, dim=3)
    row(op, shape, floats((5,)), unlike=cut)
row("cumulative_trapezoid", shape)
row("cumulative_trapezoid", shape, dim=1)
row("cumulative_trapezoid", shape, dx=0.5)
row("cumulative_trapezoid", shape, floats((4,)))
row("cumulative_trapezoid", shape, shape, dim=0)
