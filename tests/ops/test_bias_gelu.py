"""bias_gelu against its parts and against PyTorch's; a Linear followed by GELU uses it where nobody can tell."""

import numpy as np
import pytest
import torch
from tolerances import assert_close

import gpudl
from gpudl import nn
from gpudl.autograd import gradcheck, gradgradcheck
from gpudl.nn import functional as F
from gpudl.nn.fused import steps
from gpudl.nn.hooks import register_module_forward_hook

RNG = np.random.default_rng(0)


def reals(*shape, dtype="float64"):
    return RNG.uniform(-3, 3, shape).astype(dtype)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("shape", [(3,), (4, 5), (2, 3, 4), (0, 3), (300, 257)])
def test_agrees_with_torch(device, shape, dtype, approximate):
    x, b, dy = reals(*shape, dtype=dtype), reals(shape[-1], dtype=dtype), reals(*shape, dtype=dtype) / 8
    ours = [gpudl.tensor(z).to(device).requires_grad_() for z in (x, b)]
    theirs = [torch.tensor(z.astype("float64"), requires_grad=True) for z in (x, b)]
    got = F.bias_gelu(*ours, approximate)
    want = torch.nn.functional.gelu(theirs[0] + theirs[1], approximate=approximate)
    got.backward(gpudl.tensor(dy).to(device))
    want.backward(torch.tensor(dy.astype("float64")))
    pairs = [(got, want), *((p.grad, q.grad) for p, q in zip(ours, theirs))]
    for number, (mine, other) in enumerate(pairs):
        assert_close(
            mine.detach().to("cpu").numpy(), other.detach().numpy().astype(dtype), f"result {number}", slack=20
        )


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gradients_of_every_order(approximate):
    given = [gpudl.tensor(z).requires_grad_() for z in (reals(3, 4), reals(4))]
    assert gradcheck(lambda x, b: F.bias_gelu(x, b, approximate), given)
    assert gradgradcheck(lambda x, b: F.bias_gelu(x, b, approximate), given)


@pytest.mark.parametrize("wants", [(True, False), (False, True), (False, False)])
def test_gradients_where_wanted_only(wants):
    x, b = (gpudl.tensor(z).requires_grad_(want) for z, want in zip((reals(3, 4), reals(4)), wants))
    y = F.bias_gelu(x, b)
    assert y.requires_grad == any(wants)
    if any(wants):
        y.sum().backward()
    assert [z.grad is not None for z in (x, b)] == list(wants)


@pytest.mark.parametrize(
    ("x", "b", "approximate", "error", "words"),
    [
        (reals(2, 3), reals(2), "none", gpudl.ShapeError, r"bias of shape \(3,\), got \(2,\)"),
        (reals(2, 3), reals(1, 3), "none", gpudl.ShapeError, "bias of shape"),
        (np.float64(2), reals(1), "none", gpudl.ShapeError, "bias of shape"),
        (reals(2, 3), reals(3, dtype="float32"), "none", RuntimeError, "float64 and the bias float32"),
        (np.ones((2, 3), int), np.ones(3, int), "none", RuntimeError, "bias_gelu"),
        (reals(2, 3), reals(3), "exact", RuntimeError, "'none' or 'tanh'"),
    ],
)
def test_what_does_not_fit_is_refused(x, b, approximate, error, words):
    with pytest.raises(error, match=words):
        F.bias_gelu(gpudl.tensor(x), gpudl.tensor(b), approximate)


def pairs(model):
    return len(model) - len(list(steps(model)))


@pytest.mark.parametrize(
    "act", [nn.GELU(), nn.GELU("tanh"), nn.ReLU(), nn.ReLU(inplace=True), nn.SiLU(), nn.Tanh(), nn.Sigmoid()], ids=repr
)
def test_a_linear_and_an_activation_in_sequence_are_computed_together(act):
    gpudl.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), act, nn.Linear(8, 8), nn.Linear(8, 3), act)
    assert pairs(model) == (2 if isinstance(act, (nn.GELU, nn.ReLU)) else 0)  # on the CPU; else it is always 2
    x = gpudl.tensor(reals(5, 4, dtype="float32"))
    together = model(x)
    together.sum().backward()
    gradients = [p.grad.numpy().copy() for p in model.parameters()]
    model.zero_grad()
    apart = x
    for module in model:
        apart = module(apart)
    apart.sum().backward()
    np.testing.assert_array_equal(together.detach().numpy(), apart.detach().numpy())
    for got, p in zip(gradients, model.parameters()):
        assert_close(got, p.grad.numpy(), "gradient")


def test_what_lies_between_is_computed_where_somebody_looks():
    seen = []
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU())
    assert pairs(model) == 1
    for module in model:
        handle = module.register_forward_hook(lambda *given: seen.append(given[2]))
        assert pairs(model) == 0
        model(gpudl.ones(2, 4))
        handle.remove()
    assert len(seen) == 2 and pairs(model) == 1
    handle = register_module_forward_hook(lambda *given: None)
    assert pairs(model) == 0
    handle.remove()
    model[0].forward = lambda x: x
    assert pairs(model) == 0


def test_other_pairs_stay_apart():
    class Special(nn.Linear):
        pass

    for first, second in (
        (nn.Linear(4, 8, bias=False), nn.GELU()),
        (Special(4, 8), nn.GELU()),
        (nn.Linear(4, 8), nn.ReLU6()),
        (nn.Linear(4, 8), nn.GELU("exact")),
        (nn.GELU(), nn.Linear(4, 8)),
        (nn.utils.parametrizations.weight_norm(nn.Linear(4, 8)), nn.GELU()),
    ):
        assert pairs(nn.Sequential(first, second)) == 0
    assert pairs(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.GELU(), nn.GELU())) == 1


def test_an_error_names_the_layer():
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU())
    with pytest.raises(gpudl.ShapeError, match=r"^0: expected \(\*, 4\)"):
        model(gpudl.ones(2, 5))
