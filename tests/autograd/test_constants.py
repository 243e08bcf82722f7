"""Operands that share memory with a tensor but not its history are constants, in second gradients too."""

import pytest

import gpudl
from gpudl.autograd import grad


def leaf(*values):
    return gpudl.tensor(values, requires_grad=True)


@pytest.mark.parametrize(
    "program",
    [
        lambda x: x * x.detach(),
        lambda x: x.detach() * x,
        lambda x: x * x.data,
        lambda x: x / x.detach(),
        lambda x: x @ x.detach(),
    ],
)
def test_a_detached_operand_stays_a_constant_in_second_gradients(program):
    x = leaf(3.0)
    (dx,) = grad(program(x).sum(), x, create_graph=True)
    assert not dx.requires_grad


def test_assigned_data_is_not_mistaken_for_its_source():
    x, y = leaf(1.0), gpudl.tensor([3.0])
    x.data = y
    (dx,) = grad((x * y).sum(), x, create_graph=True)
    assert dx.tolist() == [3] and not dx.requires_grad
