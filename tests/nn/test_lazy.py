"""Lazy layers: no shapes until the first input, then ordinary layers; PyTorch runs the same programs."""

import copy
import pickle
import warnings

import pytest

import gpudl
from gpudl import nn
from gpudl.nn.lazy import LazyLayer
from gpudl.optim import SGD, Adam

torch = pytest.importorskip("torch")
warnings.filterwarnings("ignore", "Lazy modules are a new feature")


def through_pickle(value):
    return pickle.loads(pickle.dumps(value))


def network(lib):
    return lib.nn.Sequential(lib.nn.LazyLinear(3), lib.nn.ReLU(), lib.nn.LazyLinear(2, bias=False))


def test_looks_and_becomes_what_it_does_in_torch():
    texts = []
    for lib in (gpudl, torch):
        net = network(lib)
        before = repr(net), [repr(p) for p in net.parameters()], list(net.state_dict())
        output = net(lib.ones(5, 4))
        texts.append((*before, repr(net), tuple(output.shape), [tuple(p.shape) for p in net.parameters()]))
        assert type(net[0]) is lib.nn.Linear
        assert net[0].in_features == 4
    assert texts[0] == texts[1]


def test_gives_what_a_layer_made_with_the_length_gives(device):
    gpudl.manual_seed(3)
    lazy = nn.LazyLinear(3, device=device)
    outputs = [lazy(gpudl.ones(2, 4, device=device))]
    gpudl.manual_seed(3)
    outputs.append(nn.Linear(4, 3, device=device)(gpudl.ones(2, 4, device=device)))
    assert gpudl.equal(*outputs)
    assert lazy.weight.device is device


def test_has_nothing_left_of_being_lazy():
    net = nn.LazyLinear(3)
    net(gpudl.ones(2, 4))
    assert set(vars(net)) == set(vars(nn.Linear(4, 3)))
    assert not net._hooks
    assert type(net.weight) is type(net.bias) is nn.Parameter
    with pytest.raises(gpudl.ShapeError, match=r"^Linear: expected \(\*, 4\), got \(2, 5\)"):
        net(gpudl.ones(2, 5))


@pytest.mark.parametrize("again", [copy.deepcopy, through_pickle, lambda net: net])
def test_copies_before_the_first_input_are_lazy_too(again):
    net = nn.LazyLinear(3, dtype="float64")
    net.bias.requires_grad_(False)
    other = again(net)
    assert repr(other) == "LazyLinear(in_features=0, out_features=3, bias=True)"
    assert [(repr(p), p.requires_grad, str(p.dtype)) for p in other.parameters()] == [
        ("<UninitializedParameter>", True, "float64"),
        ("<UninitializedParameter>", False, "float64"),
    ]
    other(gpudl.ones(2, 4, dtype="float64"))
    assert type(other) is nn.Linear
    assert [p.requires_grad for p in other.parameters()] == [True, False]
    assert other is net or type(net) is nn.LazyLinear


@pytest.mark.parametrize("change", [lambda net: net.double(), lambda net: net.half(), lambda net: net.float()])
def test_may_be_cast_before_the_first_input(change):
    kinds = []
    for lib in (gpudl, torch):
        net = lib.nn.LazyLinear(3)
        parameters = list(net.parameters())
        assert change(net) is net
        dtype = net.weight.dtype
        net(lib.ones(2, 4, dtype=dtype))
        assert all(a is b for a, b in zip(parameters, net.parameters()))
        kinds.append([str(p.dtype).removeprefix("torch.") for p in net.parameters()])
    assert kinds[0] == kinds[1]


def test_moves_before_the_first_input(device):
    net = nn.LazyLinear(3).to(device)
    assert net.weight.device is device
    net.to_empty(device=device)
    assert net(gpudl.ones(2, 4, device=device)).device is device


@pytest.mark.parametrize("optimizer", [lambda p: SGD(p, 0.1, momentum=0.9), lambda p: Adam(p, 0.1)])
def test_an_optimizer_may_be_made_before_the_first_input(optimizer):
    net = network(gpudl)
    early = optimizer(net.parameters())
    early.zero_grad()
    early.step()
    for _ in range(2):
        early.zero_grad()
        net(gpudl.linspace(-2, 2, 8).reshape(2, 4)).sum().backward()  # some hidden unit is above 0
        before = net[2].weight.detach().clone()
        early.step()
        assert not gpudl.equal(before, net[2].weight)


@pytest.mark.parametrize(
    "use",
    [
        lambda p: p.shape,
        lambda p: p.ndim,
        lambda p: p.numel(),
        lambda p: p.array,
        lambda p: p + 1,
        lambda p: gpudl.ones(1) * p,
        lambda p: p[0],
        lambda p: p.detach().numpy(force=True),
        lambda p: p.tolist(),
        lambda p: p.sum(),
        lambda p: p.clone(),
        lambda p: nn.init.zeros_(p),
        lambda p: nn.Parameter(p),
    ],
)
@pytest.mark.parametrize("kind", ["Parameter", "Buffer"])
def test_using_what_has_no_shape_is_told(use, kind):
    tensor = getattr(nn, f"Uninitialized{kind}")()
    for error in (ValueError, RuntimeError):  # PyTorch raises one or the other
        with pytest.raises(error, match=f"Uninitialized{kind} has no shape and no values yet; call the model once"):
            use(tensor)


def test_what_has_no_shape_says_the_rest():
    for lib in (gpudl, torch):
        p = lib.nn.UninitializedParameter(requires_grad=False, dtype=lib.float64)
        assert p.dtype == lib.float64
        assert str(p.device) == "cpu"
        assert not p.requires_grad
        assert p.grad is None
        assert p.is_leaf
        p.materialize((2, 3))
        assert type(p) is lib.nn.Parameter
        assert tuple(p.shape) == (2, 3)
        assert p.dtype == lib.float64
        buffer = lib.nn.UninitializedBuffer(dtype=lib.float64)
        buffer.materialize((2,), dtype=lib.float16)
        assert buffer.dtype == lib.float16
        assert "Uninitialized" not in type(buffer).__name__


def loaded(lib, into_lazy, from_lazy):
    """Loading one network into another, either of them not used yet."""
    nets = [network(lib), network(lib)]
    for net, lazy in zip(nets, (into_lazy, from_lazy)):
        if not lazy:
            net(lib.ones(1, 4))
    try:
        nets[0].load_state_dict(nets[1].state_dict())
    except RuntimeError:
        return "refused"
    if from_lazy:
        return [type(p).__name__ for p in nets[0].parameters()]
    x = lib.ones(2, 4)
    same = nets[0](x).tolist() == nets[1](x).tolist()
    return same, [type(each).__name__ for each in nets[0]], nets[0][0].in_features


@pytest.mark.parametrize("into_lazy", [True, False])
@pytest.mark.parametrize("from_lazy", [True, False])
def test_states_load_as_in_torch(into_lazy, from_lazy):
    assert loaded(gpudl, into_lazy, from_lazy) == loaded(torch, into_lazy, from_lazy)


@pytest.mark.parametrize("assign", [True, False])
def test_a_state_that_does_not_fit_leaves_a_lazy_layer_lazy(assign):
    net = network(gpudl)
    state = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2, bias=False)).state_dict()
    for spoilt in ({**state, "9": state["0.bias"]}, {**state, "0.bias": "word"}):
        with pytest.raises(RuntimeError):
            net.load_state_dict(spoilt, assign=assign)
        assert [repr(p) for p in net.parameters()] == ["<UninitializedParameter>"] * 3
    net.load_state_dict(state, assign=assign)
    assert [p.shape for p in net.parameters()] == [(3, 4), (3,), (2, 3)]
    assert gpudl.equal(net[0].weight, state["0.weight"])
    assert type(net[0]) is nn.LazyLinear
    net(gpudl.ones(1, 4))
    assert type(net[0]) is nn.Linear
    assert gpudl.equal(net[0].weight, state["0.weight"])


def test_what_was_loaded_must_fit_the_first_input():
    net = nn.LazyLinear(3)
    net.load_state_dict(nn.Linear(4, 3).state_dict())
    with pytest.raises(gpudl.ShapeError, match=r"^LazyLinear: expected an input for the loaded weight of"):
        net(gpudl.ones(2, 5))
    assert type(net) is nn.LazyLinear
    assert net(gpudl.ones(2, 4)).shape == (2, 3)


def test_an_input_without_the_dimension_is_told():
    net = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(gpudl.ShapeError, match=r"^0: expected an input with a dimension -1, got \(\)"):
        net(gpudl.ones(()))
    assert net(gpudl.ones(2)).shape == (3,)


class Norm(nn.Module):
    """A layer with parameters and buffers of the length of dimension 1, and a counter."""

    def __init__(self, num_features, eps=1.0, affine=True, device=None, dtype=None):
        super().__init__()
        self.num_features, self.eps = num_features, eps
        self.register_parameter("weight", nn.Parameter(gpudl.zeros(num_features, device=device)) if affine else None)
        self.register_buffer("running_mean", gpudl.zeros(num_features, device=device))
        self.register_buffer("steps", gpudl.tensor(0))
        self.register_buffer("scratch", gpudl.zeros(num_features), persistent=False)
        self.reset_parameters()

    def reset_parameters(self):
        self.running_mean.fill_(2)
        if self.weight is not None:
            nn.init.constant_(self.weight, self.eps)

    def forward(self, x):
        y = (x - self.running_mean) if x.ndim == 1 else (x.transpose(1, -1) - self.running_mean).transpose(1, -1)
        return y if self.weight is None else y * self.weight[0]


class LazyNorm(LazyLayer, Norm):
    cls_to_become, infers, dim = Norm, "num_features", 1


@pytest.mark.parametrize("affine", [True, False])
def test_three_lines_make_a_layer_lazy(affine):
    net = LazyNorm(3.0, affine=affine)
    assert [repr(each) for each in net.buffers()] == ["<UninitializedBuffer>", "tensor(0)", "<UninitializedBuffer>"]
    assert list(net.state_dict()) == ["weight", "running_mean", "steps"][not affine :]
    out = net(gpudl.ones(2, 5, 4))
    assert type(net) is Norm
    assert net.num_features == 5
    assert net.scratch.shape == net.running_mean.shape == (5,)
    assert set((out / -1).flatten().tolist()) == {3.0 if affine else 1.0}
    with pytest.raises(gpudl.ShapeError, match=r"^LazyNorm: expected an input with a dimension 1, got \(2,\)"):
        LazyNorm()(gpudl.ones(2))


def own_lazy(lib, finish=True, become=None):
    """A user's module on the mixin alone, with a keyword argument."""

    class Own(lib.nn.modules.lazy.LazyModuleMixin if lib is torch else nn.LazyModuleMixin, lib.nn.Module):
        cls_to_become = become

        def __init__(self):
            super().__init__()
            self.gain = lib.nn.UninitializedParameter()
            self.seen = lib.nn.UninitializedBuffer()

        def initialize_parameters(self, x, *, scale):
            self.calls = getattr(self, "calls", 0) + 1
            if finish:
                for tensor in (self.gain, self.seen):
                    tensor.materialize(x.shape[-1:])
                with lib.no_grad():
                    self.gain.fill_(scale)
                    self.seen.fill_(0)

        def forward(self, x, *, scale):
            return x * self.gain

    return Own()


def test_the_mixin_serves_modules_of_users():
    for lib in (gpudl, torch):
        net = own_lazy(lib)
        assert net.has_uninitialized_params()
        assert list(net.state_dict()) == ["gain", "seen"]
        assert [net(lib.ones(2), scale=3).tolist() for _ in range(2)] == [[3, 3]] * 2
        assert net.calls == 1
        assert not net.has_uninitialized_params()
        assert type(net).__name__ == "Own"
        with pytest.raises(RuntimeError, match="uninitialized|not been fully initialized"):
            own_lazy(lib, finish=False)(lib.ones(2), scale=3)


def test_initialize_parameters_is_for_the_subclass_to_give():
    class Empty(nn.LazyModuleMixin):
        def forward(self, x):
            return x

    with pytest.raises(NotImplementedError, match="Empty has no initialize_parameters"):
        Empty()(1)
