"""CTC against PyTorch and against all paths one by one: lengths, paddings, layouts, impossible targets, errors."""

import itertools

import numpy as np
import pytest
from oracle import assert_same, host, ours, theirs, torch

import gpudl
import gpudl.nn.functional

INF = float("inf")
REDUCTIONS = ("none", "sum", "mean")


def scores(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).uniform(-2, 2, shape).astype(dtype)


def both(x, targets, inputs, counts, device, logits=True, **settings):
    """Losses and gradients of gpudl and of PyTorch, and compare them."""
    found = []
    for lib, made, plain in ((gpudl, ours(x, device, grad=True), ours), (torch, theirs(x, grad=True), theirs)):
        labels = plain(targets, device) if lib is gpudl else plain(targets)
        log_probs = lib.nn.functional.log_softmax(made, -1) if logits else made
        loss = lib.nn.functional.ctc_loss(log_probs, labels, inputs, counts, **settings)
        (loss * loss).sum().backward()
        found += [loss, made.grad]
    mine, mine_grad, want, want_grad = found
    label = f"{x.shape} {targets.shape} {inputs} {counts} {settings}"
    slack = 20 if x.dtype == "float32" else 4
    assert_same(mine, want, label, slack)
    assert_same(mine_grad, want_grad, f"gradient of {label}", slack * 20)
    return mine, mine_grad


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(12))
def test_random_batches_agree_with_torch(seed, dtype, device):
    rng = np.random.default_rng(seed)
    times, batch, classes, longest = (int(rng.integers(low, high)) for low, high in ((1, 20), (1, 6), (2, 7), (0, 7)))
    blank = int(rng.integers(classes))
    labels = rng.choice([c for c in range(classes) if c != blank], (batch, longest))
    counts = tuple(int(n) for n in rng.integers(0, longest + 1, batch))
    inputs = tuple(int(n) for n in rng.integers(0, times + 1, batch))
    packed = np.concatenate([row[:n] for row, n in zip(labels, counts)])
    x = scores(times, batch, classes, seed=seed, dtype=dtype)
    for reduction, zero_infinity in itertools.product(REDUCTIONS, (True, False)):
        settings = {"blank": blank, "reduction": reduction, "zero_infinity": zero_infinity}
        if not zero_infinity:  # impossible ones have no gradient: make the inputs long enough
            enough = [
                n + sum(a == b for a, b in itertools.pairwise(row[:n])) for row, n in zip(labels.tolist(), counts)
            ]
            if max(enough) > times:
                continue
            inputs = tuple(map(max, enough, inputs))
        both(x, labels, inputs, counts, device, **settings)
        both(x, packed, inputs, counts, device, **settings)
        both(x, labels, inputs, counts, device, logits=False, **settings)


def spelled(path, blank):
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("target", [(), (1,), (1, 1), (1, 3, 1)])
def test_the_loss_sums_over_all_paths(target, blank, device):
    times, classes = 4, 4
    x = scores(times, classes)
    log_probs = x - np.log(np.exp(x).sum(1, keepdims=True))
    every = itertools.product(range(classes), repeat=times)
    paths = [path for path in every if spelled(path, blank) == target]
    share = sum(np.exp(sum(log_probs[t, c] for t, c in enumerate(path))) for path in paths)
    loss = gpudl.nn.functional.ctc_loss(
        ours(log_probs, device), ours(np.array(target, "int64"), device), times, len(target), blank, "none"
    )
    assert loss.shape == ()
    np.testing.assert_allclose(host(loss), -np.log(share), rtol=1e-12)


@pytest.mark.parametrize("kind", [tuple, list, "int32", "int64"])
def test_lengths_of_every_kind(kind, device):
    x, labels = scores(6, 2, 4), np.array([[1, 2, 3], [1, 1, 0]])
    want = torch.nn.functional.ctc_loss(theirs(x), theirs(labels), (6, 5), (3, 2))
    lengths = [kind(n) if callable(kind) else ours(np.array(n, kind), device) for n in ((6, 5), (3, 2))]
    got = gpudl.nn.functional.ctc_loss(ours(x, device), ours(labels, device), *lengths)
    assert_same(got, want, str(kind))


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32"])
def test_targets_of_every_integer_dtype(kind, device):
    labels = np.array([[1, 2, 3], [1, 1, 0]])
    got = gpudl.nn.functional.ctc_loss(ours(scores(6, 2, 4), device), ours(labels.astype(kind), device), (6, 5), (3, 2))
    want = torch.nn.functional.ctc_loss(theirs(scores(6, 2, 4)), theirs(labels), (6, 5), (3, 2))
    assert_same(got, want, kind)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("rows", [False, True])
def test_without_a_batch(reduction, rows, device):
    x, labels = scores(6, 4), np.array([1, 2, 2])
    both(x, labels[None] if rows else labels, (6,), (3,), device, reduction=reduction)
    got = gpudl.nn.functional.ctc_loss(ours(x, device), ours(labels, device), 6, 3, reduction=reduction)
    assert_same(got, torch.nn.functional.ctc_loss(theirs(x), theirs(labels), (6,), (3,), reduction=reduction), "int")


def test_a_target_that_needs_more_time_is_impossible(device):
    x, labels = scores(3, 3, 4), np.array([[1, 2, 3], [1, 1, 2], [3, 0, 0]])
    given = (3, 3, 0), (3, 3, 1)
    for reduction in REDUCTIONS:
        settings = {"reduction": reduction, "zero_infinity": True}
        loss, gradient = both(x, labels, *given, device, **settings)
        assert np.isfinite(host(loss)).all()
        assert (host(gradient)[:, 1:] == 0).all() and (host(gradient)[:, 0] != 0).all()
    t = ours(x, device, grad=True)
    losses = gpudl.nn.functional.ctc_loss(t, ours(labels, device), *given, reduction="none")
    assert np.isinf(host(losses)).tolist() == [False, True, True]
    losses.sum().backward()
    got = host(t.grad)
    assert np.isfinite(got[:, 0]).all()
    assert np.isnan(got[:, 1]).all(), "an impossible target has no gradient"
    assert (got[:, 2] == 0).all(), "the third input has no time"


def test_padding_is_never_read(device):
    x, labels = scores(6, 2, 4), np.array([[1, 2, 3], [1, 1, 0]])
    want, want_grad = both(x, labels, (6, 4), (3, 2), device, logits=False, reduction="none")
    x[4:, 1], labels[1, 2] = np.nan, -77
    t = ours(x, device, grad=True)
    loss = gpudl.nn.functional.ctc_loss(t, ours(labels, device), (6, 4), (3, 2), reduction="none")
    (loss * loss).sum().backward()
    np.testing.assert_array_equal(host(loss), host(want))
    np.testing.assert_array_equal(host(t.grad), host(want_grad))


def test_a_class_of_no_probability_gets_no_gradient(device):
    x = scores(6, 1, 4)
    x[:, :, 3] = x[3, 0, 2] = x[4, 0, 0] = -INF
    t = ours(x, device, grad=True)
    gpudl.nn.functional.ctc_loss(t, ours(np.array([[1, 2]]), device), (6,), (2,)).backward()
    assert (host(t.grad)[np.isinf(x)] == 0).all(), "torch gives nan here"
    twin = theirs(x, grad=True)
    torch.nn.functional.ctc_loss(twin, torch.tensor([[1, 2]]), (6,), (2,)).backward()
    np.testing.assert_allclose(host(t.grad)[np.isfinite(x)], twin.grad.numpy()[np.isfinite(x)], rtol=1e-9)


def test_long_inputs_neither_overflow_nor_lose_more_digits_than_torch(device):
    x = scores(600, 2, 30, dtype="float32") * 4
    labels = np.random.default_rng(0).integers(1, 30, (2, 40))

    def gradient(lib, t, labels):
        log_probs = lib.nn.functional.log_softmax(t, -1)
        lib.nn.functional.ctc_loss(log_probs, labels, (600, 550), (40, 35), reduction="sum").backward()
        return host(t.grad) if lib is gpudl else t.grad.numpy()

    exact = gradient(torch, theirs(x.astype("float64"), grad=True), theirs(labels))
    mine = gradient(gpudl, ours(x, device, grad=True), ours(labels, device))
    twin = gradient(torch, theirs(x, grad=True), theirs(labels))
    assert abs(mine - exact).max() < 2 * abs(twin - exact).max() + 1e-6


def test_half_floats_are_computed_in_float32(device):
    x, labels = scores(8, 2, 4, dtype="float16"), np.array([[1, 2, 3], [1, 1, 0]])
    got = gpudl.nn.functional.ctc_loss(ours(x, device), ours(labels, device), (8, 5), (3, 2), reduction="none")
    want = torch.nn.functional.ctc_loss(
        theirs(x.astype("float32")), theirs(labels), (8, 5), (3, 2), reduction="none"
    ).half()
    assert_same(got, want, "half")


def test_a_graph_of_the_gradient_may_be_recorded_but_not_differentiated(device):
    t = ours(scores(5, 1, 3), device, grad=True)
    labels = ours(np.array([[1, 2]]), device)
    (plain,) = gpudl.autograd.grad(gpudl.nn.functional.ctc_loss(t, labels, (4,), (2,)), t)
    loss = gpudl.nn.functional.ctc_loss(t, labels, (4,), (2,))
    (gradient,) = gpudl.autograd.grad(loss, t, create_graph=True)
    np.testing.assert_array_equal(host(gradient), host(plain))
    with pytest.raises(NotImplementedError, match=r"second gradient.*detach"):
        gradient.sum().backward()


LABELS = np.array([[1, 2, 3], [1, 1, 2]])
BAD = {
    "blank beyond the classes": ({"blank": 4}, RuntimeError, "blank.*0 to 3.*4"),
    "blank below 0": ({"blank": -1}, RuntimeError, "blank"),
    "reduction": ({"reduction": "average"}, ValueError, "average"),
    "inputs too long": ({"input_lengths": (7, 6)}, RuntimeError, "at most 6"),
    "inputs below 0": ({"input_lengths": (-1, 6)}, RuntimeError, "0 or more"),
    "inputs too few": ({"input_lengths": (6,)}, RuntimeError, "batch of 2.*got 1"),
    "targets too long": ({"target_lengths": (4, 3)}, RuntimeError, "4 labels.*\\(2, 3\\)"),
    "targets below 0": ({"target_lengths": (-1, 3)}, RuntimeError, "0 or more"),
    "targets too few": ({"target_lengths": (3,)}, RuntimeError, "batch of 2.*got 1"),
    "rows of targets": ({"targets": LABELS[:1]}, RuntimeError, "2 targets.*\\(1, 3\\)"),
    "targets in a row": ({"targets": LABELS.reshape(-1)[:5]}, RuntimeError, "target_lengths, 6.*\\(5,\\)"),
    "targets of 3 dims": ({"targets": LABELS[None]}, RuntimeError, "shape \\(1, 2, 3\\)"),
    "log_probs of 1 dim": ({"log_probs": scores(4)}, RuntimeError, "\\(4,\\)"),
    "no batch": ({"log_probs": scores(6, 0, 4)}, RuntimeError, "none of them 0"),
    "no times": ({"log_probs": scores(0, 2, 4)}, RuntimeError, "none of them 0"),
    "integers": ({"log_probs": np.ones((6, 2, 4), "int64")}, RuntimeError, "int64"),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_are_those_of_torch_and_name_what_is_wrong(name, device):
    change, error, message = BAD[name]
    given = {
        "log_probs": scores(6, 2, 4),
        "targets": LABELS,
        "input_lengths": (6, 6),
        "target_lengths": (3, 3),
    } | change

    def call(lib, make):
        made = {key: make(value) if isinstance(value, np.ndarray) else value for key, value in given.items()}
        return lib.nn.functional.ctc_loss(**made)

    with pytest.raises(error, match=f"ctc_loss: .*{message}"):
        call(gpudl, lambda value: ours(value, device))
    with pytest.raises(error):
        call(torch, theirs)


@pytest.mark.parametrize("kind", ["float32", "bool"])
def test_targets_and_lengths_must_be_integers(kind, device):
    x, labels = ours(scores(6, 2, 4), device), ours(LABELS, device)
    with pytest.raises(RuntimeError, match=f"targets must be.*{kind}"):
        gpudl.nn.functional.ctc_loss(x, ours(LABELS.astype(kind), device), (6, 6), (3, 3))
    with pytest.raises(RuntimeError, match=f"input_lengths must be integers, got {kind}"):
        gpudl.nn.functional.ctc_loss(x, labels, ours(np.array([6, 6]).astype(kind), device), (3, 3))
    with pytest.raises(TypeError):
        gpudl.nn.functional.ctc_loss(x, labels, (6, 6), (3.0, 3.0))


@pytest.mark.parametrize("bad", [4, -1])
def test_labels_out_of_range_are_found(bad, device):
    labels = np.array([[1, 2, 3], [1, bad, 2]])
    if device.type == "cpu":
        with pytest.raises(IndexError, match=rf"target {bad}\b.*4 classes"):
            gpudl.nn.functional.ctc_loss(ours(scores(6, 2, 4), device), ours(labels, device), (6, 6), (3, 3))
