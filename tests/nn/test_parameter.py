"""Parameter: a Tensor that stays one of its class through copies and pickles, and gives plain Tensors otherwise."""

import copy
import pickle

import numpy as np
import pytest

import gpudl
from gpudl import nn
from gpudl.nn import Parameter

torch = pytest.importorskip("torch")


class Scale(Parameter):
    """A user's own kind of parameter."""


def parameter(kind=Parameter, **settings):
    return kind(gpudl.tensor([[1.0, -2.0], [3.0, 4.0]]), **settings)


def test_is_a_leaf_tensor_that_requires_grad():
    p = parameter()
    assert isinstance(p, gpudl.Tensor)
    assert p.requires_grad
    assert p.is_leaf
    (p * p).sum().backward()
    assert np.array_equal(p.grad.numpy(), 2 * p.detach().numpy())


def test_requires_grad_may_be_off_from_the_start_or_later():
    p = parameter(requires_grad=False)
    assert not p.requires_grad
    assert not (p * 2).requires_grad
    p.requires_grad = True
    assert (p * 2).requires_grad


def test_shares_memory_with_its_data_and_cuts_its_history():
    x = gpudl.ones(3, requires_grad=True)
    y = x * 2
    p = Parameter(y)
    assert p.is_leaf
    assert np.shares_memory(p.array, y.array)
    again = Parameter(p)
    assert again is not p
    assert np.shares_memory(again.array, p.array)


def test_without_data_is_empty():
    assert Parameter().shape == tuple(torch.nn.Parameter().shape) == (0,)


@pytest.mark.parametrize("data", [np.ones(3, np.float32), [1.0], 1.0])
def test_refuses_what_is_no_tensor(data):
    with pytest.raises(TypeError, match=f"made of a Tensor, got {type(data).__name__}"):
        Parameter(data)


def test_integers_may_be_a_parameter_that_is_not_trained():
    with pytest.raises(RuntimeError, match="floating point"):
        Parameter(gpudl.tensor([1, 2]))
    assert Parameter(gpudl.tensor([1, 2]), requires_grad=False).dtype == gpudl.int64


@pytest.mark.parametrize(
    "operation",
    [
        lambda p: p + 1,
        lambda p: 1 - p,
        lambda p: p * p,
        lambda p: -p,
        lambda p: p @ p,
        lambda p: p[0],
        lambda p: p.T,
        lambda p: p.reshape(4),
        lambda p: p.sum(),
        lambda p: p.relu(),
        lambda p: p.clone(),
        lambda p: p.detach(),
        lambda p: p.data,
        lambda p: p.to("float64"),
        lambda p: gpudl.zeros_like(p),
    ],
)
def test_operations_give_plain_tensors(operation):
    assert type(operation(parameter())) is gpudl.Tensor


def test_stays_itself_when_changed_in_place():
    p = before = parameter()
    with gpudl.no_grad():
        p += 1
    assert p is before
    assert type(p) is Parameter
    assert p.requires_grad


def test_a_change_in_place_makes_older_graphs_fail():
    p = parameter()
    loss = (p * p).sum()
    with gpudl.no_grad():
        p.mul_(2)
    with pytest.raises(gpudl.GraphError, match="changed in place"):
        loss.backward()


def test_repr_is_that_of_torch():
    assert repr(parameter()) == repr(torch.nn.Parameter(torch.tensor([[1.0, -2.0], [3.0, 4.0]])))
    assert repr(parameter(requires_grad=False)) == "Parameter containing:\ntensor([[ 1., -2.],\n        [ 3.,  4.]])"


def through_pickle(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("again", [copy.deepcopy, through_pickle])
@pytest.mark.parametrize("kind", [Parameter, Scale])
@pytest.mark.parametrize("trained", [True, False])
def test_copies_and_pickles_keep_class_values_and_requires_grad(again, kind, trained):
    p = parameter(kind, requires_grad=trained)
    q = again(p)
    assert type(q) is kind
    assert q.requires_grad is trained
    assert q.is_leaf
    assert np.array_equal(q.detach().numpy(), p.detach().numpy())
    q.array[...] = 0
    assert p.array[0, 0] == 1


@pytest.mark.parametrize("again", [copy.deepcopy, through_pickle])
def test_copies_have_no_gradient(again):
    mine, other = parameter(), torch.nn.Parameter(torch.ones(3))
    for p in (mine, other):
        p.sum().backward()
        assert again(p).grad is None


@pytest.mark.parametrize("again", [copy.deepcopy, through_pickle])
def test_what_is_one_object_stays_one(again):
    p = parameter()
    first, second = again([p, p])
    assert first is second
    assert first is not p


def test_a_buffer_is_a_tensor_that_says_whether_it_is_saved():
    for lib in (gpudl, torch):
        x = lib.ones(2)
        buffer = lib.nn.Buffer(x, persistent=False)
        assert isinstance(buffer, lib.Tensor)
        assert not buffer.requires_grad
        assert not buffer.persistent
        assert lib.nn.Buffer(x).persistent
        assert tuple(lib.nn.Buffer().shape) == (0,)
    assert type(nn.Buffer(gpudl.ones(1)) + 1) is gpudl.Tensor
    with pytest.raises(TypeError, match="a Buffer is made of a Tensor, got float"):
        nn.Buffer(1.0)


@pytest.mark.parametrize("again", [copy.deepcopy, through_pickle])
@pytest.mark.parametrize("persistent", [True, False])
def test_copies_of_buffers_say_so_too(again, persistent):
    other = again(nn.Buffer(gpudl.ones(2), persistent=persistent))
    assert type(other) is nn.Buffer
    assert other.persistent is persistent
    assert other.tolist() == [1, 1]
