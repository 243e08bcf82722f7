"""The older weight_norm and spectral_norm, which are hooks, against PyTorch's."""

import copy
import warnings

import numpy as np
import pytest
from tolerances import assert_close
from twins import array, compare, twins

import gpudl
from gpudl import nn
from gpudl.nn.utils import remove_spectral_norm, remove_weight_norm, spectral_norm

torch = pytest.importorskip("torch")


def weight_norm(module, *args, **kwargs):
    """gpudl's or PyTorch's, without the warning."""
    lib = torch if isinstance(module, torch.nn.Module) else gpudl
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return lib.nn.utils.weight_norm(module, *args, **kwargs)


HOOKS = {
    "weight_norm": lambda lib, layer: weight_norm(layer),
    "weight_norm(dim=None)": lambda lib, layer: weight_norm(layer, dim=None),
    "weight_norm(dim=1)": lambda lib, layer: weight_norm(layer, "weight", 1),
    "weight_norm(bias)": lambda lib, layer: weight_norm(layer, "bias"),
    "spectral_norm": lambda lib, layer: lib.nn.utils.spectral_norm(layer),
    "spectral_norm(dim=1)": lambda lib, layer: lib.nn.utils.spectral_norm(layer, dim=1),
    "spectral_norm(3 iterations)": lambda lib, layer: lib.nn.utils.spectral_norm(layer, "weight", 3),
    "spectral_norm(eps=0.5)": lambda lib, layer: lib.nn.utils.spectral_norm(layer, eps=0.5),
    "both": lambda lib, layer: lib.nn.utils.spectral_norm(weight_norm(layer, "bias", None)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", HOOKS)
def test_outputs_gradients_and_buffers_are_torchs(device, name, dtype):
    def make(lib):
        return HOOKS[name](lib, lib.nn.Linear(3, 4))

    compare(make, array(5, 3, dtype=dtype), device=device, dtype=dtype, calls=3, slack=6)


@pytest.mark.parametrize("name", HOOKS)
def test_a_removed_hook_leaves_the_weight(name):
    mine, theirs = twins(lambda lib: HOOKS[name](lib, lib.nn.Linear(3, 4)))
    x = array(2, 3)
    results = []
    for lib, module in ((gpudl, mine), (torch, theirs)):
        for _ in range(2):
            module(lib.tensor(x))
        if "weight" in name or name == "both":
            target = "bias" if "bias" in name or name == "both" else "weight"
            assert lib.nn.utils.remove_weight_norm(module, target) is module
        if "spectral" in name or name == "both":
            assert lib.nn.utils.remove_spectral_norm(module) is module
        results.append([(key, p.detach().numpy(), p.requires_grad) for key, p in module.named_parameters()])
        assert not list(module.buffers())
    for got, want in zip(*results, strict=True):
        assert (got[0], got[2]) == (want[0], want[2])
        assert_close(got[1], want[1], got[0], 4)
    before = mine.weight.detach().clone()
    mine(gpudl.tensor(x)).sum().backward()
    assert gpudl.equal(mine.weight.detach(), before)
    assert mine.weight.grad is not None


def test_weight_norm_warns():
    for lib in (gpudl, torch):
        with pytest.warns(FutureWarning, match="in favor of `.*nn.utils.parametrizations.weight_norm`"):
            lib.nn.utils.weight_norm(lib.nn.Linear(3, 4))


def test_the_weight_is_a_plain_attribute():
    for lib in (gpudl, torch):
        layer = weight_norm(lib.nn.Linear(3, 4))
        assert list(layer.state_dict()) == ["bias", "weight_g", "weight_v"]
        assert not isinstance(layer.weight, lib.nn.Parameter)
        assert tuple(layer.weight_g.shape) == (4, 1)
        layer = lib.nn.utils.spectral_norm(lib.nn.Linear(3, 4))
        assert list(layer.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
        assert not isinstance(layer.weight, lib.nn.Parameter)


def test_the_hook_computes_before_every_forward():
    layer = weight_norm(nn.Linear(3, 4))
    with gpudl.no_grad():
        layer.weight_g.fill_(0.0)
    assert float(layer.weight.abs().sum()) > 0
    assert gpudl.equal(layer(gpudl.ones(1, 3))[0], layer.bias)


def test_spectral_norm_iterates_in_training_only_and_holds_for_two_backwards():
    mine, theirs = twins(lambda lib: lib.nn.utils.spectral_norm(lib.nn.Linear(3, 4)))
    grads = []
    for lib, module in ((gpudl, mine), (torch, theirs)):
        module.eval()
        before = module.weight_u.clone()
        module(lib.tensor(array(2, 3)))
        assert lib.equal(module.weight_u, before)
        module.train()
        first, second = (module(lib.tensor(array(2, 3, seed=seed))).pow(2).sum() for seed in (0, 1))
        assert not lib.equal(module.weight_u, before)
        (first - second).backward()
        grads.append(module.weight_orig.grad.numpy())
    assert_close(*grads, "gradient", 10)


def test_spectral_norm_tends_to_the_largest_singular_value():
    gpudl.manual_seed(0)
    layer = spectral_norm(nn.Linear(6, 5))
    for _ in range(200):
        layer(gpudl.ones(1, 6))
    assert float(gpudl.linalg.svdvals(layer.weight.detach())[0]) == pytest.approx(1, abs=1e-3)


def test_directions_start_with_length_1_and_depend_on_the_seed_alone(device):
    found = []
    for where in (device, "cpu"):
        gpudl.manual_seed(4)
        layer = spectral_norm(nn.Linear(6, 5, device=where))
        assert layer.weight_u.device is layer.weight_orig.device
        found.append([layer.weight_u.cpu().numpy(), layer.weight_v.cpu().numpy()])
    assert all(np.array_equal(a, b) for a, b in zip(*found))
    assert all((vector < 0).any() and (vector > 0).any() for vector in found[0])
    assert [np.linalg.norm(vector) for vector in found[0]] == pytest.approx([1, 1], abs=1e-6)


def test_copies_are_on_their_own():
    for hook, remove in ((weight_norm, remove_weight_norm), (spectral_norm, remove_spectral_norm)):
        layer = hook(nn.Linear(3, 4)).eval()
        layer.weight = layer.weight.detach()  # the result of an operation cannot be copied, as in PyTorch
        copied = copy.deepcopy(layer)
        x = gpudl.tensor(array(2, 3))
        assert gpudl.equal(copied(x), layer(x))
        remove(copied)
        assert type(copied.weight) is nn.Parameter
        assert list(copied.state_dict()) == ["bias", "weight"]
        assert len(layer.state_dict()) > 2
        assert gpudl.equal(copied(x), layer(x))


def twice(lib, hook):
    return hook(lib)(hook(lib)(lib.nn.Linear(3, 4)))


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda lib: weight_norm(weight_norm(lib.nn.Linear(3, 4))), RuntimeError, "by a hook already"),
        (lambda lib: twice(lib, lambda lib: lib.nn.utils.spectral_norm), RuntimeError, "by a hook already"),
        (lambda lib: weight_norm(lib.nn.Linear(3, 4), "nothing"), AttributeError, "'nothing'"),
        (lambda lib: weight_norm(lib.nn.Linear(3, 4), dim=2), IndexError, "2"),
        (lambda lib: lib.nn.utils.spectral_norm(lib.nn.Linear(3, 4), dim=2), IndexError, "2"),
        (lambda lib: lib.nn.utils.spectral_norm(lib.nn.Linear(3, 4, bias=False), "bias"), ValueError, "bias"),
        (lambda lib: lib.nn.utils.spectral_norm(lib.nn.Linear(3, 4), "weight", 0), ValueError, "positive"),
        (lambda lib: lib.nn.utils.remove_weight_norm(lib.nn.Linear(3, 4)), ValueError, "weight_norm of 'weight' not"),
        (lambda lib: lib.nn.utils.remove_spectral_norm(weight_norm(lib.nn.Linear(3, 4))), ValueError, "not found in"),
    ],
)
def test_errors(use, error, message):
    with pytest.raises(error, match=message):
        use(gpudl)
    with pytest.raises((error, RuntimeError)):
        use(torch)
