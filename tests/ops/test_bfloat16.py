"""bfloat16, by way of ml_dtypes: every row of the op table once more, with the same values in both libraries."""

import warnings

import numpy as np
import pytest
from cases import ROWS
from oracle import Raised, differentiable, flat, host, outcome, torch

import gpudl

pytest.importorskip("ml_dtypes")
BFLOAT16 = gpudl.bfloat16

# 8 bits of precision, and a few roundings.
RELATIVE, ABSOLUTE = 3e-2, 2e-2

OPEN = [row for row in ROWS.values() if any(each.dtype is None for each in row.inputs)]


def close(got, want, label, slack):
    limit = np.finfo(np.float32).max
    got, want = (np.clip(each.astype("float64"), -limit, limit) for each in (got, want))
    np.testing.assert_allclose(
        got, want, RELATIVE * min(slack, 4), ABSOLUTE * min(slack, 4), equal_nan=True, err_msg=label
    )


def numbers(value):
    """The elements of a tensor of either library, as NumPy has them."""
    if isinstance(value, torch.Tensor):
        return (value.float() if value.dtype == torch.bfloat16 else value).detach().numpy()
    array = host(value)
    return array.astype("float32") if array.dtype == BFLOAT16 else array


def agree(got, want, exact, label, slack):
    """A result is near torch's, or near what float64 gives: torch rounds on the way too."""
    assert str(got.dtype) == str(want.dtype).removeprefix("torch."), f"{label}: {got.dtype}, expected {want.dtype}"
    try:
        close(numbers(got), numbers(want), label, slack)
    except AssertionError:
        close(numbers(got), numbers(exact), label, slack)


@pytest.mark.parametrize("row", OPEN, ids=str)
def test_values_and_gradients(row, device):
    if row.unlike.keys() & {"values", "float16", "bfloat16"}:
        pytest.skip("unlike PyTorch in half precision: " + "; ".join(row.unlike.values()))
    arrays = row.make("float32")
    opens = [each.dtype is None for each in row.inputs]
    wanting = "gradient" not in row.unlike
    mine, other, exact = [], [], []
    for array, is_open in zip(arrays, opens):
        if is_open:
            rounded = torch.tensor(array).bfloat16()
            mine.append(gpudl.tensor(rounded.float().numpy(), device=device).to(BFLOAT16).requires_grad_(wanting))
            other.append(rounded.clone().requires_grad_(wanting))
            exact.append(rounded.double().requires_grad_(wanting))
        else:
            mine.append(gpudl.tensor(array, device=device))
            other.append(torch.tensor(array))
            exact.append(torch.tensor(array))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want, true = outcome(row.run, torch, *other), outcome(row.run, torch, *exact)
    if isinstance(want, Raised) or isinstance(true, Raised):
        return  # torch has no bfloat16 here, or refuses the arguments
    got = outcome(row.run, gpudl, *mine)
    assert not isinstance(got, Raised), f"{row.id}: {got.error!r}"
    for each, twin, exactly in zip(flat(got), flat(want), flat(true), strict=True):
        if isinstance(twin, torch.Tensor):
            agree(each, twin, exactly, row.id, row.slack)
    outputs, twins, exacts = differentiable(got), differentiable(want), differentiable(true)
    if not twins or len(outputs) != len(exacts):
        assert len(outputs) == len(twins)
        return
    leaves = [x for x in mine if x.requires_grad]
    seeds = [gpudl.ones_like(y).detach() for y in outputs]
    grads = gpudl.autograd.grad(outputs, leaves, seeds, allow_unused=True, materialize_grads=True)
    twin_grads, exact_grads = (
        torch.autograd.grad(
            ys,
            [x for x in xs if x.requires_grad],
            [torch.ones_like(y) for y in ys],
            allow_unused=True,
            materialize_grads=True,
        )
        for ys, xs in ((twins, other), (exacts, exact))
    )
    for number, parts in enumerate(zip(grads, twin_grads, exact_grads, strict=True)):
        agree(*parts, f"{row.id}: gradient of input {number}", row.slack)


def test_it_is_a_dtype_like_others(device):
    x = gpudl.tensor([1.0, 2.5, -3.0], dtype="bfloat16", device=device)
    assert x.dtype == BFLOAT16 and x.is_floating_point() and x.element_size() == 2
    assert (x + 1).dtype == BFLOAT16
    assert (x + gpudl.ones(3, device=device)).dtype == gpudl.float32
    assert gpudl.promote_types(BFLOAT16, gpudl.float16) == gpudl.float32
    assert x.long().tolist() == [1, 2, -3] and x.tolist() == [1.0, 2.5, -3.0]
    assert "2.5" in repr(x) and "bfloat16" in repr(x)
    assert gpudl.tensor(x.cpu().numpy()).dtype == BFLOAT16


def test_a_sum_does_not_stop_at_256(device):
    assert float(gpudl.ones(1000, dtype="bfloat16", device=device).sum()) == 1000


def test_it_is_refused_with_advice_where_ml_dtypes_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match=r"pip install 'gpudl\[amp\]'"):
        gpudl.zeros(2, dtype="bfloat16")
