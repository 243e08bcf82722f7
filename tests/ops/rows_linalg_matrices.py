"""Rows of systems and factorizations of matrices."""

from cases import floats, ints, row

square, batch = (3, 3), (2, 3, 3)
lapack = {
    "special": "nan, infinities and overflow inside LAPACK depend on its build",
    "expanded": "makes the rows equal, and the matrices singular",
}
arbitrary = {**lapack, "gradcheck": "what full_matrices adds is arbitrary in its space"}
steps = {**lapack, "gradcheck": "the rank changes in a difference"}
scalar = {**lapack, "0d": "torch checks 0-d tensors in another order, or not at all"}


def spd(lib, x):
    """A symmetric positive definite matrix made of x."""
    return x @ x.mT + 3 * lib.eye(x.shape[-1], dtype=x.dtype, device=x.device)


for op in ("linalg.inv", "inverse", "Tensor.inverse", "linalg.det", "det", "Tensor.det", "logdet", "Tensor.logdet"):
    row(op, square, unlike=lapack)
    row(op, batch, unlike=lapack)
    row(op, (2, 3), unlike=lapack)
for op in ("linalg.slogdet", "slogdet", "Tensor.slogdet", "linalg.inv_ex"):
    row(op, batch, unlike=lapack)
    row(op, (3,), unlike=lapack)
row("linalg.det", (1, 1), unlike=lapack)
row("linalg.inv", square, call=lambda lib, x: lib.linalg.inv(x * 0), note="singular", unlike=lapack)
row("linalg.inv_ex", square, call=lambda lib, x: lib.linalg.inv_ex(x * 0).info, note="singular", unlike=lapack)
row(
    "linalg.inv_ex",
    square,
    call=lambda lib, x: lib.linalg.inv_ex(x * 0, check_errors=True),
    note="checked",
    unlike=lapack,
)
row("linalg.det", (2, 3), call=lambda lib, x: lib.linalg.det(x.mT @ x), note="singular", unlike=lapack, slack=30)
row("linalg.slogdet", square, call=lambda lib, x: lib.linalg.slogdet(x * 0), note="singular",
    unlike={**lapack, **dict.fromkeys(("gradient", "degenerate", "layout", "second"), "infinite")})  # fmt: skip

for op in ("linalg.solve", "linalg.solve_ex"):
    for a, b in (
        (square, (3, 2)), (square, (3,)), (batch, (2, 3)), (batch, (2, 3, 1)), (batch, (3, 2)), (square, (2, 3, 2)),
        ((2, 1, 3, 3), (4, 3, 2)), (square, (2, 3)), ((2, 3), (2,)), ((2, 3, 3), (4, 3, 2)),
    ):  # fmt: skip
        row(op, a, b, unlike=lapack, slack=10)
    row(op, square, (2, 3), left=False, unlike=lapack)
    row(op, batch, (2, 2, 3), left=False, unlike=lapack)
    row(op, square, (3,), left=False, unlike=lapack)
    row(op, square, (3, 2), left=False, unlike=lapack)
row("linalg.solve", square, (3,), call=lambda lib, a, b: lib.linalg.solve(a * 0, b), note="singular", unlike=lapack)
row(
    "linalg.solve_ex",
    square,
    (3,),
    call=lambda lib, a, b: lib.linalg.solve_ex(a * 0, b).info,
    note="singular",
    unlike=lapack,
)
row("linalg.solve", square, ints((3,)), unlike=lapack)
for a, b, left in (
    (square, (3, 2), True),
    (batch, (2, 3, 2), True),
    (square, (2, 3, 2), True),
    ((2, 1, 3, 3), (4, 2, 3), False),
):
    for upper in (True, False):
        for unit in (True, False):
            row(
                "linalg.solve_triangular",
                floats(a, avoid=(0,)),
                b,
                upper=upper,
                left=left,
                unitriangular=unit,
                unlike=lapack,
            )
row("linalg.solve_triangular", square, (3,), upper=True, unlike=lapack)
row("linalg.solve_triangular", square, (2, 3), upper=True, unlike=lapack)
row("linalg.solve_triangular", (2, 3, 3), (3, 3, 2), upper=True, unlike=lapack)
row("linalg.solve_triangular", square, (3, 2), upper=True, note="zero", unlike={**lapack, "gradcheck": "infinite"},
    call=lambda lib, a, b: lib.linalg.solve_triangular(lib.where(a > 0, a, a * 0).detach(), b, upper=True))  # fmt: skip
row("linalg.tensorsolve", (2, 3, 6), (2, 3), unlike=lapack)
row("linalg.tensorsolve", (6, 2, 3), (2, 3), dims=[0], unlike=scalar)
row("linalg.tensorsolve", (2, 3, 5), (2, 3), unlike=lapack)
row("linalg.tensorinv", (2, 3, 6), unlike=lapack)
row("linalg.tensorinv", (6, 2, 3), ind=1, unlike=lapack)
row("linalg.tensorinv", (2, 3, 5), unlike=lapack)
row("linalg.tensorinv", (2, 2), ind=0, unlike=lapack)

for op in ("linalg.cholesky", "cholesky", "Tensor.cholesky", "linalg.cholesky_ex"):
    for upper in (False, True):

        def factor(lib, x, op=op, upper=upper):
            function = lib
            for name in op.split("."):
                function = getattr(function, name)
            return function(spd(lib, x), upper=upper)

        row(op, batch, call=factor, note=f"upper={upper}", unlike=lapack)
    empty = (
        dict.fromkeys(("norows", "nocolumns"), "torch.cholesky looks at nothing if there is nothing")
        if "linalg" not in op
        else {}
    )
    row(op, (2, 3), unlike={**lapack, **empty})
row("linalg.cholesky", square, call=lambda lib, x: lib.linalg.cholesky(-spd(lib, x)), note="negative", unlike=lapack)
row(
    "linalg.cholesky_ex",
    square,
    call=lambda lib, x: lib.linalg.cholesky_ex(x - 9 * (x * 0 + 1)).info,
    note="negative",
    unlike=lapack,
)
for upper in (False, True):
    row(
        "cholesky_solve",
        (2, 3, 2),
        batch,
        note=f"upper={upper}",
        unlike=lapack,
        slack=3,
        call=lambda lib, b, x, upper=upper: lib.cholesky_solve(b, lib.linalg.cholesky(spd(lib, x), upper=upper), upper),
    )
    row(
        "cholesky_inverse",
        batch,
        note=f"upper={upper}",
        unlike=lapack,
        slack=3,
        call=lambda lib, x, upper=upper: lib.cholesky_inverse(lib.linalg.cholesky(spd(lib, x), upper=upper), upper),
    )
    row(
        "Tensor.cholesky_solve",
        (3, 2),
        square,
        note=f"upper={upper}",
        unlike=lapack,
        slack=3,
        call=lambda lib, b, x, upper=upper: b.cholesky_solve(lib.linalg.cholesky(spd(lib, x), upper=upper), upper),
    )
    row(
        "Tensor.cholesky_inverse",
        square,
        note=f"upper={upper}",
        unlike=lapack,
        slack=3,
        call=lambda lib, x, upper=upper: lib.linalg.cholesky(spd(lib, x), upper=upper).cholesky_inverse(upper),
    )
row("cholesky_solve", (2,), square, unlike=lapack)
row("cholesky_inverse", (2, 3), unlike=lapack)

for shape in (square, (4, 2), (2, 4), (2, 3, 2)):
    for op in ("linalg.qr", "qr", "Tensor.qr"):
        row(op, shape, unlike=lapack, slack=3)
    row(
        "linalg.qr",
        shape,
        note="complete",
        slack=3,
        call=lambda lib, x, detach=shape[-1] < shape[-2]: lib.linalg.qr(x.detach() if detach else x, mode="complete"),
        unlike={**lapack, "degenerate": "without elements torch has a gradient for more rows than columns"},
    )
    row("linalg.qr", shape, call=lambda lib, x: lib.linalg.qr(x.detach(), "r")[1], note="r", unlike=lapack)
    row("linalg.qr", shape, call=lambda lib, x: lib.linalg.qr(x).R, note="R", unlike=lapack, slack=3)
    row("linalg.qr", shape, call=lambda lib, x: lib.linalg.qr(x).Q, note="Q", unlike=lapack, slack=3)

    def signless(lib, usv):
        u, s, v = usv
        return abs(u), s, abs(v)

    for full in (True, False):
        row(
            "linalg.svd",
            shape,
            note=f"full={full}",
            unlike=arbitrary if full and shape[-1] != shape[-2] else lapack,
            slack=10,
            call=lambda lib, x, full=full: signless(lib, lib.linalg.svd(x, full)),
        )
        row(
            "svd",
            shape,
            note=f"some={not full}",
            unlike=arbitrary if full and shape[-1] != shape[-2] else lapack,
            slack=10,
            call=lambda lib, x, full=full: signless(lib, lib.svd(x, not full)),
        )
    row("linalg.svd", shape, call=lambda lib, x: lib.linalg.svd(x).S, note="S", unlike=lapack, slack=3)
    row("linalg.svd", shape, call=lambda lib, x: abs(lib.linalg.svd(x, False).U), note="U", unlike=lapack, slack=10)
    row("linalg.svd", shape, call=lambda lib, x: abs(lib.linalg.svd(x, False).Vh), note="Vh", unlike=lapack, slack=10)
    row("Tensor.svd", shape, call=lambda lib, x: signless(lib, x.svd()), unlike=lapack, slack=10)
    row("svd", shape, compute_uv=False, unlike=lapack, slack=3)
    row("linalg.svdvals", shape, unlike=lapack, slack=3)
    row("linalg.matrix_rank", shape, unlike=lapack)
    row("linalg.pinv", shape, unlike=lapack, slack=10)
row("linalg.qr", square, mode="raw", unlike=lapack)
row("linalg.qr", (3,), unlike=lapack)
row("linalg.svd", (3,), unlike=lapack)
row("linalg.svdvals", (3,), unlike=lapack)
for triangle in ("L", "U"):
    row(
        "linalg.eigh",
        batch,
        note=triangle,
        unlike={**lapack, "gradcheck": "the gradient is symmetric, though one triangle is read"},
        slack=10,
        call=lambda lib, x, t=triangle: (lib.linalg.eigh(x, t)[0], abs(lib.linalg.eigh(x, UPLO=t).eigenvectors)),
    )
    row(
        "linalg.eigvalsh",
        batch,
        unlike=lapack,
        slack=3,
        note=triangle,
        call=lambda lib, x, t=triangle: lib.linalg.eigvalsh(x + x.mT, t),
    )
row("linalg.eigh", square, UPLO="X", unlike=lapack)
row("linalg.eigh", (2, 3), unlike=lapack)
row("linalg.eigvalsh", (2, 3), unlike=lapack)

for op in ("pinverse", "Tensor.pinverse"):
    row(op, (3, 2), unlike=lapack, slack=10)
row("pinverse", square, rcond=0.5, unlike=steps, slack=10)
row("linalg.pinv", square, rtol=0.5, unlike=steps, slack=10)
row("linalg.pinv", square, atol=0.5, unlike={**steps, **scalar}, slack=10)
row(
    "linalg.pinv",
    batch,
    note="tensor",
    unlike=steps,
    slack=10,
    call=lambda lib, x: lib.linalg.pinv(x, atol=x[:, 0, 0].detach() * 0 + 0.1, rtol=x[:, 0, 0].detach() * 0),
)
row(
    "linalg.pinv",
    square,
    call=lambda lib, x: lib.linalg.pinv(x + x.mT, hermitian=True),
    note="hermitian",
    unlike=lapack,
    slack=10,
)
row("linalg.pinv", (2, 3), hermitian=True, unlike=lapack)
row("linalg.matrix_rank", square, 1.5, unlike=lapack)
row("linalg.matrix_rank", square, atol=1.0, rtol=0.2, unlike=lapack)
row(
    "linalg.matrix_rank",
    batch,
    call=lambda lib, x: lib.linalg.matrix_rank(x @ x.mT, hermitian=True),
    note="hermitian",
    unlike=lapack,
)
for driver in ("gels", "gelsy", "gelsd", "gelss"):
    row("linalg.lstsq", (4, 2), (4, 3), driver=driver, unlike=lapack, slack=10)
    row("linalg.lstsq", (2, 4, 2), (2, 4), driver=driver, unlike=lapack, slack=10)
row("linalg.lstsq", (2, 4), (2, 3), unlike=lapack, slack=10)
row("linalg.lstsq", (4, 2), (4,), unlike=lapack)
row("linalg.lstsq", (4, 2), (3, 2), unlike=lapack)
row("linalg.lstsq", (4, 2), (4, 2), driver="other", unlike=lapack)

for a, tau in (
    ((4, 3), (3,)), ((3, 3), (2,)), ((2, 4, 2), (2, 2)), ((4, 3), (0,)),
    ((2, 3), (2,)), ((3, 3), (4,)), ((2, 3, 3), (3,)), ((3,), (1,)),
):  # fmt: skip
    row("linalg.householder_product", a, tau, unlike=lapack, slack=10)
# PyTorch divides what it has multiplied; its float32 gradients are off by ten times more than these.
SLACK = {"linalg.householder_product": 5.0}
