"""Rows of functions of one operand: trigonometry, exponentials, rounding; and atan2 and hypot."""

from cases import floats, row

plain, inner = floats((2, 3)), floats((2, 3), low=-0.9, high=0.9)
above, whole = floats((2, 3), low=1.2, high=4), floats((2, 3), avoid=(-2, -1, 0, 1, 2))
DOMAINS = {
    "sin": plain, "cos": plain, "tan": inner, "asin": inner, "arcsin": inner, "acos": inner, "arccos": inner,
    "atan": plain, "arctan": plain, "sinh": plain, "cosh": plain, "tanh": plain, "asinh": plain, "arcsinh": plain,
    "acosh": above, "arccosh": above, "atanh": inner, "arctanh": inner, "deg2rad": plain, "rad2deg": plain,
    "exp2": plain, "expm1": plain, "log2": above, "log10": above, "log1p": inner, "rsqrt": above,
    "reciprocal": above, "square": plain,
    "ceil": whole, "floor": whole, "trunc": whole, "fix": whole, "frac": whole, "round": inner,
}  # fmt: skip
no_derivative = dict.fromkeys(
    ("gradient", "degenerate", "special_gradient", "layout", "second"), "torch has no derivative of the in-place form"
)
HYPERBOLIC = ("asinh", "arcsinh", "acosh", "arccosh", "atanh", "arctanh")
for op, domain in DOMAINS.items():
    row(op, domain)
    row(op, floats((), low=domain.low, high=domain.high), note="0d")
    row(f"Tensor.{op}", domain)
    row(f"Tensor.{op}_", domain, unlike=no_derivative if op in HYPERBOLIC else {})
near_zero = {"special_gradient": "torch's form of sinc's slope overflows and gives nan where ours gives a number"}
for op in ("sinc", "Tensor.sinc", "Tensor.sinc_"):
    row(op, floats((2, 3), avoid=(0,)), unlike=near_zero)
between = floats((2, 3), low=0, high=1, avoid=(0, 1))
for op in ("logit", "Tensor.logit", "Tensor.logit_"):
    row(op, between)
    row(op, floats((2, 3), low=-0.5, high=1.5, avoid=(0.25, 0.75)), eps=0.25)
for decimals in (1, 3, -1):
    row("round", floats((2, 3), low=-40, high=40), decimals=decimals, unlike={"gradcheck": "it steps"})

apart = floats((2, 3), low=0.3)
tiny = {"special_gradient": "below the smallest normal number x / hypot(x, y) is as coarse as such numbers are"}
mixed = dict.fromkeys(("values", "gradient", "degenerate", "layout"), "torch squares the float32 operand in float32")
for op in ("atan2", "arctan2", "hypot"):
    unlike = tiny if op == "hypot" else {}
    for form in (op, f"Tensor.{op}", f"Tensor.{op}_"):
        row(form, plain, apart, unlike=unlike)
        row(form, plain, floats((3,), low=0.3), unlike=unlike)
    row(op, floats((3, 1)), floats((2, 1, 4), low=0.3), unlike=unlike)
    row(op, plain, floats((3,), low=0.3, dtype="float64"), unlike=mixed if op != "hypot" else unlike)
    row(op, plain, 2.0)

_rounded = "torch squares the float16 result in float16, which overflows; we in float32"

UNLIKE = {"tan float16": _rounded}
