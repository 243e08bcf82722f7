"""Losses of differences give PyTorch's values and gradients; what all losses are made of, and refuse."""

import copy
import pickle

import numpy as np
import pytest
from loss_cases import both_dtypes, build, check, every_reduction
from tolerances import assert_close
from twins import array

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")

DIFFERENCES = [
    ("L1Loss", {}),
    ("MSELoss", {}),
    ("SmoothL1Loss", {}),
    ("SmoothL1Loss", {"beta": 0.3}),
    ("SmoothL1Loss", {"beta": 0}),
    ("HuberLoss", {}),
    ("HuberLoss", {"delta": 0.4}),
]


@both_dtypes
@every_reduction
@pytest.mark.parametrize(("name", "settings"), DIFFERENCES)
def test_differences(device, name, settings, reduction, dtype):
    for shape in ((4, 3), (1,), (2, 3, 4), (), (0, 3)):
        x, target = array(*shape, dtype=dtype), array(*shape, dtype=dtype, seed=2)
        check(device, name, x, target, dtype=dtype, reduction=reduction, **settings)


@pytest.mark.parametrize(("name", "settings"), DIFFERENCES)
def test_differences_of_extremes_and_none(device, name, settings):
    x = np.array([1e30, -1e30, 3, 3, np.inf, 0], "float32")
    target = np.array([0, 1e30, 3, 2, 0, 1], "float32")
    check(device, name, x[:4], target[:4], reduction="none", **settings)
    results = [
        build(name, reduction="none", **settings)(lib)(lib.tensor(x[4:]), lib.tensor(target[4:]))
        for lib in (gpudl, torch)
    ]
    assert_close(results[0].numpy(), results[1].numpy(), "of infinity")


LOSSES = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss",
    "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss", "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss",
    "TripletMarginLoss", "TripletMarginWithDistanceLoss",
]  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_an_unknown_reduction_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}: reduction must be 'mean', 'sum' or 'none', got 'average'"):
        getattr(nn, name)(reduction="average")


@pytest.mark.parametrize("name", LOSSES)
def test_outdated_settings_are_refused(name):
    for setting in ("size_average", "reduce"):
        with pytest.raises(TypeError, match=setting):
            getattr(nn, name)(**{setting: False})


@pytest.mark.parametrize("name", LOSSES)
def test_settings_copies_and_pickles(name):
    theirs = getattr(torch.nn, name)()
    settings = {key: value for key, value in vars(theirs).items() if key[0] != "_" and key != "training"}
    mine = getattr(nn, name)()
    for each in (mine, copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        assert {key: getattr(each, key) for key in settings} == settings
        assert list(each._buffers) == list(theirs._buffers)
        assert not each.state_dict()
        assert not list(each.parameters())
        assert repr(each) == repr(theirs)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("CrossEntropyLoss", ["weight"]), ("NLLLoss", ["weight"]), ("BCELoss", ["weight"]),
        ("MultiLabelSoftMarginLoss", ["weight"]), ("MultiMarginLoss", ["weight"]),
        ("BCEWithLogitsLoss", ["weight", "pos_weight"]),
    ],
)  # fmt: skip
def test_weights_are_buffers_that_go_with_the_module(name, keys, device):
    weights = {key: gpudl.tensor([1.0, 2.0]) for key in keys}
    loss = getattr(nn, name)(**weights)
    theirs = getattr(torch.nn, name)(**{key: torch.tensor([3.0, 4.0]) for key in keys})
    assert all(getattr(loss, key) is weights[key] for key in keys)
    assert list(loss.state_dict()) == list(theirs.state_dict()) == keys
    assert not list(loss.parameters())
    assert loss.double().weight.dtype == gpudl.float64
    assert loss.to(device).weight.device is device
    loss.load_state_dict(theirs.state_dict())
    for each in (loss, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert [getattr(each, key).tolist() for key in keys] == [[3, 4]] * len(keys)
    with pytest.raises(TypeError, match="buffer 'weight' must be a Tensor"):
        getattr(nn, name)(weight=[1.0, 2.0])


def test_mse_has_a_gradient_for_the_target():
    gradients = []
    for lib in (gpudl, torch):
        x, target = lib.tensor([1.0, 2.0]), lib.tensor([3.0, 5.0], requires_grad=True)
        lib.nn.MSELoss()(x, target).backward()
        gradients.append(target.grad.tolist())
    assert gradients[0] == gradients[1] == [2, 3]


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda lib: lib.nn.HuberLoss(delta="1"), TypeError, "delta must be"),
        (lambda lib: lib.nn.MultiMarginLoss(3), ValueError, "p"),
        (lambda lib: lib.nn.MultiMarginLoss(weight=lib.ones(2, 2)), ValueError, "expected"),
        (lambda lib: lib.nn.TripletMarginLoss(0), ValueError, "margin"),
        (lambda lib: lib.nn.TripletMarginLoss(-1.0), ValueError, "margin"),
        (lambda lib: lib.nn.TripletMarginWithDistanceLoss(margin=0), ValueError, "margin"),
    ],
)
def test_settings_that_make_no_sense(make, error, match):
    for lib in (gpudl, torch):
        with pytest.raises(error, match=match):
            make(lib)


@pytest.mark.parametrize(
    ("loss", "x", "target", "error"),
    [
        (nn.CrossEntropyLoss(), (4, 3), np.zeros(5, int), gpudl.ShapeError),
        (nn.CrossEntropyLoss(), (4, 3), np.full(4, 3), IndexError),
        (nn.CrossEntropyLoss(gpudl.ones(2)), (4, 3), np.zeros(4, int), gpudl.ShapeError),
        (nn.CrossEntropyLoss(label_smoothing=2), (4, 3), np.zeros(4, int), RuntimeError),
        (nn.NLLLoss(), (4, 3), np.full(4, -1), IndexError),
        (nn.MultiMarginLoss(), (4, 3), np.zeros((4, 1), int), gpudl.ShapeError),
        (nn.BCEWithLogitsLoss(pos_weight=gpudl.ones(2)), (4, 3), np.zeros((4, 3), "f"), gpudl.ShapeError),
        (nn.BCELoss(), (4, 3), np.zeros((4, 2), "f"), gpudl.ShapeError),
        (nn.MSELoss(), (4, 3), np.zeros((4, 1), "f"), gpudl.ShapeError),
        (nn.HuberLoss(delta=0), (4, 3), np.zeros((4, 3), "f"), RuntimeError),
        (nn.SmoothL1Loss(beta=-1), (4, 3), np.zeros((4, 3), "f"), RuntimeError),
    ],
)
def test_what_does_not_fit_is_refused(loss, x, target, error):
    with pytest.raises(error, match=rf"^{type(loss).__name__}: |out of range"):
        loss(gpudl.ones(x), gpudl.tensor(target))
