"""Layers that normalize channels keep PyTorch's running statistics; they and their kin refuse what does not fit."""

import copy
import pickle

import numpy as np
import pytest
from tolerances import assert_close
from twins import array, compare, twins

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

CHANNELS = {
    "BatchNorm1d": [(4, 3), (4, 3, 5), (1, 3, 5)],
    "BatchNorm2d": [(4, 3, 2, 5), (1, 3, 4, 2)],
    "BatchNorm3d": [(2, 3, 2, 1, 3)],
    "InstanceNorm1d": [(4, 3, 5), (3, 6), (4, 3, 2)],
    "InstanceNorm2d": [(4, 3, 2, 5), (3, 4, 2)],
    "InstanceNorm3d": [(2, 3, 2, 1, 3), (3, 2, 1, 4)],
}
CASES = [(name, shape) for name, shapes in CHANNELS.items() for shape in shapes]
SETTINGS = {
    "as it is": {},
    "affine": {"affine": True},
    "not affine": {"affine": False},
    "tracked": {"track_running_stats": True},
    "not tracked": {"track_running_stats": False},
    "eps and momentum": {"eps": 0.1, "momentum": 0.3, "affine": True, "track_running_stats": True},
    "momentum None": {"momentum": None, "track_running_stats": True},
    "momentum 0": {"momentum": 0.0, "track_running_stats": True},
    "no bias": {"affine": True, "bias": False},
    "nothing": {"affine": False, "track_running_stats": False, "bias": False},
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(("name", "shape"), CASES, ids=str)
def test_channel_norms(device, name, shape, settings):
    kwargs = SETTINGS[settings]
    compare(lambda lib: getattr(lib.nn, name)(3, **kwargs), array(*shape), device=device, calls=3, slack=4)


@pytest.mark.parametrize("name", CHANNELS)
def test_channel_norms_in_double(device, name):
    def make(lib):
        return getattr(lib.nn, name)(3, affine=True, momentum=None, track_running_stats=True)

    x = array(*CHANNELS[name][0], dtype="float64")
    compare(make, x, device=device, dtype="float64", calls=3, slack=4)


def _with_weights(module, lib, **where):
    """A module whose parameters are not all 0 and 1."""
    with lib.no_grad():
        for seed, parameter in enumerate(module.parameters()):
            parameter.copy_(lib.tensor(array(*parameter.shape, seed=seed + 5), **where))
    return module


@pytest.mark.parametrize(
    ("name", "args", "shape"),
    [
        ("BatchNorm1d", (3,), (4, 3)),
        ("BatchNorm2d", (3,), (4, 3, 2, 2)),
        ("InstanceNorm2d", (3, 1e-5, 0.1, True), (4, 3, 2, 2)),
        ("LayerNorm", ((3, 4),), (2, 3, 4)),
        ("RMSNorm", ((3, 4),), (2, 3, 4)),
        ("GroupNorm", (2, 4), (2, 4, 3)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_weights_and_biases_are_used_as_in_torch(device, name, args, shape, dtype):
    def make(lib):
        made = getattr(lib.nn, name)(*args)
        return _with_weights(made, torch) if lib is torch else made.to(device)

    compare(make, array(*shape, dtype=dtype), device=device, dtype=dtype, slack=4)


def _running(module):
    return [each.cpu().numpy() for each in (module.running_mean, module.running_var)]


@pytest.mark.parametrize("momentum", [0.1, 1.0, None])
def test_running_statistics_follow_different_batches_as_in_torch(device, momentum):
    mine, theirs = twins(lambda lib: lib.nn.BatchNorm2d(3, momentum=momentum), device)
    batches = [array(n, 3, 2, 2, seed=n) * n + n for n in (2, 5, 3, 4)]
    for batch in batches:
        mine(gpudl.tensor(batch, device=device))
        theirs(torch.tensor(batch))
        for got, want in zip(_running(mine), _running(theirs)):
            assert_close(got, want, "running statistics", 4)
    assert mine.num_batches_tracked.dtype == gpudl.int64
    assert mine.num_batches_tracked.item() == 4
    if momentum is None:
        means = np.mean([batch.mean((0, 2, 3)) for batch in batches], 0)
        assert_close(mine.running_mean.cpu().numpy(), means, "mean of all batches", 4)


def test_evaluation_changes_no_running_statistics(device):
    layer = nn.BatchNorm1d(3, device=device)
    layer(gpudl.tensor(array(4, 3), device=device))
    before = copy.deepcopy(layer.state_dict())
    layer.eval()(gpudl.tensor(array(4, 3, seed=1), device=device))
    assert all(gpudl.equal(value, before[name]) for name, value in layer.state_dict().items())


@pytest.mark.parametrize("training", [True, False])
def test_running_statistics_can_be_turned_off_later(device, training):
    mine, theirs = twins(lambda lib: lib.nn.BatchNorm1d(3), device)
    x = array(4, 3)
    outputs = []
    for lib, layer, where in ((gpudl, mine, {"device": device}), (torch, theirs, {})):
        layer(lib.tensor(x, **where))
        layer.track_running_stats = False
        outputs.append(layer.train(training)(lib.tensor(x * 3, **where)).detach().cpu().numpy())
        outputs += [*_running(layer), layer.num_batches_tracked.cpu().numpy()]
    for got, want in zip(outputs[:4], outputs[4:]):
        assert_close(got, want, "with statistics turned off", 4)


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 2), (4, 3, 0)])
def test_empty_batches_change_only_the_count(device, shape):
    compare(lambda lib: lib.nn.BatchNorm1d(3), array(*shape), device=device)


def test_reset(device):
    layer = nn.BatchNorm2d(3, device=device)
    fresh = copy.deepcopy(layer.state_dict())
    identities = [id(each) for each in (*layer.parameters(), *layer.buffers())]

    def same(*names):
        return all(gpudl.equal(layer.state_dict()[name], fresh[name]) for name in names)

    for reset, kept in ((layer.reset_running_stats, True), (layer.reset_parameters, False)):
        layer(gpudl.tensor(array(4, 3, 2, 2), device=device))
        _with_weights(layer, gpudl, device=device)
        assert not same("running_mean")
        assert not same("running_var")
        reset()
        assert same("running_mean", "running_var", "num_batches_tracked")
        assert same("weight", "bias") is not kept
    assert identities == [id(each) for each in (*layer.parameters(), *layer.buffers())]


@pytest.mark.parametrize("name", CHANNELS)
def test_first_values_and_dtypes(device, name):
    layer = getattr(nn, name)(2, affine=True, track_running_stats=True, device=device, dtype="float64")
    first = {"weight": [1, 1], "bias": [0, 0], "running_mean": [0, 0], "running_var": [1, 1], "num_batches_tracked": 0}
    state = layer.state_dict()
    assert {name: value.tolist() for name, value in state.items()} == first
    assert {name: str(value.dtype) for name, value in state.items() if value.ndim} == dict.fromkeys(
        ["weight", "bias", "running_mean", "running_var"], "float64"
    )
    assert all(value.device is device for value in state.values())
    assert layer.half().num_batches_tracked.dtype == gpudl.int64
    assert layer.running_var.dtype == gpudl.float16


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_and_state_go_on_alike(copied):
    layer = nn.BatchNorm1d(3, momentum=None)
    layer(gpudl.tensor(array(4, 3)))
    other, loaded = copied(layer), nn.BatchNorm1d(3, momentum=None)
    loaded.load_state_dict(layer.state_dict())
    for each in (layer, other, loaded):
        each(gpudl.tensor(array(4, 3, seed=1)))
    for each in (other, loaded):
        assert all(gpudl.equal(value, layer.state_dict()[name]) for name, value in each.state_dict().items())
    assert repr(other) == repr(layer)


def test_not_contiguous_input_is_normalized_alike():
    mine, theirs = twins(lambda lib: lib.nn.BatchNorm2d(3))
    x = array(5, 2, 4, 3)
    turned = gpudl.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    for lib, layer, given in ((gpudl, mine, turned[0]), (torch, theirs, turned[1])):
        y = layer(given.permute(0, 3, 1, 2))
        (y * lib.tensor(array(*y.shape, seed=1))).sum().backward()
    assert_close(turned[0].grad.numpy(), turned[1].grad.numpy(), "gradient", 4)


def test_nan_stays_in_its_channel(device):
    x = array(4, 3)
    x[1, 2] = np.nan
    compare(lambda lib: lib.nn.BatchNorm1d(3), x, device=device)


SHAPES = [
    (lambda lib: lib.nn.BatchNorm1d(64), (8, 32), r"expected \(n, 64\) or \(n, 64, length\), got \(8, 32\)"),
    (lambda lib: lib.nn.BatchNorm1d(64), (8, 64, 5, 5), r"\(n, 64, length\), got \(8, 64, 5, 5\)"),
    (lambda lib: lib.nn.BatchNorm1d(64), (64,), r"got \(64,\)"),
    (lambda lib: lib.nn.BatchNorm2d(64), (8, 32, 5, 5), r"expected \(n, 64, height, width\), got \(8, 32, 5, 5\)"),
    (lambda lib: lib.nn.BatchNorm2d(64, affine=False), (8, 32, 5, 5), r"\(n, 64, height, width\)"),
    (lambda lib: lib.nn.BatchNorm2d(64, track_running_stats=False), (8, 32, 5, 5), r"\(n, 64, height, width\)"),
    (lambda lib: lib.nn.BatchNorm2d(64, affine=False, track_running_stats=False), (8, 64), r"got \(8, 64\)"),
    (lambda lib: lib.nn.BatchNorm3d(64), (8, 64, 5, 5), r"expected \(n, 64, depth, height, width\), got"),
    (lambda lib: lib.nn.BatchNorm1d(64), (1, 64), r"one value to normalize"),
    (lambda lib: lib.nn.InstanceNorm1d(3), (3,), r"expected \(3, length\) or \(n, 3, length\), got \(3,\)"),
    (lambda lib: lib.nn.InstanceNorm1d(3), (2, 3, 1), r"several places"),
    (lambda lib: lib.nn.InstanceNorm2d(3, affine=True), (2, 4, 5, 5), r"\(n, 3, height, width\), got \(2, 4, 5, 5\)"),
    (lambda lib: lib.nn.InstanceNorm3d(3, affine=True), (4, 2, 2, 2), r"expected \(3, depth, height, width\) or"),
    (lambda lib: lib.nn.InstanceNorm3d(3, track_running_stats=True), (2, 4, 2, 2, 2), r"got \(2, 4, 2, 2, 2\)"),
    (lambda lib: lib.nn.LayerNorm(4), (2, 5), r"\(4,\).*got \(2, 5\)"),
    (lambda lib: lib.nn.LayerNorm((3, 4)), (4,), r"\(3, 4\).*got \(4,\)"),
    (lambda lib: lib.nn.RMSNorm((3, 4)), (3, 5), r"\(3, 4\).*got \(3, 5\)"),
    (lambda lib: lib.nn.GroupNorm(2, 64), (8, 32, 5, 5), r"expected \(n, 64, \*\), got \(8, 32, 5, 5\)"),
    (lambda lib: lib.nn.GroupNorm(2, 64), (64,), r"expected \(n, 64, \*\), got \(64,\)"),
    (lambda lib: lib.nn.GroupNorm(2, 64, affine=False), (2, 3, 4), r"num_groups must divide"),
    (lambda lib: lib.nn.LocalResponseNorm(2), (2, 3), r"expected \(samples, channels, ...\) of 3"),
]


@pytest.mark.filterwarnings("ignore:input.s size:UserWarning")  # of PyTorch, before its error
@pytest.mark.parametrize(("make", "shape", "message"), SHAPES)
def test_inputs_that_do_not_fit(device, make, shape, message):
    layer = make(gpudl).to(device)
    with pytest.raises(gpudl.ShapeError, match=f"^{type(layer).__name__}: .*{message}"):
        layer(gpudl.ones(shape, device=device))
    with pytest.raises((ValueError, RuntimeError)):
        make(torch)(torch.ones(shape))


def test_a_refused_input_changes_nothing():
    layer = nn.BatchNorm2d(3)
    with pytest.raises(gpudl.ShapeError):
        layer(gpudl.ones(2, 4, 5, 5))
    assert layer.num_batches_tracked.item() == 0


@pytest.mark.parametrize("name", ["InstanceNorm1d", "BatchNorm1d"])
def test_other_channels_are_told_where_they_do_not_matter(name):
    layer = getattr(nn, name)(3, affine=False, track_running_stats=False)
    with pytest.warns(UserWarning, match=r"expected .*3, length\), got \(2, 4, 5\); num_features is not used") as found:
        y = layer(gpudl.tensor(array(2, 4, 5)))
    assert found[0].filename == __file__
    want = getattr(torch.nn, name)(4, affine=False, track_running_stats=False)(torch.tensor(array(2, 4, 5)))
    assert_close(y.numpy(), want.numpy(), "output", 4)


def test_settings_are_attributes():
    layer = nn.BatchNorm2d(np.int64(3), 0.1, None, False, False)
    assert type(layer.num_features) is int
    assert (layer.eps, layer.momentum, layer.affine, layer.track_running_stats) == (0.1, None, False, False)
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        assert getattr(layer, name) is None
    assert nn.LayerNorm(np.int64(3)).normalized_shape == (3,)
    assert not hasattr(nn.RMSNorm(3), "bias")
    group = nn.GroupNorm(2, 4)
    assert (group.num_groups, group.num_channels, group.eps, group.affine) == (2, 4, 1e-5, True)


def test_statistics_are_no_parameters_and_draw_no_numbers():
    gpudl.manual_seed(0)
    want = nn.Linear(2, 2).weight
    gpudl.manual_seed(0)
    made = nn.BatchNorm1d(3), nn.LayerNorm(3), nn.RMSNorm(3), nn.GroupNorm(1, 3)
    assert gpudl.equal(nn.Linear(2, 2).weight, want)
    assert [name for name, _ in made[0].named_parameters()] == ["weight", "bias"]


@pytest.mark.parametrize("shape", [(0, 3, 5), (2, 3, 0)])
def test_instance_norm_of_nothing(device, shape):
    compare(lambda lib: lib.nn.InstanceNorm1d(3), array(*shape), device=device)
    layer = nn.InstanceNorm1d(3, track_running_stats=True, device=device)  # PyTorch has an IndexError here
    layer(gpudl.ones(shape, device=device))
    assert [value.tolist() for value in layer.buffers()] == [[0, 0, 0], [1, 1, 1], 0]
