"""LSTM, GRU and RNN on a GPU: what the CPU gives, and for each time step one product and one launch."""

import numpy as np
import pytest
from on_gpu import gpu, launched  # noqa: F401
from tolerances import tolerance

import gpudl
from gpudl import nn
from gpudl.backend.device import to_host

KINDS = {
    "LSTM": (nn.LSTM, {}),
    "projected": (nn.LSTM, {"proj_size": 3}),
    "GRU": (nn.GRU, {}),
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
}
# time, batch, features, hidden: one cell, one sequence, odd sizes, several blocks of columns
SIZES = ((1, 1, 1, 4), (3, 1, 2, 5), (2, 5, 3, 33), (2, 2, 4, 260))


def made(name, features, hidden, **options):
    maker, settings = KINDS[name]
    gpudl.manual_seed(0)
    return maker(features, hidden, **settings, **options)


def outcome(layer, place, x, dtype):
    """Outputs, gradients of the input and of the parameters, for one input on one device."""
    layer = layer.to(place, getattr(gpudl, dtype))
    layer.zero_grad()
    x = gpudl.tensor(x, dtype=getattr(gpudl, dtype)).to(place).requires_grad_()
    y, last = layer(x)
    sum((each * each).sum() for each in (y, *(last if isinstance(last, tuple) else (last,)))).backward()
    found = [y.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())]
    return [to_host(each.array).astype("float64") for each in found]


def compare(layer, gpu, x, dtype):  # noqa: F811
    relative, absolute = (20 * bound for bound in tolerance(dtype))
    rounded = x.astype(np.float16 if dtype == "float16" else dtype)
    for got, want in zip(outcome(layer, gpu, rounded, dtype), outcome(layer, "cpu", rounded, "float64")):
        np.testing.assert_allclose(got, want, relative, absolute * max(1, np.abs(want).max()))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("name", KINDS)
def test_layers_give_what_the_cpu_gives(gpu, name, dtype):  # noqa: F811
    for time, batch, features, hidden in SIZES if dtype == "float32" else SIZES[2:3]:
        x = np.random.default_rng(0).uniform(-1, 1, (time, batch, features))
        layer = made(name, features, hidden).to("cpu", getattr(gpudl, dtype))  # weights that the dtype holds
        compare(layer, gpu, x, dtype)


@pytest.mark.parametrize("name", KINDS)
def test_both_directions_of_two_layers_without_biases(gpu, name):  # noqa: F811
    layer = made(name, 3, 6, num_layers=2, bidirectional=True, bias=False, batch_first=True)
    compare(layer, gpu, np.random.default_rng(1).uniform(-1, 1, (2, 4, 3)), "float32")


@pytest.mark.parametrize("name", KINDS)
def test_sequences_of_several_lengths(gpu, name):  # noqa: F811
    layer, x = made(name, 3, 6), np.random.default_rng(2).uniform(-1, 1, (4, 3, 3)).astype("float32")
    found = []
    for place in (gpu, "cpu"):
        there = layer.to(place)
        packed = nn.utils.rnn.pack_padded_sequence(gpudl.tensor(x).to(place), [4, 2, 1])
        y, last = there(packed)
        states = last if isinstance(last, tuple) else (last,)
        found.append([to_host(each.detach().array) for each in (y.data, *states)])
    for got, want in zip(*found):
        np.testing.assert_allclose(got, want, *tolerance("float32"))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "tanh"])
def test_extreme_sums_saturate_and_nan_stays(gpu, name):  # noqa: F811
    layer = made(name, 2, 3)
    for place in (gpu, "cpu"):
        x = gpudl.tensor([[[1e30, -1e30], [float("inf"), 0.0], [float("nan"), 0.0]]]).to(place)
        y = to_host(layer.to(place)(x)[0].detach().array)[0]
        assert np.isfinite(y[0]).all() and np.isfinite(y[1]).all() and np.isnan(y[2]).all(), place


@pytest.mark.parametrize("name", ["LSTM", "GRU", "tanh", "relu"])
def test_a_time_step_is_one_launch_beside_its_product(gpu, name):  # noqa: F811
    layer = made(name, 4, 8).to(gpu)
    inputs = list(layer.parameters())

    def forward(x):
        with gpudl.no_grad():
            return layer(x)

    def both(x, dy):
        return gpudl.autograd.grad(layer(x)[0], inputs, dy)

    counts = []
    for time in (2, 6):
        x, dy = gpudl.ones(time, 3, 4, device=gpu), gpudl.ones(time, 3, 8, device=gpu)
        counts.append((launched(gpu, forward, x), launched(gpu, both, x, dy)))
    # Products are cuBLAS', which is not counted.
    assert [(more - few) / 4 for few, more in zip(*counts)] == [1, 2]
