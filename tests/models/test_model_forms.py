"""Models are what the literature says: held against numbers from torchvision and against forms written down anew.

A twin has the mistakes of its model. These tests do not use it.
"""

import math

import numpy as np
import pytest
from twin_models import array, models, torch

import gpudl
from gpudl import models as all_models
from gpudl import nn

F = torch.nn.functional

GROUPED = {"groups": 2, "width_per_group": 8, "replace_stride_with_dilation": [False, True, True]}

# What torchvision 0.29 gives in float64 and evaluation for the weights of `known` and the input of seed 99:
# the model, the shape of the input, the first four outputs, and the sum of all.
RECORDED = {
    "ResNet of BasicBlocks": (
        lambda m: m.ResNet(m.BasicBlock, [1, 2, 1, 1], 4),
        (1, 3, 40, 40),
        (2.71649, -1.260763, 0.226901, -3.053902),
        -1.3712743442041866,
    ),
    "ResNet of Bottlenecks": (
        lambda m: m.ResNet(m.Bottleneck, [1, 1, 2, 1], 4, **GROUPED),
        (1, 3, 40, 40),
        (-0.688238, -4.077618, 0.622105, 0.462011),
        -3.6817399261809896,
    ),
    "MobileNetV2": (
        lambda m: m.MobileNetV2(4, 0.35, [[1, 16, 1, 1], [6, 24, 2, 2], [3, 24, 1, 1]]),
        (1, 3, 40, 40),
        (0.52264, 1.306852, -1.658195, 0.403219),
        0.5745159938551381,
    ),
    "features of VGG": (
        lambda m: m.vgg_features([4, "M", 8, 8, "M", 4], True),
        (1, 3, 16, 16),
        (0.663646, 0.681308, 0.663413, 0.693567),
        15.655170258932849,
    ),
}


def known(model):
    """Weights that need no other library: normal numbers, divided by the root of how many make an output."""
    state = {}
    for seed, (name, value) in enumerate(model.state_dict().items()):
        drawn = np.random.default_rng(seed).normal(size=value.shape)
        if name.endswith("running_var"):
            drawn = 1 + np.abs(drawn)
        elif value.ndim > 1:
            drawn /= math.sqrt(math.prod(value.shape[1:]))
        state[name] = np.asarray(0) if name.endswith("tracked") else drawn.astype("float32")
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize("name", RECORDED)
def test_outputs_are_those_of_torchvision(name):
    maker, shape, first, total = RECORDED[name]
    output = known(maker(all_models).eval()).double()(gpudl.tensor(array(*shape, seed=99)).double())
    assert output.flatten()[:4].tolist() == pytest.approx(first, abs=1e-6)
    assert output.sum().item() == pytest.approx(total, rel=1e-9)


def conv(state, name, x, **settings):
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **settings)


def norm(state, name, x):
    """Batch normalization with the statistics of the batch."""
    return F.batch_norm(x, None, None, state[f"{name}.weight"], state[f"{name}.bias"], training=True)


def linear(state, name, x):
    return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def lenet(state, x):
    x = F.avg_pool2d(torch.tanh(conv(state, "conv1", F.pad(x, (2, 2, 2, 2)))), 2)
    x = F.avg_pool2d(torch.tanh(conv(state, "conv2", x)), 2).flatten(1)
    return linear(state, "fc3", torch.tanh(linear(state, "fc2", torch.tanh(linear(state, "fc1", x)))))


def small_resnet(state, x):
    x = F.relu(norm(state, "bn1", conv(state, "conv1", x, padding=1)))
    for block, stride in (("layer1.0", 1), ("layer2.0", 2), ("layer3.0", 2)):
        inside = conv(state, f"{block}.conv1", x, padding=1, stride=stride)
        inside = F.relu(norm(state, f"{block}.bn1", inside))
        inside = norm(state, f"{block}.bn2", conv(state, f"{block}.conv2", inside, padding=1))
        if stride == 2:
            zeros = torch.zeros_like(x[:, ::2, ::2, ::2])
            x = torch.cat([zeros, x[:, :, ::2, ::2], zeros], 1)
        x = F.relu(x + inside)
    return linear(state, "fc", x.mean((2, 3)))


def unet(state, x):
    def twice(name, x):
        for number in (0, 3):
            x = conv(state, f"{name}.double_conv.{number}", x, padding=1)
            x = F.relu(norm(state, f"{name}.double_conv.{number + 1}", x))
        return x

    bridges = [twice("inc", x)]
    for number in (1, 2, 3, 4):
        bridges.append(twice(f"down{number}.maxpool_conv.1", F.max_pool2d(bridges[-1], 2)))
    x = bridges.pop()
    for number in (1, 2, 3, 4):
        bridge, up = bridges.pop(), f"up{number}.up"
        x = F.conv_transpose2d(x, state[f"{up}.weight"], state[f"{up}.bias"], stride=2)
        missing = bridge.shape[3] - x.shape[3]
        x = F.pad(x, (missing // 2, missing - missing // 2))
        x = twice(f"up{number}.conv", torch.cat([bridge, x], 1))
    return conv(state, "outc.conv", x)


def autoencoder(state, x):
    x = F.relu(linear(state, "encoder.0", x))
    x = F.relu(linear(state, "decoder.0", linear(state, "encoder.2", x)))
    return linear(state, "decoder.2", x)


def vae(state, x, noise):
    hidden = torch.tanh(linear(state, "encoder.0", x))
    deviation = torch.exp(0.5 * linear(state, "log_variance", hidden))
    code = linear(state, "mean", hidden) + deviation * noise
    return linear(state, "decoder.2", torch.tanh(linear(state, "decoder.0", code)))


def generator(state, x):
    for number in (0, 3, 6, 9, 12):
        x = F.conv_transpose2d(x, state[f"main.{number}.weight"], **({"stride": 2, "padding": 1} if number else {}))
        x = F.relu(norm(state, f"main.{number + 1}", x)) if number < 12 else torch.tanh(x)
    return x


def discriminator(state, x):
    x = F.leaky_relu(conv(state, "main.0", x, stride=2, padding=1), 0.2)
    for number in (2, 5, 8):
        x = conv(state, f"main.{number}", x, stride=2, padding=1)
        x = F.leaky_relu(norm(state, f"main.{number + 1}", x), 0.2)
    return conv(state, "main.11", x).reshape(-1)


# The form, the model, and the shapes of its inputs.
FORMS = [
    (lenet, lambda m: m.LeNet5(), (2, 1, 28, 28)),
    (small_resnet, lambda m: m.resnet8(width=4), (2, 3, 16, 14)),
    (unet, lambda m: m.UNet(3, 2, width=2), (2, 3, 32, 51)),
    (autoencoder, lambda m: m.Autoencoder((9, 7, 3)), (4, 9)),
    (vae, lambda m: m.VAE(9, 7, 3), (4, 9), (4, 3)),
    (generator, lambda m: m.Generator(5, 2, 3), (3, 5, 1, 1)),
    (discriminator, lambda m: m.Discriminator(3, 2), (3, 3, 64, 64)),
]


@pytest.mark.parametrize(("form", "maker", "shapes"), [(form, maker, shapes) for form, maker, *shapes in FORMS])
def test_outputs_are_those_of_a_form_written_down_anew(form, maker, shapes):
    model = known(maker(all_models)).double()
    state = {name: torch.tensor(value.numpy()) for name, value in model.state_dict().items()}
    given = [array(*shape, dtype="float64", seed=seed) for seed, shape in enumerate(shapes)]
    want = form(state, *map(torch.tensor, given))
    output = model(*map(gpudl.tensor, given))
    got = output[0] if isinstance(output, tuple) else output
    np.testing.assert_allclose(got.detach().numpy(), want.numpy(), rtol=1e-9, atol=1e-12)


def fan_out(weight):
    return math.sqrt(2 / (weight.shape[0] * math.prod(weight.shape[2:])))


# Standard deviations of the first weights of convolutions and of linear layers: a rule, or None where the layer's own
# is kept.
LAWS = {
    "resnet8": (lambda m: m.resnet8(), fan_out, None),
    "ResNet": (lambda m: m.ResNet(m.BasicBlock, [1, 1, 1, 1], 100), fan_out, None),
    "VGG": (
        lambda m: m.VGG(m.vgg_features([16, "M", 32], True), 20, channels=32, hidden_features=64),
        fan_out,
        lambda weight: 0.01,
    ),
    "MobileNetV2": (
        lambda m: m.MobileNetV2(20, 0.35, [[1, 16, 1, 1], [6, 24, 2, 1]]),
        fan_out,
        lambda weight: 0.01,
    ),
    "Generator": (lambda m: m.Generator(20, 8, 3), lambda weight: 0.02, None),
    "Discriminator": (lambda m: m.Discriminator(3, 8), lambda weight: 0.02, None),
}


@pytest.mark.parametrize("name", LAWS)
def test_initial_weights_follow_their_law(name):
    gpudl.manual_seed(2)
    maker, of_convolutions, of_linears = LAWS[name]
    is_dcgan = name in ("Generator", "Discriminator")
    for path, module in maker(all_models).named_modules():
        weight = getattr(module, "weight", None)
        if weight is None:
            continue
        values = weight.detach().numpy().astype("float64")
        law, mean = of_convolutions, 0
        if isinstance(module, nn.Linear):
            law = of_linears
            if law is not None:
                assert not module.bias.detach().numpy().any()
        elif isinstance(module, nn.BatchNorm2d):
            law, mean = (lambda weight: 0.02) if is_dcgan else None, 1
            assert (values != 1).any() == is_dcgan, path
            assert not module.bias.detach().numpy().any()
        elif module.bias is not None:
            assert not module.bias.detach().numpy().any()
        if law is not None and values.size >= 16:
            assert abs(values.std() / law(weight) - 1) < 5 / math.sqrt(2 * values.size), path
            assert abs(values.mean() - mean) < 5 * law(weight) / math.sqrt(values.size), path


@pytest.mark.parametrize(
    ("width_mult", "widths"),
    [
        (1.0, [32, 16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320, 1280]),
        (0.5, [16, 8, 16, 16, 16, 16, 16, 32, 32, 32, 32, 48, 48, 48, 80, 80, 80, 160, 1280]),
        (0.35, [16, 8, 8, 8, 16, 16, 16, 24, 24, 24, 24, 32, 32, 32, 56, 56, 56, 112, 1280]),
        (0.3, [16, 8, 8, 8, 16, 16, 16, 24, 24, 24, 24, 32, 32, 32, 48, 48, 48, 96, 1280]),
        (1.4, [48, 24, 32, 32, 48, 48, 48, 88, 88, 88, 88, 136, 136, 136, 224, 224, 224, 448, 1792]),
    ],
)
def test_widths_of_mobilenet_are_those_of_torchvision(width_mult, widths):
    features = models(gpudl, "mobilenet").MobileNetV2(2, width_mult).features
    convolutions = [[m for m in block.modules() if isinstance(m, nn.Conv2d)] for block in features]
    assert [block[-1].out_channels for block in convolutions] == widths
