"""Layers and losses on a device other than the host give what they give on the CPU: nothing of the host gets in."""

import numpy as np
import pytest
from tolerances import assert_close
from twins import leaves

import gpudl
from gpudl import nn
from gpudl.nn.utils import parametrizations
from tests.backend.loopback import registered

RNG = np.random.default_rng(0)


def reals(*shape):
    return RNG.normal(size=shape).astype("float32")


def classes(*shape):
    return RNG.integers(0, 5, shape)


IMAGES, ROWS, STEPS = reals(2, 3, 6, 6), reals(4, 6), reals(5, 2, 3)
TOKENS = reals(2, 5, 8)

CASES = {
    "Linear": (lambda: nn.Linear(6, 4), ROWS),
    "Bilinear": (lambda: nn.Bilinear(6, 6, 5), ROWS, ROWS),
    "Conv1d": (lambda: nn.Conv1d(2, 4, 3, groups=2), reals(2, 2, 6)),
    "Conv2d": (lambda: nn.Conv2d(3, 4, 3, padding=1), IMAGES),
    "Conv2d reflecting": (lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), IMAGES),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 4, 3, stride=2), IMAGES),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGES),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), IMAGES),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(4), IMAGES),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d(2), IMAGES),
    "FractionalMaxPool2d": (lambda: nn.FractionalMaxPool2d(2, output_ratio=0.5), IMAGES),
    "MaxUnpool2d": (lambda: nn.MaxUnpool2d(2), reals(1, 1, 2, 2), np.array([[[[0, 2], [8, 10]]]])),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(6), ROWS),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3, momentum=None), IMAGES),
    "LayerNorm": (lambda: nn.LayerNorm(6), IMAGES),
    "GroupNorm": (lambda: nn.GroupNorm(3, 3), IMAGES),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(3, affine=True, track_running_stats=True), IMAGES),
    "RMSNorm": (lambda: nn.RMSNorm(6), ROWS),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3), IMAGES),
    "Dropout": (lambda: nn.Dropout(0.5), ROWS),
    "Dropout2d": (lambda: nn.Dropout2d(0.5), IMAGES),
    "AlphaDropout": (lambda: nn.AlphaDropout(0.5), ROWS),
    "Embedding": (lambda: nn.Embedding(5, 4, padding_idx=1), classes(2, 3)),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(5, 4), classes(2, 3)),
    "RNN": (lambda: nn.RNN(3, 4, 2, bidirectional=True), STEPS),
    "LSTM": (lambda: nn.LSTM(3, 4, 2, batch_first=True, proj_size=2), STEPS),
    "GRU": (lambda: nn.GRU(3, 4), STEPS),
    "LSTMCell": (lambda: nn.LSTMCell(6, 4), ROWS),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2, batch_first=True), TOKENS, TOKENS, TOKENS),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True), TOKENS),
    "Transformer": (lambda: nn.Transformer(8, 2, 1, 1, 16, dropout=0.0), TOKENS, TOKENS),
    "CausalSelfAttention": (lambda: nn.CausalSelfAttention(8, 2, rotary=nn.RotaryEmbedding(4)), TOKENS),
    "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGES),
    "Upsample nearest": (lambda: nn.Upsample(scale_factor=2), IMAGES),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), reals(2, 4, 3, 3)),
    "Unfold": (lambda: nn.Unfold(2), IMAGES),
    "Fold": (lambda: nn.Fold((5, 5), 2), reals(2, 12, 16)),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d(1), IMAGES),
    "PReLU": (lambda: nn.PReLU(6), ROWS),
    "RReLU": (lambda: nn.RReLU(), ROWS),
    "GELU": (lambda: nn.GELU(), ROWS),
    "GLU": (lambda: nn.GLU(), ROWS),
    "Softmax": (lambda: nn.Softmax(-1), ROWS),
    "CosineSimilarity": (lambda: nn.CosineSimilarity(), ROWS, ROWS[::-1].copy()),
    "PairwiseDistance": (lambda: nn.PairwiseDistance(), ROWS, ROWS[::-1].copy()),
    "CrossEntropyLoss": (lambda: nn.CrossEntropyLoss(label_smoothing=0.1), ROWS, classes(4)),
    "NLLLoss": (lambda: nn.NLLLoss(), ROWS, classes(4)),
    "BCEWithLogitsLoss": (lambda: nn.BCEWithLogitsLoss(), ROWS, abs(ROWS) % 1),
    "KLDivLoss": (lambda: nn.KLDivLoss(reduction="batchmean"), ROWS, abs(ROWS) % 1),
    "CTCLoss": (lambda: nn.CTCLoss(), reals(6, 2, 5), classes(2, 3) % 4 + 1, np.array([6, 6]), np.array([3, 3])),
    "MultiMarginLoss": (lambda: nn.MultiMarginLoss(), ROWS, classes(4)),
    "TripletMarginLoss": (lambda: nn.TripletMarginLoss(), ROWS, ROWS[::-1].copy(), reals(4, 6)),
    "HuberLoss": (lambda: nn.HuberLoss(), ROWS, reals(4, 6)),
    "AdaptiveLogSoftmaxWithLoss": (lambda: nn.AdaptiveLogSoftmaxWithLoss(6, 10, [4]), ROWS, classes(4)),
    "weight_norm": (lambda: parametrizations.weight_norm(nn.Linear(6, 4)), ROWS),
    "spectral_norm": (lambda: parametrizations.spectral_norm(nn.Linear(6, 4)), ROWS),
    "orthogonal": (lambda: parametrizations.orthogonal(nn.Linear(6, 4)), ROWS),
}


# What leaves the device in a step, and why.
WAITING = {
    "AdaptiveLogSoftmaxWithLoss": "which clusters are evaluated depends on the targets",
    "CTCLoss": "how far it goes depends on the lengths; given as lists, or tensors of the CPU, they are on the host",
    "orthogonal": "systems of equations are solved on the host",
}


def outcome(name, where, strict=False):
    """Outputs in both modes, gradients and buffers, as NumPy arrays; in strict mode, what comes before they are."""
    with gpudl.strict(strict):
        found = results(name, where)
    return [y.detach().cpu().numpy() for y in found]


def results(name, where):
    make, *inputs = CASES[name]
    gpudl.manual_seed(0)
    module = make().to(where)
    given = [gpudl.tensor(x, device=where) for x in inputs]
    for x in given:
        x.requires_grad_(x.is_floating_point())
    found = []
    for mode in (True, False):
        outputs = leaves(module.train(mode)(*given))
        assert all(str(y.device).startswith(where) for y in outputs)
        found += outputs
    wanting = [y for y in found if y.requires_grad]
    if wanting:
        sum((y * y).sum() for y in wanting).backward()
    found += [x.grad for x in given if x.requires_grad]
    found += [p.grad for p in module.parameters() if p.grad is not None]
    return [*found, *module.buffers()]


@pytest.mark.parametrize("name", CASES)
def test_there_as_on_the_cpu(name):
    want = outcome(name, "cpu")
    with registered():
        got = outcome(name, "loopback")
    assert len(got) == len(want)
    for number, (mine, theirs) in enumerate(zip(got, want)):
        assert_close(mine, theirs, f"{name}, array {number}", slack=60)


@pytest.mark.parametrize("name", CASES)
def test_on_every_device_as_on_the_cpu_and_without_leaving_it(device, name):
    want = outcome(name, "cpu")
    outcome(name, device.type)  # compiles, and makes what is made once
    got = outcome(name, device.type, strict=name not in WAITING)
    assert len(got) == len(want)
    for number, (mine, theirs) in enumerate(zip(got, want)):
        assert_close(mine, theirs, f"{name}, array {number}", slack=60)


@pytest.mark.parametrize("name", sorted(WAITING))
def test_strict_mode_tells_of_what_leaves_the_device(device, name):
    if device.type == "cpu":
        pytest.skip("there is nothing to wait for")
    with pytest.raises(gpudl.StrictError):
        outcome(name, device.type, strict=True)


@pytest.mark.parametrize(
    "kind", ["SGD", "Adam", "Adagrad", "RMSprop", "NAdam", "ASGD", "Rprop", "Lion", "LAMB", "Adafactor", "Muon"]
)
def test_optimizers_there_as_on_the_cpu(kind):
    def trained(where):
        gpudl.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8, bias=kind != "Muon"), nn.Tanh(), nn.Linear(8, 2, bias=kind != "Muon")).to(
            where
        )
        settings = {"momentum": 0.9} if kind == "SGD" else {}
        optimizer = getattr(gpudl.optim, kind)(net.parameters(), lr=0.01, **settings)
        x = gpudl.tensor(ROWS, device=where)
        for _ in range(4):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
        return [p.detach().cpu().numpy() for p in net.parameters()]

    want = trained("cpu")
    with registered():
        got = trained("loopback")
    for mine, theirs in zip(got, want, strict=True):
        assert_close(mine, theirs, kind, slack=20)
