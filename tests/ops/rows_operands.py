"""Rows of operations on two and three operands, of logic and comparison, and of parts of numbers."""

from cases import bools, floats, ints, row

plain, apart, near = (2, 3), floats((2, 3), low=0.3), floats((3,), low=0.4, high=2.5)
apart_too = floats((2, 3), low=0.3, high=2.9)
steps = {"gradcheck": "it steps"}
no_bools = {"bool": "torch does not have it for bools"}

for alias in ("subtract", "multiply", "divide", "true_divide"):
    for form in (alias, f"Tensor.{alias}", f"Tensor.{alias}_"):
        row(form, plain, near)
for form in ("negative", "Tensor.negative", "Tensor.negative_", "positive", "Tensor.positive"):
    row(form, plain)
for form in ("absolute", "Tensor.absolute", "Tensor.absolute_", "sgn", "Tensor.sgn", "Tensor.sgn_", "Tensor.sign_"):
    row(form, floats(plain, avoid=(0,)), unlike={"bool": "torch's own message for bools differs from form to form"})
row("rsub", plain, near)
row("rsub", plain, 2, alpha=3)
row("Tensor.__rsub__", plain, near)

for mode in ("floor", "trunc"):
    for form in ("div", "divide", "Tensor.div", "Tensor.div_"):
        row(form, plain, near, rounding_mode=mode, unlike=steps)
    row("div", ints(plain, -9, 9), ints((3,), 1, 4), rounding_mode=mode)
    row("div", ints(plain, -9, 9), -4, rounding_mode=mode)
    row("div", ints(plain, 1, 9, "uint8"), ints((3,), 1, 4, "uint8"), rounding_mode=mode)
    row("div", ints(plain), ints(plain, 0, 0), rounding_mode=mode)
    row(
        "div",
        7.5,
        apart,
        rounding_mode=mode,
        unlike=steps,
        call=lambda lib, x, m=mode: lib.div(x, 0.7, rounding_mode=m),
    )
row("div", plain, near, rounding_mode="down")
infinite = {"special_gradient": "the floor of an infinite quotient is nan in torch, infinite here"}
undivided = {**steps, "gradient": "torch has no derivative of it, ours is 0"}
for op, signs in (("floor_divide", undivided), ("remainder", infinite), ("fmod", {})):
    for form in (op, f"Tensor.{op}", f"Tensor.{op}_"):
        row(form, plain, near, unlike=signs)
        row(form, plain, 0.7, unlike={**signs, "bfloat16": "torch rounds the number to bfloat16 first"})
        row(form, ints(plain, -9, 9), ints((3,), 1, 4))
        row(form, ints(plain, -9, 9), -4)
    row(op, floats((3, 1)), floats((2, 1, 4), low=-2, high=-0.3), unlike=signs)
    row(op, ints(plain), ints(plain, 0, 0))
    row(op, plain, floats((3,), low=0.3, dtype="float64"), unlike=signs)
for op in ("__floordiv__", "__ifloordiv__"):
    row(f"Tensor.{op}", plain, near, unlike=undivided)
for op in ("__mod__", "__imod__"):
    row(f"Tensor.{op}", plain, near, unlike=infinite)
for op in ("__rfloordiv__", "__rmod__"):
    row(f"Tensor.{op}", near, 2.6, unlike=undivided)

for op in ("fmax", "fmin"):
    for form in (op, f"Tensor.{op}"):
        row(form, plain, floats((2, 1)))
    row(op, (4,), call=lambda lib, x, op=op: getattr(lib, op)(x, x), note="ties", unlike={"gradcheck": "a kink"})
    row(op, plain, 2.0)
for op in ("logaddexp", "logaddexp2"):
    for form in (op, f"Tensor.{op}"):
        row(form, plain, floats((3,)))
    row(op, plain, floats((3,), low=40, high=900), note="far", slack=4)
for form in ("xlogy", "Tensor.xlogy", "Tensor.xlogy_"):
    row(form, plain, near)
    row(form, plain, 1.7)
row("xlogy", 2.0, near, call=lambda lib, x: lib.xlogy(2.0, x))
for form in ("copysign", "Tensor.copysign", "Tensor.copysign_"):
    row(form, floats(plain, avoid=(0,)), floats((3,), avoid=(0,)))
    row(form, floats(plain, avoid=(0,)), -1.0)
for form in ("nextafter", "Tensor.nextafter", "Tensor.nextafter_"):
    row(form, plain, floats((3,)), unlike={"gradcheck": "steps of one bit"})
for form in ("heaviside", "Tensor.heaviside", "Tensor.heaviside_"):
    row(form, plain, plain, unlike={**steps, "gradient": "torch has no derivative of it"})
for form in ("ldexp", "Tensor.ldexp", "Tensor.ldexp_"):
    row(form, plain, ints((3,), 0, 3))  # with negative ones torch's gradient takes 2 ** other in integers, as 0
for form in ("float_power", "Tensor.float_power"):
    row(form, apart, near)
    row(form, apart, 2)
row("Tensor.float_power_", floats(plain, dtype="float64", low=0.3), 2)
for form in ("Tensor.pow_", "Tensor.__rpow__"):
    row(form, apart, 2.0)

for form in ("nan_to_num", "Tensor.nan_to_num", "Tensor.nan_to_num_"):
    row(form, plain)
    row(form, plain, 1.0, 2.0, -3.0)
for form in ("frexp", "Tensor.frexp"):
    row(
        form,
        floats(plain, avoid=(0, 0.5, 1, 2, -0.5, -1)),
        unlike={"special": "the exponent of nan and inf is undefined"},
    )
for op in ("signbit", "isposinf", "isneginf", "isreal", "logical_not"):
    row(op, plain)
    row(f"Tensor.{op}", plain)
for form in ("angle", "Tensor.angle"):
    row(form, floats(plain, avoid=(0,)))
row("real", plain, unlike={"gradcheck": "itself"})
row("Tensor.real", plain, call=lambda lib, x: x.real * 1)

for form in ("lerp", "Tensor.lerp", "Tensor.lerp_"):
    row(form, plain, floats((3,)), 0.3)
    row(form, plain, floats((3,)), 0.8)
    row(form, plain, floats((3,)), floats((2, 1), avoid=(0.5, -0.5)))
for form in ("addcmul", "Tensor.addcmul", "Tensor.addcmul_"):
    row(form, plain, floats((3,)), floats((2, 1)), unlike=no_bools)
    row(form, plain, floats((3,)), floats((2, 1)), value=2, unlike=no_bools)
for form in ("addcdiv", "Tensor.addcdiv", "Tensor.addcdiv_"):
    row(form, plain, floats((3,)), apart, slack=4)
    row(form, plain, floats((3,)), apart, value=-2, slack=4)
row("addcmul", plain, floats((3,), dtype="float64"), floats((2, 1)))
for op, bound in (("clamp_min", -0.5), ("clamp_max", 0.5)):
    for form in (op, f"Tensor.{op}", f"Tensor.{op}_"):
        row(form, floats((3, 4), avoid=(bound,)), bound)
        row(form, floats((3, 4), distinct=True), floats((4,), low=-0.7, high=0.7))
row("Tensor.clip_", floats((3, 4), avoid=(-0.5, 0.5)), -0.5, 0.5)

stops = {"gradient": "torch's comparison in place wants a gradient, and has none"}
compared = ("eq", "ne", "lt", "le", "gt", "ge", "not_equal", "less", "less_equal", "greater", "greater_equal")
for op in compared:
    row(f"Tensor.{op}_", plain, floats((3,)), unlike=stops)
    if "_" in op or op in ("less", "greater"):
        row(op, plain, 0.5)
        row(f"Tensor.{op}", plain, floats((3,)))
for op in ("logical_and", "logical_or", "logical_xor"):
    for form in (op, f"Tensor.{op}", f"Tensor.{op}_"):
        row(form, plain, ints((3,), -1, 1), unlike=stops)
        row(form, bools(plain), bools((3,)))
row("Tensor.logical_not_", plain, unlike=stops)
numbers = ints(plain, -40, 40)
for op in ("gcd", "lcm"):
    for form in (op, f"Tensor.{op}", f"Tensor.{op}_"):
        row(form, numbers, ints((3,), -12, 12))
    row(op, plain, plain)
for op in ("bitwise_left_shift", "bitwise_right_shift"):
    for form in (op, f"Tensor.{op}", f"Tensor.{op}_"):
        row(form, numbers, ints((3,), 0, 5))
        row(form, numbers, 2)
    row(op, numbers, ints((3,), 62, 70), note="far")
for op in ("__lshift__", "__rshift__", "__ilshift__", "__irshift__"):
    row(f"Tensor.{op}", numbers, ints((3,), 0, 5))
for op in ("__rlshift__", "__rrshift__"):
    row(f"Tensor.{op}", ints((3,), 0, 5), 33)
for op in ("and", "or", "xor"):
    row(f"Tensor.bitwise_{op}_", numbers, ints((3,)))
    row(f"Tensor.__i{op}__", numbers, ints((3,)))
    row(f"Tensor.__i{op}__", bools(plain), bools((3,)))
row("Tensor.bitwise_not_", numbers)
for invert in (False, True):
    row("isin", ints((2, 5), 0, 9), ints((4,), 0, 9), invert=invert)
row("isin", ints((2, 5), 0, 9), 3)
row("isin", plain, call=lambda lib, x: lib.isin(x, x[:1]), unlike=no_bools)
row("where", bools((2, 3)), call=lambda lib, x: lib.where(x), note="alone")
row("where", ints((2, 3, 2), 0, 1), call=lambda lib, x: lib.where(x > 0), note="alone")
