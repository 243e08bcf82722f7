"""Parameters as one vector, layers fused with batch normalization, and modules without initial values."""

import numpy as np
import pytest
from tolerances import assert_close
from twins import array

import gpudl
import gpudl.nn.functional as F
from gpudl import nn
from gpudl.nn import utils
from gpudl.random import init_stream

torch = pytest.importorskip("torch")


def network(lib):
    return lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.ReLU(), lib.nn.Linear(4, 2, bias=False))


def test_parameters_to_vector_and_back():
    mine, theirs = network(gpudl), network(torch)
    mine.load_state_dict(theirs.state_dict())
    got, want = (lib.nn.utils.parameters_to_vector(net.parameters()) for lib, net in ((gpudl, mine), (torch, theirs)))
    assert got.shape == (24,)
    assert np.array_equal(got.detach().numpy(), want.detach().numpy())
    (got * gpudl.arange(24.0)).sum().backward()
    assert mine[2].weight.grad.flatten().tolist() == list(range(16, 24))
    values = array(30)
    for lib, net in ((gpudl, mine), (torch, theirs)):
        kept = list(net.parameters())
        assert lib.nn.utils.vector_to_parameters(lib.tensor(values), net.parameters()) is None
        assert all(p is q for p, q in zip(kept, net.parameters()))
        assert all(p.requires_grad and p.is_leaf for p in kept)
    for p, q in zip(mine.parameters(), theirs.parameters()):
        assert np.array_equal(p.detach().numpy(), q.detach().numpy())


def test_vector_to_parameters_shares_memory():
    for lib in (gpudl, torch):
        net, vector = network(lib), lib.zeros(24)
        lib.nn.utils.vector_to_parameters(vector, net.parameters())
        vector += 1
        assert all(float(p.detach().min()) == 1 for p in net.parameters())


def test_vectors_of_any_parameters():
    scattered = nn.Parameter(gpudl.tensor(array(4, 3)).T)
    scalar = nn.Parameter(gpudl.tensor(7.0))
    empty = nn.Parameter(gpudl.zeros(0, 2))
    vector = utils.parameters_to_vector([scattered, empty, scalar])
    assert np.array_equal(vector.detach().numpy(), [*array(4, 3).T.ravel(), 7])
    utils.vector_to_parameters(gpudl.arange(13.0), iter([scattered, empty, scalar]))
    assert scattered.tolist() == np.arange(12.0).reshape(3, 4).tolist()
    assert scalar.item() == 12 and empty.shape == (0, 2)


def test_vector_errors():
    net = network(gpudl)
    before = utils.parameters_to_vector(net.parameters())
    for vector, message in ((gpudl.zeros(23), r"24 elements, got shape \(23,\)"), (gpudl.zeros(1, 24), "vector of 24")):
        with pytest.raises(gpudl.ShapeError, match=message):
            utils.vector_to_parameters(vector, net.parameters())
    assert gpudl.equal(utils.parameters_to_vector(net.parameters()), before)
    for lib in (gpudl, torch):
        with pytest.raises(TypeError, match="Tensor"):
            lib.nn.utils.vector_to_parameters([1.0], network(lib).parameters())
    with pytest.raises((ValueError, RuntimeError)):
        utils.parameters_to_vector([])


def test_parameters_on_two_devices_are_refused(device):
    parameters = [nn.Parameter(gpudl.zeros(2)), nn.Parameter(gpudl.zeros(2, device=device))]
    if parameters[0].device is parameters[1].device:
        pytest.skip("needs a device beside the CPU")
    with pytest.raises(TypeError, match="one device"):
        utils.parameters_to_vector(parameters)


class Norm(nn.Module):
    """What fusing reads of a batch normalization."""

    def __init__(self, features, affine=True, statistics=True):
        super().__init__()
        self.num_features, self.eps = features, 0.01
        made = [gpudl.tensor(array(features, seed=seed)) for seed in (2, 3, 4)]
        for name, value in zip(("weight", "bias"), made):
            self.register_parameter(name, nn.Parameter(value) if affine else None)
        self.register_buffer("running_mean", made[2] if statistics else None)
        self.register_buffer("running_var", made[0] ** 2 + 0.5 if statistics else None)

    def forward(self, x):
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class Conv(nn.Module):
    """What fusing reads of a convolution."""

    def __init__(self, op, shape, channels, bias):
        super().__init__()
        self.op = op
        self.weight = nn.Parameter(gpudl.tensor(array(*shape)))
        self.register_parameter("bias", nn.Parameter(gpudl.tensor(array(channels, seed=1))) if bias else None)

    def forward(self, x):
        return getattr(F, self.op)(x, self.weight, self.bias)


FUSED = {
    "conv1d": ((4, 3, 2), (2, 3, 5)),
    "conv2d": ((4, 3, 2, 3), (2, 3, 5, 6)),
    "conv_transpose1d": ((3, 4, 2), (2, 3, 5)),
    "conv_transpose2d": ((3, 4, 2, 3), (2, 3, 5, 6)),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("op", FUSED)
def test_fused_convolutions(op, affine, bias):
    shape, x = FUSED[op][0], gpudl.tensor(array(*FUSED[op][1], seed=9))
    conv, norm, transposed = Conv(op, shape, 4, bias).eval(), Norm(4, affine).eval(), "transpose" in op
    before = {name: value.clone() for name, value in conv.state_dict().items()}
    fused = utils.fuse_conv_bn_eval(conv, norm, transposed)
    assert type(fused) is Conv and fused is not conv
    assert_close(fused(x).detach().numpy(), norm(conv(x)).detach().numpy(), "output", 10)
    assert all(gpudl.equal(value, before[name]) for name, value in conv.state_dict().items())
    theirs = [None if value is None else torch.tensor(value.detach().numpy()) for value in (
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias)]  # fmt: skip
    want = torch.nn.utils.fuse_conv_bn_weights(*theirs[:4], norm.eps, *theirs[4:], transpose=transposed)
    assert_close(fused.weight.detach().numpy(), want[0].detach().numpy(), "weight", 2)
    assert_close(fused.bias.detach().numpy(), want[1].detach().numpy(), "bias", 4)
    assert (fused.weight.requires_grad, fused.bias.requires_grad) == (True, bias)


@pytest.mark.parametrize("features", [4, 1])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_fused_linear(bias, affine, features):
    linear, norm = nn.Linear(3, 4, bias=bias).eval(), Norm(features, affine).eval()
    x = gpudl.tensor(array(5, 3, seed=9))
    fused = utils.fuse_linear_bn_eval(linear, norm)
    assert type(fused) is nn.Linear
    y = linear(x)
    want = norm(y) if features == 4 else norm(y.reshape(-1, 1)).reshape(5, 4)
    assert_close(fused(x).detach().numpy(), want.detach().numpy(), "output", 10)
    if affine and bias:
        with torch.no_grad():
            args = [torch.tensor(v.detach().numpy()) for v in (linear.weight, linear.bias, norm.running_mean,
                                                               norm.running_var, norm.weight, norm.bias)]  # fmt: skip
            theirs = torch.nn.utils.fuse_linear_bn_weights(*args[:4], norm.eps, *args[4:])
        for got, value in zip((fused.weight, fused.bias), theirs):
            assert_close(got.detach().numpy(), value.numpy(), "weights", 4)


def test_fused_weights_keep_their_dtype():
    weight = gpudl.tensor(array(4, 3, 2), dtype="float16")
    statistics = [gpudl.ones(4), gpudl.ones(4)]
    fused = utils.fuse_conv_bn_weights(weight, None, *statistics, 1e-5, None, None)
    assert [p.dtype for p in fused] == [gpudl.float16, gpudl.float16]


def test_fusion_errors():
    linear, norm = nn.Linear(3, 4), Norm(4)
    for lib in (gpudl, torch):
        with pytest.raises(AssertionError, match="eval"):
            lib.nn.utils.fuse_linear_bn_eval(linear, norm.eval())
        with pytest.raises(AssertionError, match="eval"):
            lib.nn.utils.fuse_conv_bn_eval(linear.eval(), norm.train())
        with pytest.raises(AssertionError, match="running_mean"):
            lib.nn.utils.fuse_conv_bn_eval(linear, Norm(4, statistics=False).eval())
        with pytest.raises(AssertionError, match="num_features"):
            lib.nn.utils.fuse_linear_bn_eval(linear, Norm(3).eval())
        linear.train()
    with pytest.raises(gpudl.ShapeError, match="2 dimensions"):
        utils.fuse_linear_bn_weights(gpudl.ones(4, 3, 2), None, gpudl.ones(4), gpudl.ones(4), 0.1, None, None)


def test_skip_init_draws_nothing():
    gpudl.manual_seed(0)
    layer = utils.skip_init(nn.Linear, 3, out_features=4, bias=False, dtype="float64")
    assert type(layer) is nn.Linear and layer.weight.shape == (4, 3) and layer.weight.dtype == gpudl.float64
    assert layer.bias is None and layer.weight.requires_grad
    assert init_stream().index[1] == 0
    assert float(nn.Linear(3, 4).weight.detach().abs().sum()) > 0


def test_skip_init_skips_every_initializer(device):
    class Layer(nn.Module):
        def __init__(self, device=None):
            super().__init__()
            self.weight = nn.Parameter(gpudl.full((3, 3, 3), 7.0, device=device))
            matrix = nn.Parameter(self.weight[0])
            for each in (self.weight, matrix):
                for name in ("uniform_", "normal_", "trunc_normal_", "ones_", "zeros_", "orthogonal_",
                             "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"):  # fmt: skip
                    assert getattr(nn.init, name)(each) is each
            nn.init.constant_(matrix, 3)
            nn.init.eye_(matrix)
            nn.init.sparse_(matrix, 0.5)
            nn.init.dirac_(self.weight)
            with pytest.raises(ValueError, match="dimensions"):
                nn.init.eye_(self.weight)

    gpudl.manual_seed(0)
    layer = utils.skip_init(Layer, device=device)
    assert layer.weight.device is device
    assert np.all(layer.weight.detach().cpu().numpy() == 7)
    assert init_stream().index[1] == 0


def test_skip_init_ends_with_the_constructor():
    class Fails(nn.Module):
        def __init__(self, device=None):
            raise KeyError("no")

    with pytest.raises(KeyError):
        utils.skip_init(Fails)
    assert nn.init.ones_(gpudl.zeros(2)).tolist() == [1, 1]


@pytest.mark.parametrize("bad", [lambda lib: lib.nn.ReLU, lambda lib: dict])
def test_skip_init_needs_a_module_that_takes_a_device(bad):
    for lib in (gpudl, torch):
        with pytest.raises(RuntimeError):
            lib.nn.utils.skip_init(bad(lib))
