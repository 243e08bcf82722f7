"""Softmax, cross-entropy, linear and sums where the numbers get hard: huge, infinite, half, or none at all."""

import numpy as np
import pytest
from oracle import assert_same, check_gradients, host, ours, outcome, theirs, torch

import gpudl
import gpudl.nn.functional
from gpudl.autograd import gradgradcheck

INF = np.inf


def compare(call, arrays, device, label, slack=1.0):
    """Values and gradients of call(lib, *tensors) agree."""
    mine, twins = [ours(x, device, grad=True) for x in arrays], [theirs(x, grad=True) for x in arrays]
    got, want = outcome(call, gpudl, *mine), outcome(call, torch, *twins)
    assert_same(got, want, label, slack)
    check_gradients(got, want, mine, twins, label, slack)
    return got


LOGITS = {
    "large": [[1000.0, 999.0, 0.0], [1e4, 1e4 + 0.25, 1e4 - 2]],
    "larger than exp can take": [[1e30, 0.0, -1e30], [-1e30, -1e30, -1e30]],
    "far apart": [[0.0, -1e4, 88.0], [-104.0, 0.0, 1e3]],
    "a shifted row": [[100.1, 99.9, 100.3], [-100.1, -99.9, -100.3]],
    "-inf among others": [[0.0, -INF, 1.0], [-INF, -INF, 5.0]],
    "a row of -inf": [[-INF, -INF, -INF], [0.0, 1.0, 2.0]],
    "inf": [[INF, 0.0, 1.0], [INF, INF, 0.0]],
    "nan": [[np.nan, 0.0, 1.0], [0.0, 1.0, 2.0]],
    "equal": [[7.0, 7.0, 7.0], [0.0, 0.0, 0.0]],
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", LOGITS)
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_softmax_of_hard_logits(op, name, dtype, device):
    with np.errstate(over="ignore"):
        x = np.array(LOGITS[name]).astype(dtype)
    for dim in (0, 1):
        compare(lambda lib, t, dim=dim: getattr(lib, op)(t, dim), [x], device, f"{op} of {name} {dtype} dim {dim}")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", LOGITS)
@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.1}, {"weight": True}], ids=str)
def test_cross_entropy_of_hard_logits(name, dtype, settings, device):
    with np.errstate(over="ignore"):
        x = np.array(LOGITS[name]).astype(dtype)
    weight = np.array([0.5, 2.0, 1.0], dtype)
    for target in ([0, 1], [2, 2], [1, -100]):
        for reduction in ("none", "mean"):

            def call(lib, t, labels, reduction=reduction):
                given = dict(settings)
                if "weight" in given:
                    given["weight"] = ours(weight, device) if lib is gpudl else theirs(weight)
                return lib.nn.functional.cross_entropy(t, labels, reduction=reduction, **given)

            compare(call, [x, np.array(target)], device, f"{name} {dtype} {target} {reduction} {settings}", slack=2)


def test_cross_entropy_of_large_logits_keeps_its_digits(device):
    x = np.array([[1e4, 1e4 + 0.5, 1e4 - 1]], "float32")
    for settings in ({}, {"label_smoothing": 0.2}):
        exact = torch.nn.functional.cross_entropy(theirs(x.astype("float64")), torch.tensor([0]), **settings)
        t = ours(x, device, grad=True)
        loss = gpudl.nn.functional.cross_entropy(t, ours(np.array([0]), device), **settings)
        assert abs(loss.item() - exact.item()) < 1e-6
        loss.backward()
        assert abs(host(t.grad).sum()) < 1e-6


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "int32", "int64"])
def test_targets_of_every_integer_dtype(kind, device):
    x = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)
    target = np.array([0, 2, 1, 1])
    want = torch.nn.functional.cross_entropy(theirs(x), theirs(target))
    got = gpudl.nn.functional.cross_entropy(ours(x, device), ours(target.astype(kind), device))
    assert_same(got, want, kind)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_all_targets_ignored(reduction, smoothing, device):
    x, target = np.ones((3, 4), "float32"), np.array([1, 1, 1])

    def call(lib, t, labels):
        return lib.nn.functional.cross_entropy(
            t, labels, ignore_index=1, reduction=reduction, label_smoothing=smoothing
        )

    got = compare(call, [x, target], device, reduction)
    assert np.isnan(host(got)).all() == (reduction == "mean")


@pytest.mark.parametrize("target", [[0, 3, 1], [0, -1, 1], [-100, 0, 7]])
def test_labels_out_of_range_name_the_label(target, device):
    x = gpudl.ones(3, 3, device=device)
    bad = next(label for label in target if label != -100 and not 0 <= label < 3)
    if device.type == "cpu":
        with pytest.raises(IndexError, match=rf"target {bad}\b.*3 classes"):
            gpudl.nn.functional.cross_entropy(x, ours(np.array(target), device))


def test_an_ignored_label_may_be_out_of_range(device):
    x, target = np.ones((3, 3), "float32"), np.array([0, 255, 1])
    compare(lambda lib, t, y: lib.nn.functional.cross_entropy(t, y, ignore_index=255), [x, target], device, "255")


@pytest.mark.parametrize("rows", [5, 700])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_runs_backward_more_than_once(rows, reduction, smoothing, device):
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((rows, 100)), rng.integers(0, 100, rows)
    target[2] = -100

    def grads(lib, t, labels):
        loss = lib.nn.functional.cross_entropy(t, labels, reduction=reduction, label_smoothing=smoothing)
        weights = lib.ones_like(loss) * 1.5
        found = []
        for _ in range(3):
            loss.backward(weights, retain_graph=True)
            found.append(t.grad)
            t.grad = None
        (recorded,) = lib.autograd.grad(loss, t, weights, create_graph=True)
        (second,) = lib.autograd.grad((recorded * recorded).sum(), t)
        return [*found, recorded, second]

    mine = grads(gpudl, ours(x, device, grad=True), ours(target, device))
    for got, want in zip(mine, grads(torch, theirs(x, grad=True), theirs(target)), strict=True):
        assert_same(got, want, f"{rows} {reduction}", slack=4)
    assert mine[0].array is not mine[1].array


def test_probabilities_have_gradients(device):
    x = np.random.default_rng(0).standard_normal((4, 3))
    p = np.random.default_rng(1).dirichlet(np.ones(3), 4)
    w = np.array([0.5, 1.0, 2.0])

    def call(lib, t, q, weight):
        return lib.nn.functional.cross_entropy(t, q, weight, label_smoothing=0.1)

    compare(call, [x, p, w], device, "probabilities")
    assert gradgradcheck(lambda *a: call(gpudl, *a), [ours(a, device, grad=True) for a in (x, p, w)])


def test_weights_beside_class_indices_have_no_gradient(device):
    x, target = gpudl.ones(2, 3, device=device), ours(np.array([0, 1]), device)
    with pytest.raises(RuntimeError, match="detach"):
        gpudl.nn.functional.cross_entropy(x, target, gpudl.ones(3, device=device, requires_grad=True))


@pytest.mark.parametrize(
    ("shape", "target", "weight"),
    [((2, 3), (3,), None), ((2, 3), (2, 1), None), ((2, 3, 4), (2, 3), None), ((3,), (1,), None), ((2, 3), (2,), (2,))],
)
def test_shapes_that_do_not_fit(shape, target, weight, device):
    args = [gpudl.ones(shape, device=device), gpudl.zeros(target, dtype=gpudl.int64, device=device)]
    args += [] if weight is None else [gpudl.ones(weight, device=device)]
    with pytest.raises(gpudl.ShapeError, match="cross_entropy"):
        gpudl.nn.functional.cross_entropy(*args)


def test_a_gradient_that_is_not_one_passes_through(device):
    x, target = np.random.default_rng(0).standard_normal((5, 3)), np.array([0, 1, 2, 1, -100])

    def call(lib, t, y):
        losses = lib.nn.functional.cross_entropy(t, y, reduction="none")
        mean = lib.nn.functional.cross_entropy(t * 2, y)
        return (losses * losses).sum() * mean

    compare(call, [x, target], device, "composed")
    labels = ours(target, device)
    assert gradgradcheck(lambda t: call(gpudl, t, labels), ours(x, device, grad=True))


def test_half_floats_are_added_in_float32(device):
    ones = np.ones((4100, 2), "float16")
    w, b = np.ones((3, 2), "float16"), np.zeros(3, "float16")
    calls = {
        "sum": (lambda lib, x: x.sum(0), [ones]),
        "mean": (lambda lib, x: x.mean(0), [ones]),
        "broadcast": (lambda lib, x, y: x + y, [ones, ones[:1]]),
        "linear": (lambda lib, x, y, z: lib.nn.functional.linear(x, y, z), [ones, w, b]),
        "softmax": (lambda lib, x: lib.softmax(x, 0), [ones]),
        "log_softmax": (lambda lib, x: lib.log_softmax(x, 0), [ones]),
        "var": (lambda lib, x: ((x - x.mean(0)) ** 2).mean(), [ones]),
    }
    for name, (call, arrays) in calls.items():
        mine = [ours(x, device, grad=True) for x in arrays]
        twins = [theirs(x, grad=True) for x in arrays]
        got, want = call(gpudl, *mine), call(torch, *twins)
        assert_same(got, want, name)
        got.backward(gpudl.ones(got.shape, dtype=gpudl.float16, device=device))
        want.backward(torch.ones_like(want))
        for x, twin in zip(mine, twins):
            assert_same(x.grad, twin.grad, f"gradient of {name}")


def test_means_of_more_half_floats_than_half_floats_count(device):
    x = gpudl.ones(70_000, dtype=gpudl.float16, device=device).requires_grad_()
    mean = x.mean()
    assert mean.item() == 1
    mean.backward()
    np.testing.assert_allclose(host(x.grad), np.float16(1 / 70_000))
    logits = gpudl.zeros(70_000, 2, dtype=gpudl.float16, device=device)
    labels = gpudl.zeros(70_000, dtype=gpudl.int64, device=device)
    loss = gpudl.nn.functional.cross_entropy(logits, labels)
    assert abs(loss.item() - np.log(2)) < 1e-3


def test_linear_without_rows_or_features(device):
    for shape, features in (((0, 3), (4, 3)), ((2, 0, 3), (4, 3)), ((2, 0), (4, 0)), ((2, 3), (0, 3)), ((0,), (2, 0))):
        arrays = [np.ones(shape, "float32"), np.ones(features, "float32"), np.ones(features[0], "float32")]
        compare(lambda lib, *t: lib.nn.functional.linear(*t), arrays, device, f"{shape} {features}")


def test_relu_lets_gradients_pass_as_they_are(device):
    x = ours(np.array([-1.0, 0.0, -0.0, 2.0, np.nan]), device, grad=True)
    x.relu().backward(ours(np.array([INF, INF, np.nan, INF, 5.0]), device))
    np.testing.assert_array_equal(host(x.grad), [0, 0, 0, INF, 5])
