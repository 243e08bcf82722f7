"""Rows of sorting and searching."""

from cases import bools, floats, ints, row

shape = (4, 3, 5)
own = floats(shape, distinct=True)
ties = {"integers": "torch does not promise which of equal elements", "special": "the same", "expanded": "the same"}
equals = {"special_gradient": "torch does not promise which of equal elements it chooses"}

for op in ("sort", "argsort"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, own)
        row(lib_op, own, 0, True)
    row(op, own, dim=1, stable=True)
    row(op, ints((9, 40), 0, 3), dim=1, stable=True)
    row(op, ints((9, 40), 0, 3), dim=0, descending=True, stable=True)
    row(op, (200,), descending=True, stable=True)
    row(op, bools((30,)), descending=True, stable=True)
    row(op, (), -1)
    row(op, own, 3)
for op in ("msort", "Tensor.msort"):
    row(op, own)
for op in ("topk", "Tensor.topk"):
    row(op, own, 2, unlike=ties)
    row(op, own, 3, 0, False, unlike=ties)
    row(op, own, 5, unlike=ties)
row("topk", own, 0, unlike={"0d": "torch gives one element there, whatever was in memory"})
row("topk", own, 6)
row("topk", own, 2, 3)
row("topk", own, call=lambda lib, x: lib.topk(x, 2, sorted=False).values.sum(-1), note="unsorted", unlike=equals)
row("topk", own, call=lambda lib, x: lib.topk(x, 2).values, note="values", unlike=equals)
row("topk", own, call=lambda lib, x: lib.topk(x, 2, 0, False).values, note="smallest", unlike=equals)
for op in ("kthvalue", "Tensor.kthvalue"):
    row(op, own, 2, unlike=ties)
    row(op, own, 3, 0, True, unlike=ties)
row("kthvalue", own, 6)
row("kthvalue", own, 0)
row("kthvalue", own, call=lambda lib, x: lib.kthvalue(x, 2).values, note="values", unlike=equals)

for op in ("unique", "Tensor.unique"):
    row(op, ints(shape, -2, 2))
    row(op, ints(shape, -2, 2), return_inverse=True, return_counts=True)
    row(op, ints((6, 2), 0, 1), dim=0, return_inverse=True, return_counts=True)
    row(op, ints((2, 3, 9), 0, 1), dim=2, return_counts=True)
for op in ("unique_consecutive", "Tensor.unique_consecutive"):
    row(op, ints((40,), 0, 1), return_inverse=True, return_counts=True)
    row(op, ints((9, 2), 0, 1), dim=0, return_inverse=True)

ascending = lambda lib, x, *rest: lib.sort(x.detach(), -1).values  # noqa: E731
for right in (False, True):
    call = lambda lib, x, y, right=right: lib.searchsorted(ascending(lib, x), y, right=right)  # noqa: E731
    row("searchsorted", ints((7,), -3, 3), ints((3, 4), -4, 4), call=call, note=str(right))
    row("searchsorted", ints((3, 7), -3, 3), ints((3, 4), -4, 4), call=call, note=f"rows{right}")
    row("searchsorted", (7,), (2, 3), call=call, note=f"floats{right}", specials=(0, 1, -1, 2))
    call = lambda lib, x, y, right=right: lib.bucketize(y, ascending(lib, x), right=right, out_int32=True)  # noqa: E731
    row("bucketize", ints((7,), -3, 3), ints((3, 4), -4, 4), call=call, note=str(right))
call = lambda lib, x: lib.searchsorted(x, 1.5, sorter=lib.argsort(x), side="right")  # noqa: E731
row(
    "searchsorted",
    own := floats((9,), distinct=True),
    call=call,
    note="sorter",
    unlike={"special": "unordered nans", "integers": "ties in the sorter; torch has no bools there"},
)
