"""Weight norm, spectral norm and orthogonal weights against PyTorch's, with its state: values, gradients, buffers."""

import copy

import numpy as np
import pytest
from tolerances import assert_close
from twins import array, compare, twins

import gpudl
from gpudl import nn
from gpudl.nn.utils import parametrize
from gpudl.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm

torch = pytest.importorskip("torch")

MAPS = ("matrix_exp", "cayley", "householder")


def scale(lib, *shape, transposed=False):
    """A module of a library with a weight of some shape, by which it multiplies."""

    class Scale(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = lib.nn.Parameter(lib.tensor(array(*shape)))
            self.transposed = transposed

        def forward(self, x):
            return self.weight * x

    return Scale()


WEIGHT_NORMS = [{}, {"dim": None}, {"dim": 1}, {"dim": -1}, {"dim": -2}]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("settings", WEIGHT_NORMS, ids=str)
def test_weight_norm(device, settings, dtype):
    def make(lib):
        return lib.nn.utils.parametrizations.weight_norm(lib.nn.Linear(3, 4), **settings)

    compare(make, array(5, 3, dtype=dtype), device=device, dtype=dtype)


@pytest.mark.parametrize("shape", [(4,), (3, 2, 4), (2, 3, 2, 2)])
@pytest.mark.parametrize("dim", [0, -1, None, 2, -2])
def test_weight_norm_of_any_shape(shape, dim):
    if dim is not None and not -len(shape) <= dim < len(shape):
        with pytest.raises(IndexError):
            weight_norm(scale(gpudl, *shape), dim=dim)
        return
    compare(lambda lib: lib.nn.utils.parametrizations.weight_norm(scale(lib, *shape), dim=dim), array(*shape))


def test_weight_norm_starts_at_the_weight_and_of_the_bias_too():
    layer = nn.Linear(3, 4)
    before = [p.detach().clone() for p in layer.parameters()]
    weight_norm(weight_norm(layer), "bias", dim=None)
    assert_close(layer.weight.detach().numpy(), before[0].numpy(), "weight")
    assert_close(layer.bias.detach().numpy(), before[1].numpy(), "bias")
    assert layer.parametrizations.weight.original0.shape == (4, 1)
    assert layer.parametrizations.bias.original0.shape == ()


def test_weight_norm_can_be_assigned():
    layer, value = weight_norm(nn.Linear(3, 4)), gpudl.tensor(array(4, 3, seed=3))
    layer.weight = value
    assert_close(layer.weight.detach().numpy(), value.numpy(), "weight")
    lengths = layer.parametrizations.weight.original0.detach().numpy()
    assert_close(lengths, np.linalg.norm(value.numpy(), axis=1, keepdims=True), "lengths")


SPECTRAL_NORMS = [{}, {"dim": 1}, {"dim": -1}, {"n_power_iterations": 3}, {"eps": 0.5}, {"name": "bias"}]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("settings", SPECTRAL_NORMS, ids=str)
def test_spectral_norm(device, settings, dtype):
    def make(lib):
        return lib.nn.utils.parametrizations.spectral_norm(lib.nn.Linear(3, 4), **settings)

    compare(make, array(5, 3, dtype=dtype), device=device, dtype=dtype, calls=3, slack=6)


@pytest.mark.parametrize("dim", [None, 0, 1, 2, 3, -1])
@pytest.mark.parametrize("transposed", [False, True])
def test_spectral_norm_of_convolution_weights(dim, transposed):
    """By default the rows are the outputs, which transposed convolutions have second."""
    rows = int(transposed) if dim is None else dim

    def make(lib):
        where = rows if lib is torch else dim
        return lib.nn.utils.parametrizations.spectral_norm(scale(lib, 3, 4, 2, 2, transposed=transposed), dim=where)

    compare(make, array(3, 4, 2, 2), slack=6)


@pytest.mark.parametrize("seed", range(5))
def test_spectral_norm_starts_near_the_singular_vectors(seed):
    gpudl.manual_seed(seed)
    layer = nn.Linear(30, 20).eval()
    largest = float(gpudl.linalg.svdvals(layer.weight.detach())[0])
    spectral_norm(layer)
    first = layer.parametrizations.weight[0]
    found = float(first._u @ layer.parametrizations.weight.original.detach() @ first._v)
    assert 0.97 * largest < found < 1.00001 * largest
    assert [float(vector.norm()) for vector in (first._u, first._v)] == pytest.approx([1, 1], abs=1e-6)


def test_spectral_norm_of_several_forwards_has_all_their_gradients():
    """The buffers change in place between a forward and its backward, as in the training of a GAN."""

    mine, theirs = twins(lambda lib: lib.nn.utils.parametrizations.spectral_norm(lib.nn.Linear(3, 4)))
    for module, lib in ((mine, gpudl), (theirs, torch)):
        module.train()
        first = module(lib.tensor(array(2, 3))).pow(2).sum()
        second = module(lib.tensor(array(2, 3, seed=1))).pow(3).sum()
        (first - second).backward()
        module.eval()
        third = module(lib.tensor(array(2, 3, seed=2))).sum()
        module.train()
        assert module.weight is not None
        third.backward()
    got, want = (module.parametrizations.weight.original.grad.numpy() for module in (mine, theirs))
    assert_close(got, want, "gradient", 20)


def test_reading_the_weight_iterates_in_training_only():
    layer = spectral_norm(nn.Linear(3, 4))
    u = layer.parametrizations.weight[0]._u
    layer.parametrizations.weight[0]._v.copy_(gpudl.tensor([1.0, 0.0, 0.0]))
    before = u.clone()
    layer.eval()
    assert layer.weight is not None
    assert gpudl.equal(u, before)
    layer.train()
    assert layer.weight is not None
    assert not gpudl.equal(u, before)
    assert layer.parametrizations.weight[0]._u is u


@pytest.mark.parametrize("features", [(3, 5), (5, 3), (4, 4)])
@pytest.mark.parametrize("trivialized", [True, False])
@pytest.mark.parametrize("orthogonal_map", [*MAPS, None])
def test_orthogonal(device, orthogonal_map, trivialized, features):
    def make(lib):
        layer = lib.nn.utils.parametrizations.orthogonal(
            lib.nn.Linear(*features), orthogonal_map=orthogonal_map, use_trivialization=trivialized
        )
        if lib is torch:  # away from the start, where the free parameters are 0 or -1
            with torch.no_grad():
                free = layer.parametrizations.weight.original
                free += torch.tensor(array(*free.shape, dtype=str(free.dtype).removeprefix("torch."), seed=5)).tril(-1)
        return layer

    compare(make, array(2, features[0]), device=device, calls=1, slack=10)
    compare(make, array(2, features[0], dtype="float64"), device=device, dtype="float64", calls=1, slack=10)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5), (2, 4, 3), (2, 3, 4), (2, 3, 3), (1, 1), (4, 1), (40, 33)])
@pytest.mark.parametrize("trivialized", [True, False])
@pytest.mark.parametrize("orthogonal_map", MAPS)
def test_orthogonal_weights_are_orthogonal_before_and_after_steps(orthogonal_map, trivialized, shape):
    module = orthogonal(scale(gpudl, *shape).double(), orthogonal_map=orthogonal_map, use_trivialization=trivialized)
    small = min(shape[-2:])
    for _ in range(3):
        w = module.weight
        q = w.detach().numpy() if shape[-2] >= shape[-1] else w.detach().mT.numpy()
        assert w.shape == shape
        product = np.swapaxes(q, -1, -2) @ q
        np.testing.assert_allclose(product, np.broadcast_to(np.eye(small), product.shape), atol=1e-12)
        free = module.parametrizations.weight.original
        free.grad = None
        (w * gpudl.tensor(array(*shape, dtype="float64", seed=4))).sum().backward()
        assert free.grad is not None
        free.data = free.data - 0.1 * free.grad


@pytest.mark.parametrize("shape", [(4, 4), (6, 4), (4, 6), (3, 4, 4), (2, 5, 3)])
@pytest.mark.parametrize(("orthogonal_map", "trivialized"), [*((name, True) for name in MAPS), ("householder", False)])
def test_an_orthogonal_weight_starts_as_it_is_and_another_as_its_q(orthogonal_map, trivialized, shape):
    drawn = np.linalg.qr(array(*(max(shape[-2:]),) * 2, dtype="float64"))[0][: shape[-2], : shape[-1]]
    drawn = np.broadcast_to(drawn, shape).copy()
    for value in (drawn, array(*shape, dtype="float64")):
        starts = []
        for lib in (gpudl, torch):
            module = scale(lib, *shape).double()
            module.weight.data = lib.tensor(value)
            lib.nn.utils.parametrizations.orthogonal(
                module, orthogonal_map=orthogonal_map, use_trivialization=trivialized
            )
            starts.append(module.weight.detach().numpy())
            module.weight = lib.tensor(value)
            starts.append(module.weight.detach().numpy())
        for start in starts:
            np.testing.assert_allclose(start, starts[-1], atol=1e-12)
            if value is drawn:
                np.testing.assert_allclose(start, value, atol=1e-12)


def test_a_weight_of_rank_0_becomes_orthogonal():
    """PyTorch multiplies by signs that are 0 here, and gets 0."""
    module = scale(gpudl, 3, 3)
    module.weight.data = gpudl.zeros(3, 3)
    assert np.allclose(orthogonal(module).weight.detach().numpy() @ module.weight.detach().numpy().T, np.eye(3))


def test_what_is_drawn_depends_on_the_seed_alone(device):
    def state(where):
        gpudl.manual_seed(1)
        layers = [orthogonal(nn.Linear(3, 5, device=where)), spectral_norm(nn.Linear(3, 5, device=where))]
        return [value.cpu().numpy() for layer in layers for value in layer.state_dict().values()]

    first = state(device)
    gpudl.rand(3)
    assert all(np.array_equal(a, b) for a, b in zip(first, state("cpu")))


def bad(lib, function, *shape, **settings):
    module = scale(lib, *shape)
    module.other = 3
    return getattr(lib.nn.utils.parametrizations, function)(module, **settings)


@pytest.mark.parametrize(
    ("function", "shape", "settings", "error", "message"),
    [
        ("weight_norm", (3, 2), {"name": "none"}, ValueError, "no parameter, buffer or parametrized tensor .* 'none'"),
        ("spectral_norm", (3, 2), {"name": "other"}, ValueError, "no parameter or buffer named 'other'"),
        ("spectral_norm", (3, 2), {"dim": 2}, IndexError, r"dim 2 is out of range for a weight of shape \(3, 2\)"),
        ("spectral_norm", (3, 2), {"dim": -3}, IndexError, "dim -3"),
        ("spectral_norm", (3, 2), {"n_power_iterations": 0}, ValueError, "n_power_iterations must be positive, got 0"),
        ("orthogonal", (3, 2), {"name": "none"}, ValueError, "no parameter or buffer named 'none'"),
        ("orthogonal", (3,), {}, ValueError, r"expected a matrix or a batch of them, got shape \(3,\)"),
        ("orthogonal", (3, 2), {"orthogonal_map": "qr"}, ValueError, "matrix_exp, cayley, householder, got 'qr'"),
    ],
)
def test_errors(function, shape, settings, error, message):
    with pytest.raises(error, match=message):
        bad(gpudl, function, *shape, **settings)
    with pytest.raises(error):
        bad(torch, function, *shape, **settings)


@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley"])
def test_what_cannot_be_assigned_says_so(orthogonal_map):
    for lib in (gpudl, torch):
        layer = lib.nn.utils.parametrizations.orthogonal(
            lib.nn.Linear(3, 3), orthogonal_map=orthogonal_map, use_trivialization=False
        )
        with pytest.raises(NotImplementedError, match="assign"):
            layer.weight = lib.eye(3)
    with pytest.raises(gpudl.ShapeError, match=r"shape \(3, 3\), got \(3, 2\)"):
        orthogonal(nn.Linear(3, 3)).weight = gpudl.ones(3, 2)


@pytest.mark.parametrize("make", [weight_norm, spectral_norm, orthogonal])
def test_copies_and_removal(make):
    layer = make(nn.Linear(3, 4)).eval()
    names, value = list(layer.state_dict()), layer.weight.detach().numpy()
    copied = copy.deepcopy(layer)
    assert np.array_equal(copied.weight.detach().numpy(), value)
    parametrize.remove_parametrizations(copied, "weight")
    assert type(copied) is nn.Linear
    assert np.array_equal(copied.weight.detach().numpy(), value)
    assert copied.weight.requires_grad
    assert np.array_equal(layer.weight.detach().numpy(), value)
    assert list(layer.state_dict()) == names
    x = gpudl.tensor(array(2, 3))
    assert np.array_equal(layer(x).detach().numpy(), copied(x).detach().numpy())


def test_weight_norm_loads_the_state_of_the_older_one():
    with pytest.warns(FutureWarning):
        older = torch.nn.Sequential(torch.nn.utils.weight_norm(torch.nn.Linear(3, 4)))
    newer = nn.Sequential(weight_norm(nn.Linear(3, 4)))
    newer.load_state_dict(older.state_dict())
    x = array(2, 3)
    got, want = newer(gpudl.tensor(x)), older(torch.tensor(x))
    assert_close(got.detach().numpy(), want.detach().numpy(), "output", 2)
