"""Changing tensors in place: right gradients, or an error; never a wrong gradient. PyTorch is the oracle."""

import numpy as np
import pytest

import gpudl

torch = pytest.importorskip("torch")


def both(program, *shapes):
    """Run a program of (library, leaves) with gpudl and PyTorch, and compare what it returns and the gradients."""
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(shape) for shape in shapes]
    ours = [gpudl.tensor(value, requires_grad=True) for value in values]
    theirs = [torch.tensor(value, requires_grad=True) for value in values]
    out, expected = program(gpudl, *ours), program(torch, *theirs)
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
    weights = rng.standard_normal(out.shape)
    out.backward(gpudl.tensor(weights))
    expected.backward(torch.tensor(weights))
    for mine, other in zip(ours, theirs):
        assert (mine.grad is None) == (other.grad is None)
        if other.grad is not None:
            np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-12, atol=1e-12)


def chained(lib, x, y):
    z = x * 2
    z += y
    z *= 5.0
    z.sub_(y * y).div_(3)
    return z * z


def through_a_view(lib, x, y):
    z = x * 2
    z[1:].add_(y[1:] * y[1:])
    return z * z


def through_a_view_of_a_view(lib, x, y):
    z = x * 2
    z.reshape(2, 6)[1].add_(y.reshape(-1)[:6])
    return z * z


def through_a_transpose(lib, x, y):
    z = x * 2
    z.T.sub_(y.T * y.T)
    return z * z


def a_view_seen_after_its_base_changed(lib, x, y):
    z = x * 2
    v = z[0]
    z.add_(y * y)
    return v * v


def a_sibling_view_seen_after_a_view_changed(lib, x, y):
    z = x * 2
    first, again = z[0], z[0]
    first.add_(y[0] * y[0])
    return again * 3


def setting_rows(lib, x, y):
    z = x * 2
    z[0] = y[1]
    z[:, 1] = 5.0
    return z * z


def setting_by_index_tensors(lib, x, y):
    z = x * 2
    z[lib.tensor([0, 2])] = y[:2] * y[:2]
    return z * z


def setting_by_mask(lib, x, y):
    z = x * 2
    z[x > 0] = 1.5
    return z * y


def filling_a_plain_tensor(lib, x, y):
    z = lib.zeros(3, 4, dtype=lib.float64)
    for i in range(3):
        z[i] = x[i] * y[i]
    return z * z


def copying(lib, x, y):
    z = x * 2
    z.copy_(y)
    return z * z


def zeroing_a_part(lib, x, y):
    z = x * y
    z[1].zero_()
    return z * 2


def memory_order_that_reshape_cannot_view(lib, x, y):
    z = (x * 2).T.contiguous().T
    z.T.reshape(12)[2:7].mul_(3.0)
    return z * y


PROGRAMS = [value for value in list(globals().values()) if getattr(value, "__code__", None) and value is not both]
PROGRAMS = [program for program in PROGRAMS if program.__code__.co_varnames[:3] == ("lib", "x", "y")]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_gradients_equal_pytorch(program):
    both(program, (3, 4), (3, 4))


def test_there_are_programs():
    assert len(PROGRAMS) == 13


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_second_gradients(program):
    rng = np.random.default_rng(1)
    x, y = (gpudl.tensor(rng.standard_normal((3, 4)) + 0.1, requires_grad=True) for _ in range(2))
    assert gpudl.autograd.gradgradcheck(lambda x, y: program(gpudl, x, y), (x, y))


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.add_(1),
        lambda y: y.zero_(),
        lambda y: y.__setitem__(0, 5.0),
        lambda y: y.detach().mul_(2),
        lambda y: y[1:].mul_(2),
        lambda y: y.reshape(-1).fill_(0),
        lambda y: y.__setitem__(gpudl.tensor([0]), 1.0),
    ],
)
def test_changing_a_saved_result_raises_in_backward(change):
    x = gpudl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x.exp()  # saves y
    change(y)
    with pytest.raises(gpudl.GraphError, match="Exp.*changed in place.*version 1, expected 0"):
        y.sum().backward()


def test_changing_a_saved_input_raises_in_backward():
    x = gpudl.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(gpudl.GraphError, match="Mul"):
        z.sum().backward()


def test_changing_a_saved_input_under_no_grad_raises_too():
    w = gpudl.tensor([1.0, 2.0], requires_grad=True)
    x = gpudl.tensor([3.0, 4.0])
    z = w * x
    with gpudl.no_grad():
        x.zero_()
    with pytest.raises(gpudl.GraphError):
        z.sum().backward()


def test_changing_what_no_backward_needs_is_fine():
    x = gpudl.tensor([1.0, 2.0], requires_grad=True)
    y = x + 1
    z = y + 1
    y.zero_()
    z.sum().backward()
    assert x.grad.tolist() == [1, 1]
    w = gpudl.tensor([2.0], requires_grad=True)
    v = w * 3.0  # saves the number only
    v.add_(1)
    v.sum().backward()
    assert w.grad.tolist() == [3]


def test_leaves_that_require_grad_change_only_under_no_grad():
    w = gpudl.tensor([1.0, 2.0], requires_grad=True)
    for change in (lambda: w.add_(1), lambda: w.__setitem__(0, 1.0), lambda: w[:1].zero_(), lambda: w.T.zero_()):
        with pytest.raises(RuntimeError, match="leaf"):
            change()
    assert w.tolist() == [1, 2]
    with gpudl.no_grad():
        w -= 0.5
    assert w.tolist() == [0.5, 1.5] and w.is_leaf and w.requires_grad


def test_a_plain_tensor_gains_history():
    x = gpudl.tensor([1.0, 2.0], requires_grad=True)
    buffer = gpudl.zeros(2)
    buffer += x
    assert buffer.requires_grad and not buffer.is_leaf
    buffer.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_results_must_fit_the_target():
    x = gpudl.tensor([1, 2])
    with pytest.raises(RuntimeError, match="float32.*int64"):
        x.add_(1.5)
    with pytest.raises(gpudl.ShapeError, match=r"\(3, 2\).*\(2,\)"):
        x.add_(gpudl.zeros(3, 2, dtype=gpudl.int64))
    assert x.tolist() == [1, 2] and x._version == [0]
    y = gpudl.tensor([1.0])
    y.add_(gpudl.tensor([2.0], dtype=gpudl.float64))
    assert y.dtype == gpudl.float32 and y.tolist() == [3]


def test_expanded_memory_is_not_written():
    x = gpudl.zeros(1, 3).expand(4, 3)
    with pytest.raises(RuntimeError, match="clone"):
        x.add_(1)


def test_overlapping_source_and_target():
    x = gpudl.arange(5)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]


def test_views_and_bases_see_each_other():
    x = gpudl.zeros(2, 3)
    for view in (x[0], x.T[:, 0], x.reshape(6)[:3], x.detach()[0], x.view(6)[0:3]):
        view.add_(1)
    assert x.tolist() == [[5, 5, 5], [0, 0, 0]]
    copy = x.T.reshape(6)  # this order needs a copy
    copy.zero_()
    assert x.sum().item() == 15


def test_a_view_that_was_made_under_no_grad_still_carries_history():
    x = gpudl.tensor([1.0, 2.0], requires_grad=True)
    z = gpudl.zeros(2)
    with gpudl.no_grad():
        v = z[:1]
    v.add_(x[:1])
    z.sum().backward()
    assert x.grad.tolist() == [1, 0]


def test_refreshing_a_view_under_no_grad_keeps_its_history():
    x = gpudl.tensor([1.0, 2.0], requires_grad=True)
    z = x * 2
    v = z[0]
    z.mul_(3.0)
    with gpudl.no_grad():
        assert v.requires_grad
    v.backward()
    assert x.grad.tolist() == [6, 0]


def taking(x):
    index = gpudl.tensor([0])
    y = x[index].sum()
    index.add_(1)
    return y


def taking_beside_a_number(x):
    index = gpudl.tensor([0])
    y = x[0, index] * 2 + x[0, gpudl.tensor([1])]
    index.add_(1)
    return y.sum()


def taking_by_a_numpy_array(x):
    index = np.array([0])
    y = x[index].sum()
    index += 1
    return y


def putting(x):
    index = gpudl.tensor([0])
    x[index] = 0.0
    index.add_(1)
    return x.sum()


def putting_by_a_mask(x):
    mask = x.detach() > 2
    x[mask] = 0.0
    mask.fill_(False)
    return x.sum()


def largest(x):
    values, indices = x.max(0)
    indices.fill_(1)
    return values.sum()


def largest_with_its_dimension(x):
    values, indices = x.max(0, keepdim=True)
    indices.fill_(1)
    return values.sum()


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (taking, [[1, 1], [0, 0]]),
        (taking_beside_a_number, [[2, 1], [0, 0]]),
        (taking_by_a_numpy_array, [[1, 1], [0, 0]]),
        (putting, [[0, 0], [1, 1]]),
        (putting_by_a_mask, [[1, 0], [0, 1]]),
        (largest, [[0, 1], [1, 0]]),
        (largest_with_its_dimension, [[0, 1], [1, 0]]),
    ],
)
def test_changing_an_index_afterwards_does_not_reach_the_gradient(program, expected):
    x = gpudl.tensor([[1.0, 5.0], [3.0, 2.0]], requires_grad=True)
    program(x * 1).backward()
    assert x.grad.tolist() == expected
