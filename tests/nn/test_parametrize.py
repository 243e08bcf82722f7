"""Parametrized tensors behave as PyTorch's: names of the state, classes, values, removal, copies, transfers."""

import copy
import pickle

import numpy as np
import pytest
from parametrizations_zoo import LIBRARIES, STACKS, ZOO, linear, tools
from tolerances import assert_close
from twins import array, compare

import gpudl
from gpudl import nn
from gpudl.nn.utils import parametrize as P


@pytest.mark.parametrize("stack", STACKS, ids="-".join)
def test_a_parametrized_linear_is_torchs(device, stack):
    """Names in the state, repr, outputs, and gradients of originals and of the parametrization's own parameters."""
    compare(lambda lib: linear(lib, *stack), array(2, 3), device=device, calls=1, slack=4)


@pytest.mark.parametrize("stack", STACKS, ids="-".join)
def test_the_value_after_registration_is_torchs(stack):
    got, want = (linear(lib, *stack).weight.detach().numpy() for lib in LIBRARIES)
    assert_close(got, want, "weight")


@pytest.mark.parametrize("stack", STACKS, ids="-".join)
def test_assignment_is_torchs(stack):
    results = []
    for lib in LIBRARIES:
        layer = linear(lib, *stack)
        value = lib.tensor(array(3, 3, seed=7))
        try:
            layer.weight = value
            results.append([p.detach().numpy() for p in layer.parameters()])
        except Exception as error:
            results.append(error)
    got, want = results
    if isinstance(want, Exception):
        assert isinstance(got, type(want))
    else:
        for mine, theirs in zip(got, want, strict=True):
            assert_close(mine, theirs, "parameters")


@pytest.mark.parametrize("leave", [True, False])
@pytest.mark.parametrize("stack", STACKS, ids="-".join)
def test_removal_is_torchs(stack, leave):
    results = []
    for lib in LIBRARIES:
        layer = linear(lib, *stack)
        original = getattr(layer.parametrizations.weight, "original", None)
        try:
            assert tools(lib).remove_parametrizations(layer, "weight", leave_parametrized=leave) is layer
        except ValueError:
            assert tools(lib).is_parametrized(layer, "weight")
            results.append("ValueError")
            continue
        assert type(layer) is lib.nn.Linear
        assert not hasattr(layer, "parametrizations")
        assert isinstance(layer.weight, lib.nn.Parameter)
        assert original is None or layer.weight is original
        results.append([(name, p.detach().numpy(), p.requires_grad) for name, p in layer.named_parameters()])
    got, want = results
    assert (got == "ValueError") == (want == "ValueError") == (not leave and stack[0] in ("Outer", "Sum"))
    for mine, theirs in zip(got, want) if leave else ():
        assert (mine[0], mine[2]) == (theirs[0], theirs[2])
        assert_close(mine[1], theirs[1], mine[0])


def test_the_class_and_its_life():
    layer = nn.Linear(3, 3)
    assert P.type_before_parametrizations(layer) is nn.Linear
    assert not P.is_parametrized(layer)
    zoo = ZOO[gpudl]
    assert P.register_parametrization(layer, "weight", zoo.Symmetric()) is layer
    assert type(layer).__name__ == "ParametrizedLinear"
    assert isinstance(layer, nn.Linear)
    assert P.type_before_parametrizations(layer) is nn.Linear
    assert P.is_parametrized(layer) and P.is_parametrized(layer, "weight") and not P.is_parametrized(layer, "bias")
    P.register_parametrization(layer, "bias", zoo.Doubled())
    assert list(layer.state_dict()) == ["parametrizations.weight.original", "parametrizations.bias.original"]
    assert isinstance(layer.parametrizations.weight, P.ParametrizationList)
    assert len(layer.parametrizations.weight) == 1
    P.remove_parametrizations(layer, "weight")
    assert type(layer).__name__ == "ParametrizedLinear" and P.is_parametrized(layer, "bias")
    P.remove_parametrizations(layer, "bias")
    assert type(layer) is nn.Linear
    assert list(layer.state_dict()) == ["weight", "bias"]
    other = nn.Linear(3, 3)
    assert type(other) is nn.Linear and isinstance(other.weight, nn.Parameter)


def test_two_modules_of_a_class_are_parametrized_apart():
    first, second = linear(gpudl, "Symmetric"), linear(gpudl, "Doubled", name="bias")
    assert type(first) is not type(second)
    assert not P.is_parametrized(first, "bias") and isinstance(second.weight, nn.Parameter)


def test_the_parameter_stays_the_same_so_that_an_optimizer_goes_on():
    layer = nn.Linear(3, 3)
    weight = layer.weight
    P.register_parametrization(layer, "weight", ZOO[gpudl].Symmetric())
    assert layer.parametrizations.weight.original is weight
    layer.weight = gpudl.eye(3)
    assert layer.parametrizations.weight.original is weight
    assert P.remove_parametrizations(layer, "weight").weight is weight


def test_buffers_can_be_parametrized():
    for lib in LIBRARIES:
        module = lib.nn.Module()
        module.register_buffer("scale", lib.tensor([1.0, 2.0]))
        tools(lib).register_parametrization(module, "scale", ZOO[lib].Doubled())
        assert list(module.state_dict()) == ["parametrizations.scale.original"]
        assert module.scale.tolist() == [1, 2] and not list(module.parameters())
        tools(lib).remove_parametrizations(module, "scale")
        assert [name for name, _ in module.named_buffers()] == ["scale"]
        tools(lib).register_parametrization(module, "scale", ZOO[lib].Sum())
        assert [name.rpartition(".")[2] for name, _ in module.named_buffers()] == [f"original{i}" for i in range(3)]
        tools(lib).remove_parametrizations(module, "scale")
        assert module.scale.tolist() == [1, 2] and len(module.state_dict()) == 1


def test_frozen_parameters_stay_frozen():
    for stack in (["Sum"], ["Doubled"]):
        layer = linear(gpudl)
        layer.weight.requires_grad_(False)
        P.register_parametrization(layer, "weight", getattr(ZOO[gpudl], stack[0])())
        assert not any(p.requires_grad for p in layer.parametrizations.parameters())
        assert not layer.weight.requires_grad


def test_a_parametrization_takes_on_the_mode_of_the_module():
    made = ZOO[gpudl].Doubled()
    layer = P.register_parametrization(nn.Linear(3, 3).eval(), "weight", made)
    assert not made.training
    layer.train()
    assert made.training


def test_cached_computes_once():
    calls = []
    layer = linear(gpudl)
    counted = ZOO[gpudl].Returns(lambda X: calls.append(1) or X * 2, lambda A: A / 2)
    P.register_parametrization(layer, "weight", counted)
    calls.clear()
    with P.cached():
        first = layer.weight
        with P.cached():
            assert layer.weight is first
        assert layer.weight is first and len(calls) == 1
        other = copy.deepcopy(layer)
        assert other.weight is not first and len(calls) == 2
        layer.weight = gpudl.eye(3)
        assert layer.weight.tolist() == np.eye(3).tolist() and len(calls) == 3
        with gpudl.no_grad():
            assert not layer.weight.requires_grad and len(calls) == 4
        assert layer.weight.requires_grad and len(calls) == 4
        P.register_parametrization(layer, "weight", ZOO[gpudl].Doubled(), unsafe=True)
        assert layer.weight.tolist() == (2 * np.eye(3)).tolist()
    assert layer.weight is not first
    calls.clear()
    layer(gpudl.ones(1, 3)), layer(gpudl.ones(1, 3))
    assert len(calls) == 2
    with pytest.raises(ZeroDivisionError), P.cached():
        raise ZeroDivisionError
    assert layer.weight is not layer.weight


def test_gradients_add_up_through_the_cache():
    grads = []
    for lib in LIBRARIES:
        layer = linear(lib, "Symmetric")
        with tools(lib).cached():
            layer(layer(lib.tensor(array(2, 3)))).sum().backward()
        grads.append(layer.parametrizations.weight.original.grad.numpy())
    assert_close(*grads, "gradient", 4)


def test_a_copy_is_on_its_own():
    layer = linear(gpudl, "Symmetric")
    net = nn.Sequential(layer, nn.ReLU(), layer)
    copied = copy.deepcopy(net)
    assert copied[0] is copied[2]
    assert repr(copied) == repr(net)
    assert gpudl.equal(copied[0].weight, layer.weight)
    with gpudl.no_grad():
        copied[0].parametrizations.weight.original.zero_()
    assert copied[0].weight.abs().sum().item() == 0 and layer.weight.abs().sum().item() > 0
    P.remove_parametrizations(copied[0], "weight")
    assert type(copied[0]) is nn.Linear
    assert P.is_parametrized(layer, "weight") and layer.weight.shape == (3, 3)
    P.register_parametrization(layer, "bias", ZOO[gpudl].Doubled())
    assert isinstance(copied[0].bias, nn.Parameter)


def test_pickling_is_refused():
    for lib in LIBRARIES:
        with pytest.raises(RuntimeError, match="state_dict"):
            pickle.dumps(linear(lib, "Symmetric"))


def test_state_dicts_go_round():
    first, second = linear(gpudl, "Outer", "Doubled"), linear(gpudl, "Outer", "Doubled")
    with gpudl.no_grad():
        for p in first.parameters():
            p += 1
    second.load_state_dict(first.state_dict())
    assert gpudl.equal(first.weight, second.weight)
    moved = second.double()
    assert moved.weight.dtype == gpudl.float64


@pytest.mark.parametrize("name", [None, "weight"])
@pytest.mark.parametrize("stack", STACKS, ids="-".join)
def test_transfer_shares_parametrizations_and_originals(stack, name):
    source, target = linear(gpudl, *stack), nn.Linear(3, 3)
    P.register_parametrization(source, "bias", ZOO[gpudl].Doubled())
    assert P.transfer_parametrizations_and_params(source, target, name) is target
    assert P.is_parametrized(target, "bias") == (name is None)
    theirs, mine = source.parametrizations.weight, target.parametrizations.weight
    assert theirs is not mine
    assert list(theirs.state_dict()) == list(mine.state_dict())
    assert all(p is q for p, q in zip(theirs.parameters(), mine.parameters()))
    assert list(theirs) == list(mine)
    assert gpudl.equal(source.weight, target.weight)
    P.register_parametrization(target, "weight", ZOO[gpudl].Doubled())
    assert len(theirs) == len(mine) - 1


def test_transfer_to_where_nothing_is_and_from_where_nothing_is():
    for lib in LIBRARIES:
        source, empty = linear(lib, "Symmetric"), lib.nn.Module()
        tools(lib).transfer_parametrizations_and_params(source, empty)
        assert list(empty.state_dict()) == ["parametrizations.weight.original"]
        assert lib.equal(empty.weight, source.weight)
        plain = linear(lib)
        assert not tools(lib).is_parametrized(tools(lib).transfer_parametrizations_and_params(plain, linear(lib)))
        with pytest.raises(KeyError):
            tools(lib).transfer_parametrizations_and_params(source, linear(lib), "bias")
    target = linear(gpudl, "Doubled")
    P.transfer_parametrizations_and_params(source := linear(gpudl, "Symmetric"), target)
    assert gpudl.equal(target.weight, source.weight)
