"""What convolutions and transposed convolutions are made with: settings, which are checked, and initial values."""

import math

import numpy as np
import pytest
from twins import array

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")


SHARED = [
    ((-3, 4, 3), {}, RuntimeError, "in_channels must be >= 0, got -3"),
    ((3, 4.0, 3), {}, TypeError, "out_channels must be an int, got 4.0"),
    (("3", 4, 3), {}, TypeError, "in_channels must be an int, got '3'"),
    ((3, 4, 3.0), {}, TypeError, "kernel_size must be an int or 2 of them, got 3.0"),
    ((3, 4, (3, 3, 3)), {}, (TypeError, RuntimeError), r"kernel_size must be one int or 2, got \(3, 3, 3\)"),
    ((3, 4, 0), {}, RuntimeError, "kernel_size must be at least 1, got 0"),
    ((3, 4, 3), {"stride": 0}, RuntimeError, "stride must be at least 1, got 0"),
    ((3, 4, 3), {"dilation": (1, 0)}, RuntimeError, r"dilation must be at least 1, got \(1, 0\)"),
    ((3, 4, 3), {"padding": -1}, RuntimeError, "padding must be at least 0, got -1"),
    ((3, 4, 3), {"groups": 0}, ValueError, "groups must be >= 1, got 0"),
    ((3, 4, 3), {"groups": 2}, ValueError, "in_channels must be divisible by groups, got in_channels=3 and groups=2"),
    ((3, 4, 3), {"groups": 3}, ValueError, "out_channels must be divisible by groups, got out_channels=4 and groups=3"),
]


@pytest.mark.parametrize("kind", ["Conv2d", "ConvTranspose2d"])
@pytest.mark.parametrize(("args", "settings", "error", "message"), SHARED)
@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_arguments_of_both_are_checked(kind, args, settings, error, message):
    with pytest.raises(error):  # PyTorch finds some of it out only when it is called
        getattr(torch.nn, kind)(*args, **settings)(torch.zeros(1, 3, 9, 9))
    with pytest.raises(error, match=f"^{kind}: {message}"):
        getattr(nn, kind)(*args, **settings)


@pytest.mark.parametrize(
    ("kind", "settings", "error", "message"),
    [
        ("Conv1d", {"padding": "full"}, ValueError, "padding must be ints, 'same' or 'valid', got 'full'"),
        ("Conv2d", {"padding": "same", "stride": (1, 2)}, ValueError, r"'same' needs stride 1, got \(1, 2\)"),
        ("Conv3d", {"padding_mode": "constant"}, ValueError, "padding_mode must be one of .*, got 'constant'"),
        ("ConvTranspose1d", {"padding_mode": "reflect"}, ValueError, "the only padding_mode is 'zeros', got 'reflect'"),
        ("ConvTranspose2d", {"padding": "same"}, TypeError, "padding must be an int or 2 of them, got 'same'"),
        ("ConvTranspose1d", {"output_padding": 0.5}, TypeError, "output_padding must be an int or 1 of them, got 0.5"),
    ],
)
def test_arguments_of_one_are_checked(kind, settings, error, message):
    with pytest.raises(error):
        getattr(torch.nn, kind)(3, 4, 3, **settings)(torch.zeros(1, 3, *(9,) * int(kind[-2])))
    with pytest.raises(error, match=message):
        getattr(nn, kind)(3, 4, 3, **settings)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("Conv2d", {}),
        ("Conv1d", {"groups": 10}),
        ("Conv3d", {"kernel_size": (1, 2, 3)}),
        ("ConvTranspose2d", {}),
        ("ConvTranspose1d", {"groups": 5}),
        ("Conv1d", {"in_channels": 2, "out_channels": 4000, "kernel_size": 1}),
    ],
)
def test_initial_values_are_spread_as_those_of_torch(device, kind, settings):
    """Uniform over (-k, k), k = 1 / sqrt(fan in): the bound, and the first two moments within 4 standard errors."""
    settings = {"in_channels": 50, "out_channels": 200, "kernel_size": 5, **settings}
    gpudl.manual_seed(3)
    torch.manual_seed(3)
    mine = getattr(nn, kind)(device=device, **settings)
    theirs = getattr(torch.nn, kind)(**settings)
    k = 1 / math.sqrt(math.prod(mine.weight.shape[1:]))
    for name, p in theirs.named_parameters():
        assert getattr(mine, name).shape == tuple(p.shape)
        for values in (getattr(mine, name).detach().cpu().numpy(), p.detach().numpy()):
            assert values.dtype == np.float32
            assert k * (1 - 10 / values.size) < np.abs(values).max() <= k
            assert abs(values.mean()) < 4 * k / math.sqrt(3 * values.size)
            assert abs((values**2).mean() - k * k / 3) < 4 * k * k * math.sqrt(4 / 45 / values.size)


def test_initial_values_depend_on_the_seed_alone(device):
    def values(**where):
        gpudl.manual_seed(5)
        return [p.detach().cpu().numpy() for p in nn.Conv2d(3, 4, 3, **where).parameters()]

    assert all(np.array_equal(a, b) for a, b in zip(values(), values(device=device)))


def test_reset_parameters_draws_anew_in_place():
    layer = nn.Conv2d(3, 2, 3)
    weight, bias = layer.weight, layer.bias
    before = weight.tolist(), bias.tolist()
    layer.reset_parameters()
    assert weight is layer.weight and bias is layer.bias
    assert weight.tolist() != before[0] and bias.tolist() != before[1]


@pytest.mark.parametrize("kind", ["Conv2d", "ConvTranspose2d"])
def test_input_channels_may_be_learned_late(kind):
    """What depends on them is the weight's shape, and what reset_parameters draws."""

    class Late(getattr(nn, kind)):
        def __init__(self, *args, **settings):
            super().__init__(0, *args, **settings)

        def reset_parameters(self):
            if self.in_channels:
                super().reset_parameters()

        def learn(self, channels):
            self.in_channels = channels
            self.weight.data = gpudl.empty(self._weight_shape())
            self.reset_parameters()
            return self

    gpudl.manual_seed(7)
    late = Late(4, 3, groups=2).learn(6)
    gpudl.manual_seed(7)
    layer = getattr(nn, kind)(6, 4, 3, groups=2)
    for name, value in layer.state_dict().items():
        assert gpudl.equal(getattr(late, name), value)
    x = gpudl.tensor(array(2, 6, 5, 5))
    assert gpudl.equal(late(x), layer(x))
    with pytest.raises(ValueError, match="in_channels must be divisible by groups, got in_channels=5 and groups=2"):
        Late(4, 3, groups=2).learn(5)


def test_a_layer_without_input_channels_gives_its_bias():
    """PyTorch gives no output channels here, whatever it was told."""
    with pytest.warns(UserWarning, match="elements"):
        layer = nn.Conv2d(0, 4, 3)
    assert layer.bias.tolist() == [0] * 4
    nn.init.constant_(layer.bias, 2)
    assert gpudl.equal(layer(gpudl.zeros(2, 0, 5, 6)), gpudl.full((2, 4, 3, 4), 2.0))


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_attributes_are_those_of_torch(kind, ndim):
    settings = {"stride": 2, "padding": [1] * ndim, "dilation": (2,) * ndim, "groups": 2}
    mine, theirs = (getattr(lib.nn, f"{kind}{ndim}d")(4, 8, 3, **settings, dtype=lib.float64) for lib in (gpudl, torch))
    for name in [*theirs.__constants__, "transposed", "_reversed_padding_repeated_twice"]:
        assert getattr(mine, name) == getattr(theirs, name), name
    assert {p.dtype for p in mine.parameters()} == {gpudl.float64}


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name_is_kept_as_torch_keeps_it(padding):
    mine, theirs = (lib.nn.Conv2d(3, 4, (4, 3), dilation=(3, 2), padding=padding) for lib in (gpudl, torch))
    assert mine.padding == theirs.padding == padding
    assert list(mine._reversed_padding_repeated_twice) == list(theirs._reversed_padding_repeated_twice)
