"""Containers of modules and of parameters: the same program on gpudl and on PyTorch gives the same state or error."""

from collections import OrderedDict

import numpy as np
import pytest
from programs import same
from twins import array, compare

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")


def layers(lib):
    return [lib.nn.Linear(2, 3), lib.nn.ReLU(), lib.nn.Linear(3, 1)]


SEQUENTIAL = {
    "append": lambda lib, net: net.append(lib.nn.Tanh()),
    "extend": lambda lib, net: net.extend(layers(lib)),
    "extend by itself": lambda lib, net: net.extend(list(net)),
    "insert first": lambda lib, net: net.insert(0, lib.nn.Tanh()),
    "insert inside": lambda lib, net: net.insert(2, lib.nn.Tanh()),
    "insert at the end": lambda lib, net: net.insert(3, lib.nn.Tanh()),
    "insert from behind": lambda lib, net: net.insert(-1, lib.nn.Tanh()),
    "insert before all": lambda lib, net: net.insert(-3, lib.nn.Tanh()),
    "insert beyond": lambda lib, net: net.insert(4, lib.nn.Tanh()),
    "insert before the start": lambda lib, net: net.insert(-4, lib.nn.Tanh()),
    "pop": lambda lib, net: net.pop(0),
    "pop last": lambda lib, net: net.pop(-1),
    "pop slice": lambda lib, net: net.pop(slice(1)),
    "pop beyond": lambda lib, net: net.pop(3),
    "add": lambda lib, net: net + net,
    "add a list": lambda lib, net: net + layers(lib),
    "add in place": lambda lib, net: net.__iadd__(lib.nn.Sequential(lib.nn.Tanh())),
    "add a list in place": lambda lib, net: net.__iadd__(layers(lib)),
    "times": lambda lib, net: net * 2,
    "times from the left": lambda lib, net: 2 * net,
    "times once": lambda lib, net: net * 1,
    "times nothing": lambda lib, net: net * 0,
    "times a float": lambda lib, net: net * 1.5,
    "times in place": lambda lib, net: net.__imul__(3),
    "times nothing in place": lambda lib, net: net.__imul__(0),
    "times a float in place": lambda lib, net: net.__imul__(1.5),
    "names": lambda lib, net: [name for name in dir(net) if name.isdigit()],
    "length": lambda lib, net: len(net),
    "slice": lambda lib, net: net[1:],
    "index by a float": lambda lib, net: net[1.0],
    "no forward of none": lambda lib, net: lib.nn.Sequential()(3),
}


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_changes_as_in_torch(name):
    same(lambda lib: lib.nn.Sequential(*layers(lib)), SEQUENTIAL[name])


def test_a_sequential_may_be_repeated_and_joined_and_still_computes():
    compare(lambda lib: lib.nn.Sequential(lib.nn.Linear(3, 3), lib.nn.Tanh()) * 2, array(5, 3))
    compare(lambda lib: lib.nn.Sequential(lib.nn.Linear(3, 3)) + lib.nn.Sequential(lib.nn.ReLU()), array(5, 3))


def test_inserting_keeps_names():
    net = nn.Sequential(OrderedDict(first=nn.ReLU(), second=nn.Tanh())).insert(1, nn.Sigmoid())
    assert list(net._modules) == ["first", "2", "second"]
    assert [type(each).__name__ for each in net] == ["ReLU", "Sigmoid", "Tanh"]
    with pytest.raises(TypeError, match="takes Modules"):
        net.insert(0, "ReLU")
    assert len(net) == 3


def test_adding_to_itself_ends():
    net = nn.Sequential(nn.ReLU())
    net += net
    assert list(net._modules) == ["0", "1"]


LIST = {
    **{name: change for name, change in SEQUENTIAL.items() if "times" not in name and "forward" not in name},
    "append none": lambda lib, net: net.append(None),
    "append a word": lambda lib, net: net.append("ReLU"),
    "extend by a module": lambda lib, net: net.extend(lib.nn.ReLU()),
    "extend by a number": lambda lib, net: net.extend(3),
    "add to a list": lambda lib, net: net.__add__([lib.nn.Tanh()]),
    "set": lambda lib, net: net.__setitem__(1, lib.nn.Tanh()),
    "set last": lambda lib, net: net.__setitem__(-1, lib.nn.Tanh()),
    "set beyond": lambda lib, net: net.__setitem__(3, lib.nn.Tanh()),
    "set a word": lambda lib, net: net.__setitem__(0, "ReLU"),
    "delete": lambda lib, net: net.__delitem__(1),
    "delete slice": lambda lib, net: net.__delitem__(slice(None, None, 2)),
    "delete beyond": lambda lib, net: net.__delitem__(-4),
    "index": lambda lib, net: net[np.int64(-1)],
    "call": lambda lib, net: net(1),
}
# PyTorch returns None there.
for place in ("insert first", "insert inside", "insert at the end"):
    LIST[place] = lambda lib, net, change=LIST[place]: change(lib, net) and None
# What PyTorch does there is write under a name that its list never reads.
for wrong in ("insert from behind", "insert before all", "insert beyond", "insert before the start"):
    del LIST[wrong]


@pytest.mark.parametrize("name", LIST)
def test_module_list_changes_as_in_torch(name):
    same(lambda lib: lib.nn.ModuleList(layers(lib)), LIST[name])


def test_module_list_inserts_as_a_list_does():
    net = nn.ModuleList(layers(gpudl))
    net.insert(-1, nn.Tanh())
    assert [type(each).__name__ for each in net] == ["Linear", "ReLU", "Tanh", "Linear"]
    with pytest.raises(IndexError, match="cannot insert at 6 in a ModuleList of 4"):
        net.insert(6, nn.Tanh())


def blocks(lib):
    return lib.nn.Sequential(lib.nn.Linear(1, 2), lib.nn.ModuleList([lib.nn.ReLU(), lib.nn.ReLU()]))


@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.nn.ModuleList(),
        lambda lib: lib.nn.ModuleList([lib.nn.ReLU()]),
        lambda lib: lib.nn.ModuleList([lib.nn.Linear(1, 2) for _ in range(12)]),
        lambda lib: lib.nn.ModuleList(
            [lib.nn.Linear(1, 2), lib.nn.ReLU(), lib.nn.ReLU(), lib.nn.Linear(1, 2), None, None]
        ),
        lambda lib: lib.nn.ModuleList([blocks(lib) for _ in range(3)]),
        lambda lib: lib.nn.ModuleList([blocks(lib), lib.nn.ModuleDict({"a": blocks(lib)})]),
        lambda lib: lib.nn.ModuleDict({"b": lib.nn.ReLU(), "a": None}),
        lambda lib: lib.nn.ModuleDict(),
        lambda lib: lib.nn.Sequential(lib.nn.Unflatten(1, (2, 3)), lib.nn.Flatten()),
    ],
)
def test_repr_is_that_of_torch(make):
    assert repr(make(gpudl)) == repr(make(torch))


DICT = {
    "get": lambda lib, net: net["act"],
    "get nothing": lambda lib, net: net["none"],
    "set": lambda lib, net: net.__setitem__("new", lib.nn.Tanh()),
    "set again": lambda lib, net: net.__setitem__("act", lib.nn.Tanh()),
    "set none": lambda lib, net: net.__setitem__("act", None),
    "set a word": lambda lib, net: net.__setitem__("act", "ReLU"),
    "set a method's name": lambda lib, net: net.__setitem__("forward", lib.nn.ReLU()),
    "set a number": lambda lib, net: net.__setitem__(3, lib.nn.ReLU()),
    "set a dot": lambda lib, net: net.__setitem__("a.b", lib.nn.ReLU()),
    "delete": lambda lib, net: net.__delitem__("fc"),
    "delete nothing": lambda lib, net: net.__delitem__("none"),
    "pop": lambda lib, net: net.pop("fc"),
    "pop nothing": lambda lib, net: net.pop("none"),
    "clear": lambda lib, net: net.clear(),
    "length": lambda lib, net: len(net),
    "names": lambda lib, net: (list(net), list(net.keys()), "fc" in net, "none" in net),
    "values": lambda lib, net: ([type(each).__name__ for each in net.values()], [key for key, _ in net.items()]),
    "update by a dict": lambda lib, net: net.update({"z": lib.nn.Tanh(), "act": lib.nn.Tanh()}),
    "update by pairs": lambda lib, net: net.update([("z", lib.nn.Tanh()), ["a", lib.nn.Tanh()]]),
    "update by another": lambda lib, net: net.update(lib.nn.ModuleDict({"z": lib.nn.Tanh()})),
    "update by an OrderedDict": lambda lib, net: net.update(OrderedDict(z=lib.nn.Tanh(), b=lib.nn.ReLU())),
    "update by a number": lambda lib, net: net.update(3),
    "update by numbers": lambda lib, net: net.update([3]),
    "update by triples": lambda lib, net: net.update([("z", 1, 2)]),
    "call": lambda lib, net: net(1),
}


@pytest.mark.parametrize("name", DICT)
def test_module_dict_changes_as_in_torch(name):
    same(lambda lib: lib.nn.ModuleDict({"fc": lib.nn.Linear(1, 2), "act": lib.nn.ReLU()}), DICT[name])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("dim", "size", "shape"),
    [(1, (2, 3), (4, 6)), (-1, [3, -1], (2, 6)), (0, (2, 2), (4, 5)), (1, (6, 1, 1), (0, 6)), (0, (2, 3), (6,))],
)
def test_unflatten(dim, size, shape, dtype, device):
    compare(lambda lib: lib.nn.Unflatten(dim, size), array(*shape, dtype=dtype), dtype=dtype, device=device)


@pytest.mark.parametrize("size", [3, "23", (2.0, 3), (2, "3"), None])
def test_unflatten_takes_ints(size):
    for lib in (gpudl, torch):
        with pytest.raises(TypeError, match="unflattened_size must be"):
            lib.nn.Unflatten(1, size)


def test_unflatten_into_what_does_not_fit_names_the_layer():
    for lib in (gpudl, torch):
        with pytest.raises(RuntimeError, match=r"^Unflatten: \(2, 2\)" if lib is gpudl else None):
            lib.nn.Unflatten(1, (2, 2))(lib.ones(4, 6))
