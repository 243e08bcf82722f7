"""Clipping gradients gives what PyTorch gives, whether they lie end to end or anywhere."""

import numpy as np
import pytest
from beside_torch import host, torch, values
from small_nets import backward, both, net
from tolerances import assert_close

import gpudl
from gpudl import nn, optim
from gpudl.autograd.slots import joined
from gpudl.nn.utils import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm

ORDERS = [2, 2.0, 1, 3.5, float("inf"), 0, -1.0, float("-inf")]


def models(flat, dtype="float32"):
    """The same model with gradients in both libraries; in ours the gradients lie end to end if `flat`."""
    found, _ = both("SGD", {"lr": 0.1}, dtype=dtype) if flat else ([net(lib, dtype) for lib in (gpudl, torch)], None)
    for lib, model in zip((gpudl, torch), found):
        backward(lib, model, 0)
    if flat:
        assert len(joined([p.grad.array for p in found[0].parameters()])) == 1
    return found


def assert_gradients(model, other, slack=4):
    for (name, p), q in zip(model.named_parameters(), other.named_parameters(), strict=True):
        q = q[1]
        assert (p.grad is None) == (q.grad is None)
        if q.grad is not None:
            assert_close(host(p.grad), host(q.grad), name, slack)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("max_norm", [0.01, 1e9])
def test_norm_is_clipped_as_in_torch(flat, dtype, order, max_norm):
    mine, theirs = models(flat, dtype)
    versions = [p.grad._version[0] for p in mine.parameters()]
    total = clip_grad_norm_(mine.parameters(), max_norm, order)
    other = torch.nn.utils.clip_grad_norm_(theirs.parameters(), max_norm, order)
    assert (total.shape, str(total.dtype)) == ((), str(other.dtype)[6:])
    assert_close(host(total), host(other), "norm", 8)
    assert_gradients(mine, theirs, slack=16)
    assert [p.grad._version[0] for p in mine.parameters()] == [version + 1 for version in versions]


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("value", [0.003, 1, np.float32(0.01)])
def test_values_are_clipped_as_in_torch(flat, value):
    mine, theirs = models(flat)
    mine[2].weight.grad = theirs[2].weight.grad = None
    mine[0].weight.grad.array[0, 0] = np.nan
    theirs[0].weight.grad[0, 0] = np.nan
    clip_grad_value_(mine.parameters(), value)
    torch.nn.utils.clip_grad_value_(theirs.parameters(), float(value))
    assert_gradients(mine, theirs)


@pytest.mark.parametrize("foreach", [None, False, True])
def test_one_tensor_none_and_the_two_halves(foreach):
    mine, theirs = models(True)
    for lib, model, tools in ((gpudl, mine, nn.utils), (torch, theirs, torch.nn.utils)):
        model[0].bias.grad = None
        tools.clip_grad_norm_(model[0].weight, 0.01, foreach=foreach)
        tools.clip_grad_value_(model[2].bias, 0.001, foreach=foreach)
        total = tools.get_total_norm([p.grad for p in model.parameters() if p.grad is not None], foreach=foreach)
        tools.clip_grads_with_norm_(model.parameters(), 0.002, total, foreach=foreach)
        assert tools.clip_grad_norm_(model[0].bias, 1.0).item() == 0
        assert tools.get_total_norm([]).item() == 0
        assert tools.get_total_norm(lib.ones(4)).item() == 2
    assert_gradients(mine, theirs)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("order", [2.0, float("inf")])
def test_norms_that_are_not_finite(bad, order):
    mine, theirs = models(True)
    mine[2].weight.grad.array[1, 1] = bad
    theirs[2].weight.grad[1, 1] = bad
    before = [host(p.grad).copy() for p in mine.parameters()]
    for model, tools in ((mine, nn.utils), (theirs, torch.nn.utils)):
        with pytest.raises(RuntimeError, match="total norm"):
            tools.clip_grad_norm_(model.parameters(), 1.0, order, error_if_nonfinite=True)
    assert all(np.array_equal(host(p.grad), b, equal_nan=True) for p, b in zip(mine.parameters(), before))
    totals = [
        clip_grad_norm_(mine.parameters(), 1.0, order),
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0, order),
    ]
    assert np.array_equal(*map(host, totals), equal_nan=True)
    for p, q in zip(mine.parameters(), theirs.parameters()):
        np.testing.assert_array_equal(host(p.grad), host(q.grad))


def test_large_gradients_pieces_and_dtypes_together():
    results = []
    for lib in (gpudl, torch):
        kinds = [(100_003, "float32"), ((50, 700), "float64"), (3, "float32")]
        given = [lib.nn.Parameter(lib.tensor(values(shape, kind))) for shape, kind in kinds]
        sum((p**2).sum().to(lib.float64) for p in given).backward()
        results.append((lib.nn.utils.clip_grad_norm_(given, 1.5), [p.grad for p in given]))
    assert str(results[1][0].dtype)[6:] == results[0][0].dtype
    for a, b in zip([results[0][0], *results[0][1]], [results[1][0], *results[1][1]]):
        assert_close(host(a), host(b), "gradient", 30, along=("float32",))


def test_an_expanded_gradient_and_an_empty_generator():
    p = nn.Parameter(gpudl.ones(3))
    p.grad = gpudl.ones(1).expand(3)
    with pytest.raises(RuntimeError, match="expanded"):
        clip_grad_norm_([p], 0.1)
    with pytest.raises(RuntimeError, match="expanded"):
        clip_grad_value_([p], 0.1)
    assert clip_grads_with_norm_([], 1.0, gpudl.ones(())) is None
    assert get_total_norm([p.grad]).item() == pytest.approx(3**0.5)
    with pytest.warns(UserWarning, match="empty generator"):
        clip_grad_norm_((q for q in ()), 1.0)


def test_training_goes_on_with_clipped_gradients():
    found, optimizers = both("SGD", {"lr": 0.5, "momentum": 0.9})
    for lib, model, optimizer in zip((gpudl, torch), found, optimizers):
        for step in range(10):
            optimizer.zero_grad()
            backward(lib, model, step)
            lib.nn.utils.clip_grad_norm_(model.parameters(), 0.05)
            optimizer.step()
    for p, q in zip(found[0].parameters(), found[1].parameters()):
        assert_close(host(p), host(q), "parameter", 20)
    assert isinstance(optimizers[0], optim.SGD)


@pytest.mark.parametrize("order", [1, 2, 2.5, float("inf")])
def test_empty_gradients_add_nothing_wherever_they_lie(order):
    """PyTorch refuses them for inf."""
    given = [nn.Parameter(gpudl.ones(size)) for size in (0, 3, 0)]
    for p in given:
        p.grad = gpudl.ones(p.numel()) * 2
    assert get_total_norm([given[0].grad], order).item() == 0
    total = clip_grad_norm_(given, 1.0, order)
    assert_close(host(total), np.float32(2 if order == float("inf") else 2 * 3 ** (1 / order)), "norm", 4)
    assert_close(host(given[1].grad), np.full(3, 2 / total.item(), np.float32), "gradient", 4)
