"""Reading and writing by index against PyTorch, on indices that Hypothesis makes up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import Raised, assert_same, check_gradients, host, ours, outcome, theirs, torch

import gpudl

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@st.composite
def slices(draw, length):
    bound = st.none() | st.integers(-length - 2, length + 2)
    return slice(draw(bound), draw(bound), draw(st.none() | st.integers(1, 3)))


@st.composite
def integer_arrays(draw, length, shape):
    return draw(st.lists(st.integers(-length, length - 1), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))


@st.composite
def indices(draw, shape, advanced=True):
    """An index, in range, into a tensor of this shape; NumPy arrays stand for tensors."""
    parts, dim = [], 0
    # All arrays of an index broadcast: they have one shape, or lack some of its dimensions, or have length 1 there.
    common = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple))
    while dim < len(shape):
        length = shape[dim]
        kinds = ["slice", "none", "stop"]
        if length:
            kinds.append("int")
            kinds += ["array", "list", "0d"] if advanced else []
        if advanced and len(common) == 1:
            kinds.append("mask")
        kind = draw(st.sampled_from(kinds))
        if kind == "stop":
            break
        if kind == "slice":
            parts.append(draw(slices(length)))
        elif kind == "none":
            parts.append(None)
            continue
        elif kind == "int":
            parts.append(draw(st.integers(-length, length - 1)))
        elif kind == "mask":
            # As many True as the other arrays have elements, or one, which broadcasts.
            count = draw(st.sampled_from([n for n in (1, common[0]) if n <= length] or [0]))
            if not count:
                parts.append(slice(None))
            else:
                mask = np.zeros(length, bool)
                mask[draw(st.permutations(range(length)))[:count]] = True
                parts.append(mask)
        elif kind == "0d":
            parts.append(np.array(draw(st.integers(-length, length - 1))))
        else:
            own = tuple(draw(st.sampled_from([1, n])) for n in common[draw(st.integers(0, len(common) - 1)) :])
            array = np.array(draw(integer_arrays(length, own)), np.int64).reshape(own)
            parts.append(array.tolist() if kind == "list" else array)
        dim += 1
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))) if dim == len(shape) else len(parts), Ellipsis)
    return tuple(parts)


@st.composite
def cases(draw, advanced=True):
    shape = draw(SHAPES)
    return shape, draw(indices(shape, advanced))


def index_for(lib, parts, device):
    """The index with tensors of a library for its arrays."""
    make = theirs if lib is torch else lambda x: ours(x, device)
    parts = tuple(make(part) if isinstance(part, np.ndarray) else part for part in parts)
    return parts[0] if len(parts) == 1 else parts


def numbered(shape, dtype="float32"):
    return np.arange(1, 1 + np.prod(shape, dtype=int), dtype=dtype).reshape(shape)


@given(cases())
def test_reading_gives_values_and_gradients(device, case):
    shape, parts = case
    x, twin = ours(numbered(shape), device, grad=True), theirs(numbered(shape), grad=True)
    got = outcome(lambda: x[index_for(gpudl, parts, device)])
    want = outcome(lambda: twin[index_for(torch, parts, device)])
    label = f"shape {shape} at {parts}"
    assert_same(got, want, label)
    if not isinstance(want, Raised):
        check_gradients(got, want, [x], [twin], label)


@given(cases(), st.integers(0, 5), st.sampled_from(["float32", "int64", "float16", "bool"]))
def test_writing_gives_values(device, case, form, dtype):
    shape, parts = case
    x, twin = ours(numbered(shape), device), theirs(numbered(shape))
    place = outcome(lambda: numbered(shape)[tuple(np.asarray(p) if isinstance(p, list) else p for p in parts)])
    if isinstance(place, Raised):
        return
    # Elements that an index names twice keep one of the values, which one is nobody's promise: so all are equal then.
    twice = len(np.unique(place)) < place.size
    inner = place.shape[min(form, place.ndim) :]
    inner = (1, *inner) if form == 5 else tuple(1 if form == 4 else n for n in inner)
    value = np.full(inner, 7, dtype) if twice else (-numbered(inner)).astype(dtype)

    def write(target, lib, given_value):
        target[index_for(lib, parts, device)] = given_value
        return target

    # torch refuses to cast beside an index of tensors; gpudl casts there as everywhere.
    for given_value, twin_value in ((ours(value, device), theirs(value).to(twin.dtype)), (2.5, 2.5), (True, True)):
        label = f"shape {shape} at {parts} = {given_value!r}"
        want = outcome(write, twin, torch, twin_value)
        assert_same(outcome(write, x, gpudl, given_value), want, label)


@given(cases())
def test_writing_sends_gradients_to_the_value_and_around_it(device, case):
    shape, parts = case
    place = numbered(shape)[tuple(np.asarray(p) if isinstance(p, list) else p for p in parts)]
    if len(np.unique(place)) < place.size:
        return
    value = numbered(place.shape)
    results = []
    for lib, make in ((gpudl, lambda a: ours(a, device, grad=True)), (torch, lambda a: theirs(a, grad=True))):
        x, v = make(numbered(shape)), make(value)
        y = x * 2
        y[index_for(lib, parts, device)] = v * 3
        results.append((y, [x, v]))
    (got, mine), (want, twins) = results
    label = f"shape {shape} at {parts}"
    assert_same(got, want, label)
    check_gradients(got, want, mine, twins, label)


@given(cases(advanced=False))
def test_basic_indices_are_views(device, case):
    shape, parts = case
    x, twin = ours(numbered(shape), device), theirs(numbered(shape))
    view, twin_view = x[index_for(gpudl, parts, device)], twin[index_for(torch, parts, device)]
    view.mul_(-1)
    twin_view.mul_(-1)
    assert_same(x, twin, f"shape {shape}, written through {parts}")
    x.fill_(5)
    assert (host(view) == 5).all()


@given(cases())
def test_indices_of_tensors_copy(device, case):
    shape, parts = case
    if not any(isinstance(part, (np.ndarray, list)) and np.ndim(part) for part in parts):
        return
    x = ours(numbered(shape), device)
    x[index_for(gpudl, parts, device)].fill_(-1)
    np.testing.assert_array_equal(host(x), numbered(shape))


FIXED = {
    "a bool tensor of all dimensions": lambda lib, x, i, m: x[m],
    "a bool tensor of the first dimension": lambda lib, x, i, m: x[m[:, 0]],
    "a bool tensor and a slice": lambda lib, x, i, m: x[m[:, 0], 1:],
    "a bool tensor and a number": lambda lib, x, i, m: x[m[:, 0], 1],
    "an int tensor and a bool tensor": lambda lib, x, i, m: x[i[:1], m[0]],
    "a 0-d bool tensor": lambda lib, x, i, m: x[m[0, 0]],
    "True": lambda lib, x, i, m: x[True],
    "False": lambda lib, x, i, m: x[False],
    "True among others": lambda lib, x, i, m: x[0, True],
    "a 0-d int tensor": lambda lib, x, i, m: x[i[0]],
    "an int32 tensor": lambda lib, x, i, m: x[i.int()],
    "a uint8 tensor": lambda lib, x, i, m: x[i.to(lib.uint8)] if lib is gpudl else x[i],
    "an empty list": lambda lib, x, i, m: x[[]],
    "a list of bools": lambda lib, x, i, m: x[[True, False, True]],
    "two lists": lambda lib, x, i, m: x[[0, 1], [2, 3]],
    "lists around a slice": lambda lib, x, i, m: x[None][[0, 0], :, [1, 2]],
    "a NumPy array": lambda lib, x, i, m: x[np.array([0, 2])],
    "a NumPy number": lambda lib, x, i, m: x[np.int64(1)],
    "an empty tensor": lambda lib, x, i, m: x[i[:0]],
    "nothing": lambda lib, x, i, m: x[()],
    "an ellipsis alone": lambda lib, x, i, m: x[...],
    "a slice beyond the end": lambda lib, x, i, m: x[5:9],
    "a slice bound by tensors": lambda lib, x, i, m: x[i[1] : i[0]],
    "an int beyond the end": lambda lib, x, i, m: x[3],
    "an int before the start": lambda lib, x, i, m: x[-4],
    "a list beyond the end": lambda lib, x, i, m: x[[0, 3]],
    "a tensor before the start": lambda lib, x, i, m: x[i - 5],
    "too many": lambda lib, x, i, m: x[0, 0, 0],
    "a mask of another shape": lambda lib, x, i, m: x[m[:2]],
    "a mask of another length": lambda lib, x, i, m: x[:, m[:, 0]],
    "tensors that do not broadcast": lambda lib, x, i, m: x[i[:2], i],
    "a step of 0": lambda lib, x, i, m: x[::0],
    "a negative step": lambda lib, x, i, m: x[::-1],
    "a float": lambda lib, x, i, m: x[1.0],
    "a string": lambda lib, x, i, m: x["1"],
    "a float tensor": lambda lib, x, i, m: x[x],
    "a float slice": lambda lib, x, i, m: x[1.5:],
    "a 0-d tensor": lambda lib, x, i, m: x[0, 0][0],
    "a 0-d tensor by nothing": lambda lib, x, i, m: x[0, 0][...],
    "a 0-d tensor by None": lambda lib, x, i, m: x[0, 0][None],
    "a 0-d tensor by a mask": lambda lib, x, i, m: x[0, 0][m[0, 0]],
}


@pytest.mark.parametrize("name", FIXED)
def test_indices_by_hand(name, device):
    arrays = numbered((3, 4)), np.array([2, 0, 2]), numbered((3, 4)) % 3 == 1
    mine = [ours(a, device, grad=True) for a in arrays]
    twins = [theirs(a, grad=True) for a in arrays]
    got, want = outcome(FIXED[name], gpudl, *mine), outcome(FIXED[name], torch, *twins)
    assert_same(got, want, name)
    if not isinstance(want, Raised):
        check_gradients(got, want, mine[:1], twins[:1], name)


def test_a_nested_list_is_one_tensor_as_torch_announces_it(device):
    x = ours(numbered((3, 4)), device)
    np.testing.assert_array_equal(host(x[[[0, 1], [2, 0]]]), numbered((3, 4))[np.array([[0, 1], [2, 0]])])


def test_two_ellipses_are_ambiguous(device):
    with pytest.raises(IndexError, match="ellipsis"):
        ours(numbered((3, 4)), device)[..., 0, ...]


def test_errors_name_the_shape(device):
    x = ours(numbered((3, 4)), device)
    for index in (3, (0, 9), [5], (0, 0, 0)):
        with pytest.raises(IndexError, match=r"\(3, 4\)"):
            x[index]
        with pytest.raises(IndexError, match=r"\(3, 4\)"):
            x[index] = 1
    with pytest.raises(gpudl.ShapeError, match=r"\(5,\)"):
        x[0] = gpudl.ones(5, device=device)
    with pytest.raises(gpudl.ShapeError, match=r"\(5,\)"):
        x[[0, 1]] = gpudl.ones(5, device=device)


def test_elements_named_twice_add_up(device):
    x = ours(np.zeros(3, "float32"), device, grad=True)
    (x[[0, 0, 2, 0]] * gpudl.tensor([1.0, 2.0, 4.0, 8.0], device=device)).sum().backward()
    np.testing.assert_array_equal(host(x.grad), [11, 0, 4])


def test_second_gradients_pass_through_reading_and_writing(device):
    x = ours(np.array([1.0, 2.0, 3.0]), device, grad=True)
    index = ours(np.array([0, 2, 0]), device)
    assert gpudl.autograd.gradgradcheck(lambda t: (t[index] ** 3)[1:], x)

    def write(t, v):
        y = t**2
        y[index[1:]] = v**3
        y[:1] = v[:1] ** 2
        return y * t

    assert gpudl.autograd.gradgradcheck(write, [x, ours(np.array([1.5, -2.0]), device, grad=True)])


@given(cases())
def test_second_gradients_agree_with_torch(device, case):
    shape, parts = case
    # By torch: NumPy moves an array's dimensions to the front where an int stands apart from it.
    place = host(theirs(numbered(shape))[index_for(torch, parts, device)])
    unique = len(np.unique(place)) == place.size
    results = []
    for lib, make in ((gpudl, lambda a: ours(a, device, grad=True)), (torch, lambda a: theirs(a, grad=True))):
        x, v = make(np.asarray(numbered(shape, "float64") / 8)), make(np.asarray(numbered(place.shape, "float64") / 4))
        index = index_for(lib, parts, device)
        y = x[index] ** 3 * v
        if unique:
            z = x**2
            z[index] = v**3
            y = y * z[index]
        first = lib.autograd.grad(y.sum(), [x, v], create_graph=True)
        again = lib.autograd.grad(sum((each**2).sum() for each in first), [x, v], allow_unused=True)
        results.append([host(each) for each in (*first, *again)])
    for got, want in zip(*results):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, err_msg=f"shape {shape} at {parts}")


@given(st.lists(st.tuples(st.integers(-3, 2), st.integers(-4, 3)), min_size=1, max_size=9))
def test_gradients_of_several_index_tensors_with_negative_indices(device, pairs):
    rows, columns = np.array(pairs).T.copy()
    x, twin = ours(numbered((3, 4, 2)), device, grad=True), theirs(numbered((3, 4, 2)), grad=True)
    got, want = x[ours(rows, device), ours(columns, device)], twin[theirs(rows), theirs(columns)]
    assert_same(got, want, str(pairs))
    check_gradients(got, want, [x], [twin], str(pairs))
