"""Activations give PyTorch's values and gradients, show themselves as PyTorch's do, and write in place when told."""

import copy
import pickle
import warnings
from collections import OrderedDict

import numpy as np
import pytest
from tolerances import assert_close
from twins import array, compare

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")

INPLACE = {
    "CELU": {"alpha": 0.5},
    "ELU": {"alpha": 2.0},
    "Hardsigmoid": {},
    "Hardswish": {},
    "Hardtanh": {"min_val": -0.5, "max_val": 0.25},
    "LeakyReLU": {"negative_slope": 0.2},
    "Mish": {},
    "RReLU": {"lower": 0.2, "upper": 0.2},
    "ReLU": {},
    "ReLU6": {},
    "SELU": {},
    "SiLU": {},
    "Threshold": {"threshold": 0.1, "value": 20},
}
CASES = [
    *((name, settings) for name, settings in INPLACE.items() if settings),
    *((name, {}) for name in INPLACE if name not in ("RReLU", "Threshold")),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("Hardshrink", {}),
    ("Hardshrink", {"lambd": 1}),
    ("LogSigmoid", {}),
    ("PReLU", {}),
    ("PReLU", {"init": -0.5}),
    ("Sigmoid", {}),
    ("Softplus", {}),
    ("Softplus", {"beta": 3, "threshold": 0.5}),
    ("Softshrink", {}),
    ("Softshrink", {"lambd": 0.1}),
    ("Softsign", {}),
    ("Tanh", {}),
    ("Tanhshrink", {}),
]
EDGES = np.array(
    [-np.inf, -1e30, -100, -20.5, -6, -3, -1, -0.5, -1e-30, -0.0, 0.0, 0.5, 1, 3, 6, 20.5, 100, 1e30, np.inf]
)


def build(name, *args, **settings):
    return lambda lib: getattr(lib.nn, name)(*args, **settings)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_values_and_gradients(device, name, settings, dtype):
    slack = 1e5 if (name, dtype) == ("Hardsigmoid", "float64") else 2  # PyTorch's 1/6 is that of float32
    for shape in ((4, 5), (2, 3, 4, 2), (7,), (), (0, 3)):
        compare(
            build(name, **settings),
            np.asarray(array(*shape, dtype=dtype) * 3),
            device=device,
            dtype=dtype,
            slack=slack,
            calls=1,
        )


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_edges_of_the_domain(device, name, settings):
    """Extremes, corners and nan: values at all, gradients where PyTorch's formula does not multiply 0 by infinity."""
    edges = EDGES[:-1] if name == "GELU" else EDGES  # PyTorch's vectorized form gives nan at infinity
    for values in (edges, np.array([np.nan, 1.0])):
        results = []
        for lib, place in ((gpudl, {"device": device}), (torch, {})):
            layer = build(name, **settings)(lib).to(place.get("device", "cpu"))
            x = lib.tensor(values.astype("float32"), **place).requires_grad_()
            y = layer(x)
            y.sum().backward()
            results.append((y.detach().cpu().numpy(), x.grad.cpu().numpy()))
        (got, dx), (want, wanted) = results
        assert_close(got, want, "values", 2)
        sound = np.isfinite(values)
        assert_close(dx[sound], wanted[sound], "gradients", 2)


@pytest.mark.parametrize(("name", "settings"), [case for case in CASES if case[0] != "RReLU"])  # not in PyTorch
def test_half_floats(device, name, settings):
    compare(build(name, **settings), array(3, 4, dtype="float16"), device=device, dtype="float16", calls=1)


@pytest.mark.parametrize(("name", "settings"), INPLACE.items())
def test_in_place(device, name, settings):
    make = build(name, **settings, inplace=True)
    assert repr(make(gpudl)) == repr(make(torch))
    values = []
    for lib, place in ((gpudl, {"device": device}), (torch, {})):
        x = lib.tensor(array(3, 4), **place).requires_grad_()
        middle = x * 2
        y = make(lib)(middle)
        assert y is middle
        (y * y).sum().backward()
        values.append([y.detach().cpu().numpy(), x.grad.cpu().numpy()])
        with pytest.raises(RuntimeError, match="leaf"):
            make(lib)(x)
    for got, want in zip(*values):
        assert_close(got, want, name, 4)
    x = gpudl.ones(2, device=device)
    assert build(name, **settings)(gpudl)(x) is not x


def test_arguments_by_place():
    for name, args in {
        "CELU": (0.5, True), "ELU": (2.0, True), "Hardtanh": (-2.0, 0.5, True), "LeakyReLU": (0.3, True),
        "Softplus": (2.0, 3.0), "RReLU": (0.1, 0.2, True), "Threshold": (1.0, 2.0, True), "PReLU": (3, 0.5),
        "GELU": ("tanh",), "GLU": (1,), "Hardshrink": (0.25,), "Softmax": (1,), "SiLU": (True,),
    }.items():  # fmt: skip
        mine, theirs = build(name, *args)(gpudl), build(name, *args)(torch)
        assert repr(mine) == repr(theirs)
        settings = {key: value for key, value in vars(theirs).items() if key[0] != "_"}
        assert {key: getattr(mine, key) for key in settings} == settings


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5), (5, 3, 0)])
def test_prelu_with_a_slope_for_each_channel(device, shape, dtype):
    compare(build("PReLU", 3, 0.1), array(*shape, dtype=dtype), device=device, dtype=dtype, slack=8)


def test_prelu_starts_where_it_is_told(device):
    layer = nn.PReLU(3, 0.5, device=device, dtype="float64")
    assert layer.weight.tolist() == [0.5] * 3
    assert layer.weight.dtype == gpudl.float64
    assert layer.weight.device is device
    layer.weight.data = layer.weight.data * 3
    layer.reset_parameters()
    assert layer.weight.tolist() == [0.5] * 3
    assert nn.PReLU().weight.tolist() == torch.nn.PReLU().weight.tolist() == [0.25]


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [(-1, gpudl.ShapeError, "num_parameters must be >= 0, got -1"), (1.5, TypeError, "num_parameters must be an int")],
)
def test_prelu_counts_its_slopes(value, error, match):
    with pytest.raises((TypeError, RuntimeError)):
        torch.nn.PReLU(value)
    with pytest.raises(error, match=match):
        nn.PReLU(value)


def test_prelu_names_the_channels_that_do_not_fit():
    with pytest.raises(gpudl.ShapeError, match=r"^act: .*2 slopes for the 3 channels"):
        nn.Sequential(OrderedDict(act=nn.PReLU(2)))(gpudl.ones(4, 3))


def test_rrelu_draws_slopes_in_training_only(device):
    layer, x = nn.RReLU(0.1, 0.4), -gpudl.ones(20000, device=device)
    gpudl.manual_seed(0)
    slopes = -layer(x).cpu().numpy()
    assert slopes.min() >= 0.1
    assert slopes.max() < 0.4
    assert abs(slopes.mean() - 0.25) < 4 * 0.3 / np.sqrt(12 * slopes.size)
    assert abs(slopes.std() - 0.3 / np.sqrt(12)) < 0.003
    gpudl.manual_seed(0)
    assert np.array_equal(-layer(x).cpu().numpy(), slopes)
    positive = gpudl.rand(10, device=device)
    assert gpudl.equal(layer(positive), positive)
    compare(build("RReLU", 0.1, 0.4), array(4, 5), device=device, modes=("eval",))
    compare(build("RReLU"), array(4, 5), device=device, modes=("eval",))


@pytest.mark.parametrize("settings", [{"min_value": -2}, {"max_value": 3}, {"min_value": -0.1, "max_value": 0.2}])
def test_hardtanh_knows_its_former_names(settings):
    bounds = []
    for lib in (gpudl, torch):
        with pytest.warns(FutureWarning, match="min_val|max_val"):
            layer = lib.nn.Hardtanh(**settings)
        bounds.append((layer.min_val, layer.max_val))
    assert bounds[0] == bounds[1]


@pytest.mark.parametrize("bounds", [(1, 1), (2, -1)])
def test_hardtanh_refuses_bounds_in_the_wrong_order(bounds):
    for lib in (gpudl, torch):
        with pytest.raises(AssertionError, match="max_val"):
            lib.nn.Hardtanh(*bounds)
    with pytest.raises(ValueError, match="min_val must be below max_val, got"):
        nn.Hardtanh(*bounds)


def test_relu6_is_a_hardtanh():
    for lib in (gpudl, torch):
        layer = lib.nn.ReLU6()
        assert isinstance(layer, lib.nn.Hardtanh)
        assert (layer.min_val, layer.max_val) == (0, 6)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: nn.GELU("erf"), RuntimeError, r"^GELU: approximate.*'erf'"),
        (lambda: nn.Softshrink(-1), RuntimeError, r"^Softshrink: lambd must be at least 0"),
        (lambda: nn.RReLU(0.5, 0.25), RuntimeError, r"^RReLU: .*lower <= upper"),
        (lambda: nn.CELU(0.0), RuntimeError, r"^CELU: alpha must not be 0"),
        (lambda: nn.GLU(0), RuntimeError, r"^GLU: "),
        (lambda: nn.Softmax2d(), gpudl.ShapeError, r"expected \(\[batch\], channels, height, width\), got \(3, 4\)"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()(gpudl.ones(3, 4))
    reference = build(type(make()).__name__, **{k: v for k, v in vars(make()).items() if k in SETTINGS})(torch)
    with pytest.raises((RuntimeError, ValueError)):
        reference(torch.ones(3, 4))


SETTINGS = {"approximate", "lambd", "lower", "upper", "alpha", "dim"}


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("name", ["Softmax", "Softmin", "LogSoftmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_along_a_dimension(device, name, dim, dtype):
    for shape in ((2, 3, 4), (3, 1, 5), (2, 0, 3)):
        compare(build(name, dim), array(*shape, dtype=dtype) * 4, device=device, dtype=dtype, calls=1)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 3, 4), (2, 3, 4, 2), (2, 1, 3, 2, 2)])
@pytest.mark.parametrize("name", ["Softmax", "Softmin", "LogSoftmax"])
def test_softmax_along_the_dimension_that_torch_takes_by_itself(device, name, shape):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Implicit dimension choice")
        compare(build(name), array(*shape), device=device, calls=1)


@pytest.mark.parametrize("name", ["Softmax", "Softmin", "LogSoftmax"])
@pytest.mark.parametrize("scale", [1e4, 1e30])
def test_softmax_of_extremes(device, name, scale):
    compare(build(name, 1), array(3, 5) * np.float32(scale), device=device)
    compare(build(name, 1), np.array([[-np.inf, 1, 2], [0, -np.inf, -1]], "float32") * (1 if name != "Softmin" else -1),
            device=device)  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 4, 5), (0, 3, 4, 5), (2, 1, 3, 3)])
def test_softmax_over_channels(device, shape):
    compare(build("Softmax2d"), array(*shape), device=device)


@pytest.mark.parametrize(("shape", "dim"), [((4, 6), -1), ((4, 6), 0), ((2, 4, 3), 1), ((2,), 0), ((0, 4), 1)])
def test_glu(device, shape, dim):
    for dtype in ("float32", "float64"):
        compare(build("GLU", dim), array(*shape, dtype=dtype), device=device, dtype=dtype)


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES} | {"GLU", "Softmax", "Softmin", "LogSoftmax"}))
def test_copies_and_pickles_keep_the_settings(name):
    settings = dict(CASES).get(name, {"dim": 1} if name != "GLU" else {})
    layer = build(name, **settings)(gpudl).eval()
    x = gpudl.tensor(array(4, 6))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(twin) == repr(layer)
        assert gpudl.equal(twin(x), layer(x))


def test_non_contiguous_input(device):
    for name, settings in CASES:
        layer = build(name, **settings)(gpudl).to(device).eval()
        x = gpudl.tensor(array(6, 5), device=device)
        assert_close(layer(x.t()).detach().cpu().numpy(), layer(x).detach().cpu().numpy().T, name)
