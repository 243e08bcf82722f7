"""Rows of norms, powers, exponentials and other functions of matrices."""

from cases import bools, floats, ints, row

square, batch = (3, 3), (2, 3, 3)
lapack = {
    "special": "nan, infinities and overflow inside LAPACK depend on its build",
    "expanded": "makes the rows equal, and the matrices singular",
}
scale = {"special": "torch's sum of squares or powers overflows elsewhere"}

vector = floats((2, 3, 4), avoid=(0,))
for order in (2, 1, 0, 3, 2.5, 1.5, 0.5, -1, -2, float("inf"), float("-inf")):
    row("linalg.vector_norm", vector, ord=order, unlike=scale, slack=4)
    row("linalg.vector_norm", vector, ord=order, dim=1, unlike=scale, slack=4)
    row("linalg.vector_norm", vector, ord=order, dim=(0, -1), keepdim=True, unlike=scale, slack=4)
row("linalg.vector_norm", vector, dtype="float64", unlike={**scale, "float16": "as float32"})
row("linalg.vector_norm", vector, dtype="int64")
row(
    "linalg.vector_norm",
    (3,),
    call=lambda lib, x: lib.linalg.vector_norm(x * 0),
    note="zero",
    unlike={**scale, "gradcheck": "a kink", "second": "a kink"},
)
row("linalg.vector_norm", (3,), dim=1)
for order in ("fro", "nuc", 1, -1, 2, -2, float("inf"), float("-inf")):
    row("linalg.matrix_norm", vector, ord=order, unlike=scale if order in ("fro", 1, -1) else lapack, slack=4)
    row("linalg.matrix_norm", vector, ord=order, dim=(2, 0), keepdim=True, unlike=lapack, slack=4)
    row("linalg.norm", floats((3, 4), avoid=(0,)), ord=order, unlike=lapack, slack=4)
    fails = (
        dict.fromkeys(("gradient", "layout", "second"), "torch's own backward fails")
        if order not in (2, -2, "nuc")
        else {}
    )
    row("linalg.cond", square, p=order, unlike={**lapack, **fails}, slack=30)
row("linalg.matrix_norm", square, ord=3)
row("linalg.matrix_norm", square, ord="max")
row("linalg.matrix_norm", (3,))
row("linalg.matrix_norm", square, dim=(0,))
row("linalg.norm", vector, unlike=scale)
row("linalg.norm", vector, dim=1, unlike=scale)
row("linalg.norm", vector, 3, 1, unlike=scale, slack=4)
row("linalg.norm", vector, 2)
row("linalg.norm", floats((3,), avoid=(0,)), 3, unlike=scale, slack=4)
row("linalg.norm", vector, dim=(0, 1, 2), unlike=scale)
row("linalg.cond", square, unlike=lapack, slack=30)
row("linalg.cond", (3, 2), unlike=lapack, slack=30)
row("linalg.cond", (3, 2), p=1, unlike=lapack)
row("linalg.cond", square, call=lambda lib, x: lib.linalg.cond(x.detach() * 0, 1), note="singular", unlike=lapack)

for op in ("matrix_exp", "Tensor.matrix_exp", "linalg.matrix_exp"):
    row(op, square, unlike={**lapack, "float16": "torch computes in float16"}, slack=10)
row("matrix_exp", batch, unlike={**lapack, "float16": "torch computes in float16"}, slack=10)
for factor in (1e-3, 0.05, 0.2, 0.4, 3.0, 20.0):
    row(
        "matrix_exp",
        batch,
        call=lambda lib, x, f=factor: lib.matrix_exp(x * f - x.mT * f),
        note=f"times{factor}",
        unlike={**lapack, "float16": "torch computes in float16"},
        slack=100 if factor > 1 else 10,
    )
row("matrix_exp", (2, 3), unlike=lapack)
for n in (0, 1, 2, 3, 5, -1, -3):
    for op in ("matrix_power", "Tensor.matrix_power", "linalg.matrix_power"):
        row(op, batch, n, unlike={**lapack, "float16": "torch rounds in between"}, slack=100)
row("matrix_power", (2, 3), 2, unlike=lapack)
for shapes in (
    ((3, 4), (4, 5)),
    ((3, 4), (4, 5), (5, 2)),
    ((4,), (4, 5), (5, 2), (2,)),
    ((2, 9), (9, 1), (1, 8), (8, 2)),
    ((3,), (3,)),
):
    row("linalg.multi_dot", *shapes, call=lambda lib, *xs: lib.linalg.multi_dot(xs), unlike={"special": "by the order"})
for shapes in (((3, 4), (3, 4)), ((3, 4),), ((2, 3, 4), (4, 5)), ((3, 4), (4,), (4, 2)), ((), (2, 2))):
    row("linalg.multi_dot", *shapes, call=lambda lib, *xs: lib.linalg.multi_dot(xs), note="wrong")
row("linalg.multi_dot", (2, 2), ints((2, 2)), call=lambda lib, *xs: lib.linalg.multi_dot(xs))
row("linalg.vecdot", (2, 3), (2, 3), unlike={"special": "torch rounds every product to float16, and overflows"})
row("linalg.vecdot", (2, 3), (3,))
row("linalg.vecdot", (2, 3, 4), (1, 3, 1), dim=1)
row("linalg.vecdot", (2, 3), (2, 3), dim=0)
row("linalg.vecdot", (2, 3), (2, 4))
row("linalg.vecdot", (2, 3), (2, 3), dim=2)
row("linalg.diagonal", (2, 3, 4))
row("linalg.diagonal", (2, 3, 4), offset=1, dim1=0, dim2=2)
row("linalg.diagonal", (2, 3, 4), offset=-1, dim1=2, dim2=1)
row("linalg.diagonal", (3, 4), offset=9)
row("linalg.diagonal", (3, 4), dim1=0, dim2=0)
row("linalg.diagonal", (3, 4), dim1=0, dim2=2)
row("linalg.vander", (3,), unlike={"float16": "torch has none", "special": "torch has no float16"})
row("linalg.vander", (2, 3), N=5, unlike={"float16": "torch has none", "special": "torch has no float16"})
row("linalg.vander", (2, 3), N=1)
row("linalg.vander", (3,), N=0)
row("linalg.vander", ())
row("linalg.vander", bools((3,)))
row("linalg.matmul", (2, 3), (3, 2))
for op in ("norm", "Tensor.norm"):
    row(op, vector, 3, dim=[0, 2], keepdim=True, unlike=scale, slack=4)
    row(op, floats((3, 4), avoid=(0,)), p="nuc", unlike=lapack, slack=4)
row("norm", vector, p="nuc", dim=(0, 2), keepdim=True, unlike=lapack, slack=4)
row("norm", vector, p=float("inf"), dim=-1, unlike=scale)
row("norm", vector, p="fro", dim=(0, 1), dtype="float64", unlike={**scale, "float16": "as float32"})
row("norm", vector, p="max", unlike=scale)
row("norm", vector, p="nuc", unlike=lapack)
row("norm", ints((3,)))
