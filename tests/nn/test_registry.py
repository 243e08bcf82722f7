"""What assigning to a Module's attributes does, told by the same program running on gpudl and on PyTorch."""

import pytest

import gpudl
from gpudl.nn import Module, Parameter, ReLU, Sequential

torch = pytest.importorskip("torch")


def net_of(lib):
    """A module with one attribute of each kind, in an order that is not the alphabet's."""

    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = lib.nn.Parameter(lib.ones(2))
            self.layer = lib.nn.Linear(2, 3)
            self.register_buffer("mean", lib.zeros(2))
            self.b = lib.nn.Parameter(lib.zeros(2))
            self.register_parameter("none", None)
            self.register_buffer("later", None)
            self.act = lib.nn.ReLU()
            self.register_buffer("scratch", lib.zeros(1), persistent=False)
            self.plain = 3

    return Net()


def summary(net):
    """Every name that the module knows, in order, with the shape of what it stands for."""

    def shapes(named):
        return [(name, tuple(value.shape)) for name, value in named]

    return {
        "parameters": shapes(net.named_parameters()),
        "own parameters": shapes(net.named_parameters(recurse=False)),
        "buffers": shapes(net.named_buffers()),
        "modules": [(name, type(module).__name__) for name, module in net.named_modules()],
        "children": [(name, type(module).__name__) for name, module in net.named_children()],
        "state": shapes(net.state_dict().items()),
        "slots": [list(table) for table in (net._parameters, net._buffers, net._modules)],
    }


def test_a_fresh_module_has_the_names_of_torch():
    assert summary(net_of(gpudl)) == summary(net_of(torch))


SCENARIOS = {
    "parameter again keeps its place": lambda lib, net: setattr(net, "w", lib.nn.Parameter(lib.ones(5))),
    "parameter to None": lambda lib, net: setattr(net, "w", None),
    "None to parameter": lambda lib, net: setattr(net, "none", lib.nn.Parameter(lib.ones(4))),
    "tensor to parameter name": lambda lib, net: setattr(net, "w", lib.ones(2)),
    "number to parameter name": lambda lib, net: setattr(net, "w", 1.0),
    "tensor to None parameter": lambda lib, net: setattr(net, "none", lib.ones(2)),
    "module to parameter name": lambda lib, net: setattr(net, "w", lib.nn.ReLU()),
    "module again keeps its place": lambda lib, net: setattr(net, "layer", lib.nn.Linear(7, 1)),
    "module to None": lambda lib, net: setattr(net, "layer", None),
    "tensor to module name": lambda lib, net: setattr(net, "layer", lib.ones(2)),
    "parameter to module name": lambda lib, net: setattr(net, "layer", lib.nn.Parameter(lib.ones(2))),
    "buffer again keeps its place": lambda lib, net: setattr(net, "mean", lib.ones(9)),
    "buffer to None": lambda lib, net: setattr(net, "mean", None),
    "None to buffer": lambda lib, net: setattr(net, "later", lib.ones(2)),
    "number to buffer name": lambda lib, net: setattr(net, "mean", 1.0),
    "parameter to buffer name": lambda lib, net: setattr(net, "mean", lib.nn.Parameter(lib.ones(2))),
    "module to buffer name": lambda lib, net: setattr(net, "mean", lib.nn.ReLU()),
    "scratch again stays out of the state": lambda lib, net: setattr(net, "scratch", lib.ones(4)),
    "scratch as parameter is in the state": lambda lib, net: setattr(net, "scratch", lib.nn.Parameter(lib.ones(4))),
    "scratch registered again to be saved": lambda lib, net: net.register_buffer("scratch", lib.ones(4)),
    "mean registered again not to be saved": lambda lib, net: net.register_buffer("mean", lib.ones(4), False),
    "plain to parameter": lambda lib, net: setattr(net, "plain", lib.nn.Parameter(lib.ones(2))),
    "plain to module": lambda lib, net: setattr(net, "plain", lib.nn.ReLU()),
    "plain to tensor": lambda lib, net: setattr(net, "plain", lib.ones(2)),
    "delete parameter": lambda lib, net: delattr(net, "w"),
    "delete buffer": lambda lib, net: delattr(net, "mean"),
    "delete module": lambda lib, net: delattr(net, "layer"),
    "delete plain": lambda lib, net: delattr(net, "plain"),
    "delete nothing": lambda lib, net: delattr(net, "nothing"),
    "delete scratch and register it": lambda lib, net: (
        delattr(net, "scratch"),
        net.register_buffer("scratch", lib.ones(1)),
    ),
    "delete scratch and register a parameter": lambda lib, net: (
        delattr(net, "scratch"),
        net.register_parameter("scratch", lib.nn.Parameter(lib.ones(1))),
    ),
    "delete parameter, assign tensor": lambda lib, net: (delattr(net, "w"), setattr(net, "w", lib.ones(2))),
    "register module's name as buffer": lambda lib, net: net.register_buffer("layer", lib.ones(2)),
    "register parameter's name as buffer": lambda lib, net: net.register_buffer("w", lib.ones(2)),
    "register buffer's name as parameter": lambda lib, net: net.register_parameter("mean", None),
    "register parameter's name as module": lambda lib, net: net.add_module("w", lib.nn.ReLU()),
    "register plain name": lambda lib, net: net.register_parameter("plain", None),
    "register method's name": lambda lib, net: net.add_module("forward", lib.nn.ReLU()),
    "register tensor as parameter": lambda lib, net: net.register_parameter("new", lib.ones(2)),
    "register number as buffer": lambda lib, net: net.register_buffer("new", 1.0),
    "register tensor as module": lambda lib, net: net.add_module("new", lib.ones(2)),
    "register dotted parameter": lambda lib, net: net.register_parameter("a.b", None),
    "register dotted buffer": lambda lib, net: net.register_buffer("a.b", None),
    "register dotted module": lambda lib, net: net.add_module("a.b", None),
    "register empty name": lambda lib, net: net.add_module("", lib.nn.ReLU()),
    "register number as name": lambda lib, net: net.register_buffer(1, None),
    "module by a number": lambda lib, net: net.add_module("0", lib.nn.ReLU()),
    "read nothing": lambda lib, net: net.nothing,
    "same module twice": lambda lib, net: setattr(net, "twin", net.layer),
    "same module deeper first": lambda lib, net: (
        setattr(net, "deep", lib.nn.Sequential(net.act, net.layer)),
        setattr(net, "layer", None),
        setattr(net, "last", net.deep[1]),
    ),
    "same parameter twice": lambda lib, net: setattr(net, "tied", net.layer.weight),
    "same buffer twice": lambda lib, net: net.register_buffer("mean2", net.mean),
    "buffer assigned": lambda lib, net: setattr(net, "table", lib.nn.Buffer(lib.ones(3))),
    "buffer assigned, not to be saved": lambda lib, net: setattr(
        net, "t", lib.nn.Buffer(lib.ones(3), persistent=False)
    ),
    "buffer assigned over a buffer": lambda lib, net: setattr(
        net, "mean", lib.nn.Buffer(lib.ones(3), persistent=False)
    ),
    "buffer assigned over a plain one": lambda lib, net: setattr(net, "plain", lib.nn.Buffer(lib.ones(3))),
    "buffer to parameter name": lambda lib, net: setattr(net, "w", lib.nn.Buffer(lib.ones(3))),
    "module by the other name": lambda lib, net: net.register_module("new", lib.nn.ReLU()),
    "set a module": lambda lib, net: net.set_submodule("layer", lib.nn.ReLU()),
    "set a new module": lambda lib, net: net.set_submodule("new", lib.nn.ReLU()),
    "set a new module deeper": lambda lib, net: net.set_submodule("layer.new", lib.nn.ReLU()),
    "set a new module strictly": lambda lib, net: net.set_submodule("new", lib.nn.ReLU(), strict=True),
    "set a module strictly": lambda lib, net: net.set_submodule("layer", lib.nn.ReLU(), strict=True),
    "set a module over a parameter": lambda lib, net: net.set_submodule("w", lib.nn.ReLU()),
    "set a module over a plain one": lambda lib, net: net.set_submodule("plain", lib.nn.ReLU()),
    "set a module nowhere": lambda lib, net: net.set_submodule("none.new", lib.nn.ReLU()),
    "set a module without a name": lambda lib, net: net.set_submodule("", lib.nn.ReLU()),
    "set a tensor as module": lambda lib, net: net.set_submodule("layer", lib.ones(1)),
    "empty container": lambda lib, net: setattr(net, "empty", lib.nn.Sequential()),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_assignments_do_what_they_do_in_torch(name):
    results = []
    for lib in (gpudl, torch):
        net = net_of(lib)
        try:
            SCENARIOS[name](lib, net)
            raised = None
        except Exception as error:
            raised = type(error)
        results.append((raised, summary(net)))
    assert results[0] == results[1]


@pytest.mark.parametrize("kind", ["submodule", "parameter", "buffer"])
@pytest.mark.parametrize(
    "name",
    ["", "layer", "layer.weight", "w", "mean", "plain", "none", "none.w", "w.x", "layer.none", "later", "act", "."],
)
def test_things_are_found_by_dotted_name(kind, name):
    found = []
    for lib in (gpudl, torch):
        net = net_of(lib)
        try:
            found.append(type(getattr(net, f"get_{kind}")(name)).__name__)
        except AttributeError:
            found.append("nothing")
    assert found[0] == found[1]


def test_a_name_that_is_not_found_is_told_with_its_path():
    net = net_of(gpudl)
    with pytest.raises(AttributeError, match="Linear has no parameter 'w', looking for 'layer.w'"):
        net.get_parameter("layer.w")
    with pytest.raises(AttributeError, match="Net has no module 'none', looking for 'none.x'"):
        net.get_submodule("none.x")


def test_a_walk_leaves_out_what_it_is_told():
    walks = []
    for lib in (gpudl, torch):
        net = net_of(lib)
        memo = {net.layer}
        walks.append(([name for name, _ in net.named_modules(memo, "top")], len(memo), len(list(net.modules()))))
        net.twin = net.layer
        walks[-1] += (len(list(net.modules(remove_duplicate=False))), len(list(net.modules())))
    assert walks[0] == walks[1]


def test_names_that_are_numbers_are_not_in_dir():
    for lib in (gpudl, torch):
        names = dir(lib.nn.Sequential(lib.nn.ReLU()))
        assert names == sorted(names)
        assert "0" not in names


def test_names_with_duplicates_are_those_of_torch():
    for walk in ("named_modules", "named_parameters", "named_buffers"):
        names = []
        for lib in (gpudl, torch):
            net = net_of(lib)
            net.twin = net.layer
            net.register_buffer("mean2", net.mean)
            names.append([name for name, _ in getattr(net, walk)(prefix="top", remove_duplicate=False)])
        assert names[0] == names[1]
        assert names[0] != [name for name, _ in getattr(net, walk)(prefix="top")]


def test_attributes_give_the_very_objects():
    net = net_of(gpudl)
    assert net.w is next(net.parameters())
    assert net.layer is next(net.children())
    assert net.mean is next(net.buffers())
    assert net.none is None
    assert net.later is None
    assert [type(p) for p in net.parameters()] == [Parameter] * 4
    assert {"w", "mean", "layer", "plain", "forward"} <= set(dir(net))


def test_a_module_is_true_however_long_it_is():
    class Bag(Module):
        def __init__(self):
            super().__init__()
            self.inside = Sequential()
            self.inside.hidden = Parameter(gpudl.ones(1))

    assert len(Bag().inside) == 0
    assert [name for name, _ in Bag().named_parameters()] == ["inside.hidden"]
    assert list(Bag().state_dict()) == ["inside.hidden"]


@pytest.mark.parametrize("value", [lambda: Parameter(gpudl.ones(2)), ReLU])
def test_forgetting_to_initialize_is_told(value):
    class Net(Module):
        def __init__(self):
            self.before = 1
            self.part = value()

    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\) in Net.__init__ before assigning 'part'"):
        Net()


@pytest.mark.parametrize(
    "use", [lambda net: net(1), lambda net: net.weight, lambda net: net.register_buffer("b", None)]
)
def test_using_an_uninitialized_module_is_told(use):
    class Net(Module):
        def __init__(self):
            self.size = 3

    net = Net()
    assert net.size == 3
    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\) in Net.__init__"):
        use(net)


def test_a_missing_attribute_is_named_with_its_class():
    with pytest.raises(AttributeError, match=r"^'ReLU' object has no attribute 'weight'$"):
        _ = ReLU().weight


def test_a_class_attribute_may_not_hide_a_registered_one():
    class Net(Module):
        head = None

    for value in (ReLU(), Parameter(gpudl.ones(1))):
        with pytest.raises(KeyError, match="has an attribute 'head' already"):
            Net().head = value


def test_a_parameter_must_be_a_leaf():
    net = Module()
    p = Parameter(gpudl.ones(2), requires_grad=False)
    p.mul_(gpudl.ones(2, requires_grad=True))
    with pytest.raises(ValueError, match="leaf"):
        net.register_parameter("p", p)
