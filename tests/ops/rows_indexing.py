"""Rows of gather, scatter, reading and writing by index and mask."""

from cases import bools, floats, ints, row

TIES = "which of equal elements is chosen is not promised by torch"
UNSTABLE = "torch's sort, unless stable=True, leaves equal elements in any order; ours is always stable"
UNLIKE = {
    "kthvalue int64": TIES,
    "kthvalue uint8": TIES,
    "topk int64": TIES,
    "topk uint8": TIES,
    "sort float16": UNSTABLE,
    "sort uint8": UNSTABLE,
    "sort bool": UNSTABLE,
    "argsort float16": UNSTABLE,
    "argsort uint8": UNSTABLE,
    "argsort bool": UNSTABLE,
    "msort float16": UNSTABLE,
}

shape = (4, 3, 5)
own = floats(shape, distinct=True)
third = ints((2, 3, 5), 0, 3)
unique_places = {"norows": "shapes differ in more than one way then; the two complain of one each"}

for op in ("gather", "Tensor.gather"):
    row(op, shape, 0, third)
    row(op, shape, -1, ints((4, 2, 7), 0, 4))
    row(op, shape, 1, ints((3, 1, 2), 0, 2, "int32"))
row("gather", (), 0, ints((), 0, 0))
row("gather", (3,), 0, ints((0,)))
row("gather", shape, 0, ints((2, 3, 5), 4, 6), note="beyond")
row("gather", shape, 0, ints((2, 3, 5), -2, -1), note="negative")
row("gather", shape, 1, ints((5, 3, 5), 0, 2), note="toolong")
row("gather", shape, 0, ints((2, 3), 0, 3), note="flat")
row("gather", shape, 3, third)
row("gather", shape, 0, bools((2, 3, 5)))

for op in ("scatter_add", "Tensor.scatter_add", "Tensor.scatter_add_"):
    row(op, shape, 0, third, (2, 3, 5))
    row(op, shape, 2, ints((4, 3, 6), 0, 4), (4, 3, 6))
row("scatter_add", shape, 0, ints((1, 2, 3), 0, 3), (1, 2, 3))
row("scatter_add", (), 0, ints((), 0, 0), ())
row("scatter_add", shape, 0, ints((2, 3, 5), 4, 6), (2, 3, 5), note="beyond")
row("scatter_add", shape, 0, third, (1, 3, 5), note="short")
row("scatter_add", shape, 0, third, ints((2, 3, 5), dtype="int32"))


def permuted(lib, x, src, *rest, op="scatter", **named):
    """Every index once: which of several values is kept is nobody's promise."""
    index = lib.tensor([[2, 0, 3, 1, 4], [1, 2, 0, 4, 3]], device=x.device)[:, None].expand(2, 3, 5)
    return getattr(x.clone(), op)(2, index, src, *rest, **named)


for op in ("scatter", "scatter_"):
    row(
        f"Tensor.{op}", shape, (2, 3, 5), call=lambda lib, x, s, op=op: permuted(lib, x, s, op=op), unlike=unique_places
    )
    for reduce in ("add", "multiply"):
        values = {"gradient": "torch has no gradient with reduce", "special": "the same", "degenerate": "the same"}
        settings = {**values, "layout": "the same", "second": "the same", "bool": "torch multiplies no bools"}
        call = lambda lib, x, s, op=op, reduce=reduce: permuted(lib, x, s, op=op, reduce=reduce)  # noqa: E731
        row(f"Tensor.{op}", shape, (2, 3, 5), call=call, note=reduce, unlike=settings)
    row(f"Tensor.{op}", shape, 1, ints((4, 2, 5), 0, 2), 1.5)
row("scatter", shape, 1, ints((4, 2, 5), 0, 2), 1)
row("scatter", shape, 1, ints((4, 2, 5), 0, 2), value=2)
row("scatter", shape, 1, ints((4, 2, 5), 3, 4), 1, note="beyond")
row("scatter", shape, 0, third, ints((2, 3, 5), dtype="int32"))

one = {"bool": "torch has no means of bools"}
for reduce in ("sum", "prod", "mean", "amax", "amin"):
    unlike = {"bool": "torch refuses bools for some, we compute what there is"}
    for include_self in (True, False):
        settings = {"include_self": include_self, "unlike": unlike}
        if reduce in ("prod", "amax", "amin"):
            unlike["0d"] = "where the input equals the result torch lets it share the gradient, though it is excluded"
            unlike["bfloat16"] = "rounded to 8 bits, distinct elements tie"
            unlike["special"] = "torch divides the product by each factor and loses nan and 0; beside nan as amax"
        for op in ("scatter_reduce", "Tensor.scatter_reduce", "Tensor.scatter_reduce_"):
            row(op, own, 0, third, floats((2, 3, 5), distinct=True), reduce, **settings)
            row(op, own, 2, ints((4, 3, 9), 0, 4), floats((4, 3, 9), low=-1.9, distinct=True), reduce, **settings)
        if reduce != "sum":
            for op in ("index_reduce", "Tensor.index_reduce", "Tensor.index_reduce_"):
                row(op, own, 1, ints((6,), 0, 2), floats((4, 6, 5), low=-1.9, distinct=True), reduce, **settings)
                row(op, own, 0, ints((5,), 0, 3), floats((5, 3, 5), low=-1.9, distinct=True), reduce, **settings)
row("scatter_reduce", shape, 0, third, (2, 3, 5), "median")
row("index_reduce", shape, 0, ints((2,), 0, 3), (2, 3, 5), "sum")

for op in ("take_along_dim", "Tensor.take_along_dim"):
    row(op, shape, ints((4, 3, 2), -5, 4), 2)
    row(op, shape, ints((1, 3, 1), 0, 3), dim=0)
    row(op, shape, ints((2, 2), 0, 59), unlike={"transposed": "torch flattens by view, and fails"})
row("take_along_dim", shape, ints((3, 1), 0, 3), dim=0)

for op in ("index_select", "Tensor.index_select"):
    row(op, shape, 0, ints((6,), 0, 3))
    row(op, shape, 1, ints((2,), 0, 2, "int32"))
    row(op, shape, -1, ints((), 0, 4))
row("index_select", shape, 0, ints((2,), -2, -1), note="negative")
row("index_select", shape, 0, ints((2,), 4, 5), note="beyond")
row("index_select", shape, 0, ints((2, 2), 0, 3))
row("index_select", shape, 0, ints((2,), 0, 3, "uint8"), note="uint8")

source = (4, 6, 5)
for op in ("index_add", "Tensor.index_add", "Tensor.index_add_"):
    row(op, shape, 1, ints((6,), 0, 2), source)
    row(op, shape, 1, ints((6,), 0, 2), source, alpha=2)
    row(op, shape, 0, ints((6,), 0, 3), (6, 3, 5))
row("index_add", (70, 64), 0, ints((90,), 0, 5), (90, 64))
row("index_add", shape, 1, ints((6,), 3, 4), source, note="beyond")
row("index_add", shape, 1, ints((5,), 0, 2), source, note="short")
for op in ("index_copy", "Tensor.index_copy", "Tensor.index_copy_"):
    row(op, shape, 1, ints((1,), 0, 2), (4, 1, 5))
row("index_copy", shape, 1, ints((1,), 3, 4), (4, 1, 5), note="beyond")
for op in ("index_fill", "Tensor.index_fill", "Tensor.index_fill_"):
    row(op, shape, 1, ints((3,), -3, 2), 1)
    row(op, shape, 1, ints((2,), 0, 2), ())
row("index_fill", shape, 1, ints((2,), 3, 4), 1, note="beyond")
row("index_fill", shape, 1, ints((2,), 0, 2), (3,))

for op in ("index_put", "index_put_"):
    call = lambda lib, x, i, v, op=op: getattr(x.clone(), op)((i,), v)  # noqa: E731
    row(f"Tensor.{op}", shape, ints((1,), -4, 3), (3, 5), call=call)
    call = lambda lib, x, i, v, op=op: getattr(x.clone(), op)((i, i[:1]), v, True)  # noqa: E731
    row(f"Tensor.{op}", shape, ints((6,), -3, 2), (6, 5), call=call, note="accumulate")
scalar = {"0d": "torch's index_put takes no 0-d mask; its x[mask] does, and so do both of ours"}
call = lambda lib, x, m, v: lib.index_put(x, (m,), v, accumulate=True)  # noqa: E731
row("index_put", shape, bools((4, 3)), (5,), call=call, unlike=scalar)
for op in ("take", "Tensor.take"):
    row(op, shape, ints((2, 7), -60, 59))
row("take", shape, ints((2,), 60, 61), note="beyond")
for op in ("put", "Tensor.put", "Tensor.put_"):
    row(op, shape, ints((2, 7), -60, 59), (2, 7), True)
    row(op, shape, ints((1,), -60, 59), (1,))
row("put", shape, ints((2,), 60, 61), (2,), note="beyond")
row("put", shape, ints((3,), 0, 3), (2,))

for op in ("masked_select", "Tensor.masked_select"):
    row(op, shape, bools(shape))
    row(op, shape, bools((3, 1)))
row("masked_select", (3, 1), bools((2, 1, 4)))
row("masked_select", shape, bools((2, 5)))
row("masked_select", shape, ints(shape, 0, 1))
for op in ("masked_scatter", "Tensor.masked_scatter", "Tensor.masked_scatter_"):
    row(op, shape, bools(shape), (60,))
    row(op, shape, bools((3, 1)), (8, 9))
row("masked_scatter", shape, bools(shape), (2,))
for op in ("nonzero", "Tensor.nonzero", "argwhere", "Tensor.argwhere"):
    row(op, ints(shape, -1, 1))
    row(op, shape)
row("nonzero", ints(shape, -1, 1), as_tuple=True)
row("unravel_index", ints((3, 4), 0, 59), [4, 3, 5])
row("fill", shape, 2)
row("fill", shape, ())
