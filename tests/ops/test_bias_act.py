"""bias_act and bias_dropout_add against their parts and PyTorch's, on every device."""

import math

import numpy as np
import pytest
import torch
from tolerances import assert_close

import gpudl
from gpudl import nn
from gpudl.autograd import gradcheck, gradgradcheck
from gpudl.nn import functional as F

RNG = np.random.default_rng(0)
ACTS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": torch.nn.functional.silu,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
}


def reals(*shape, dtype="float64"):
    return RNG.uniform(-3, 3, shape).astype(dtype)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_bias_act_agrees_with_torch(device, act, dtype):
    for shape in ((3,), (2, 3, 4), (0, 3), (30, 57)):
        x, b, dy = reals(*shape, dtype=dtype), reals(shape[-1], dtype=dtype), reals(*shape, dtype=dtype) / 8
        ours = [gpudl.tensor(z).to(device).requires_grad_() for z in (x, b)]
        theirs = [torch.tensor(z.astype("float64"), requires_grad=True) for z in (x, b)]
        got, want = F.bias_act(*ours, act), ACTS[act](theirs[0] + theirs[1])
        got.backward(gpudl.tensor(dy).to(device))
        want.backward(torch.tensor(dy.astype("float64")))
        for mine, other in [(got, want), *((p.grad, q.grad) for p, q in zip(ours, theirs))]:
            mine, other = mine.detach().to("cpu").numpy(), other.detach().numpy().astype(dtype)
            assert_close(mine, other, f"{act} of {shape}", slack=20)


@pytest.mark.parametrize("act", ACTS)
def test_bias_act_gives_the_bits_of_its_parts_on_the_cpu(act):
    name, settings = ("gelu", ["tanh"]) if act == "gelu_tanh" else (act, [])
    for shape in ((3, 4), (70, 1001)):
        x, b = (gpudl.tensor(reals(*lengths, dtype="float32")) for lengths in (shape, shape[-1:]))
        apart = getattr(F, name, None) or getattr(gpudl, name)
        np.testing.assert_array_equal(F.bias_act(x, b, act).numpy(), apart(x + b, *settings).numpy())


@pytest.mark.parametrize("act", ACTS)
def test_gradients_of_every_order(act):
    given = [gpudl.tensor(z).requires_grad_() for z in (reals(3, 4), reals(4))]
    assert gradcheck(lambda x, b: F.bias_act(x, b, act), given)
    assert gradgradcheck(lambda x, b: F.bias_act(x, b, act), given)


def test_what_does_not_fit_is_refused():
    x, b = gpudl.tensor(reals(2, 3)), gpudl.tensor(reals(3))
    with pytest.raises(RuntimeError, match="act must be one of relu"):
        F.bias_act(x, b, "elu")
    with pytest.raises(gpudl.ShapeError, match=r"bias_dropout_add: input \(2, 3\) needs a residual"):
        F.bias_dropout_add(x, b, b)
    with pytest.raises(RuntimeError, match="the residual float32"):
        F.bias_dropout_add(x, b, x.float())
    with pytest.raises(ValueError, match="p must be in"):
        F.bias_dropout_add(x, b, x, 1.5)
    with pytest.raises(RuntimeError, match="cast"):
        F.bias_dropout_add(gpudl.ones(2, dtype=int), None)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_bias_dropout_add_gives_the_bits_of_its_parts_on_the_cpu(p):
    for shape in ((3, 4), (70, 1001)):
        x, b, r = (gpudl.tensor(reals(*z, dtype="float32")).requires_grad_() for z in (shape, shape[-1:], shape))
        for bias, residual in ((b, r), (b, None), (None, r), (None, None)):
            results = []
            for fused in (True, False):
                gpudl.manual_seed(3)
                if fused:
                    y = F.bias_dropout_add(x, bias, residual, p)
                else:
                    y = F.dropout(x if bias is None else x + bias, p)
                    y = y if residual is None else residual + y
                leaves = [z for z in (x, bias, residual) if z is not None]
                found = gpudl.autograd.grad((y * y).sum(), leaves)
                results.append([y.detach().numpy(), *(each.numpy() for each in found)])
            for got, want in zip(*results):
                np.testing.assert_array_equal(got, want)


def test_bias_dropout_add_without_training_adds_only():
    x, b, r = (gpudl.tensor(reals(*z)) for z in ((2, 3), (3,), (2, 3)))
    state = gpudl.get_rng_state().tolist()
    np.testing.assert_array_equal(F.bias_dropout_add(x, b, r, 0.5, False).numpy(), (r + (x + b)).numpy())
    assert gpudl.get_rng_state().tolist() == state
    assert F.bias_dropout_add(x, None, None, 0.5, False) is x


def test_gradients_of_dropout_of_every_order():
    given = [gpudl.tensor(z).requires_grad_() for z in (reals(3, 4), reals(4), reals(3, 4))]

    def drawn(x, b, r):
        gpudl.manual_seed(1)
        y = F.bias_dropout_add(x * x, b * b, r * r, 0.4)
        return y * y

    assert gradcheck(drawn, given)
    assert gradgradcheck(drawn, given)


@pytest.mark.parametrize("name", ["dropout1d", "dropout2d", "alpha_dropout", "feature_alpha_dropout"])
def test_masks_of_features_are_those_of_the_cpu(device, name):
    for shape in ((3, 5, 8), (4, 3, 7)):
        x, results = reals(*shape, dtype="float32"), []
        for place in ("cpu", device):
            gpudl.manual_seed(5)
            leaf = gpudl.tensor(x).to(place).requires_grad_()
            y = getattr(F, name)(leaf, 0.4, True)
            (y * y).sum().backward()
            results.append([z.detach().cpu().numpy() for z in (y, leaf.grad)])
        for got, want in zip(*results):
            assert_close(got, want, f"{name} of {shape}", slack=4)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu", nn.SiLU()])
def test_a_layer_is_the_same_where_somebody_looks(norm_first, activation):
    results = []
    for looked_at in (False, True):
        gpudl.manual_seed(0)
        layer = nn.TransformerDecoderLayer(8, 2, 12, 0.3, activation, norm_first=norm_first)
        if looked_at:
            for module in layer.modules():
                module.register_forward_hook(lambda *given: None)
        x, memory = (gpudl.tensor(reals_of(shape)).requires_grad_() for shape in ((5, 2, 8), (3, 2, 8)))
        y = layer(x, memory)
        (y * y).sum().backward()
        results.append([z.detach().numpy() for z in (y, x.grad, memory.grad, *(p.grad for p in layer.parameters()))])
    for got, want in zip(*results):
        assert_close(got, want, "with and without hooks", slack=8)


def reals_of(shape):
    return np.sin(np.arange(math.prod(shape), dtype="float32")).reshape(shape)
