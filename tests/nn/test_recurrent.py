"""RNN, LSTM and GRU give PyTorch's outputs, states and gradients for all settings and forms of input."""

import copy
import itertools
import math
import pickle
import warnings

import numpy as np
import pytest
from twins import array, compare, torch, twins

import gpudl
from gpudl import nn

KINDS = ("RNN", "LSTM", "GRU")
SETTINGS = [
    dict(zip(("num_layers", "bias", "batch_first", "bidirectional"), values))
    for values in itertools.product((1, 2), (True, False), (False, True), (False, True))
]


@pytest.fixture(autouse=True)
def _quiet_torch():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")
        yield


def name_of(settings):
    return "-".join(f"{name}={value}" for name, value in settings.items())


def states(kind, settings, batch, hidden=4, dtype="float32"):
    """First states, one of an LSTM being of the projection's width."""
    runs = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)
    widths = [settings.get("proj_size") or hidden, hidden] if kind == "LSTM" else [hidden]
    found = tuple(array(runs, *batch, width, dtype=dtype, seed=7 + i) for i, width in enumerate(widths))
    return found if kind == "LSTM" else found[0]


@pytest.mark.parametrize("settings", SETTINGS, ids=name_of)
@pytest.mark.parametrize("kind", KINDS)
def test_layers(kind, settings, device):
    def make(lib):
        return getattr(lib.nn, kind)(3, 4, **settings)

    x = array(2, 5, 3) if settings["batch_first"] else array(5, 2, 3)
    compare(make, x, device=device, slack=4, modes=["train"], calls=1)
    compare(make, x, states(kind, settings, (2,)), device=device, slack=4, modes=["eval"], calls=1)
    compare(make, array(5, 3), device=device, slack=4, calls=1)
    compare(make, array(5, 3), hx=states(kind, settings, ()), device=device, slack=4, modes=["train"], calls=1)
    y = array(*x.shape, dtype="float64")
    given = states(kind, settings, (2,), dtype="float64")
    compare(make, y, given, device=device, dtype="float64", slack=4, modes=["train"], calls=1)


@pytest.mark.parametrize("settings", [s for s in SETTINGS if s["num_layers"] == 2 or s["bias"]], ids=name_of)
@pytest.mark.parametrize("proj_size", [1, 3])
def test_projections(proj_size, settings, device):
    settings = {**settings, "proj_size": proj_size}

    def make(lib):
        return lib.nn.LSTM(3, 4, **settings)

    x = array(2, 5, 3) if settings["batch_first"] else array(5, 2, 3)
    compare(make, x, states("LSTM", settings, (2,)), device=device, slack=4, modes=["train"], calls=1)
    compare(make, array(5, 3), device=device, slack=4, modes=["eval"], calls=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("settings", SETTINGS[::5], ids=name_of)
def test_rectifiers(settings, dtype, device):
    def make(lib):
        return lib.nn.RNN(3, 4, nonlinearity="relu", **settings)

    compare(make, array(5, 5, 3, dtype=dtype), device=device, dtype=dtype, slack=4, modes=["train"], calls=1)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 2, 3), (3, 0, 3), (6, 40, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_few_and_many_sequences(kind, shape, device):
    compare(lambda lib: getattr(lib.nn, kind)(3, 4, 2), array(*shape), device=device, slack=8, calls=1)


@pytest.mark.parametrize("kind", KINDS)
def test_half_floats_are_computed_in_float32(kind, device):
    mine, theirs = twins(lambda lib: getattr(lib.nn, kind)(3, 4, 2, bidirectional=True), device)
    x = array(5, 2, 3)
    y, _ = mine.half()(gpudl.tensor(x, device=device).half())
    assert y.dtype == np.float16
    want = theirs.half().float()(torch.tensor(x).half().float())[0].detach()
    np.testing.assert_allclose(y.detach().cpu().numpy().astype("float32"), want.numpy(), rtol=4e-3, atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_saturated_gates_stay_finite(kind, device):
    def make(lib):
        layer = getattr(lib.nn, kind)(3, 4)
        with lib.no_grad():
            layer.weight_ih_l0.mul_(1e4)
        return layer

    compare(make, array(4, 2, 3), device=device, slack=40, calls=1)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_and_states_that_are_not_contiguous(kind, device):
    mine, theirs = twins(lambda lib: getattr(lib.nn, kind)(3, 4, bidirectional=True), device)
    x, given = array(3, 2, 5), array(4, 2, 2)
    outputs = []
    for lib, layer in ((gpudl, mine), (torch, theirs)):
        h = lib.tensor(given, **({"device": device} if lib is gpudl else {})).transpose(0, 2)
        seen = lib.tensor(x, **({"device": device} if lib is gpudl else {})).transpose(0, 2)
        y, _ = layer(seen, (h, h) if kind == "LSTM" else h)
        outputs.append(y.detach().cpu().numpy())
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_the_result_has_its_gradient(kind):
    """Of the output and the last states one alone may be used, and inputs may want no gradient."""
    mine, theirs = twins(lambda lib: getattr(lib.nn, kind)(3, 4, 2))
    for pick in (lambda y, h: y[1], lambda y, h: h[-1] if kind != "LSTM" else h[1][0]):
        gradients = []
        for lib, layer in ((gpudl, mine), (torch, theirs)):
            layer.zero_grad()
            pick(*layer(lib.tensor(array(5, 2, 3)))).sum().backward()
            gradients.append({name: p.grad for name, p in layer.named_parameters()})
        for name, want in gradients[1].items():
            if want is None:
                assert gradients[0][name] is None or not gradients[0][name].any()
            else:
                np.testing.assert_allclose(gradients[0][name].numpy(), want.numpy(), rtol=1e-4, atol=1e-5)


def test_frozen_parameters_get_no_gradient():
    layer = nn.LSTM(3, 4, proj_size=2)
    names = ["weight_hh_l0", "bias_ih_l0", "weight_hr_l0"]
    for name in names:
        getattr(layer, name).requires_grad_(False)
    layer(gpudl.ones(4, 2, 3))[0].sum().backward()
    assert [name for name, p in layer.named_parameters() if p.grad is None] == names


@pytest.mark.parametrize("kind", KINDS)
def test_biases_do_not_share_their_gradients(kind):
    layer = getattr(nn, kind)(3, 4)
    layer(gpudl.ones(4, 2, 3))[0].sum().backward()
    before = layer.bias_hh_l0.grad.tolist()
    layer.bias_ih_l0.grad.zero_()
    assert layer.bias_hh_l0.grad.tolist() == before


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_acts_between_layers_in_training(kind, device):
    """With p = 1 the upper layer reads zeros; with p in between, each element is 0 with probability p, else scaled."""
    x = gpudl.tensor(array(4, 2, 3), device=device)
    gpudl.manual_seed(0)
    layer = getattr(nn, kind)(3, 4, 2, dropout=1.0, device=device)
    upper = getattr(nn, kind)(4, 4, device=device)
    upper.load_state_dict({name.replace("l1", "l0"): p for name, p in layer.state_dict().items() if "l1" in name})
    assert gpudl.allclose(layer(x)[0], upper(gpudl.zeros(4, 2, 4, device=device))[0])
    same = getattr(nn, kind)(3, 4, 2, device=device)
    same.load_state_dict(layer.state_dict())
    assert gpudl.equal(layer.eval()(x)[0], same(x)[0])
    layer.dropout = 0.0
    assert gpudl.equal(layer.train()(x)[0], same(x)[0])


def test_dropout_has_its_probability(device):
    gpudl.manual_seed(0)
    layer = nn.RNN(1, 100, 2, nonlinearity="relu", bias=False, dropout=0.3, device=device)
    with gpudl.no_grad():
        layer.weight_ih_l0.fill_(1.0)
        layer.weight_hh_l0.zero_()
        layer.weight_hh_l1.zero_()
        layer.weight_ih_l1.copy_(gpudl.eye(100))
    y = layer(gpudl.ones(50, 4, 1, device=device))[0].detach().cpu().numpy()
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    assert abs((y == 0).mean() - 0.3) < 4 * math.sqrt(0.21 / y.size)
    assert not np.array_equal(y[0], y[1])


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_with_one_layer_warns(kind):
    for lib in (gpudl, torch):
        with pytest.warns(UserWarning, match="dropout"):
            getattr(lib.nn, kind)(3, 4, dropout=0.5)


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("RNN", {"nonlinearity": "relu"}),
        ("RNN", {"num_layers": 2, "dropout": 0.25, "bidirectional": True}),
        ("GRU", {"bias": False, "batch_first": True}),
        ("LSTM", {"proj_size": 2, "num_layers": 3, "bidirectional": True}),
    ],
)
def test_names_and_attributes(kind, kwargs):
    mine, theirs = twins(lambda lib: getattr(lib.nn, kind)(3, 4, **kwargs))
    assert repr(mine) == repr(theirs)
    for name in ("mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"):
        assert getattr(mine, name) == getattr(theirs, name), name
    assert mine.proj_size == theirs.proj_size
    assert [[tuple(p.shape) for p in run] for run in mine.all_weights] == [
        [tuple(p.shape) for p in run] for run in theirs.all_weights
    ]
    assert mine.all_weights[0][0] is mine.weight_ih_l0
    assert mine.flatten_parameters() is None
    for twin in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        assert repr(twin) == repr(mine)
        x = gpudl.tensor(array(5, 2, 3))
        assert gpudl.equal(twin.eval()(x)[0], mine.eval()(x)[0])
        assert twin.weight_hh_l0 is not mine.weight_hh_l0


def test_a_parameter_may_be_replaced():
    layer = nn.GRU(3, 4)
    layer.weight_ih_l0 = nn.Parameter(gpudl.zeros(12, 3))
    layer.bias_ih_l0 = nn.Parameter(gpudl.zeros(12))
    assert gpudl.equal(layer(gpudl.ones(2, 1, 3))[0], layer(gpudl.zeros(2, 1, 3))[0])


@pytest.mark.parametrize("kind", KINDS)
def test_initial_values_are_uniform(kind, device):
    gpudl.manual_seed(0)
    layer = getattr(nn, kind)(30, 64, 2, device=device)
    for parameter in layer.parameters():
        values = parameter.detach().cpu().numpy()
        assert values.dtype == np.float32
        assert abs(values).max() <= 1 / 8
        assert abs(values).max() > 0.95 / 8
        assert abs(values.mean()) < 4 / 8 / math.sqrt(3 * values.size)
        assert abs((values**2).mean() * 192 - 1) < 4 * math.sqrt(0.8 / values.size)
    before = layer.weight_hh_l1.detach().clone()
    layer.reset_parameters()
    assert not gpudl.equal(before, layer.weight_hh_l1)


def test_the_base_takes_a_mode():
    for lib in (gpudl, torch):
        assert lib.nn.RNNBase("GRU", 3, 4).weight_ih_l0.shape == (12, 3)
        with pytest.raises(ValueError, match="mode"):
            lib.nn.RNNBase("CNN", 3, 4)
    with pytest.raises(ValueError, match="only an LSTM has a projection, got proj_size=2"):
        nn.RNNBase("GRU", 3, 4, proj_size=2)


@pytest.mark.parametrize(
    ("kind", "args", "message"),
    [
        ("LSTM", (0, 4), "input_size must be >= 1, got 0"),
        ("LSTM", (3, 0), "hidden_size must be >= 1, got 0"),
        ("GRU", (3, 4, 0), "num_layers must be >= 1, got 0"),
        ("GRU", (3, 4.0), "hidden_size must be an int, got 4.0"),
        ("GRU", (3, 4, 1, 1), "bias must be a bool, got 1"),
        ("LSTM", (3, 4, 1, True, "yes"), "batch_first must be a bool, got 'yes'"),
        ("LSTM", (3, 4, 2, True, True, 1.5), r"dropout must be a number in \[0, 1\], got 1.5"),
        ("LSTM", (3, 4, 2, True, True, True), r"dropout must be a number in \[0, 1\], got True"),
        ("LSTM", (3, 4, 1, True, True, 0.0, False, 4), "proj_size must be < hidden_size, 4, got 4"),
        ("LSTM", (3, 4, 1, True, True, 0.0, False, -1), "proj_size must be >= 0, got -1"),
        ("RNN", (3, 4, 1, "sigmoid"), "nonlinearity must be 'tanh' or 'relu', got 'sigmoid'"),
    ],
)
def test_bad_settings(kind, args, message):
    with pytest.raises((TypeError, ValueError)) as caught:
        getattr(torch.nn, kind)(*args)
    with pytest.raises(caught.type, match=message):
        getattr(nn, kind)(*args)


@pytest.mark.parametrize(
    ("kind", "shapes", "message"),
    [
        ("LSTM", [(5, 2, 4)], r"^LSTM: expected \(\*, 3\), got input \(5, 2, 4\)$"),
        ("GRU", [(5, 2, 3, 1)], r"expected input of 2 or 3 dimensions, got \(5, 2, 3, 1\)"),
        ("RNN", [(3,)], r"expected input of 2 or 3 dimensions, got \(3,\)"),
        ("GRU", [(0, 2, 3)], r"expected at least 1 time step, got input \(0, 2, 3\)"),
        ("GRU", [(5, 2, 3), (1, 3, 4)], r"expected a state of shape \(1, 2, 4\), got \(1, 3, 4\)"),
        ("GRU", [(5, 2, 3), (1, 4)], r"expected states of 3 dimensions .* got \(1, 4\)"),
        ("RNN", [(5, 3), (1, 2, 4)], r"expected states of 2 dimensions .* got \(1, 2, 4\)"),
        ("LSTM", [(5, 2, 3), (1, 2, 4), (2, 2, 4)], r"expected a state of shape \(1, 2, 4\), got \(2, 2, 4\)"),
    ],
)
def test_bad_inputs_name_what_is_expected(kind, shapes, message):
    for lib, pattern in ((torch, None), (gpudl, message)):
        x, *hx = (lib.zeros(*shape) for shape in shapes)
        with pytest.raises((ValueError, RuntimeError), match=pattern):
            getattr(lib.nn, kind)(3, 4)(x, *([tuple(hx)] if len(hx) == 2 else hx))


def test_other_dtypes_are_refused():
    for lib in (torch, gpudl):
        with pytest.raises(ValueError, match="float64.*float32"):
            lib.nn.LSTM(3, 4)(lib.zeros(5, 2, 3, dtype=lib.float64))
        with pytest.raises(RuntimeError):
            lib.nn.GRU(3, 4)(lib.zeros(5, 2, 3), lib.zeros(1, 2, 4, dtype=lib.float64))
    with pytest.raises(RuntimeError, match="the input is float32 and a state float64"):
        nn.GRU(3, 4)(gpudl.zeros(5, 2, 3), gpudl.zeros(1, 2, 4, dtype="float64"))


def test_an_lstm_wants_two_states():
    with pytest.raises(ValueError, match="expected 2 states, got 1"):
        nn.LSTM(3, 4)(gpudl.zeros(5, 2, 3), (gpudl.zeros(1, 2, 4),))
