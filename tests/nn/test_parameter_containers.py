"""Lists and dictionaries of parameters: the same program on gpudl and on PyTorch gives the same state or error."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from programs import outcome, same

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")


def ones(lib, *shape):
    return lib.nn.Parameter(lib.ones(*shape))


PARAMETERS = {
    "append": lambda lib, net: net.append(ones(lib, 4)),
    "append a tensor": lambda lib, net: net.append(lib.ones(4)),
    "append a word": lambda lib, net: net.append("word"),
    "extend": lambda lib, net: net.extend([lib.ones(4), 3]),
    "extend by itself": lambda lib, net: net.extend(list(net)),
    "extend by a tensor": lambda lib, net: net.extend(lib.ones(4)),
    "extend by a number": lambda lib, net: net.extend(4),
    "add in place": lambda lib, net: net.__iadd__([lib.ones(4)]),
    "get": lambda lib, net: net[0],
    "get last": lambda lib, net: net[-1],
    "get beyond": lambda lib, net: net[4],
    "slice": lambda lib, net: [tuple(p.shape) for p in net[1:3]],
    "slice backwards": lambda lib, net: [tuple(p.shape) for p in net[:0:-1] if hasattr(p, "shape")],
    "set": lambda lib, net: net.__setitem__(1, lib.ones(7)),
    "set a word": lambda lib, net: net.__setitem__(-1, "word"),
    "set a word over a parameter": lambda lib, net: net.__setitem__(0, "word"),
    "set beyond": lambda lib, net: net.__setitem__(4, lib.ones(7)),
    "length": lambda lib, net: (len(net), len(list(net))),
    "names": lambda lib, net: [name for name in dir(net) if name.isdigit()],
    "state": lambda lib, net: list(net.state_dict()),
    "call": lambda lib, net: net(1),
}


def parameter_list(lib):
    return lib.nn.ParameterList([ones(lib, 2, 3), lib.ones(()), ones(lib, 0), 5])


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_list_changes_as_in_torch(name):
    if name == "call":
        with pytest.raises(RuntimeError, match="ParameterList has no forward"):
            parameter_list(gpudl)(1)
        return
    same(parameter_list, PARAMETERS[name])


NAMED = {
    "get": lambda lib, net: net["b"],
    "get nothing": lambda lib, net: net.get("none", 7),
    "get something": lambda lib, net: net.get("a", 7),
    "set": lambda lib, net: net.__setitem__("c", lib.ones(4)),
    "set again": lambda lib, net: net.__setitem__("b", lib.ones(4)),
    "set a word": lambda lib, net: net.__setitem__("c", "word"),
    "set default": lambda lib, net: net.setdefault("c", lib.ones(4)),
    "set default of what there is": lambda lib, net: net.setdefault("b", lib.ones(4)),
    "delete": lambda lib, net: net.__delitem__("b"),
    "delete nothing": lambda lib, net: net.__delitem__("none"),
    "pop": lambda lib, net: net.pop("b"),
    "pop the last": lambda lib, net: str(net.popitem()[0]),
    "pop of nothing": lambda lib, net: (net.clear(), net.popitem()),
    "clear": lambda lib, net: net.clear(),
    "length": lambda lib, net: len(net),
    "names": lambda lib, net: (list(net), list(net.keys()), list(reversed(net)), "b" in net, "none" in net),
    "values": lambda lib, net: ([tuple(v.shape) for v in net.values()], [key for key, _ in net.items()]),
    "copy": lambda lib, net: (net.copy() is net, net.copy()["a"] is net["a"], list(net.copy())),
    "from keys": lambda lib, net: list(net.fromkeys(["x", "w"], lib.ones(2)).keys()),
    "update by a dict, sorted": lambda lib, net: net.update({"z": lib.ones(1), "c": lib.ones(2)}),
    "update by an OrderedDict": lambda lib, net: net.update(OrderedDict(z=lib.ones(1), c=lib.ones(2))),
    "update by another": lambda lib, net: net.update(lib.nn.ParameterDict(OrderedDict(z=lib.ones(1), c=lib.ones(2)))),
    "update by pairs": lambda lib, net: net.update([("z", lib.ones(1)), ["c", 3]]),
    "update by a number": lambda lib, net: net.update(3),
    "update by numbers": lambda lib, net: net.update([3]),
    "update by triples": lambda lib, net: net.update([("z", 1, 2)]),
    "or": lambda lib, net: list((net | lib.nn.ParameterDict({"z": lib.ones(1), "a": lib.ones(9)})).items())[2][0],
    "or from the left": lambda lib, net: list(lib.nn.ParameterDict({"z": lib.ones(1)}) | net),
    "or of a dict": lambda lib, net: list({"z": lib.ones(1)} | net),
    "or in place": lambda lib, net: net.__ior__({"z": lib.ones(1)}),
    "state": lambda lib, net: list(net.state_dict()),
}


def parameter_dict(lib):
    return lib.nn.ParameterDict(OrderedDict(b=ones(lib, 2, 3), a=lib.ones(())))


@pytest.mark.parametrize("name", NAMED)
def test_parameter_dict_changes_as_in_torch(name):
    results = []
    for lib in (gpudl, torch):
        raised, inside, text, returned = outcome(lib, parameter_dict, NAMED[name])
        if name == "or of a dict":  # PyTorch tries dict.copy, whose result has no Parameters, and returns the dict
            raised = text = returned = None
        results.append((raised, inside, text.replace("FloatTensor", "float32") if text else None, returned))
    assert results[0] == results[1]


def test_a_dict_may_be_joined_from_the_left():
    joined = {"z": gpudl.ones(1)} | parameter_dict(gpudl)
    assert isinstance(joined, nn.ParameterDict)
    assert list(joined) == ["z", "b", "a"]
    assert all(isinstance(each, nn.Parameter) for each in joined.values())


def test_what_has_no_shape_yet_is_shown_as_such():
    assert "(0): <UninitializedParameter>" in repr(nn.ParameterList([nn.UninitializedParameter()]))


@pytest.mark.parametrize("key", [3, None, ("a", "b")])
def test_parameter_dict_takes_names_only(key):
    net = nn.ParameterDict()
    with pytest.raises(TypeError, match="must be a str"):
        net[key] = gpudl.ones(1)
    assert len(net) == 0


def blocks(lib):
    return lib.nn.Sequential(lib.nn.Linear(1, 2), lib.nn.ModuleList([lib.nn.ReLU(), lib.nn.ReLU()]))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize(
    "make", [parameter_list, parameter_dict, lambda lib: lib.nn.ModuleDict({"a": lib.nn.Linear(1, 2)}), blocks]
)
def test_copies_and_pickles_are_whole_and_their_own(make, again):
    net = make(gpudl)
    other = again(net)
    assert repr(other) == repr(net)
    assert list(other.state_dict()) == list(net.state_dict())
    pairs = list(zip(net.parameters(), other.parameters(), strict=True))
    assert all(a is not b and np.array_equal(a.detach().numpy(), b.detach().numpy()) for a, b in pairs)


def test_parameters_in_containers_are_trained_moved_and_loaded(device):
    net = parameter_list(gpudl).to(device, "float64")
    assert all(p.device is device and p.dtype == gpudl.float64 for p in net.parameters())
    sum((p * 2).sum() for p in net.parameters()).backward()
    assert [p.grad.tolist() for p in net.parameters()] == [[[2] * 3] * 2, 2, []]
    other = nn.ParameterList([gpudl.zeros(2, 3), gpudl.zeros(()), gpudl.zeros(0), 5])
    other.load_state_dict(net.state_dict())
    assert other[0].tolist() == [[1] * 3] * 2
