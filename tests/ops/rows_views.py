"""Rows of views and copies that split, move, repeat and mirror, and of what is joined from them."""

from cases import bools, floats, ints, row

UNLIKE = {
    "narrow_copy errors": "for a bad dim torch has an assertion without a message; we raise narrow's IndexError",
}

shape = (2, 3, 4)
both = lambda name: (name, f"Tensor.{name}")  # noqa: E731

row("reshape", shape, shape=[4, 6])
row("Tensor.view", shape, size=[4, 6])
row("Tensor.permute", shape, dims=[2, 0, 1])
row("Tensor.expand", (3, 1), size=[2, 3, 4])
row("Tensor.view", floats(shape, dtype="float32"), note="asints", call=lambda lib, x: x.view(lib.int32))
row("Tensor.view", floats(shape, dtype="float32"), note="named", call=lambda lib, x: x.view(dtype=lib.int32) + 1)
row("Tensor.view", shape, note="same", call=lambda lib, x: x.view(x.dtype))
for op in ("swapaxes", *both("swapdims")):
    row(op, shape, 0, 2)
    row(op, shape, 0, 3)
for op in both("squeeze"):
    row(op, (1, 3, 1), axis=0)
    row(op, (1, 3, 1), call=lambda lib, x, op=op: x.squeeze((0, -3)), note="twice")
row("cat", (2, 3), (2, 1), call=lambda lib, *xs: lib.cat(xs, axis=1), note="axis")
row("concat", (2, 3), (1, 3), call=lambda lib, *xs: lib.concat(xs))
row("stack", (2, 3), (2, 3), call=lambda lib, *xs: lib.stack(xs, axis=1), note="axis")
for op in ("cat", "stack", "hstack", "vstack", "dstack", "column_stack", "block_diag"):
    row(op, (2, 3), note="notensor", call=lambda lib, x, op=op: getattr(lib, op)([x, None]))

for op in both("ravel"):
    row(op, shape)
    row(op, shape, call=lambda lib, x: x.transpose(0, 2).ravel(), note="transposed")
for op in both("unflatten"):
    row(op, (2, 6, 4), 1, [2, 3])
    row(op, (2, 6, 4), -2, [-1, 3])
    row(op, (2, 6, 4), dim=1, sizes=[1, 6, 1])
    row(op, (2, 6, 4), 1, [4, 2])
    row(op, (2, 6, 4), 1, [-1, 4])
    row(op, (2, 6, 4), 1, [], unlike={"0d": "both arguments are wrong then; torch complains of either"})
    row(op, (2, 6, 4), 3, [2])
row("Tensor.unflatten", (2, 6), call=lambda lib, x: x.unflatten(1, 2, 3), twin=lambda lib, x: x.unflatten(1, (2, 3)))
for op in (*both("movedim"), *both("moveaxis")):
    row(op, shape, 0, 2)
    row(op, shape, [0, -1], [1, 0])
    row(op, shape, [0, 0], [1, 0])
    row(op, shape, [0, 1], [1])
    row(op, shape, 0, 3)
    row(op, (), 0, 0)
for op in both("adjoint"):
    row(op, shape)
    row(op, (3,))
row("Tensor.H", (2, 3), call=lambda lib, x: x.H)
row("Tensor.H", shape, call=lambda lib, x: x.H)
row("Tensor.mH", shape, call=lambda lib, x: x.mH, unlike={"0d": "torch deprecates mH of 0-d tensors"})
for op in ("atleast_1d", "atleast_2d", "atleast_3d"):
    for size in ((), (3,), (2, 3), (2, 3, 4), (1, 2, 3, 4)):
        row(op, size)
    row(op, (), (3,))
    row(op, (), (3,), call=lambda lib, *xs, op=op: getattr(lib, op)(xs), note="sequence")
SHAPES = (((2, 1), (3,)), ((), (2, 1, 3), (4, 1)), ((0,), (1,)), ((2,), (3,)), (5, (1, 5)), (), ((3, -1), (3, 1)))
for shapes in SHAPES:
    row(
        "broadcast_shapes",
        call=lambda lib, s=shapes: lib.broadcast_shapes(*s),
        twin=lambda lib, s=shapes: tuple(lib.broadcast_shapes(*s)),
        note=str(shapes).replace(" ", ""),
    )
row("broadcast_tensors", (2, 1), (3,), ())
row("broadcast_tensors", (2, 1), (3,), call=lambda lib, *xs: [x * 2 for x in lib.broadcast_tensors(*xs)], note="used")
row("broadcast_tensors", (2,), (3,))
row("Tensor.reshape_as", shape, (4, 6))
row("Tensor.reshape_as", shape, (4, 5))
row("Tensor.size", (), 0)
alone = {"degenerate": "NumPy keeps other strides where a dimension has no neighbors"}
row("Tensor.stride", (5, 4), unlike=alone)
row("Tensor.stride", (5, 4), 1, unlike=alone)
row("Tensor.stride", (5, 4), -3)
row("Tensor.stride", (5, 4), call=lambda lib, x: (x.t().stride(), x[:, ::2].stride(1)), note="views", unlike=alone)

for op in (*both("split"), *both("unsafe_split")):
    row(op, (7, 3), 3)
    row(op, (7, 3), 2, dim=1)
    row(op, (7, 3), 0)
    row(op, (7, 3), -1)
    row(op, (7, 3), 3, 2)
    row(op, (7, 3), call=lambda lib, x: [a * b.sum() for a, b in zip(x.split([2, 3, 2]), x.split(1, 1))], note="used")
for op in both("split"):
    row(op, (7, 3), [2, 5])
    row(op, (7, 3), split_size_or_sections=3, twin=lambda lib, x: x.split(3))
for op in (*both("split_with_sizes"), *both("unsafe_split_with_sizes")):
    row(op, (7, 3), [2, 0, 5])
    row(op, (7, 3), [1, 2], -1)
    row(op, (7, 3), [2, 4])
    row(op, (7, 3), [8, -1])
for op in (*both("chunk"), *both("unsafe_chunk")):
    for count in (1, 3, 4, 9, 0):
        row(op, (7, 3), count)
    row(op, (7, 3), 2, dim=-1)
for op in both("tensor_split"):
    for given in (1, 3, 9, 0, [2, 5], [5, 2], [-2], [0, 99], []):
        row(op, (7, 3), given)
    row(op, (7, 3), sections=2, dim=1)
    row(op, (7, 3), indices=[1], dim=-1)
    row(op, (7, 3), ints((2,), 1, 4))
    row(op, (7, 3), ints((), 2, 2))
    row(op, (7, 3), 2, 2)
for name, size in (("hsplit", (4, 6)), ("vsplit", (6, 2)), ("dsplit", (2, 1, 6))):
    for op in both(name):
        for given in (2, 3, 4, 0, [1, 3]):
            row(op, size, given)
    row(name, (6,), 2)
for op in both("unbind"):
    row(op, shape)
    row(op, shape, -1)
    row(op, shape, 3)
for op in both("select"):
    row(op, shape, 1, 2)
    row(op, shape, -1, -4)
    row(op, shape, 1, 3)
    row(op, shape, 3, 0)
for op in (*both("narrow"), *both("narrow_copy")):
    row(op, (5, 3), 0, 1, 3)
    row(op, (5, 3), 0, 5, 0)
    row(op, (5, 3), 0, 3, 3)
    row(op, (5, 3), 0, 6, 0)
for op in both("narrow"):
    row(op, (5, 3), -1, -2, 2)
    row(op, (5, 3), 0, 1, -1)
    row(op, (5, 3), 0, ints((), 1, 1), 2)

for op in both("diagonal"):
    for size in ((3, 3), (2, 4), (4, 2), (2, 3, 4)):
        for offset in (0, 1, -1, 7):
            row(op, size, offset)
    row(op, shape, 1, dim1=2, dim2=0)
    row(op, shape, -1, -1, 1)
    row(op, shape, 0, 1, 1)
    row(op, shape, 0, 0, 3)
for op in both("diag"):
    for size in ((3,), (3, 3), (2, 4)):
        for offset in (0, 1, -2):
            row(op, size, offset)
    row(op, shape)
for op in both("diag_embed"):
    for offset in (0, 1, -2):
        row(op, (2, 3), offset)
        row(op, (2, 3), offset, dim1=0, dim2=2)
        row(op, (2, 3), offset, dim1=2, dim2=0)
    row(op, (2, 3), 0, 1, 1)
    row(op, (2, 3), 0, 1, 3)
for op in both("diagflat"):
    row(op, (2, 2))
    row(op, (3,), 1)
    row(op, (2, 2), offset=-1)
for name in ("tril", "triu"):
    for op in (*both(name), f"Tensor.{name}_"):
        for diagonal in (0, 1, -1, 9):
            row(op, (3, 4), diagonal)
        row(op, (2, 4, 3), diagonal=-2)
        row(op, (3,))

unread = dict.fromkeys(("norows", "nocolumns"), "torch does not read these arguments where there are no elements")
for op in both("flip"):
    row(op, shape, [0, 2])
    row(op, shape, dims=[-1])
    row(op, shape, [0, 0])
    row(op, shape, [3])
    row(op, shape, [])
row("Tensor.flip", shape, 0, 1)
for op in (*both("fliplr"), *both("flipud")):
    row(op, shape)
    row(op, (3,))
for op in both("roll"):
    row(op, shape, 5)
    row(op, shape, -1, 1)
    row(op, shape, [1, 2], [0, -1])
    row(op, shape, shifts=[1, 1], dims=[2, 2])
    row(op, shape, [1], [0, 1])
    row(op, shape, 1, 3, unlike=unread)
for op in both("rot90"):
    for k in range(-2, 5):
        row(op, (2, 3), k)
    row(op, shape, 1, [1, 2])
    row(op, shape, 3, dims=[-1, 0])
    row(op, shape, 1, [1, 1])
    row(op, shape, 1, [0, 1, 2])
for times in ([2, 1, 3], [2, 2, 1, 1], [0, 1, 1], [1, 1, 1], [2, 2], [-1, 1, 1]):
    row("Tensor.repeat", shape, times, unlike=unread if -1 in times else None)
row("Tensor.repeat", (3,), 2, 2)
row("Tensor.repeat", (3,), repeats=[2, 2])
for op in both("tile"):
    for times in ([2], [2, 1, 3], [2, 2, 1, 1], [0], []):
        row(op, shape, times)
row("tile", shape, dims=[2])
row("Tensor.tile", shape, 2, 1)
for op in both("repeat_interleave"):
    row(op, shape, 2)
    row(op, shape, 3, dim=1)
    row(op, shape, 0, 2)
    row(op, shape, ints((3,), 0, 3), dim=1)
    row(op, shape, ints((3,), 0, 0), dim=1, note="none")
    row(op, shape, ints((1,), 2, 2), dim=-1)
    row(op, shape, ints((24,), 0, 2))
    row(op, shape, 2, dim=0, output_size=4)
    row(op, shape, ints((2,), 0, 3), dim=1)
    row(op, shape, -1)
    row(op, shape, 2, 3)
row("repeat_interleave", ints((4,), 0, 3))
row("repeat_interleave", shape, floats((3,), dtype="float32"), dim=1)
for size, step in ((1, 1), (2, 1), (3, 2), (2, 3), (5, 1), (0, 1), (6, 1), (2, 0), (-1, 1)):
    row("Tensor.unfold", (5, 3), 0, size, step)
row("Tensor.unfold", (2, 7), -1, 4, 2)
row("Tensor.unfold", (2, 7), 1, 6, 1)
row("Tensor.unfold", (2, 7), 2, 1, 1)
row("Tensor.unfold", (), 0, 1, 1)
row("Tensor.unfold", (5,), call=lambda lib, x: x.unfold(0, 3, 1).unfold(0, 2, 1) * 2, note="twice")

for op in ("hstack", "vstack", "dstack", "column_stack", "row_stack"):
    row(op, (2, 3), (2, 3), call=lambda lib, *xs, op=op: getattr(lib, op)(xs))
    row(op, (3,), (3,), call=lambda lib, *xs, op=op: getattr(lib, op)(list(xs)))
    row(op, (), (), call=lambda lib, *xs, op=op: getattr(lib, op)(xs))
    row(op, (2, 3, 4), (2, 3, 4), call=lambda lib, *xs, op=op: getattr(lib, op)(xs))
    row(op, (2, 3), (3, 2), call=lambda lib, *xs, op=op: getattr(lib, op)(xs))
    row(op, (2,), ints((2,)), call=lambda lib, *xs, op=op: getattr(lib, op)(xs))
row("block_diag", (2, 3), (1, 2), (3,), ())
row("block_diag", (2, 3), ints((1, 2)))
row("block_diag", shape)
for indexing in ("ij", "xy"):
    row("meshgrid", (3,), (2,), indexing=indexing)
    row("meshgrid", (3,), (), (3,), indexing=indexing)
    row("meshgrid", (3,), indexing=indexing)
row("meshgrid", (3,), (3,), call=lambda lib, *xs: lib.meshgrid(list(xs), indexing="xy"), note="xylist")
row("meshgrid", (3,), (2,), indexing="no")
row("meshgrid", (3, 2), (2,), indexing="ij")
row("meshgrid", floats((3,), dtype="float32"), ints((2,)), indexing="ij")
row("cartesian_prod", (3,), (2,), (2,))
row("cartesian_prod", (3,))
row("cartesian_prod", (3, 2), (2,))
for r in (0, 1, 2, 3, 6, -1):
    row("combinations", (5,), r)
row("combinations", (4,), r=2, with_replacement=True)
row("combinations", (4, 2))

for op in both("select_scatter"):
    row(op, shape, (2, 4), 1, 2)
    row(op, shape, (3, 4), dim=0, index=-1)
    row(op, shape, (2, 3), 1, 2)
    row(op, shape, ints((2, 4)), 1, 0)
for op in both("slice_scatter"):
    row(op, shape, (2, 2, 4), 1, 1)
    row(op, shape, (2, 3, 2), dim=-1, start=0, end=4, step=2)
    row(op, shape, shape)
    row(op, shape, (2, 3, 4), 1, 1)
for op in both("diagonal_scatter"):
    row(op, (3, 4), (3,))
    row(op, (3, 4), (2,), -1)
    row(op, shape, (3, 2), 1, dim1=0, dim2=2)
    row(op, (3, 4), (4,))

COPIES = {
    "alias_copy": lambda f, x: f(x),
    "diagonal_copy": lambda f, x: f(x, 1, 1, 2),
    "expand_copy": lambda f, x: f(x[:, :1], (2, 2, 5, 4)),
    "permute_copy": lambda f, x: f(x, (2, 0, 1)),
    "select_copy": lambda f, x: f(x, 1, 2),
    "slice_copy": lambda f, x: f(x, 2, 0, 4, 3),
    "split_copy": lambda f, x: f(x, 2, 1),
    "split_with_sizes_copy": lambda f, x: f(x, [1, 2], 1),
    "squeeze_copy": lambda f, x: f(x[:, :1], 1),
    "t_copy": lambda f, x: f(x[0]),
    "transpose_copy": lambda f, x: f(x, 0, 2),
    "unbind_copy": lambda f, x: f(x, 1),
    "unfold_copy": lambda f, x: f(x, 2, 3, 1),
    "unsqueeze_copy": lambda f, x: f(x, 1),
    "view_copy": lambda f, x: f(x, (6, 4)),
}
for op, how in COPIES.items():
    row(op, (2, 3, 4), call=lambda lib, x, op=op, how=how: how(getattr(lib, op), x))

for op, args in (("squeeze_", ()), ("squeeze_", (1,)), ("unsqueeze_", (1,)), ("unsqueeze_", (9,)), ("t_", ())):
    row(f"Tensor.{op}", (3, 1), *args)
for op in ("transpose_", "swapaxes_", "swapdims_"):
    row(f"Tensor.{op}", shape, 0, 2)
    row(f"Tensor.{op}", shape, 0, 3)
row("Tensor.t_", shape)
row("Tensor.transpose_", shape, call=lambda lib, x: (x * 2).transpose_(0, 1).mul_(3)[0] * x[0, 0, 0], note="used")
row("Tensor.select", bools((3, 2)), 0, 1)
