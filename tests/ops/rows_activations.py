"""Rows of activations and error functions."""

import math

from cases import INTEGERS, floats, ints, row

F = "nn.functional."
LANES = "at nan torch's gradient is dy or 0, by the dtype and by the place in its vector registers; ours is dy"
SIXTH = "torch multiplies by 1/6 rounded to float32, and has no second derivative"
LIMIT = "at infinity torch's gradient is inf / inf, ours the limit 0"
kink = {"special_gradient": LANES}
sixth = {"float64": SIXTH, "second": SIXTH, "special_gradient": SIXTH}
at_inf = {"special": "torch's vectorized gelu of inf is nan in float32, its scalar one inf as ours"}
NO_INF = (math.nan, 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 30.0, -30.0)
NO_NAN = (math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 3.0, -3.0, 6.0, 30.0, -30.0)
ELSEWHERE = {
    "nn.functional.gumbel_softmax": "test_activations.py",  # random
    # PyTorch has no names for these
    "nn.functional.bias_act": "test_bias_act.py",
    "nn.functional.bias_dropout_add": "test_bias_act.py",
    "nn.functional.bias_gelu": "test_bias_gelu.py",
}
UNLIKE = {
    "nn.functional.hardsigmoid float64": SIXTH,
}
off = {"avoid": (0.0,)}

for op in ("erf", "erfc"):
    row(op, (3, 4))
    row(f"Tensor.{op}", (3, 4))
    row(f"Tensor.{op}_", (3, 4))
    row(op, floats((40,), low=-6, high=6))
for op in ("erfinv", "Tensor.erfinv", "Tensor.erfinv_"):
    row(op, floats((3, 4), low=-0.9, high=0.9))

for approximate, unlike in (("none", at_inf), ("tanh", {})):
    row(F + "gelu", (3, 4), approximate=approximate, unlike=unlike)
    row(
        F + "gelu",
        floats((40,), low=-8, high=8),
        approximate=approximate,
        unlike=at_inf if approximate == "none" else {},
    )
row(F + "gelu", (3, 4), specials=(*NO_INF, -math.inf), note="no_inf")
row(F + "gelu", (3, 4), approximate="exact")
row(F + "glu", (3, 4))
row(F + "glu", (4, 3), 0)
row(F + "glu", floats((3, 4, 2), low=-30, high=30), dim=1)
row(F + "glu", floats((2, 3, 4), low=-30, high=30), dim=-3)
row(F + "glu", (3, 4), 0)
row(F + "glu", (3, 4), 2)
row(F + "glu", (6,), -1)

for op in ("elu", "celu"):
    row(F + op, floats((3, 4), **off))
    row(F + op, floats((3, 4), **off), alpha=0.5)
    row(F + op, floats((3, 4), **off), 2.5)
    row(f"{F}{op}_", floats((3, 4), **off), 1.5)
row(F + "celu", (3, 4), 0)
row(F + "celu", floats((3, 4), low=-10, **off), -1.0)
row(F + "elu", floats((3, 4), **off), -0.5)
for op in ("selu", "selu_"):
    row(F + op, floats((3, 4), **off))

bent = floats((3, 4), low=-5, high=8, avoid=(0.0, 1.0, -1.0, 6.0, 3.0, -3.0, 0.5, -0.5))
for op in ("relu6", "hardtanh", "hardtanh_", "hardsigmoid", "hardswish", "hardshrink", "softshrink"):
    row(F + op, bent, unlike=sixth if op == "hardsigmoid" else kink)
    row(F + op, bent, specials=NO_NAN, note="no_nan", unlike=sixth if op == "hardsigmoid" else {})
row(F + "hardtanh", bent, min_val=-0.5, max_val=3.0, unlike=kink)
row(F + "hardtanh", bent, min_val=-0.5, max_val=3.0, specials=NO_NAN, note="no_nan")
row(F + "hardtanh", bent, 1.0, -1.0)
row("Tensor.hardshrink", bent, unlike=kink)
row("hardshrink", bent, unlike=kink)
row(F + "hardshrink", bent, lambd=1.0, unlike=kink)
row(F + "softshrink", bent, lambd=1.0, unlike=kink)
for op in ("hardshrink", "softshrink"):
    row(F + op, bent, lambd=1.0, specials=NO_NAN, note="no_nan")
row(F + "softshrink", bent, lambd=-1.0)
row(F + "threshold", bent, 0.5, 20.0)
row(F + "threshold", bent, threshold=1, value=-2)
row(F + "threshold_", bent, 0.5, 2.0)
row("threshold", bent, 0.5, 2.0)
row("threshold_", bent, 0.5, 2.0)

for op in ("leaky_relu", "leaky_relu_"):
    row(F + op, floats((3, 4), **off))
    row(F + op, floats((3, 4), **off), 0.3)
for op in ("rrelu", "rrelu_"):
    row(F + op, floats((3, 4), **off))
    row(F + op, floats((3, 4), **off), 0.1, 0.4)
for op in ("relu_", F + "relu_", "selu", "selu_", "celu", "celu_", "rrelu", "rrelu_"):
    row(op, floats((3, 4), **off))
for op in (F + "prelu", "prelu", "Tensor.prelu"):
    row(op, floats((3, 4), **off), floats((4,), low=0.1))
    row(op, floats((2, 3, 4), **off), floats((1,), low=0.1))
row(F + "prelu", (3, 4), (3,))
row(F + "prelu", (3, 4), (2, 2))

far = floats((3, 4), low=-30, high=30)
for op in ("silu", "mish", "softplus", "logsigmoid", "softsign", "tanhshrink"):
    limit = {"special_gradient": LIMIT} if op == "softsign" else {}
    row(F + op, (3, 4), unlike=limit)
    row(F + op, (3, 4), specials=NO_INF, note="finite")
    row(F + op, far, note="far", unlike=limit)
row(F + "softplus", (3, 4), beta=2.5, threshold=3)
PLACED = (
    "relu", "elu", "selu", "celu", "relu6", "hardtanh", "hardsigmoid", "hardswish", "leaky_relu", "silu", "mish",
)  # fmt: skip
for op in PLACED:

    def in_place(lib, x, op=op):
        return getattr(lib.nn.functional, op)(x * 1.5, inplace=True)

    unlike = sixth if op == "hardsigmoid" else kink if op in ("relu6", "hardtanh") else {}
    row(F + op, bent, call=in_place, note="inplace", unlike=unlike)
row(F + "softmin", (3, 4), dim=1)
row(F + "softmin", (3, 4), 0)
for op in ("softmin", "softmax", "log_softmax"):
    for dtype in ("float32", "float64"):
        row(F + op, ints((3, 4)), 1, dtype=dtype)
    row(F + op, (3, 4), dim=0, dtype="float64")
for op in ("erf", "erfc", "expit"):
    row(f"special.{op}", (3, 4))
row("special.erfinv", floats((3, 4), low=-0.9, high=0.9))
for op in ("softmax", "log_softmax"):
    row(f"special.{op}", (3, 4), 1)

whole = dict.fromkeys(INTEGERS, "a gate of ours is floating point")
for op, gate in (("swiglu", "silu"), ("geglu", "gelu"), ("reglu", "relu")):

    def apart(lib, x, y, gate=gate):
        return getattr(lib.nn.functional, gate)(x) * y

    def of_halves(lib, x, dim=-1, gate=gate):
        first, second = x.chunk(2, dim)
        return getattr(lib.nn.functional, gate)(first) * second

    def of_first_halves(lib, x, of_halves=of_halves):
        return of_halves(lib, x, 0)

    row(F + op, floats((3, 4), **off), (3, 4), twin=apart, specials=NO_INF, unlike=whole)
    row(F + op, floats((3, 4), **off), twin=of_halves, specials=NO_INF, unlike=whole)
    row(F + op, floats((4, 3), **off), None, 0, twin=of_first_halves, specials=NO_INF, unlike=whole)


def by_tanh(lib, x, y):
    return lib.nn.functional.gelu(x, approximate="tanh") * y


row(F + "geglu", (3, 4), (3, 4), approximate="tanh", twin=by_tanh, specials=NO_INF)
