"""Rows of matrix products: matmul, its kin with something added, einsum, tensordot, outer, kron, cross."""

from cases import bools, floats, ints, row

import gpudl
import gpudl.linalg

CALLS = {
    "einsum": lambda tensors, equation: gpudl.einsum(equation, tensors),
    "linalg.pinv.singular": lambda a, b: gpudl.linalg.pinv(a @ b.mT),
    "linalg.lstsq.grad_oriented": lambda a, b, driver: gpudl.linalg.lstsq(a, b, driver=driver)[:2],
}
_truncated = (
    "for integers torch cuts beta=0.2 and alpha=0.6 to 0 and gives 0; we refuse, as torch itself does for addmm"
)
_triangle = "torch's gradient is not 0 for the elements outside the triangle, which are not read; see test_linalg.py"
_half = "torch rounds every partial result to float16; we compute in float32"
UNLIKE = {
    **{f"{op} {dtype}": _truncated for op in ("addmv", "addbmm", "baddbmm") for dtype in ("int64", "uint8")},
    **{f"{op} {kind}": _triangle for op in ("cholesky_solve", "cholesky_inverse") for kind in ("float64", "float32")},
    **{f"{op} float16": _half for op in ("addbmm", "matrix_exp", "linalg.vector_norm")},
}
# Sums of products that nearly cancel, and small gaps between singular values, make much of a rounding; the errors of
# both libraries against float64 are alike.
SLACK = {
    "matmul": 10.0,
    "__rmatmul__": 10.0,
    "addbmm": 10.0,
    "baddbmm": 5.0,
    "addr": 3.0,
    "kron": 3.0,
    "matrix_exp": 300.0,
    "svd": 30.0,
    "linalg.svd": 30.0,
    "linalg.eigh": 10.0,
    "linalg.pinv.hermitian": 10.0,
    "linalg.lstsq": 30.0,
    "linalg.lstsq.grad_oriented": 30.0,
}

# More rows of matmul stand beside those of shapes, in rows_shape.py.
for shapes in (
    ((4,), (2, 4, 3)), ((2, 3, 4), (4,)), ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (3, 4, 2)),
    ((1, 3, 4), (2, 4, 5)), ((2, 2, 3, 4), (2, 2, 4, 1)), ((2, 3, 4), (3, 4, 2)),
):  # fmt: skip
    row("matmul", *shapes, note="linalg")
row("matmul", bools((2, 2)), bools((2, 2)))
row("matmul", (2, 2), ints((2, 2)))
row("matmul", ints((40, 40), -9, 9), ints((40, 40), -9, 9), note="viafloat64")
row("matmul", ints((40, 40), -(2**40), 2**40), ints((40, 40), -9, 9), note="exceedsfloat64")
row("matmul", ints((40, 40), -100, 100, "int8"), ints((40, 40), -100, 100, "int8"), note="wraps")
row("matmul", ints((40, 40), 0, 200, "uint8"), ints((40, 40), 0, 200, "uint8"), note="wraps")
row("matmul", (40, 0), (0, 300), unlike={"bool": "torch refuses bools only if there is something to multiply"})
row("matmul", ints((40, 0)), ints((0, 300)))
for lib_op in ("mm", "Tensor.mm"):
    row(lib_op, (3, 4), (4, 5))
    row(lib_op, (3, 4), (3, 4))
    row(lib_op, (2, 3, 4), (4, 5))
for lib_op in ("bmm", "Tensor.bmm"):
    row(lib_op, (2, 3, 4), (2, 4, 5))
    row(lib_op, (1, 3, 4), (2, 4, 5))
    row(lib_op, (3, 4), (4, 5))
for lib_op in ("mv", "Tensor.mv"):
    scalar = {"0d": "torch raises IndexError for a 0-d tensor, elsewhere RuntimeError as we do"}
    row(lib_op, (3, 4), (4,), unlike=scalar)
    row(lib_op, (3, 4), (3,), unlike=scalar)
    row(lib_op, (3, 4), (4, 1), unlike=scalar)
for op in ("dot", "vdot"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, (4,), (4,))
        row(lib_op, (4,), (3,))
        row(lib_op, (2, 2), (2,))
    row(op, (2,), ints((2,)))

for op, parts, narrower in (
    ("addmm", ((3, 5), (3, 4), (4, 5)), ((5,), (3, 4), (4, 5))),
    ("addmv", ((3,), (3, 4), (4,)), ((1,), (3, 4), (4,))),
    ("addr", ((3, 4), (3,), (4,)), ((4,), (3,), (4,))),
    ("addbmm", ((3, 5), (2, 3, 4), (2, 4, 5)), ((3, 1), (2, 3, 4), (2, 4, 5))),
    ("baddbmm", ((2, 3, 5), (2, 3, 4), (2, 4, 5)), ((3, 1), (2, 3, 4), (2, 4, 5))),
):
    empty = {"0d": "torch raises IndexError for a 0-d tensor, elsewhere RuntimeError as we do"} if "bmm" in op else {}
    order = {"special": "torch multiplies by alpha first, and overflows elsewhere"} if op == "addr" else {}
    whole = {"integers": "fractions are cut by torch in some of these, and refused in others; we refuse them"}
    for lib_op in (op, f"Tensor.{op}", f"Tensor.{op}_"):
        row(lib_op, *parts, unlike=empty)
        row(lib_op, *parts, beta=2, alpha=3, unlike={**empty, **order, "float16": "torch rounds in between"}, slack=3)
        row(lib_op, *parts, beta=0.5, alpha=-1.5, unlike={**whole, **empty, "float16": "torch rounds in between"})
        row(lib_op, *parts, beta=0, unlike=empty)
    row(op, *narrower, unlike=empty)
    row(op, *parts[:-1], (7,) * len(parts[-1]), unlike=empty)
    row(op, (7, 7), *parts[1:], unlike=empty)
    row(op, (1, *parts[0]), *parts[1:], unlike=empty)
row("addr", bools((2, 3)), bools((2,)), bools((3,)))
row("addr", bools((2, 3)), bools((2,)), bools((3,)), beta=0)
row("addr", (2, 3), ints((2,)), ints((3,)))
row("addmm", ints((2, 2)), (2, 2), (2, 2))

for op in ("outer", "ger"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, (3,), (4,))
        row(lib_op, (3, 1), (4,))
row("outer", ints((3,)), (4,))
for lib_op in ("inner", "Tensor.inner"):
    row(lib_op, (4,), (4,))
    row(lib_op, (2, 4), (3, 4))
row("inner", (2, 3, 4), (4,))
row("inner", (), (3, 4))
row("inner", (3, 4), (3, 5))
for lib_op in ("kron", "Tensor.kron"):
    row(lib_op, (2, 3), (3, 2))
    row(lib_op, (2,), (2, 1, 3), unlike={"transposed": "torch fails there, for it asks for a view"})
row("kron", ints((2,)), (3,))
for lib_op in ("cross", "Tensor.cross", "linalg.cross"):
    row(lib_op, (2, 3), (2, 3), dim=1)
    row(lib_op, (3, 3), (1, 3), dim=-1)
    row(lib_op, (2, 4), (2, 4), dim=1)
    row(lib_op, (2, 3), (2, 3), dim=2)
row("cross", (3,), (3,))
row("linalg.cross", (2, 3), (2, 3))
row("linalg.cross", (3,), (2, 3))
row("linalg.cross", (2, 3), bools((2, 3)))

for equation, *shapes in (
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 2, 4)),
    ("i,j->ij", (3,), (4,)),
    ("i,j", (3,), (4,)),
    ("ij->ji", (3, 4)),
    ("ij", (3, 4)),
    ("ji", (3, 4)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->ij", (3, 3, 2)),
    ("iii->i", (2, 2, 2)),
    ("ij->", (3, 4)),
    ("ij->j", (3, 4)),
    ("i,i", (3,), (3,)),
    ("i,i->i", (3,), (3,)),
    (" i j , j k -> i k ", (2, 3), (3, 4)),
    ("...ij,...jk->...ik", (2, 3, 4), (4, 2)),
    ("...i->...", (2, 3)),
    ("i...", (2, 3)),
    ("i...->...", (2, 3, 2)),
    ("...,...", (2, 3), (3,)),
    ("...i,i...", (2, 3), (3, 2)),
    ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 2, 2, 4)),
    ("bn,anm,bm->ba", (2, 3), (4, 3, 2), (2, 2)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("a,b,c,d->abcd", (2,), (3,), (2,), (2,)),
    ("i,ij,j->", (3,), (3, 2), (2,)),
    ("ij,ij->ij", (3, 4), (1, 4)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("ij,jk->ik", (2, 3), (1, 4)),
    ("ijk,jil->kl", (2, 3, 4), (3, 2, 2)),
    ("ij,kl->", (2, 2), (2, 2)),
    ("ijj,j->i", (2, 3, 3), (3,)),
    (",ij->ij", (), (2, 3)),
    ("->", ()),
    ("ij,j->ij", (2, 3), (3,)),
    ("ab,bc,cd,de->ae", (2, 3), (3, 4), (4, 2), (2, 3)),
    ("i,i,i->i", (3,), (3,), (3,)),
    ("iI,I->i", (2, 3), (3,)),
    ("bA,aB", (2, 3), (2, 2)),
):
    overflow = {"special": "the order of a sum decides whether it overflows"} if len(shapes) > 2 else {}
    row("einsum", *shapes, call=lambda lib, *xs, e=equation: lib.einsum(e, *xs), note=equation, unlike=overflow)
for equation, *shapes in (
    ("ij,jk->ik", (2, 3), (4, 5)),
    ("ij->ijk", (2, 3)),
    ("ij->ii", (2, 3)),
    ("i->i", (2, 3)),
    ("ijk->", (2, 3)),
    ("i,j->ij", (2,)),
    ("i!->i", (2,)),
    ("ii->i", (2, 3)),
    ("....->...", (2,)),
    ("...i...->i", (2,)),
    ("i->...", (2,)),
    ("i.->i", (2,)),
    ("i->j->k", (2,)),
):
    row("einsum", *shapes, call=lambda lib, *xs, e=equation: lib.einsum(e, *xs), note=f"wrong{equation}")
row("einsum", (2, 3), (3, 4), call=lambda lib, x, y: lib.einsum(x, [0, 1], y, [1, 2], [0, 2]), note="lists")
row("einsum", (2, 3), (3, 4), call=lambda lib, x, y: lib.einsum(x, [0, 51], y, [51, 26]), note="listsimplicit")
row("einsum", (2, 3), call=lambda lib, x: lib.einsum(x, [Ellipsis, 1], [1, Ellipsis]), note="listsellipsis")
row("einsum", (2, 3), call=lambda lib, x: lib.einsum(x, [0, 52], [0]), note="listsrange")
row("einsum", (2, 3), (3, 2), call=lambda lib, *xs: lib.einsum("ij,jk->ik", list(xs)), note="alist")
row("einsum", (2, 3), ints((3, 4)), call=lambda lib, x, y: lib.einsum("ij,jk->ik", x, y), note="mixed")
row("einsum", bools((2, 3)), bools((3, 4)), call=lambda lib, x, y: lib.einsum("ij,jk->ik", x, y), note="bools")
row("einsum", call=lambda lib: lib.einsum("ij->ij"), note="nothing")

for dims in (0, 1, 2, [[1], [0]], [[0, 1], [1, 0]], [[-1], [-2]], [[1, 0], [0]], [[1], [5]], -1, 3):
    row(
        "tensordot", (3, 3), (3, 3), dims=dims, unlike={"bool": "torch takes bools only where all dims are summed over"}
    )
row("tensordot", (2, 3, 4), (4, 3, 2), dims=[[2, 1], [0, 1]])
row("tensordot", (2, 3, 4), (1, 3, 5), dims=[[0, 1], [0, 1]])
row("tensordot", (1, 3, 4), (2, 3, 5), dims=[[0, 1], [0, 1]])
row("tensordot", (2, 3, 4), (4, 3), dims=[[1], [0]])
row("tensordot", (2, 3), ints((3, 2)), dims=1)
row("tensordot", floats((2, 3)), floats((2, 3)), note="default")
