"""Rows of the gamma function's logarithm and its derivatives."""

from functools import partial

import cases
from cases import floats

# torch's trigamma, the gradient of digamma, has nine digits: hence the slack. test_gamma.py asks for fifteen.
row = partial(cases.row, slack=1000.0)
# It takes sin(pi x) of the rounded product near the poles, and gives nan or a large number at them.
poles = dict.fromkeys(
    ("special", "integers"), "at the poles torch gives what sin(pi x) is rounded to; see test_gamma.py"
)

for op in ("lgamma", "digamma"):
    for lib_op in (op, f"Tensor.{op}", f"Tensor.{op}_"):
        row(lib_op, floats((2, 3), low=0.1, high=6), unlike=poles)
    row(op, floats((2, 3), low=-2.9, high=-2.1), note="left", unlike=poles)
    row(op, floats((3,), low=50, high=1e4), unlike=poles)
row("lgamma", (), specials=(0.0, -0.0, 1.0, 2.0, 0.5, float("inf"), float("nan"), 1e30))
at_zero = {"special_gradient": "inf and nan at 0"}
row("digamma", (), specials=(0.0, -0.0, 1.0, 2.0, 0.5, float("nan")), unlike=at_zero)
near = floats((2, 3), low=0.3, high=5)
for n in (0, 1, 2, 4):
    row("polygamma", near, note=str(n), call=lambda lib, x, n=n: lib.polygamma(n, x), unlike=poles)
    row("Tensor.polygamma", near, n, unlike=poles)
row("Tensor.polygamma_", near, 1, unlike=poles)
left, call = floats((3,), low=-2.9, high=-2.1), lambda lib, x: lib.polygamma(1, x)
row("polygamma", left, note="left", call=call, unlike=poles)
row("polygamma", (2, 3), note="negative", call=lambda lib, x: lib.polygamma(-1, x))
for lib_op in ("mvlgamma", "Tensor.mvlgamma", "Tensor.mvlgamma_"):
    row(lib_op, floats((2, 3), low=1.6, high=6), 3, unlike=poles)
row("mvlgamma", (2, 3), 0)

_orders = [f"polygamma.polygamma_n_{n}" for n in range(5)]
SLACK = dict.fromkeys(("digamma", "special.polygamma.special_polygamma_n_0", *_orders), 1000.0)
