"""Rows of embedding, embedding_bag and one_hot, and of dropout where it leaves nothing to chance."""

from cases import floats, ints, row

from gpudl.nn import functional

F = "nn.functional"
index, table = ints((2, 3), 0, 4), floats((5, 4))
few = {"degenerate": "torch raises for an empty table only where it looks at it, in one of several ways"}
left_out = {"gradcheck": "the gradient leaves out the padding, or is divided by frequency, and so not the derivative"}
bag = {
    "second": "torch has no second gradients of bags",
    "special": "torch's maximum depends on where among the numbers a nan stands, its mean overflows at half its range",
}
frequent = dict.fromkeys(
    ("values", "layout", "gradcheck"),
    "torch divides the gradient of some rows by how often their neighbor in the table stands in the bags",
)


def embedding(*parts, op="embedding", note="", unlike=None, **named):
    row(
        f"{F}.{op}",
        *parts,
        note=note,
        unlike={**few, **(bag if op == "embedding_bag" else {}), **(unlike or {})},
        **named,
    )


embedding(index, table)
embedding(ints((), 0, 4), table)
embedding(ints((2, 3), 0, 4, "int32"), table)
embedding(index, table, padding_idx=1, unlike=left_out)
embedding(index, table, padding_idx=-2, unlike=left_out)
embedding(index, table, scale_grad_by_freq=True, unlike=left_out)
embedding(index, table, 0, scale_grad_by_freq=True, unlike=left_out)
embedding(ints((90,), 0, 4), floats((5, 60)))


def renormalizing(lib, i, w):
    table = w.detach().clone()
    return lib.nn.functional.embedding(i, table, max_norm=1.5), table


embedding(index, table, call=renormalizing, note="maxnorm")
embedding(index, floats((5, 4)), call=lambda lib, i, w: lib.nn.functional.embedding(
    i, w.detach().clone(), None, 2.0, 1.0), note="maxnorm1")  # fmt: skip
embedding(ints((3,), -2, -1), table, note="negative")
embedding(ints((3,), 5, 6), table, note="large")
embedding(ints((3,), 0, 3, "uint8"), table)
embedding((3,), table)
embedding(index, floats((5,)))
embedding(index, table, padding_idx=5)

numbers, offsets = ints((7,), 0, 4), [0, 2, 2, 5]


def bags(lib, i, w, *factors, mode="sum", **settings):
    start = lib.tensor(settings.pop("offsets", offsets), device=i.device)
    named = {"per_sample_weights": factors[0]} if factors else {}
    return lib.nn.functional.embedding_bag(i, w, start, mode=mode, **named, **settings)


for mode in ("sum", "mean", "max"):
    embedding(index, table, op="embedding_bag", mode=mode)
    embedding(index, table, op="embedding_bag", mode=mode, padding_idx=2)
    for note, settings in {
        "offsets": {},
        "last": {"include_last_offset": True, "offsets": [0, 2, 2, 7]},
        "padding": {"padding_idx": -1},
    }.items():
        embedding(numbers, table, op="embedding_bag", note=f"{mode}{note}",
                  call=lambda lib, i, w, m=mode, s=settings: bags(lib, i, w, mode=m, **s))  # fmt: skip
for mode in ("sum", "mean"):
    embedding(index, table, op="embedding_bag", mode=mode, scale_grad_by_freq=True, unlike=frequent)
embedding(index, table, op="embedding_bag", mode="sum", per_sample_weights=floats((2, 3)))
embedding(numbers, table, (7,), op="embedding_bag", call=bags, note="factors")
embedding(numbers, table, (7,), op="embedding_bag", note="factorspadding",
          call=lambda lib, i, w, f: bags(lib, i, w, f, padding_idx=0))  # fmt: skip
embedding(index, table, op="embedding_bag", note="maxnorm", call=lambda lib, i, w: lib.nn.functional.embedding_bag(
    i, w.detach().clone(), max_norm=1.0))  # fmt: skip
for bad in ([1, 2], [0, 9]):
    embedding(numbers, table, op="embedding_bag", note=f"offsets{bad}",
              call=lambda lib, i, w, o=bad: bags(lib, i, w, offsets=o))  # fmt: skip
embedding(numbers, table, op="embedding_bag")
embedding(index, table, op="embedding_bag", mode="median")
embedding(index, table, op="embedding_bag", mode="max", scale_grad_by_freq=True)
embedding(index, table, op="embedding_bag", mode="mean", per_sample_weights=floats((2, 3)))
embedding(index, table, op="embedding_bag", mode="sum", per_sample_weights=floats((2, 2)))
embedding(index, table, op="embedding_bag", padding_idx=5)
embedding(ints((2, 3), 5, 6), table, op="embedding_bag", note="large")
embedding(ints((2, 2, 3), 0, 4), table, op="embedding_bag")

row(f"{F}.one_hot", ints((2, 3), 0, 4))
row(f"{F}.one_hot", ints((2, 3), 0, 4), num_classes=7)
row(f"{F}.one_hot", ints((2, 3), 0, 4), 3)
row(f"{F}.one_hot", ints((2, 3), -3, -1), note="negative")
row(f"{F}.one_hot", ints((2, 3), 0, 4), -2)
row(f"{F}.one_hot", ints((2, 3), 0, 4, "int32"))

whole = {"integers": "torch drops elements of integers at p = 1; we ask for floats"}
for op, shape in (
    ("dropout", (3, 4)), ("alpha_dropout", (3, 4)), ("dropout1d", (2, 3, 4)), ("dropout2d", (2, 3, 4, 2)),
    ("dropout3d", (2, 3, 4, 2, 2)), ("feature_alpha_dropout", (2, 3, 4)),
):  # fmt: skip
    for p in (0.0, 1.0):
        row(f"{F}.{op}", shape, p, True, unlike=whole)
    row(f"{F}.{op}", shape, 0.5, False)
    row(f"{F}.{op}", shape, 1.5)
    row(f"{F}.{op}", shape, -0.5)
row(f"{F}.dropout1d", (3, 4), 1.0, note="one", unlike=whole)
row(f"{F}.dropout1d", (4,), 1.0, note="onedim")
row(f"{F}.dropout3d", (3, 4, 2, 2), 1.0, note="one", unlike=whole)
row(f"{F}.feature_alpha_dropout", (4,), 0.3, True, note="onedim")
row(
    f"{F}.dropout",
    (3, 4),
    call=lambda lib, x: lib.nn.functional.dropout(x * 1, 1.0, inplace=True),
    note="inplace",
    unlike=whole,
)

for op in ("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout"):
    for p, train in ((0.0, True), (1.0, True), (0.5, False)):
        row(op, (2, 3, 4), p, train, unlike=whole)
        row(f"{op}_", (2, 3, 4), p, train, unlike=whole)
    row(op, (2, 3, 4), 1.5, True)
row("embedding", table, index, unlike=few)
row("embedding", table, index, 2, unlike={**few, **left_out})


def table_first(function):
    """The database gives the table first, the functions take it second."""
    return lambda table, index, *args, **named: function(index, table, *args, **named)


CALLS = {
    "nn.functional.embedding": table_first(functional.embedding),
    "nn.functional.embedding_bag": table_first(functional.embedding_bag),
}
