"""Rows of shape operations, joining, indexing and matrix products."""

from cases import bools, floats, ints, row

shape = (2, 3, 4)

for op in ("reshape", "Tensor.reshape", "Tensor.view"):
    row(op, shape, [6, 4])
    row(op, shape, [-1])
    row(op, shape, [2, -1, 2, 3])
    row(op, shape, [5, 5])
    row(op, shape, [-1, -1])
    row(op, shape, [7, -1])
    row(op, (1,), [])
row("Tensor.reshape", shape, 4, 6)
row("Tensor.view", shape, 4, -1)
row("Tensor.view", shape, note="transposed", call=lambda lib, x: x.transpose(0, 1).view(6, 4))
row("Tensor.view", shape, note="chunked", call=lambda lib, x: x.transpose(0, 1).view(3, 2, 2, 2))
row("reshape", shape, note="transposed", call=lambda lib, x: x.transpose(0, 1).reshape(6, 4))
row("Tensor.view_as", shape, (4, 6))
for op in ("flatten", "Tensor.flatten"):
    row(op, shape)
    row(op, shape, 1)
    row(op, shape, start_dim=0, end_dim=1)
    row(op, shape, -2, -1)
    row(op, ())
    row(op, shape, 2, 1)
    row(op, shape, 3)
for op in ("permute", "Tensor.permute"):
    row(op, shape, [2, 0, 1])
    row(op, shape, [-1, 0, -2])
    row(op, shape, [0, 1])
    row(op, shape, [0, 1, 1])
    row(op, shape, [0, 1, 3])
    row(op, (), [])
row("Tensor.permute", shape, 1, 2, 0)
row("permute_dims", shape, [1, 2, 0], twin=lambda lib, x: x.permute(1, 2, 0))
for op in ("transpose", "Tensor.transpose", "Tensor.swapaxes"):
    row(op, shape, 0, 2)
    row(op, shape, -1, -2)
    row(op, (), 0, -1)
    row(op, shape, 0, 3)
for op in ("t", "Tensor.t"):
    row(op, (2, 3))
    row(op, (3,))
    row(op, ())
    row(op, shape)
row("Tensor.T", (2, 3), call=lambda lib, x: x.T)
scalar = {"0d": "torch deprecates mT of 0-d tensors"}
row("Tensor.mT", shape, call=lambda lib, x: x.mT, unlike=scalar)
row("Tensor.mT", (3,), call=lambda lib, x: x.mT, unlike=scalar)
for op in ("squeeze", "Tensor.squeeze"):
    row(op, (1, 3, 1))
    row(op, (1, 3, 1), 0)
    row(op, (1, 3, 1), 1)
    row(op, (1, 3, 1), dim=-1)
    row(op, (1, 3, 1), [0, 2], twin=lambda lib, x: x.squeeze((0, 2)))
    row(op, ())
    row(op, (), 0)
    row(op, (1, 3, 1), 3)
for op in ("unsqueeze", "Tensor.unsqueeze"):
    row(op, (2, 3), 0)
    row(op, (2, 3), -1)
    row(op, (2, 3), dim=2)
    row(op, (), 0)
    row(op, (2, 3), 3)
    row(op, (2, 3), -4)
for op in ("Tensor.expand", "broadcast_to", "Tensor.broadcast_to"):
    row(op, (3, 1), [2, 3, 4])
    row(op, (3, 1), [3, 4])
    row(op, (), [2])
    row(op, (3,), [3])
    row(op, (3,), [4])
    row(op, (3, 1), [3])
    row(op, (1,), [0])
    row(op, (3, 1), [-1, 4])
    row(op, (3, 1), [-1, 3, 4])
row("Tensor.expand", (3, 1), 2, -1, 5)
row("Tensor.expand_as", (3, 1), (2, 3, 4))

for op in ("cat", "concatenate"):
    for dim, parts in ((0, ((2, 3), (1, 3))), (1, ((2, 3), (2, 1), (2, 2))), (-1, ((2, 3), (2, 3))), (0, ((3,),))):
        row(op, *parts, note=f"dim{dim}", call=lambda lib, *xs, op=op, dim=dim: getattr(lib, op)(xs, dim=dim))
row("cat", (2, 3), ints((2, 3)), call=lambda lib, *xs: lib.cat(xs))
row("cat", ints((2,), dtype="uint8"), ints((2,), dtype="int8"), call=lambda lib, *xs: lib.cat(xs))
row("cat", bools((2,)), (2,), (1,), call=lambda lib, *xs: lib.cat(list(xs)))
row("cat", (2, 3), floats((1, 3), dtype="float64"), call=lambda lib, *xs: lib.cat(xs), note="wider")
row("cat", (2, 3), call=lambda lib, x: lib.cat([x, x, x * 2], 1), note="twice")
row("cat", (2, 3), (0,), call=lambda lib, *xs: lib.cat(xs), note="legacyempty")
row("cat", (2, 3), (2, 2), call=lambda lib, *xs: lib.cat(xs), note="unfit")
row("cat", (2, 3), (2,), call=lambda lib, *xs: lib.cat(xs), note="ndim")
row("cat", (), (), call=lambda lib, *xs: lib.cat(xs), note="0d")
row("cat", (2, 3), call=lambda lib, x: lib.cat([x], 2), note="dimrange")
row("cat", (), call=lambda lib, x: lib.cat([]), note="none")
for dim in (0, 1, -1):
    row("stack", (2, 3), (2, 3), note=f"dim{dim}", call=lambda lib, *xs, dim=dim: lib.stack(xs, dim=dim))
row("stack", (), (), (), call=lambda lib, *xs: lib.stack(xs))
row("stack", (2, 3), (3,), call=lambda lib, *xs: lib.stack(xs), note="unfit")
row("stack", (2, 3), call=lambda lib, x: lib.stack([x, x], 3), note="dimrange")
row("stack", (2,), ints((2,)), call=lambda lib, *xs: lib.stack(xs), note="mixed")

INDICES = {
    "int": lambda lib, x: x[1],
    "negative": lambda lib, x: x[-1, -2],
    "all": lambda lib, x: x[1, 2, 3],
    "slices": lambda lib, x: x[:1, ::2, 1:],
    "none": lambda lib, x: x[None, :, 1, None],
    "ellipsis": lambda lib, x: x[..., 0],
    "list": lambda lib, x: x[[1, 0, 1]],
    "tensor": lambda lib, x: x[:, lib.tensor([2, 0, 2, 2], device=x.device)],
    "tensors": lambda lib, x: x[lib.tensor([[0], [1]], device=x.device), :, lib.tensor([3, 3], device=x.device)],
    "mask": lambda lib, x: x[lib.tensor([True, False], device=x.device)],
    "elements": lambda lib, x: x[x > 0.1],
    "true": lambda lib, x: x[True],
    "false": lambda lib, x: x[False],
    "out": lambda lib, x: x[2],
    "toomany": lambda lib, x: x[0, 0, 0, 0],
}
for note, call in INDICES.items():
    row("Tensor.__getitem__", shape, call=call, note=note)


def _set(index, value=None):
    def call(lib, x, *values):
        x = x.clone()
        x[index] = values[0] if values else value
        return x

    return call


row("Tensor.__setitem__", shape, call=_set(1, 2), note="number")
row("Tensor.__setitem__", shape, (4,), call=_set((slice(None), 1)), note="row")
row("Tensor.__setitem__", shape, (), call=_set((..., 2)), note="0d")
both_wrong = {"norows": "the index and the value are both wrong then; torch complains of one, we of the other"}
row("Tensor.__setitem__", shape, (3, 4), call=_set([1]), note="list", unlike=both_wrong)
row("Tensor.__setitem__", shape, ints((2, 1, 4)), call=_set(slice(None)), note="cast")
row("Tensor.__setitem__", shape, (3,), call=_set(0), note="unfit")

row("Tensor.size", (2, 3), call=lambda lib, x: tuple(x.size()))
row("Tensor.size", (2, 3), 1)
row("Tensor.size", (2, 3), -1)
row("Tensor.size", (2, 3), 2)
for op in ("matmul", "Tensor.matmul", "Tensor.__matmul__"):
    row(op, (2, 3), (3, 4))
    row(op, (3,), (3,))
    row(op, (2, 3), (3,))
    row(op, (3,), (3, 4))
for x, y in (((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 1, 2, 3), (2, 3, 4))):
    row("matmul", x, y)
for x, y in (((3,), (5, 3, 4)), ((5, 2, 3), (3,)), ((1, 2, 3), (4, 3, 1))):
    row("matmul", x, y)
nothing = {"bool": "torch refuses bools only if there is something to multiply"}
for x, y in (((2, 0), (0, 3)), ((0, 2), (2, 3))):
    row("matmul", x, y, unlike=nothing)
for x, y in (((2, 3), (2, 3)), ((), (3,)), ((3,), (4,)), ((2, 2, 3), (3, 3, 4))):
    row("matmul", x, y)
row("matmul", (2, 3), ints((3, 4)))
row("Tensor.__rmatmul__", (3, 4), (2, 3))
linear = "nn.functional.linear"
for x in ((3,), (5, 3), (2, 5, 3), (2, 1, 5, 3), (0, 3)):
    row(linear, x, (4, 3), (4,), unlike=nothing if 0 in x else None)
    row(linear, x, (4, 3), unlike=nothing if 0 in x else None)
row(linear, (5, 3), (4, 3), None)
row(linear, (5, 3), (3, 4))
row(linear, (5, 3), (4, 3), (3,))
row(linear, (), (4, 3))
row(linear, (5, 3), (4, 3), ints((4,)))
