"""AdaptiveLogSoftmaxWithLoss gives PyTorch's results, and is a distribution over its classes."""

import copy
import pickle

import numpy as np
import pytest
from tolerances import assert_close
from twins import array, compare, twins

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")

SHAPES = [
    {"in_features": 64, "n_classes": 20, "cutoffs": [4, 10, 15]},
    {"in_features": 16, "n_classes": 20, "cutoffs": [4, 10, 15], "div_value": 2.0},
    {"in_features": 8, "n_classes": 5, "cutoffs": [2], "head_bias": True},
    {"in_features": 9, "n_classes": 7, "cutoffs": (1, 2, 6), "div_value": 1.5, "head_bias": True},
]
every_shape = pytest.mark.parametrize("settings", SHAPES, ids=str)


def build(settings):
    return lambda lib: lib.nn.AdaptiveLogSoftmaxWithLoss(**settings)


@every_shape
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients(device, settings, dtype):
    features, classes = settings["in_features"], settings["n_classes"]
    for target in (np.arange(classes), np.arange(classes)[::-1].repeat(2), np.zeros(3, int), np.full(2, classes - 1)):
        x = array(len(target), features, dtype=dtype)
        compare(build(settings), x, np.ascontiguousarray(target), device=device, dtype=dtype, slack=8)


@every_shape
def test_one_row(device, settings):
    for target in range(settings["n_classes"]):
        compare(build(settings), array(settings["in_features"]), np.asarray(target), device=device, slack=8, calls=1)
        x = array(1, settings["in_features"])
        compare(build(settings), x, np.asarray([target]), device=device, slack=8, calls=1)


@every_shape
def test_log_prob_and_predict(device, settings):
    mine, theirs = twins(build(settings), device)
    for rows in (1, 50, 0):
        x = array(rows, settings["in_features"]) * 4
        for name in ("log_prob", "predict"):
            got = getattr(mine, name)(gpudl.tensor(x, device=device)).detach().cpu().numpy()
            assert_close(got, getattr(theirs, name)(torch.tensor(x)).detach().numpy(), name, 8)
    x = gpudl.tensor(array(30, settings["in_features"]) * 9, device=device)
    logs = mine.log_prob(x)
    assert_close(logs.exp().sum(1).detach().cpu().numpy(), np.ones(30, "float32"), "sum", 4)
    assert gpudl.equal(mine.predict(x), logs.argmax(1))
    assert (mine.predict(x) >= mine.shortlist_size).any()
    target = gpudl.tensor(np.arange(30) % settings["n_classes"], device=device)
    output, loss = mine(x, target)
    picked = logs.gather(1, target.unsqueeze(1)).squeeze(1).detach().cpu().numpy()
    assert_close(output.detach().cpu().numpy(), picked, "output", 4)
    assert abs(float(loss) + picked.mean()) < 1e-4


def test_the_output_has_names():
    result = nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(gpudl.ones(3, 4), gpudl.tensor([0, 1, 4]))
    assert result.output is result[0]
    assert result.loss is result[1]
    assert result._fields == ("output", "loss")


def test_clusters_without_targets_are_not_evaluated():
    layer = nn.AdaptiveLogSoftmaxWithLoss(16, 9, [2, 5])
    layer(gpudl.ones(3, 16), gpudl.tensor([0, 1, 6])).loss.backward()
    assert [p.grad is None for p in layer.tail[0].parameters()] == [True, True]
    assert [p.grad is None for p in layer.tail[1].parameters()] == [False, False]


@every_shape
def test_attributes_are_those_of_torch(settings):
    mine, theirs = nn.AdaptiveLogSoftmaxWithLoss(**settings), torch.nn.AdaptiveLogSoftmaxWithLoss(**settings)
    public = {key: value for key, value in vars(theirs).items() if key[0] != "_" and key != "training"}
    assert {key: getattr(mine, key) for key in public} == public


def test_parameters_are_made_where_they_are_told_and_drawn_anew(device):
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 9, [2, 5], 2.0, True, device, "float64")
    before = [p.detach().clone() for p in layer.parameters()]
    assert all(p.dtype == gpudl.float64 and p.device is device for p in before)
    layer.reset_parameters()
    assert not any(gpudl.equal(a, b.detach()) for a, b in zip(before, layer.parameters()))
    for p, fan in zip(layer.parameters(), (8, 8, 8, 4, 8, 2)):
        assert p.abs().max() <= fan**-0.5


def test_copies_and_pickles():
    layer = nn.AdaptiveLogSoftmaxWithLoss(16, 9, [2, 5])
    x = gpudl.tensor(array(4, 16))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert gpudl.equal(twin.log_prob(x), layer.log_prob(x))


@pytest.mark.parametrize("cutoffs", [[], [3, 2], [2, 2], [0, 2], [2, 5], [-1], [6]])
def test_cutoffs_must_increase(cutoffs):
    for lib in (gpudl, torch):
        with pytest.raises(ValueError, match="cutoffs"):
            lib.nn.AdaptiveLogSoftmaxWithLoss(4, 5, cutoffs)


@pytest.mark.parametrize("settings", [(4.5, 5, [2]), (4, 5.5, [2]), (4, 5, [2.5])])
def test_counts_are_whole(settings):
    with pytest.raises((TypeError, ValueError)):
        torch.nn.AdaptiveLogSoftmaxWithLoss(*settings)
    with pytest.raises(TypeError, match="must be an int, got"):
        nn.AdaptiveLogSoftmaxWithLoss(*settings)


@pytest.mark.parametrize(
    ("x", "target"), [((3, 4), (2,)), ((4,), (1,)), ((3, 4), ()), ((2, 3, 4), (2, 3)), ((2, 3, 4), (2,))]
)
def test_shapes_that_do_not_fit(x, target):
    for lib in (gpudl, torch):
        with pytest.raises(RuntimeError):
            lib.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(lib.ones(x), lib.zeros(target, dtype=lib.int64))
    with pytest.raises(gpudl.ShapeError, match=r"^Adaptive.*: .*an input \(batch, 4\) and a target \(batch,\)"):
        nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(gpudl.ones(x), gpudl.zeros(target, dtype="int64"))


@pytest.mark.parametrize("target", [-1, 5])
def test_targets_out_of_range(target):
    for lib in (gpudl, torch):
        layer = lib.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])
        with pytest.raises(RuntimeError, match="arget"):
            layer(lib.ones(2, 4), lib.tensor([0, target]))


def test_targets_are_integers_of_any_size():
    layer, x = nn.AdaptiveLogSoftmaxWithLoss(16, 400, [260, 300]), gpudl.tensor(array(3, 16))
    want = layer(x, gpudl.tensor([0, 120, 7])).output
    for dtype in ("uint8", "int8", "int32"):
        assert gpudl.equal(layer(x, gpudl.tensor([0, 120, 7], dtype=dtype)).output, want)
    with pytest.raises(RuntimeError, match=r"^Adaptive.*: .*integer class indices as targets, got float32"):
        layer(x, gpudl.ones(3))
