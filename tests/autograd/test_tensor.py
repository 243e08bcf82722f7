"""Tensor itself: attributes, leaves, detach and data, hooks, copies, and what does not make a tensor."""

import copy
import pickle

import numpy as np
import pytest

import gpudl


def test_attributes():
    x = gpudl.zeros(2, 3)
    assert x.shape == (2, 3) and x.ndim == 2 and x.dtype == gpudl.float32 and x.itemsize == 4
    assert x.device is gpudl.device("cpu") and x.is_leaf and x.grad is None and x.grad_fn is None
    assert isinstance(x.array, np.ndarray)
    y = x.requires_grad_() * 2
    assert not y.is_leaf and repr(y.grad_fn) == "<MulBackward>"


def test_tensor_is_not_a_constructor():
    with pytest.raises(TypeError, match=r"gpudl\.tensor"):
        gpudl.Tensor([1, 2])


def test_requires_grad_only_for_floating_leaves():
    with pytest.raises(RuntimeError, match="int64"):
        gpudl.tensor([1]).requires_grad_()
    x = gpudl.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="detach"):
        (x * 2).requires_grad_(False)
    assert (x * 2).requires_grad_().requires_grad
    x.requires_grad = False
    assert not x.requires_grad and not (x * 2).requires_grad


def test_a_view_can_become_a_leaf():
    base = gpudl.zeros(3)
    view = base[1:].requires_grad_()
    (view * 2).sum().backward()
    assert view.grad.tolist() == [2, 2] and base.grad is None
    with gpudl.no_grad():
        base += 1
    assert view.tolist() == [1, 1] and view.requires_grad and view.is_leaf


def test_detach_shares_memory_and_version_but_no_history():
    x = gpudl.ones(2, requires_grad=True)
    y = x * 2
    z = y.detach()
    assert not z.requires_grad and np.shares_memory(z.array, y.array)
    z.add_(1)
    assert y.tolist() == [3, 3] and y._version == [1]


def test_data_shares_memory_and_can_be_replaced():
    x = gpudl.ones(2, requires_grad=True)
    x.data.mul_(5)
    assert x.tolist() == [5, 5] and x._version == [0]
    x.data = gpudl.zeros(3)
    assert x.shape == (3,) and x.requires_grad
    with pytest.raises(TypeError):
        x.data = np.zeros(3)


def test_grad_must_fit():
    x = gpudl.ones(2, requires_grad=True)
    x.grad = gpudl.ones(2)
    for wrong, error in (
        (gpudl.ones(3), gpudl.ShapeError),
        (gpudl.ones(2).double(), TypeError),
        (np.ones(2), TypeError),
    ):
        with pytest.raises(error):
            x.grad = wrong
    x.grad = None


def test_hooks_see_and_replace_the_whole_gradient():
    x = gpudl.ones(2, requires_grad=True)
    y = x * 2
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    with y.register_hook(lambda g: g * 10):
        (y + y).sum().backward(retain_graph=True)
    assert seen == [[2, 2]] and x.grad.tolist() == [40, 40]
    handle.remove()
    handle.remove()
    x.grad = None
    y.sum().backward()
    assert seen == [[2, 2]] and x.grad.tolist() == [2, 2]
    with pytest.raises(RuntimeError):
        gpudl.ones(1).register_hook(print)


def test_one_function_may_be_registered_twice():
    x = gpudl.ones(1, requires_grad=True)
    double = lambda g: g * 2  # noqa: E731
    first, _ = x.register_hook(double), x.register_hook(double)
    first.remove()
    first.remove()
    x.sum().backward()
    assert x.grad.tolist() == [2]


def test_gradients_of_0d_leaves_are_tensors_like_any_other():
    x = gpudl.tensor(2.0, requires_grad=True)
    (x * x).backward()
    assert isinstance(x.grad.array, np.ndarray) and x.grad.device is x.device
    x.grad.zero_()
    (x * x).backward()
    assert x.grad.item() == 4


def test_empty_tensors_are_writable():
    assert gpudl.zeros(2, 0, 3).zero_().shape == (2, 0, 3)


def test_hooks_on_leaves_and_after_accumulation():
    x = gpudl.ones(2, requires_grad=True)
    events = []
    x.register_hook(lambda g: events.append(("gradient", g.tolist())))
    x.register_post_accumulate_grad_hook(lambda t: events.append(("after", t.grad.tolist())))
    (x * 3 + x).sum().backward()
    assert events == [("gradient", [4, 4]), ("after", [4, 4])]
    with pytest.raises(RuntimeError):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_a_hook_that_keeps_the_gradient_does_not_share_it_with_grad():
    x = gpudl.ones(2, requires_grad=True)
    kept = []
    x.register_hook(kept.append)
    (x * 3).sum().backward()
    x.grad.zero_()
    assert kept[0].tolist() == [3, 3]


def test_hooks_with_create_graph_stay_differentiable():
    x = gpudl.tensor([2.0], requires_grad=True)
    y = x * x
    y.register_hook(lambda g: g * x)
    (dx,) = gpudl.autograd.grad(y.sum(), x, create_graph=True)
    assert dx.tolist() == [8]
    (ddx,) = gpudl.autograd.grad(dx.sum(), x)
    assert ddx.tolist() == [8]  # d/dx of x * 2x


def test_retain_grad():
    x = gpudl.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [4, 4] and x.grad.tolist() == [8, 8]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_leaves(duplicate):
    x = gpudl.tensor([[1.0, 2.0]], requires_grad=True)
    y = duplicate(x)
    assert y.tolist() == x.tolist() and y.requires_grad and y.is_leaf and not np.shares_memory(x.array, y.array)
    with pytest.raises(RuntimeError, match="leaves"):
        duplicate(x * 2)


def test_deepcopy_keeps_one_object_one_object():
    x = gpudl.ones(2)
    a, b = copy.deepcopy([x, x])
    assert a is b and a is not x


def test_repr():
    assert repr(gpudl.tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(gpudl.tensor([1, 2])) == "tensor([1, 2])"
    assert repr(gpudl.ones(2, dtype="float64")) == "tensor([1., 1.], dtype=float64)"
    assert repr(gpudl.ones(1, requires_grad=True)) == "tensor([1.], requires_grad=True)"
    assert "grad_fn=<AddBackward>" in repr(gpudl.ones(1, requires_grad=True) + 1)
    assert "size=(0, 3)" in repr(gpudl.zeros(0, 3))


def test_numpy_interoperation():
    x = gpudl.tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(x), x.array) and np.shares_memory(gpudl.from_numpy(x.numpy()).array, x.array)
    assert isinstance(np.ones(2, np.float32) + x, gpudl.Tensor)
    with pytest.raises(RuntimeError, match="detach"):
        x.requires_grad_().numpy()


def test_python_conversions():
    assert float(gpudl.tensor([2.5])) == 2.5 and int(gpudl.tensor(3)) == 3 and [10, 20][gpudl.tensor(1)] == 20
    assert bool(gpudl.tensor([1])) and len(gpudl.zeros(3, 2)) == 3 and f"{gpudl.tensor(1.25):.1f}" == "1.2"
    assert [row.tolist() for row in gpudl.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    assert 2 in gpudl.tensor([1, 2]) and 3 not in gpudl.tensor([1, 2])
    for wrong in (lambda: bool(gpudl.zeros(2)), lambda: gpudl.zeros(2).item(), lambda: len(gpudl.tensor(1))):
        with pytest.raises((RuntimeError, TypeError)):
            wrong()
