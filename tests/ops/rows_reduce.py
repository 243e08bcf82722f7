"""Rows of reductions, softmax and losses."""

from cases import bools, floats, ints, row

shape, distinct = (2, 3, 4), floats((2, 3, 4), distinct=True)

for op in ("sum", "mean"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, shape)
        row(lib_op, shape, dim=1)
        row(lib_op, shape, dim=-1, keepdim=True)
        row(lib_op, shape, dim=[0, -1])
    row(op, shape, dim=[0, 1, 2], keepdim=True)
    row(op, shape, dim=[1])
    row(op, shape, 0, True)
    row(op, ())
    row(op, (), dim=0)
    row(op, (), dim=[-1], keepdim=True)
    row(op, (5,), dim=0)
    row(op, shape, axis=1)
    row(op, shape, axis=-1, keepdims=True)
    row(op, shape, dim=1, dtype="float64")
    row(op, shape, dtype="float32")
    row(op, (2000,), note="long")
    row(op, shape, dim=[], note="empty")
    row(op, shape, dim=3)
    row(op, shape, dim=-4)
    row(op, shape, dim=[0, 0])
cut = dict.fromkeys(("gradient", "layout", "degenerate"), "torch raises if the input requires grad; a cast cuts it off")
row("sum", shape, dim=1, dtype="int32", unlike=cut)
row("sum", shape, dtype="bool", unlike=cut)
row("sum", bools(shape), dim=1)
row("sum", ints(shape, 0, 250, "uint8"))

nan = {"special_gradient": "beside a nan torch's amax and amin make all gradients nan, its max and min do as we do"}
for op in ("amax", "amin"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, distinct, unlike=nan)
        row(lib_op, distinct, dim=1, unlike=nan)
        row(lib_op, distinct, dim=[0, -1], keepdim=True, unlike=nan)
    row(op, (), dim=0)
    row(op, distinct, axis=1, keepdims=True, twin=lambda lib, x, op=op: getattr(lib, op)(x, 1, True), unlike=nan)
    row(op, (2, 3), call=lambda lib, x, op=op: getattr(lib, op)(lib.cat([x, x], 1), 1), note="ties", unlike=nan)
    row(op, distinct, dim=3)
    row(op, distinct, dim=[1, 1])
for op in ("max", "min"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, distinct)
        row(lib_op, distinct, 1)
        row(lib_op, distinct, dim=-1, keepdim=True)
    row(op, ())
    row(op, (), dim=0)
    row(op, (), dim=-1, keepdim=True)
    row(op, distinct, axis=1)
    row(op, (2, 3), call=lambda lib, x, op=op: getattr(lib, op)(lib.cat([x, x], 1), 1), note="ties")
    row(op, (2, 3), call=lambda lib, x, op=op: getattr(lib, op)(lib.cat([x, x], 1)), note="tiesofall")
    row(op, distinct, call=lambda lib, x, op=op: getattr(lib, op)(x, 1).values, note="values")
    row(op, distinct, call=lambda lib, x, op=op: getattr(lib, op)(x, 0).indices, note="indices")
    row(op, distinct, dim=3)
row("max", (3, 4), (4,))
row("min", (3, 4), ints((3, 1)))
row("Tensor.max", (3, 4), other=floats((4,)))
row("min", (3, 4), 1, other=floats((4,)))
row("aminmax", distinct, unlike=nan)
for lib_op in ("aminmax", "Tensor.aminmax"):
    row(lib_op, distinct, dim=1, unlike=nan)
    row(lib_op, distinct, dim=-1, keepdim=True, unlike=nan)
row("aminmax", distinct, call=lambda lib, x: lib.aminmax(x, dim=0).max, note="max", unlike=nan)
row("aminmax", (), dim=0)
row("aminmax", distinct, dim=3)
for op in ("argmax", "argmin"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, distinct)
        row(lib_op, distinct, 1)
        row(lib_op, distinct, dim=-1, keepdim=True)
    row(op, (), dim=0)
    row(op, distinct, keepdim=True)
    row(op, ints((3, 5), 0, 1), dim=1)
    row(op, distinct, dim=3)
for op in ("all", "any"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, bools(shape))
        row(lib_op, bools(shape), 1)
        row(lib_op, ints(shape, 0, 1), dim=-1, keepdim=True)
    row(op, shape, dim=1)
    row(op, bools(shape), dim=[0, 1])
    row(op, bools(shape), dim=[0, 1], keepdim=True)
    row(op, ints(shape, 0, 1, "uint8"), dim=[0, 2])
    row(op, (), dim=0)
    row(op, bools(shape), dim=3)

for op in ("softmax", "log_softmax"):
    for lib_op in (op, f"Tensor.{op}", f"nn.functional.{op}"):
        row(lib_op, (3, 4), dim=-1)
        row(lib_op, (2, 3, 4), dim=1)
    row(op, (3, 4), 0)
    row(op, (), dim=0)
    row(op, (5,), dim=0)
    row(op, (3, 4), dim=1, dtype="float64")
    row(op, floats((3, 4), low=-300, high=300), dim=1)
    row(op, (3, 1), dim=1)
    row(op, (3, 4), dim=2)
    row(op, (3, 4), dim=-3)

classes = ints((5,), 0, 3)
F = "nn.functional.cross_entropy"
scalar = {"0d": "torch raises IndexError or RuntimeError by the reduction; we RuntimeError"}
for reduction in ("mean", "sum", "none"):
    for smoothing in (0.0, 0.1):
        settings = {"reduction": reduction, "label_smoothing": smoothing}
        row(F, (5, 4), classes, **settings)
        row(F, (5, 4), classes, weight=floats((4,), low=0.2, high=2), **settings)
        row(F, (5, 4), classes, ignore_index=2, **settings)
        row(F, (5, 4), classes, weight=floats((4,), low=0.2, high=2), ignore_index=1, **settings)
        row(F, (5, 4), floats((5, 4), low=0, high=1), unlike=scalar, **settings)
        weight = floats((4,), low=0.2, high=2)
        row(F, (5, 4), floats((5, 4), low=0, high=1), weight=weight, unlike=scalar, **settings)
        row(F, (4,), ints((), 0, 3), **settings)
        row(F, (2, 4, 3), ints((2, 3), 0, 3), **settings)
        row(F, (2, 4, 3, 2), ints((2, 3, 2), 0, 3), ignore_index=0, **settings)
        row(F, (2, 4, 3), floats((2, 4, 3), low=0, high=1), unlike=scalar, **settings)
        row(F, (4,), floats((4,), low=0, high=1), unlike=scalar, **settings)
row(F, (5, 4), ints((5,), -3, -3), ignore_index=-3, note="allignored")
row(F, (5, 4), ints((5,), -3, -3), ignore_index=-3, reduction="sum", note="allignored")
row(F, (5, 1), ints((5,), 0, 0))
row(F, (5, 4), ints((5,), 0, 3), label_smoothing=1.0)
row(F, (5, 4), ints((5,), 4, 6), note="outofrange")
row(F, (5, 4), ints((5,), -2, -1), note="negative")
row(F, (5, 4), ints((4,), 0, 3))
row(F, (5, 4), ints((5, 1), 0, 3))
row(F, (5, 4), classes, weight=floats((3,), low=0.2))
row(F, (5, 4), classes, reduction="average")
row(F, (5, 4), classes, label_smoothing=1.5)
