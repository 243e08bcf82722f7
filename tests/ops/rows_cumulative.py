"""Rows of running sums, products and extremes, differences and integrals."""

from cases import bools, floats, ints, row

shape, distinct = (2, 3, 4), floats((2, 3, 4), distinct=True)

for op in ("cumsum", "cumprod"):
    for lib_op in (op, f"Tensor.{op}", f"Tensor.{op}_"):
        row(lib_op, shape, 1)
        row(lib_op, shape, dim=-1)
    row(op, (), dim=0)
    row(op, shape, dim=0, dtype="float64")
    row(op, bools(shape), dim=1)
    row(op, shape, dim=3)
    row(op, shape, axis=2)
row("cumsum", (300,), dim=0, slack=10)
row("cumsum", (3, 97), dim=1, slack=10)
row("cumsum", (97, 70), dim=0, slack=10)
for op in ("cummax", "cummin"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, distinct, 1)
        row(lib_op, distinct, dim=-1)
    row(op, ints((3, 9), 0, 2), dim=1)
    row(op, floats((3, 37), distinct=True), dim=1)
    row(op, (), dim=0)
    row(op, distinct, dim=3)
    row(op, distinct, call=lambda lib, x, op=op: getattr(lib, op)(x, 1).values, note="values")
for lib_op in ("logcumsumexp", "Tensor.logcumsumexp"):
    row(lib_op, shape, 1, slack=10)
    row(lib_op, shape, dim=-1, slack=10)
row("logcumsumexp", (), dim=0)
row("logcumsumexp", (3, 37), dim=1, slack=100)
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
for op in ("trapezoid", "trapz"):
    row(op, shape)
    row(op, shape, dim=1)
    row(op, shape, dx=0.5)
    row(op, shape, floats((4,)))
    row(op, shape, floats((3,)), dim=1)
    row(op, shape, shape, dim=0)
    row(op, shape, floats((3, 4)), dim=1)
    row(op, shape, dim=3)
    row(op, shape, floats((5,)))
row("cumulative_trapezoid", shape)
row("cumulative_trapezoid", shape, dim=1)
row("cumulative_trapezoid", shape, dx=0.5)
row("cumulative_trapezoid", shape, floats((4,)))
row("cumulative_trapezoid", shape, shape, dim=0)
