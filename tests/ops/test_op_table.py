"""Every row of the op table, against PyTorch. How to add a row: see cases.py."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from cases import FLOATS, INTEGERS, ROWS
from oracle import (
    assert_same,
    check_gradients,
    differentiable,
    gradients,
    host,
    ours,
    outcome,
    projection,
    theirs,
    torch,
)
from tolerances import assert_close

import gpudl
import gpudl.nn.functional
from gpudl.autograd import gradcheck, gradgradcheck

SPECIALS = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0)
HUGE = {"float16": 3e4, "float32": 1e30, "float64": 1e300}
TINY = {"float16": 1e-7, "float32": 1e-42, "float64": 1e-310}  # below the smallest normal number

# An empty first dimension, an empty last one, no dimensions: what may be done then differs from op to op.
DEGENERATE = {
    "norows": lambda shape: (0, *shape[1:]) if shape else (0,),
    "nocolumns": lambda shape: (*shape[:-1], 0),
    "0d": lambda shape: (),
}
# How to lay out an input: its elements as the leaf has them, and how the input is seen in the leaf.
LAYOUTS = {
    "transposed": (lambda x: x.transpose(), lambda t: t.permute(tuple(reversed(range(t.ndim))))),
    "strided": (lambda x: np.repeat(x, 2, -1), lambda t: t[..., 1::2]),
    "expanded": (lambda x: x[:1], lambda t: t.expand((5, *t.shape[1:]))),
}


def rows_for(check, wanted=lambda row: True):
    """The rows that make a check: a parametrization. Those that decline it say why."""
    return [
        pytest.param(row, marks=pytest.mark.skip(reason=row.unlike[check]) if check in row.unlike else [])
        for row in ROWS.values()
        if wanted(row)
    ]


def is_open(row):
    """True if an input takes each dtype in turn."""
    return any(each.dtype is None for each in row.inputs)


def both(row, arrays, device, grad=False, view=lambda tensor: tensor):
    """The row's outcome in gpudl and in torch, and the tensors given to each."""
    mine = [ours(x, device, grad) for x in arrays]
    other = [theirs(x, grad) for x in arrays]
    got = outcome(row.run, gpudl, *map(view, mine))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of what it deprecates; gpudl may not warn at all
        want = outcome(row.run, torch, *map(view, other))
    return got, want, mine, other


def check_unchanged(row, tensors, arrays):
    for tensor, array in zip(tensors, arrays):
        np.testing.assert_array_equal(host(tensor), array, f"{row.id}: an input was changed")


@pytest.mark.parametrize("row", rows_for("values"), ids=str)
def test_values_dtypes_and_gradients_of_floats(row, device):
    for dtype in FLOATS if is_open(row) else ["float32"]:
        if dtype in row.unlike:
            continue
        arrays = row.make(dtype)
        got, want, mine, other = both(row, arrays, device, grad="gradient" not in row.unlike)
        label = f"{row.id} {dtype}"
        assert_same(got, want, label, row.slack)
        check_unchanged(row, mine, arrays)
        check_gradients(got, want, mine, other, label, row.slack)


@pytest.mark.parametrize("row", rows_for("integers", is_open), ids=str)
def test_values_and_dtypes_of_integers_and_bools(row, device):
    for dtype in (*INTEGERS, "bool"):
        if dtype not in row.unlike:
            arrays = row.make(dtype)
            got, want, mine, _ = both(row, arrays, device)
            assert_same(got, want, f"{row.id} {dtype}", row.slack)
            check_unchanged(row, mine, arrays)


@pytest.mark.parametrize("row", rows_for("degenerate", lambda row: row.inputs), ids=str)
def test_empty_and_0d_inputs(row, device):
    for form, reshaped in DEGENERATE.items():
        if form not in row.unlike:
            arrays = row.make("float32", change=lambda each, to=reshaped: replace(each, shape=to(each.shape)))
            got, want, mine, other = both(row, arrays, device, grad="gradient" not in row.unlike)
            label = f"{row.id} {form}"
            assert_same(got, want, label)
            check_gradients(got, want, mine, other, label)


@pytest.mark.parametrize("row", rows_for("special", is_open), ids=str)
def test_nan_infinite_and_extreme_values(row, device):
    for dtype in FLOATS:
        if f"special {dtype}" in row.unlike:
            continue
        numbers = row.specials or (*SPECIALS, HUGE[dtype], TINY[dtype])
        with_gradients = dtype != "float16" and not row.unlike.keys() & {"gradient", "special_gradient"}
        for seed in range(3):
            rng = np.random.default_rng(seed)
            arrays = [
                array if each.dtype else np.resize(rng.permutation(numbers), array.shape).astype(dtype)
                for each, array in zip(row.inputs, row.make(dtype))
            ]
            got, want, mine, other = both(row, arrays, device, with_gradients)
            label = f"{row.id} {dtype} {[x.tolist() for x in arrays]}"
            assert_same(got, want, label, row.slack)
            check_gradients(got, want, mine, other, label, row.slack)


@pytest.mark.parametrize("row", rows_for("layout", is_open), ids=str)
def test_inputs_that_are_not_contiguous(row, device):
    for name, (leaf, view) in LAYOUTS.items():
        arrays = row.make("float32")
        if name in row.unlike or any(x.ndim == 0 or (name == "expanded" and x.shape[0] < 2) for x in arrays):
            continue
        rows = {x.shape[0] for x in arrays}
        if name == "expanded" and len(rows) > 1:
            continue

        def seen(tensor, name=name, view=view, rows=rows):
            return tensor.expand((*rows, *tensor.shape[1:])) if name == "expanded" else view(tensor)

        arrays = [np.ascontiguousarray(leaf(x)) for x in arrays]
        got, want, mine, other = both(row, arrays, device, "gradient" not in row.unlike, view=seen)
        label = f"{row.id} {name}"
        assert_same(got, want, label, row.slack)
        check_gradients(got, want, mine, other, label, row.slack)


@pytest.mark.parametrize("row", rows_for("second", lambda row: is_open(row) and "gradient" not in row.unlike), ids=str)
def test_second_gradients(row, device):
    got, want, mine, other = both(row, row.make("float64"), device, grad=True)
    outputs, wanted = differentiable(got), differentiable(want)
    if not wanted:
        return
    weights, leaves, others = projection(wanted), differentiable(mine), differentiable(other)
    seeds, twins = [ours(w, y.device, True) for w, y in zip(weights, outputs)], [theirs(w, grad=True) for w in weights]
    first = gradients(gpudl, outputs, leaves, seeds, create_graph=True)
    expected = gradients(torch, wanted, others, twins, create_graph=True)
    # torch marks the zeros it fills in with requires_grad; they are leaves.
    again = [(mine, other) for mine, other in zip(first, expected) if other.requires_grad and not other.is_leaf]
    for mine, _ in again:
        assert mine.requires_grad, f"{row.id}: a gradient lost its history"
    if not again:
        return
    along = projection([other for _, other in again], seed=1)
    along_ours = [ours(w, mine.device) for w, (mine, _) in zip(along, again)]
    second = gradients(gpudl, [mine for mine, _ in again], [*leaves, *seeds], along_ours)
    expected = gradients(torch, [other for _, other in again], [*others, *twins], [theirs(w) for w in along])
    for number, (dx, twin) in enumerate(zip(second, expected)):
        assert_close(host(dx), host(twin), f"{row.id}: second gradient, input {number}", row.slack)


@pytest.mark.parametrize("row", rows_for("gradcheck", is_open), ids=str)
def test_gradients_match_differences(row, device):
    arrays = row.make("float64")
    tensors = [ours(x, device, grad=True) for x in arrays]
    result = outcome(row.run, gpudl, *tensors)
    if not differentiable(result):
        return

    def function(*given):
        return tuple(differentiable(row.run(gpudl, *given)))

    results = differentiable(result)
    if any(y.dtype != gpudl.float64 or not np.isfinite(host(y)).all() for y in results):
        return  # differences of rounded or infinite values say nothing
    gradcheck(function, tensors)
    seeds = [ours(w, y.device, grad=True) for w, y in zip(projection(results), results)]
    first = gradients(gpudl, results, differentiable(tensors), seeds, create_graph=True)
    if differentiable(first):
        gradgradcheck(function, tensors)
