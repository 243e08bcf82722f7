"""Losses give PyTorch's values and gradients for every setting, and refuse what does not fit."""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest
from tolerances import assert_close
from twins import array, compare

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")

REDUCTIONS = ("mean", "sum", "none")
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def build(name, weights=(), **settings):
    """library -> the loss, its weights given as arrays."""
    return lambda lib: getattr(lib.nn, name)(
        **settings, **{key: lib.tensor(value) for key, value in dict(weights).items()}
    )


def check(device, name, *args, weights=(), dtype="float32", slack=4, **settings):
    args = [np.asarray(each) for each in args]
    compare(build(name, weights, **settings), *args, device=device, dtype=dtype, slack=slack, calls=1, modes=("train",))


def signs(*shape, dtype="float32", seed=7):
    return np.where(array(*shape, seed=seed) > 0, 1, -1).astype(dtype)


def labels(count, *shape, seed=5):
    return np.random.default_rng(seed).integers(0, count, size=shape)


def positive(*shape, dtype="float32", seed=3):
    return np.asarray(np.abs(array(*shape, dtype=dtype, seed=seed)) + dtype_of(dtype)(0.25), dtype)


def dtype_of(name):
    return np.dtype(name).type


def probabilities(*shape, dtype="float32", seed=4):
    return np.asarray(np.random.default_rng(seed).uniform(0.02, 0.98, shape), dtype)


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


@both_dtypes
@every_reduction
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [-100, 2])
def test_cross_entropy(device, dtype, reduction, smoothing, weighted, ignored):
    weights = {"weight": positive(5, dtype=dtype)} if weighted else {}
    for shape in ((6, 5), (2, 5, 3), (2, 5, 2, 3)):
        target = labels(5, shape[0], *shape[2:])
        target.reshape(-1)[1] = ignored
        x = array(*shape, dtype=dtype) * 2
        check(device, "CrossEntropyLoss", x, target, weights=weights, dtype=dtype, reduction=reduction,
              label_smoothing=smoothing, ignore_index=ignored, slack=8)  # fmt: skip


@every_reduction
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_with_probabilities(device, reduction, smoothing, weighted):
    weights = {"weight": positive(5)} if weighted else {}
    for shape in ((6, 5), (2, 5, 3), (5,)):
        target = np.abs(array(*shape, seed=1))
        target /= target.sum(1 if target.ndim > 1 else 0, keepdims=True)
        check(device, "CrossEntropyLoss", array(*shape), target, weights=weights, reduction=reduction,
              label_smoothing=smoothing, slack=8)  # fmt: skip


@every_reduction
@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"])
def test_one_row_none_and_all_ignored(device, name, reduction):
    check(device, name, array(5), labels(5), reduction=reduction)
    check(device, name, array(5), labels(5), reduction=reduction, weights={"weight": positive(5)})
    if name != "MultiMarginLoss":  # whose value without rows is uninitialized memory in PyTorch
        check(device, name, array(0, 5), labels(5, 0), reduction=reduction)
        check(device, name, array(3, 5), np.full(3, 1), reduction=reduction, ignore_index=1)
        check(device, name, array(5), np.asarray(1), reduction=reduction, ignore_index=1)


@both_dtypes
@every_reduction
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [-100, 2])
def test_negative_log_likelihood(device, dtype, reduction, weighted, ignored):
    weights = {"weight": positive(5, dtype=dtype)} if weighted else {}
    for shape in ((6, 5), (2, 5, 3), (2, 5, 2, 3)):
        target = labels(5, shape[0], *shape[2:])
        target.reshape(-1)[1] = ignored
        x = -positive(*shape, dtype=dtype)
        check(device, "NLLLoss", x, target, weights=weights, dtype=dtype, reduction=reduction, ignore_index=ignored)


def test_the_former_name_of_nll_loss(device):
    results = []
    for lib in (gpudl, torch):
        with pytest.warns(FutureWarning, match="NLLLoss"):
            loss = lib.nn.NLLLoss2d(lib.ones(3), ignore_index=1, reduction="sum")
        assert isinstance(loss, lib.nn.NLLLoss)
        results.append(float(loss(lib.tensor(array(2, 3, 2, 2)), lib.tensor(labels(3, 2, 2, 2)))))
    assert math.isclose(*results, rel_tol=1e-6)


@both_dtypes
@every_reduction
@pytest.mark.parametrize("weight", [None, (3,), (4, 3), (4, 1), ()])
def test_binary_cross_entropy(device, dtype, reduction, weight):
    weights = {} if weight is None else {"weight": positive(*weight, dtype=dtype)}
    target = probabilities(4, 3, dtype=dtype, seed=8)
    check(
        device, "BCELoss", probabilities(4, 3, dtype=dtype), target, weights=weights, dtype=dtype, reduction=reduction
    )
    for pos_weight in (None, (3,), (4, 3)):
        both = {**weights, **({} if pos_weight is None else {"pos_weight": positive(*pos_weight, dtype=dtype, seed=9)})}
        check(device, "BCEWithLogitsLoss", array(4, 3, dtype=dtype) * 3, target, weights=both, dtype=dtype,
              reduction=reduction, slack=8)  # fmt: skip


@every_reduction
@pytest.mark.parametrize("name", ["BCELoss", "BCEWithLogitsLoss", "SoftMarginLoss"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 3)])
def test_binary_losses_of_any_shape(device, name, shape, reduction):
    # PyTorch has no gradient to the target of SoftMarginLoss: integers want none.
    target = signs(*shape, dtype="int64") if name == "SoftMarginLoss" else (signs(*shape) + 1) / np.float32(2)
    check(device, name, probabilities(*shape), target, reduction=reduction)


def test_certainties_and_far_logits(device):
    """Exactly 0 and 1 count as -100 in BCELoss; logits of any size stay finite in BCEWithLogitsLoss."""
    x = np.array([0, 1, 0, 1, 0.5], "float32")
    target = np.array([0, 1, 1, 0, 1], "float32")
    for reduction in REDUCTIONS:
        results = [
            build("BCELoss", reduction=reduction)(lib)(lib.tensor(x), lib.tensor(target)) for lib in (gpudl, torch)
        ]
        assert_close(results[0].numpy(), results[1].numpy(), reduction)
    assert results[0].tolist()[2:4] == [100, 100]
    far = np.array([1e30, -1e30, 1e4, -1e4, 0], "float32")
    for reduction in ("sum", "none"):
        check(device, "BCEWithLogitsLoss", far, target, reduction=reduction)
        check(device, "BCEWithLogitsLoss", far, target, reduction=reduction, weights={"pos_weight": positive(5)})
    check(device, "CrossEntropyLoss", np.stack([far, far[::-1]]), labels(5, 2), reduction="none")


@both_dtypes
@every_reduction
def test_losses_of_labels(device, dtype, reduction):
    for shape in ((4, 5), (5,), (2, 3, 5), (0, 5)):
        target = (signs(*shape, dtype=dtype) + 1) / dtype_of(dtype)(2)
        for weights in ({}, {"weight": positive(5, dtype=dtype)}):
            check(device, "MultiLabelSoftMarginLoss", array(*shape, dtype=dtype), target, weights=weights, dtype=dtype,
                  reduction=reduction)  # fmt: skip
    some = np.array([[3, 0, -1, 1, 2], [-1, 0, 1, 2, 3], [0, 1, 2, 3, 4], [2, 2, -1, -1, -1]])
    check(device, "MultiLabelMarginLoss", array(4, 5, dtype=dtype), some, dtype=dtype, reduction=reduction)
    check(device, "MultiLabelMarginLoss", array(5, dtype=dtype), some[0], dtype=dtype, reduction=reduction)


@both_dtypes
@every_reduction
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("margin", [1.0, 0.3, -0.5])
def test_multi_margin(device, dtype, reduction, p, margin):
    for weights in ({}, {"weight": positive(5, dtype=dtype)}):
        check(device, "MultiMarginLoss", array(6, 5, dtype=dtype), labels(5, 6), weights=weights, dtype=dtype,
              reduction=reduction, p=p, margin=margin)  # fmt: skip


@both_dtypes
@every_reduction
@pytest.mark.parametrize("log_input", [True, False])
@pytest.mark.parametrize("full", [True, False])
def test_poisson(device, dtype, reduction, log_input, full):
    for shape in ((4, 3), (), (0, 3), (2, 2, 2)):
        for counts in (labels(6, *shape), positive(*shape, dtype=dtype, seed=6)):
            check(device, "PoissonNLLLoss", positive(*shape, dtype=dtype), counts, dtype=dtype, log_input=log_input,
                  full=full, eps=1e-3, reduction=reduction, slack=8)  # fmt: skip


@both_dtypes
@every_reduction
@pytest.mark.parametrize("full", [True, False])
def test_gaussian(device, dtype, reduction, full):
    for shape, of_var in (((4, 3), (4, 3)), ((4, 3), (4, 1)), ((4, 3), (4,)), ((0, 3), (0, 3)), ((5,), (5,))):
        args = (array(*shape, dtype=dtype), array(*shape, dtype=dtype, seed=2), positive(*of_var, dtype=dtype))
        check(device, "GaussianNLLLoss", *args, dtype=dtype, full=full, reduction=reduction)
        check(device, "GaussianNLLLoss", *args, dtype=dtype, full=full, reduction=reduction, eps=0.75)
    loss = nn.GaussianNLLLoss(full=full, reduction=reduction)
    x, target = (gpudl.tensor(each, device=device) for each in args[:2])
    assert gpudl.equal(loss(x, target, 0.5), loss(x, target, gpudl.full_like(x, 0.5)))


@both_dtypes
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [True, False])
@pytest.mark.filterwarnings("ignore:reduction:UserWarning:torch")
def test_divergence(device, dtype, reduction, log_target):
    for shape in ((4, 3), (2, 3, 4), (5,), ()):
        logs, target = -positive(*shape, dtype=dtype), probabilities(*shape, dtype=dtype)
        check(device, "KLDivLoss", logs, np.log(target) if log_target else target, dtype=dtype, reduction=reduction,
              log_target=log_target)  # fmt: skip


@both_dtypes
@every_reduction
@pytest.mark.parametrize("margin", [None, 0.3, -0.2, 2.0])
def test_pairs(device, dtype, reduction, margin):
    given = {"dtype": dtype, "reduction": reduction, **({} if margin is None else {"margin": margin})}
    for shape in ((6,), (4, 3), (), (0, 3)):
        x, y = array(*shape, dtype=dtype), array(*shape, dtype=dtype, seed=2)
        check(device, "MarginRankingLoss", x, y, signs(*shape, dtype=dtype), **given)
        check(device, "HingeEmbeddingLoss", positive(*shape, dtype=dtype), signs(*shape).astype("int64"), **given)
    for shape in ((6, 4), (4,), (0, 4)):
        x, y = array(*shape, dtype=dtype), array(*shape, dtype=dtype, seed=2)
        check(device, "CosineEmbeddingLoss", x, y, signs(*shape[:-1]).astype("int64"), **given)


@both_dtypes
@every_reduction
@pytest.mark.parametrize("swap", [True, False])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, math.inf])
def test_triplets(device, dtype, reduction, swap, p):
    for shape in ((5, 4), (4,), (2, 3, 4)):
        args = [array(*shape, dtype=dtype, seed=seed) for seed in (0, 1, 2)]
        settings = {"dtype": dtype, "reduction": reduction, "swap": swap, "margin": 0.7}
        check(device, "TripletMarginLoss", *args, p=p, eps=1e-3, **settings)
    check(device, "TripletMarginLoss", *(array(5, 4, seed=seed) for seed in (0, 1, 2)), reduction=reduction)


class Manhattan:
    """A distance that both libraries compute."""

    def __call__(self, x, y):
        return (x - y).abs().sum(-1)

    def __repr__(self):
        return "Manhattan()"


@both_dtypes
@every_reduction
@pytest.mark.parametrize("swap", [True, False])
@pytest.mark.parametrize("distance", [None, Manhattan()])
def test_triplets_with_a_distance(device, dtype, reduction, swap, distance):
    results = []
    for lib, place in ((gpudl, {"device": device}), (torch, {})):
        given = [lib.tensor(array(5, 4, dtype=dtype, seed=seed), **place).requires_grad_() for seed in (0, 1, 2)]
        settings = {"margin": 0.4, "swap": swap, "reduction": reduction, "distance_function": distance}
        y = lib.nn.TripletMarginWithDistanceLoss(**settings)(*given)
        (y * y).sum().backward()
        results.append([y.detach().cpu().numpy(), *(x.grad.cpu().numpy() for x in given)])
    for got, want in zip(*results):
        assert_close(got, want, "loss and gradients", 8)


def test_a_distance_that_is_a_module_is_trained(device):
    class Weighted(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(gpudl.ones(4, device=device))

        def forward(self, x, y):
            return ((x - y) * self.scale).abs().sum(-1)

    loss = nn.TripletMarginWithDistanceLoss(distance_function=Weighted())
    assert [name for name, _ in loss.named_parameters()] == ["distance_function.scale"]
    loss(*(gpudl.tensor(array(5, 4, seed=seed), device=device) for seed in (0, 1, 2))).backward()
    assert loss.distance_function.scale.grad.abs().sum() > 0


@both_dtypes
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("zero_infinity", [True, False])
@pytest.mark.parametrize("blank", [0, 3])
def test_ctc(device, dtype, reduction, zero_infinity, blank):
    """Batched and not, targets in rows and in one row; the last target of three does not fit into its input."""
    target = labels(4, 3, 4, seed=2)
    target = np.where(target == blank, blank + 1 if blank < 3 else 1, target)
    lengths, counts = np.array([7, 6, 2 if zero_infinity else 5]), np.array([3, 4, 4 if zero_infinity else 1])
    results = []
    for lib, place in ((gpudl, {"device": device}), (torch, {})):
        found = []
        loss = lib.nn.CTCLoss(blank, reduction, zero_infinity)
        row = np.concatenate([each[:n] for each, n in zip(target, counts)])
        for targets in (target, row):
            x = lib.tensor(array(7, 3, 4, dtype=dtype), **place).requires_grad_()
            given = [lib.tensor(each, **place) for each in (targets, lengths, counts)]
            y = loss(lib.nn.LogSoftmax(-1)(x), *given)
            y.sum().backward()
            found += [y, x.grad]
        x = lib.tensor(array(7, 4, dtype=dtype), **place)
        single = [lib.tensor(np.asarray(each), **place) for each in (target[0], 7, 4)]
        found.append(loss(lib.nn.LogSoftmax(-1)(x), *single))
        results.append([each.detach().cpu().numpy() for each in found])
    for got, want in zip(*results):
        assert_close(got, want, "ctc", 10)


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
    assert (nn.KLDivLoss(reduction="batchmean").reduction == "batchmean") is True


@pytest.mark.parametrize("name", LOSSES)
def test_what_stands_behind_outdated_settings_is_given_by_name(name):
    """By place, code for PyTorch would mean something else here."""
    theirs = list(inspect.signature(getattr(torch.nn, name)).parameters)
    mine = inspect.signature(getattr(nn, name)).parameters
    if "size_average" in theirs:
        behind = [p for p in theirs[theirs.index("size_average") :] if p not in ("size_average", "reduce")]
        assert [p for p in mine if mine[p].kind is inspect.Parameter.KEYWORD_ONLY] == behind
        with pytest.raises(TypeError, match="size_average"):
            getattr(nn, name)(size_average=False)


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
        if name != "TripletMarginWithDistanceLoss":
            assert repr(each) == repr(theirs) == f"{name}()"


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
    with pytest.raises(error, match=r"\[in |out of range"):
        loss(gpudl.ones(x), gpudl.tensor(target))
