"""Errors: raised where PyTorch raises, of a class that fits, and saying what was wrong with what."""

import re

import numpy as np
import pytest
from oracle import Raised, assert_same, ours, outcome, theirs, torch

import gpudl
import gpudl.nn.functional

PAIRS = ("add", "sub", "mul", "div", "pow", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge", "where")


@pytest.mark.parametrize("name", PAIRS)
def test_shapes_that_do_not_broadcast_are_named(name, device):
    x, y = gpudl.ones(2, 3, device=device), gpudl.ones(4, 3, device=device)
    args = (x > 0, x, y) if name == "where" else (x, y)
    with pytest.raises(gpudl.ShapeError) as caught:
        getattr(gpudl, name)(*args)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, RuntimeError)
    message = str(caught.value)
    assert re.match(rf"{name}\b", message, re.IGNORECASE), message
    assert "(2, 3)" in message
    assert "(4, 3)" in message


UNFIT = {
    "matmul": (lambda lib, x, y: lib.matmul(x, y), (2, 3), (4, 3)),
    "cat": (lambda lib, x, y: lib.cat([x, y]), (2, 3), (2, 4)),
    "stack": (lambda lib, x, y: lib.stack([x, y]), (2, 3), (2, 4)),
    "reshape": (lambda lib, x, y: lib.reshape(x, y.shape), (2, 3), (4, 2)),
    "expand": (lambda lib, x, y: x.expand(y.shape), (2, 3), (4, 3)),
    "add_": (lambda lib, x, y: x.add_(y), (2, 3), (4, 2, 3)),
    "copy_": (lambda lib, x, y: x.copy_(y), (2, 3), (4, 3)),
    "setitem": (lambda lib, x, y: x.__setitem__(slice(None), y), (2, 3), (4, 3)),
    "masked_fill": (lambda lib, x, y: x.masked_fill(y > 0, 1), (2, 3), (4, 3)),
    "clamp": (lambda lib, x, y: x.clamp(y), (2, 3), (4, 3)),
    "isclose": (lambda lib, x, y: lib.isclose(x, y), (2, 3), (4, 3)),
}


@pytest.mark.parametrize("name", UNFIT)
def test_shapes_that_do_not_fit_are_named(name, device):
    call, *shapes = UNFIT[name]
    got = outcome(call, gpudl, *(gpudl.ones(shape, device=device) for shape in shapes))
    want = outcome(call, torch, *map(torch.ones, shapes))
    assert isinstance(want, Raised)
    assert_same(got, want, name)
    assert isinstance(got.error, gpudl.ShapeError)
    for shape in shapes:
        assert str(shape).replace(" ", "") in str(got.error).replace(" ", "")


def test_mse_loss_does_not_broadcast(device):
    with pytest.raises(gpudl.ShapeError, match=r"mse_loss.*\(3, 1\).*\(3,\)"):
        gpudl.nn.functional.mse_loss(gpudl.ones(3, 1, device=device), gpudl.ones(3, device=device))


DIMS = {
    "sum": lambda lib, x, d: lib.sum(x, d),
    "mean": lambda lib, x, d: lib.mean(x, [d]),
    "amax": lambda lib, x, d: lib.amax(x, d),
    "max": lambda lib, x, d: lib.max(x, d),
    "argmin": lambda lib, x, d: lib.argmin(x, d),
    "all": lambda lib, x, d: lib.all(x, d),
    "softmax": lambda lib, x, d: lib.softmax(x, d),
    "flatten": lambda lib, x, d: lib.flatten(x, d),
    "transpose": lambda lib, x, d: lib.transpose(x, 0, d),
    "permute": lambda lib, x, d: x.permute(d, 0),
    "squeeze": lambda lib, x, d: lib.squeeze(x, d),
    "cat": lambda lib, x, d: lib.cat([x], d),
    "size": lambda lib, x, d: x.size(d),
    "unsqueeze": lambda lib, x, d: lib.unsqueeze(x, d + (1 if d > 0 else -1)),
    "stack": lambda lib, x, d: lib.stack([x], d + (1 if d > 0 else -1)),
    "getitem": lambda lib, x, d: x[d],
}


@pytest.mark.parametrize("name", DIMS)
@pytest.mark.parametrize("dim", [2, -3, 7])
def test_dims_out_of_range_raise_index_error(name, dim, device):
    with pytest.raises(IndexError, match="out of (range|bounds)"):
        DIMS[name](gpudl, gpudl.ones(2, 2, device=device), dim)
    with pytest.raises(IndexError):
        DIMS[name](torch, torch.ones(2, 2), dim)


@pytest.mark.parametrize("dim", ["0", 1.0, None, True])
def test_dims_must_be_ints(dim, device):
    x = gpudl.ones(2, 2, device=device)
    for call in (gpudl.unsqueeze, *((gpudl.softmax, gpudl.squeeze) if dim is not None else ())):
        with pytest.raises(TypeError):
            call(x, dim)


def test_dim_and_axis_together_are_refused(device):
    x = gpudl.ones(2, 2, device=device)
    for name in ("sum", "mean", "max", "argmax", "all"):
        with pytest.raises(TypeError, match="axis"):
            getattr(gpudl, name)(x, 0, axis=0)


EMPTY = {
    "sum": lambda lib, x: lib.sum(x),
    "mean": lambda lib, x: lib.mean(x),
    "mean0": lambda lib, x: lib.mean(x, 0),
    "amax": lambda lib, x: lib.amax(x),
    "amax0": lambda lib, x: lib.amax(x, 0),
    "amax1": lambda lib, x: lib.amax(x, 1),
    "amin": lambda lib, x: lib.amin(x, (0, 1)),
    "max": lambda lib, x: lib.max(x),
    "max0": lambda lib, x: lib.max(x, 0),
    "max1": lambda lib, x: lib.max(x, 1),
    "argmax": lambda lib, x: lib.argmax(x),
    "argmax0": lambda lib, x: lib.argmax(x, 0),
    "argmax1": lambda lib, x: lib.argmax(x, 1),
    "all": lambda lib, x: lib.all(x),
    "any": lambda lib, x: lib.any(x, 0),
    "softmax": lambda lib, x: lib.softmax(x, 0),
    "log_softmax": lambda lib, x: lib.log_softmax(x, 1),
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (2, 0)])
def test_reductions_of_nothing(name, shape, device):
    want = outcome(EMPTY[name], torch, torch.ones(shape))
    assert_same(outcome(EMPTY[name], gpudl, gpudl.ones(shape, device=device)), want, f"{name} of {shape}")


IN_PLACE = {
    "int += float": lambda lib, i, b, f: i.add_(1.5),
    "int += float tensor": lambda lib, i, b, f: i.add_(f),
    "int /= int": lambda lib, i, b, f: i.div_(2),
    "int *= 0-d float": lambda lib, i, b, f: i.mul_(f[0]),
    "bool += int": lambda lib, i, b, f: b.add_(1),
    "bool += bool": lambda lib, i, b, f: b.add_(b),
    "bool *= float": lambda lib, i, b, f: b.mul_(0.5),
    "int **= 2": lambda lib, i, b, f: i.pow_(2),
    "int **= 0.5": lambda lib, i, b, f: i.pow_(0.5),
    "int.exp_": lambda lib, i, b, f: i.exp_(),
    "int.sqrt_": lambda lib, i, b, f: i.sqrt_(),
    "int.clamp_": lambda lib, i, b, f: i.clamp_(0.5),
    "float += int": lambda lib, i, b, f: f.add_(i),
    "float += double": lambda lib, i, b, f: f.add_(f.double()),
    "float16 += float": lambda lib, i, b, f: f.half().add_(f),
    "int8 += int": lambda lib, i, b, f: i.to(lib.int8).add_(i),
    "int8 += 300": lambda lib, i, b, f: i.to(lib.int8).add_(300),
    "uint8 -= int8": lambda lib, i, b, f: i.to(lib.uint8).sub_(i.to(lib.int8)),
    "int.copy_ float": lambda lib, i, b, f: i.copy_(f),
    "int[0] = float": lambda lib, i, b, f: i.__setitem__(0, 1.7),
    "bool[0] = int": lambda lib, i, b, f: b.__setitem__(0, 2),
    "int.fill_ float": lambda lib, i, b, f: i.fill_(2.7),
    "int.fill_ tensor": lambda lib, i, b, f: i.fill_(f[0]),
    "bool.fill_ 2": lambda lib, i, b, f: b.fill_(2),
    "fill_ 1-d": lambda lib, i, b, f: f.fill_(f),
    "int.masked_fill_": lambda lib, i, b, f: i.masked_fill_(b, 1.5),
    "bool -= bool": lambda lib, i, b, f: b.sub_(b),
    "neg_ bool": lambda lib, i, b, f: b.neg_(),
    "expanded += 1": lambda lib, i, b, f: f[:1].expand(3).add_(1),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_results_must_fit_the_dtype(name, device):
    arrays = np.array([1, -2, 3]), np.array([True, False, True]), np.array([0.5, -1.25, 3.0], "float32")
    mine, twins = [ours(x, device) for x in arrays], [theirs(x) for x in arrays]
    assert_same(outcome(IN_PLACE[name], gpudl, *mine), outcome(IN_PLACE[name], torch, *twins), name)
    for number, (tensor, twin) in enumerate(zip(mine, twins)):
        assert_same(tensor, twin, f"{name}: operand {number} afterwards")


@pytest.mark.parametrize("change", [lambda x: x.add_(1), lambda x: x.zero_(), lambda x: x.__setitem__(0, 1.0)])
def test_leaves_that_require_grad_are_not_changed_in_place(change, device):
    x = gpudl.ones(3, device=device, requires_grad=True)
    for target in (x, x[:2], x.reshape(3, 1)):
        with pytest.raises(RuntimeError, match="requires grad"):
            change(target)
    with gpudl.no_grad():
        change(x)


DTYPES = {
    "mean of ints": lambda lib: lib.mean(lib.tensor([1, 2])),
    "softmax of ints": lambda lib: lib.softmax(lib.tensor([1, 2]), 0),
    "matmul of two dtypes": lambda lib: lib.ones(2, 2) @ lib.ones(2, 2, dtype=lib.float64),
    "where of ints": lambda lib: lib.where(lib.tensor([1, 0]), 1, 2),
    "masked_fill of ints": lambda lib: lib.ones(2).masked_fill(lib.tensor([1, 0]), 2),
    "isclose of two dtypes": lambda lib: lib.isclose(lib.ones(2), lib.ones(2, dtype=lib.float64)),
    "int ** -1": lambda lib: lib.tensor([1, 2]) ** -1,
    "bool - bool": lambda lib: lib.tensor([True]) - lib.tensor([True]),
    "bitwise of floats": lambda lib: lib.ones(2) & lib.ones(2),
    "mean to ints": lambda lib: lib.mean(lib.ones(2), dtype=lib.int64),
    "requires_grad of ints": lambda lib: lib.tensor([1]).requires_grad_(),
    "index by floats": lambda lib: lib.ones(2)[lib.ones(1)],
    "item of two": lambda lib: lib.ones(2).item(),
    "bool of two": lambda lib: bool(lib.ones(2)),
    "int of two": lambda lib: int(lib.ones(2)),
    "len of 0-d": lambda lib: len(lib.tensor(1)),
    "iteration over 0-d": lambda lib: list(lib.tensor(1)),
    "add a string": lambda lib: lib.ones(2) + "1",
    "add None": lambda lib: lib.add(lib.ones(2), None),
    "add a list": lambda lib: lib.add(lib.ones(2), [1, 2]),
    "matmul of a number": lambda lib: lib.matmul(lib.ones(2), 2),
    "linear of two dtypes": lambda lib: lib.nn.functional.linear(lib.ones(2, 2), lib.ones(2, 2, dtype=lib.float64)),
    "view of a transposed": lambda lib: lib.ones(2, 3).t().view(6),
    "reshape to a float": lambda lib: lib.ones(4).reshape(2.0, 2),
    "permute of too few": lambda lib: lib.ones(2, 3).permute(0),
    "numpy of a graph": lambda lib: lib.ones(2, requires_grad=True).numpy(),
}


@pytest.mark.parametrize("name", DTYPES)
def test_bad_arguments_raise_as_in_torch(name):
    want = outcome(DTYPES[name], torch)
    assert isinstance(want, Raised)
    assert_same(outcome(DTYPES[name], gpudl), want, name)
