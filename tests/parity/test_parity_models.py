"""Models of gpudl.models, trained for a hundred steps on a device and on the CPU: the losses the contract allows.

One seed for each: the same initial weights bit for bit, the same batches, the same dropout masks and noise. They are
as small as they can be with every kind of layer left in.
"""

import numpy as np
import pytest
from on_gpu import gpu  # noqa: F401

import gpudl
from gpudl import models, nn, optim
from gpudl.compare.tolerances import loss_tolerance

STEPS = 100
F = nn.functional


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype="float32")


def picked(*shape, classes=4, seed=1):
    return np.random.default_rng(seed).integers(0, classes, shape)


def labeled(*shape, count=6):
    """Four batches of samples with classes that show in them."""
    classes = picked(4, count)
    return drawn(4, count, *shape) + classes.reshape((4, count, *(1 for _ in shape))).astype("float32"), classes


def text():
    whole = (np.arange(4 * 3 * 7).reshape(4, 3, 7) * 5 % 11 + picked(4, 3, 7, classes=2)) % 11
    return whole[..., :-1], whole[..., 1:]


def classified(model, x, y):
    return F.cross_entropy(model(x), y)


def continued(model, x, y):
    found = model(x)
    logits = found[0] if isinstance(found, tuple) else found
    return F.cross_entropy(logits.flatten(0, 1), y.flatten())


def told_apart(model, x, y):
    return F.binary_cross_entropy_with_logits(model(x), (y > 1).float())


def segmented(model, x, y):
    return F.cross_entropy(model(x), (x[:, 0] > 1).long())


def varied(model, x, y):
    logits, mean, log_variance = model(x)
    return models.vae_loss(logits, x.sigmoid(), mean, log_variance)


def sgd(parameters):
    return optim.SGD(parameters, lr=0.02, momentum=0.9)


def gently(parameters):
    return optim.SGD(parameters, lr=0.003, momentum=0.9)


def adam(parameters):
    return optim.AdamW(parameters, lr=2e-3)


GPT = {"vocab_size": 11, "max_seq_len": 6, "num_layers": 1, "num_heads": 2, "embed_dim": 8, "dropout": 0.1}
VIT = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 12, "dropout": 0.1, "num_classes": 4}
MOBILE = [[1, 8, 1, 1], [3, 8, 1, 2]]

# name -> (maker, batches, loss, optimizer)
RUNS = {
    "MLP": (lambda: models.MLP(7, [8, 4], dropout=0.2), labeled(7), classified, adam),
    "LeNet5": (lambda: models.LeNet5(4), labeled(1, 28, 28, count=2), classified, gently),
    "VGG": (
        lambda: models.VGG(models.vgg_features([4, "M", 4], True, 1), 4, channels=4, hidden_features=6),
        labeled(1, 14, 14), classified, sgd,
    ),
    "resnet8": (lambda: models.resnet8(width=2, num_classes=4), labeled(3, 8, 8), classified, sgd),
    "MobileNetV2": (
        lambda: models.MobileNetV2(4, 0.1, MOBILE, dropout=0.1), labeled(3, 8, 8, count=4), classified, gently,
    ),
    "UNet": (lambda: models.UNet(1, 2, width=1), labeled(1, 16, 16, count=4), segmented, gently),
    "Discriminator": (lambda: models.Discriminator(1, 1), labeled(1, 64, 64, count=2), told_apart, adam),
    "VAE": (lambda: models.VAE(9, 7, 3), labeled(9), varied, adam),
    "VisionTransformer": (lambda: models.VisionTransformer(8, 4, **VIT), labeled(3, 8, 8), classified, adam),
    "GPT": (lambda: models.GPT(**GPT), text(), continued, adam),
    "LSTMLanguageModel": (lambda: models.LSTMLanguageModel(11, 4, 6, dropout=0.2), text(), continued, adam),
    "LSTMClassifier": (lambda: models.LSTMClassifier(3, 5, 4, bidirectional=True), labeled(5, 3), classified, adam),
}  # fmt: skip


def train(name, device, dtype="float32"):
    """The initial weights, as bytes, and the loss of every step."""
    maker, batches, loss_of, optimizer_of = RUNS[name]
    gpudl.manual_seed(0)
    model = maker().to(device).to(getattr(gpudl, dtype))
    initial = {key: value.cpu().numpy().tobytes() for key, value in model.state_dict().items()}
    optimizer, losses = optimizer_of(model.parameters()), []
    batches = [values.astype(dtype) if values.dtype == "float32" else values for values in batches]
    batches = [[gpudl.tensor(values, device=device) for values in batch] for batch in zip(*batches)]
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, *batches[step % len(batches)])
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return initial, np.array([loss.item() for loss in losses])


@pytest.mark.parametrize("name", RUNS)
def test_a_hundred_steps_are_those_of_the_cpu(gpu, name):  # noqa: F811
    with gpudl.deterministic():
        initial, losses = train(name, gpu)
    initial_here, losses_here = train(name, "cpu")
    assert initial == initial_here
    assert losses_here[-4:].mean() < losses_here[:4].mean(), "the model does not learn"
    for step, (one, other) in enumerate(zip(losses, losses_here), 1):
        assert abs(one - other) <= loss_tolerance("float32", step) * (1 + abs(other)), (step, one, other)


@pytest.mark.parametrize("name", ["MLP", "GPT"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_hundred_steps_in_half_floats_are_those_of_the_cpu(gpu, name, dtype, monkeypatch):  # noqa: F811
    pytest.importorskip("ml_dtypes")
    maker, batches, loss_of, _ = RUNS[name]
    monkeypatch.setitem(RUNS, name, (maker, batches, loss_of, sgd))  # Adam's squares are nothing in float16
    (initial, losses), (initial_here, losses_here) = (train(name, place, dtype) for place in (gpu, "cpu"))
    assert initial == initial_here and losses_here[-4:].mean() < losses_here[:4].mean()
    for step, (one, other) in enumerate(zip(losses, losses_here), 1):
        assert abs(one - other) <= loss_tolerance(dtype, step) * (1 + abs(other)), (step, one, other)


def test_a_number_of_another_stream_would_be_seen(gpu, monkeypatch):  # noqa: F811
    other = train("MLP", "cpu")[1]
    monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: x)
    losses = train("MLP", gpu)[1]
    assert (abs(losses - other) > loss_tolerance("float32", STEPS) * (1 + abs(other))).any()
