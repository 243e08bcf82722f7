"""Rows of elementwise operations: arithmetic, functions of one operand, comparisons, logic, selection."""

from cases import bools, floats, ints, row

import gpudl

# Two operands: alike, broadcast either way, with a 0-d tensor, with a number on either side.
for op in ("add", "sub", "mul"):
    row(op, (2, 3), (2, 3))
    row(op, (2, 3), (3,))
    row(op, (3, 1), (2, 1, 4))
    row(op, (2, 3), ())
    row(op, (), ())
    row(op, (2, 3), 1.5)
    row(op, (2, 3), -2)
    row(op, (2, 3), True)
    row(f"Tensor.{op}", (2, 3), (3,))
    row(f"Tensor.{op}_", (2, 3), (3,))
    row(f"Tensor.__{op}__", (2, 3), (2, 1))
    row(f"Tensor.__i{op}__", (2, 3), 3)
    row(f"Tensor.__r{op}__", (2, 3), 2.5)
row("add", (2, 3), (3,), alpha=2)
row("add", (2, 3), (3,), alpha=-0.5)
row("sub", (2, 3), (3,), alpha=2)
row("Tensor.sub_", (2, 3), (3,), alpha=0.5)
row("Tensor.__rsub__", (2, 3), 2, note="python", call=lambda lib, x: 2 - x)
row("add", floats((2, 3)), ints((3,)))
row("mul", ints((2, 3), dtype="int32"), (3,))
row("add", (2, 3), call=lambda lib, x: x + x, note="itself")
row("mul", (2, 3), call=lambda lib, x: x * x * x, note="itself")

# Gradients have the dtypes of their inputs, whatever the result was promoted to.
double, scalar = floats((3,), dtype="float64", low=0.5), floats((), dtype="float64", low=0.5)
for op in ("add", "sub", "mul", "div", "maximum", "minimum"):
    row(op, (2, 3), double)
    row(op, scalar, (2, 3))
row("pow", floats((2, 3), low=0.5), double)
row("where", bools((2, 3)), (2, 3), double)
row("clamp", (2, 3), scalar, double)
row("masked_fill", (2, 3), bools((3,)), scalar)

nonzero = floats((2, 3), low=0.5, high=3)
row("div", (2, 3), nonzero)
row("div", (2, 3), floats((3,), low=-3, high=-0.5))
row("div", (3, 1), floats((2, 1, 4), low=0.3), slack=2)
row("div", (2, 3), floats((), low=0.5))
row("div", (2, 3), 3)
row("div", (2, 3), 0)
row("div", (2, 3), -0.25)
row("Tensor.div", (2, 3), nonzero)
row("Tensor.div_", (2, 3), nonzero)
row("Tensor.__truediv__", (2, 3), nonzero)
row("Tensor.__itruediv__", (2, 3), 4.0)
row("Tensor.__rtruediv__", nonzero, call=lambda lib, x: 2 / x)
row("Tensor.__rtruediv__", nonzero, call=lambda lib, x: x.__rtruediv__(1.5), note="method")

for exponent in (0, 1, 2, 3, 5, -1, -2, 1.5, 2.0, True):
    row("pow", nonzero, exponent)
roots = "torch takes sqrt and rsqrt for some dtypes, powers for others: (-inf)**0.5 is nan or inf, (-0.0)**0.5 signed"
for exponent in (0.5, -0.5):
    row("pow", nonzero, exponent, unlike={"special": roots, "special_gradient": roots})
for exponent in (0, 1, 2, 3, 4):
    row("pow", floats((2, 3), avoid=(0,)), exponent, note="signed")
row("pow", nonzero, (2, 3))
row("pow", nonzero, (3,))
row("pow", floats((3, 1), low=0.5), (2, 1, 4))
row("pow", floats((2, 3), low=-3, high=-0.5), ints((3,), 0, 4))
row("pow", 2.0, (2, 3))
row("pow", 3, (2, 3))
row("pow", 0, floats((2, 3), low=0.5), unlike={"second": "torch gives nan, log(0) times the 0 that 0**x is; we 0"})
row("pow", ints((2, 3), 0, 4), ints((3,), 0, 3))
row("Tensor.pow", nonzero, (3,))
row("Tensor.pow_", nonzero, 3)
row("Tensor.__pow__", nonzero, 2)
row("Tensor.__ipow__", nonzero, 2)
row("Tensor.__rpow__", (2, 3), call=lambda lib, x: 2.5**x)

for op in ("maximum", "minimum"):
    row(op, (2, 3), (2, 3))
    row(op, (2, 3), (3,))
    row(op, (3, 1), (2, 1, 4))
    row(op, (2, 3), ())
    row(op, (2, 3), ints((3,)))
    row(op, (2, 3), call=lambda lib, x, op=op: getattr(lib, op)(x, x), note="ties")
    row(f"Tensor.{op}", (2, 3), (3,))
for op in ("max", "min"):
    row(op, (2, 3), (2, 3), note="elementwise")
    row(f"Tensor.{op}", (2, 3), (3,), note="elementwise")

# One operand.
anywhere, kinked = floats((2, 3)), floats((2, 3), avoid=(0,))
positive = floats((2, 3), low=0.2, high=3)
DOMAINS = {
    "neg": anywhere, "exp": anywhere, "log": positive, "sqrt": positive, "sigmoid": anywhere,
    "abs": kinked, "relu": kinked,
}  # fmt: skip
for op, domain in DOMAINS.items():
    row(op, domain)
    row(op, floats((), low=0.3))
    row(f"Tensor.{op}", domain)
    row(f"Tensor.{op}_", domain)
row("sign", kinked)
row("Tensor.sign", kinked)
row("exp", floats((4,), low=-30, high=10))
row("tanh", floats((4,), low=-12, high=12))
row("sigmoid", floats((4,), low=-40, high=40))
row("log", floats((5,), low=1e-3, high=1e4))
row("nn.functional.relu", kinked)
row("nn.functional.tanh", anywhere)
row("nn.functional.sigmoid", anywhere)
row("Tensor.__neg__", (2, 3))
row("Tensor.__pos__", (2, 3))
row("Tensor.__abs__", kinked)

# Comparisons; integers in a narrow range, so that some are equal.
for op in ("eq", "ne", "lt", "le", "gt", "ge"):
    row(op, (2, 3), (2, 3))
    row(op, (3, 1), (2, 1, 4))
    row(op, (2, 3), 0.5)
    row(op, (2, 3), 1)
    row(op, (2, 3), ())
    row(op, ints((2, 3), -1, 1), ints((3,), -1, 1))
    row(op, (2, 3), ints((3,), -1, 1))
    row(op, (2, 3), call=lambda lib, x, op=op: getattr(lib, op)(x, x), note="itself")
    row(f"Tensor.{op}", (2, 3), (3,))
    row(f"Tensor.__{op}__", (2, 3), 1)
for op in ("isnan", "isinf", "isfinite"):
    row(op, (2, 3))
    row(f"Tensor.{op}", (2, 3))
for op in ("isclose", "allclose"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, (2, 3), (2, 3))
        row(lib_op, (2, 3), (3,), rtol=0.3)
        row(lib_op, (2, 3), (2, 3), atol=1.0, equal_nan=True)
    row(op, (2, 3), call=lambda lib, x, op=op: getattr(lib, op)(x, x + 0), note="itself")
    row(op, (2, 3), call=lambda lib, x, op=op: getattr(lib, op)(x, x + 0, equal_nan=True), note="nan")
for lib_op in ("equal", "Tensor.equal"):
    row(lib_op, (2, 3), (2, 3))
    row(lib_op, (2, 3), (3, 2))
    row(lib_op, bools((1,)), ints((1,), 1, 1))
row("equal", (2, 3), call=lambda lib, x: lib.equal(x, x + 0), note="itself")

for op in ("and", "or", "xor"):
    for left, right in ((bools((2, 3)), bools((3,))), (ints((2, 3)), ints((3,))), (bools((2, 3)), ints((3,)))):
        row(f"bitwise_{op}", left, right)
        row(f"Tensor.bitwise_{op}", left, right)
        row(f"Tensor.__{op}__", left, right)
    row(f"bitwise_{op}", (2, 3), (2, 3))
    row(f"bitwise_{op}", ints((2, 3), 0, 200, "uint8"), 6)
    row(f"bitwise_{op}", bools((2, 3)), True)
    row(f"Tensor.__r{op}__", ints((2, 3)), 5)
row("bitwise_not", (2, 3))
row("bitwise_not", bools((2, 3)))
row("Tensor.bitwise_not", ints((2, 3), 0, 200, "uint8"))
row("Tensor.__invert__", ints((2, 3)))

# Selection.
for condition, x, y in (((2, 3), (2, 3), (2, 3)), ((2, 1), (3,), ()), ((), (2, 3), (3,)), ((4, 1, 1), (3,), (2, 1))):
    row("where", bools(condition), x, y)
row("where", bools((2, 3)), (2, 3), 1.5)
row("where", bools((2, 3)), -1, (3,))
row("where", bools((2, 3)), 1, 0)
row("where", bools((2, 3)), 1.5, 0)
row("where", bools((2, 3)), True, False)
row("where", bools((2, 3)), (3,), ints((3,)))
row("Tensor.where", (2, 3), bools((3,)), (2, 1))
row("Tensor.where", (2, 3), bools((3,)), 0)
for op in ("masked_fill", "Tensor.masked_fill", "Tensor.masked_fill_"):
    row(op, (2, 3), bools((2, 3)), 2)
    row(op, (2, 3), bools((3,)), True)
    row(op, (2, 3), bools(()), 0)
row("masked_fill", (3,), bools((2, 3)), 1)
row("masked_fill", (2, 3), bools((2, 3)), 2.5)
row("masked_fill", (2, 3), bools((2, 3)), (), note="tensor")
row("masked_fill", (), bools((2,)), 1)

between = floats((3, 4), avoid=(-0.5, 1.0))
for op in ("clamp", "clip", "Tensor.clamp", "Tensor.clip", "Tensor.clamp_"):
    row(op, between, -0.5, 1.0)
    row(op, between, min=-0.5)
    row(op, between, max=1)
row("clamp", floats((3, 4), avoid=(0, 1)), 0, 1)
row("clamp", between, 1.0, -0.5)
row("clamp", (3, 4), (4,), (3, 1))
one_bound = {"bool": "torch refuses bools beside two bounds or a number, but not beside one tensor"}
row("clamp", (3, 4), min=floats((4,), low=-1, high=0), unlike=one_bound)
row("clamp", (3, 4), max=floats((3, 1), low=0, high=1), unlike=one_bound)
row("clamp", (3, 4), (4,), None, unlike=one_bound)
row("clamp", (4,), call=lambda lib, x: lib.clamp(x, x, x), note="ties")
row("clamp", (3, 4), note="bare")

_unbound = "an unbound method called on a number, which Python's types refuse"
_numbers = "torch takes no number here; gpudl does, as NumPy does"
UNLIKE = {
    **{f"__{name}__ errors": _unbound for name in ("radd", "rmul", "rand", "ror", "rxor")},
    **{f"{name} errors": _numbers for name in ("maximum", "minimum", "max.binary", "min.binary")},
}
# Of pow, the gradient of an exponent that was broadcast sums products of about 1e3 that cancel to about 1.
SLACK = {"pow float32": 20.0, "addcdiv float32": 2.0}
CALLS = {"where": lambda input, condition, other: gpudl.where(condition, input, other)}
