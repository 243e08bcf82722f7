"""Parameters have torchvision's names, shapes and numbers, so that its weights load."""

import math
import re
from itertools import pairwise

import pytest
from twin_models import models

import gpudl
from gpudl.models import mobilenet_v2, resnet18, resnet50, vgg11_bn
from gpudl.nn.fill import skipping

# name -> (file, arguments of the maker, parameters). Those of torchvision's models are what it publishes.
COUNTS = {
    "resnet18": ("resnet", (), 11_689_512),
    "resnet34": ("resnet", (), 21_797_672),
    "resnet50": ("resnet", (), 25_557_032),
    "resnet101": ("resnet", (), 44_549_160),
    "resnet152": ("resnet", (), 60_192_808),
    "resnet8": ("resnet", (), 75_290),
    "resnet20": ("resnet", (), 269_722),
    "resnet56": ("resnet", (), 853_018),
    "vgg11": ("vgg", (), 132_863_336),
    "vgg11_bn": ("vgg", (), 132_868_840),
    "vgg13": ("vgg", (), 133_047_848),
    "vgg13_bn": ("vgg", (), 133_053_736),
    "vgg16": ("vgg", (), 138_357_544),
    "vgg16_bn": ("vgg", (), 138_365_992),
    "vgg19": ("vgg", (), 143_667_240),
    "vgg19_bn": ("vgg", (), 143_678_248),
    "mobilenet_v2": ("mobilenet", (), 3_504_872),
    "MLP": ("mlp", (784, [128, 64, 10]), 109_386),
    "LeNet5": ("lenet", (), 61_706),
    "UNet": ("unet", (3, 2), 31_037_698),
    "Autoencoder": ("autoencoder", (), 2_837_314),
    "VAE": ("autoencoder", (), 815_824),
    "Generator": ("dcgan", (), 3_576_704),
    "Discriminator": ("dcgan", (), 2_765_568),
}


@pytest.fixture(autouse=True)
def unfilled():
    """Weights are allocated but never written, which takes neither time nor memory."""
    with skipping():
        yield


@pytest.mark.parametrize("name", COUNTS)
def test_number_of_parameters(name):
    file, args, count = COUNTS[name]
    maker = getattr(models(gpudl, file), name)
    assert sum(math.prod(parameter.shape) for parameter in maker(*args).parameters()) == count
    assert f"{count:,}" in maker.__doc__


def normalized(convolution, normalization, *shape):
    """State of a convolution without bias, and of the batch normalization that follows it."""
    statistics = {f"{normalization}.{key}": shape[:1] for key in ("weight", "bias", "running_mean", "running_var")}
    return {f"{convolution}.weight": shape, **statistics, f"{normalization}.num_batches_tracked": ()}


def linear(name, outputs, inputs):
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def state(model):
    return [(name, tuple(value.shape)) for name, value in model.state_dict().items()]


def test_resnet18_has_the_state_of_torchvision():
    want = normalized("conv1", "bn1", 64, 3, 7, 7)
    inputs = 64
    for stage, outputs in enumerate((64, 128, 256, 512), 1):
        for block in (f"layer{stage}.0", f"layer{stage}.1"):
            want |= normalized(f"{block}.conv1", f"{block}.bn1", outputs, inputs, 3, 3)
            want |= normalized(f"{block}.conv2", f"{block}.bn2", outputs, outputs, 3, 3)
            if inputs != outputs:
                want |= normalized(f"{block}.downsample.0", f"{block}.downsample.1", outputs, inputs, 1, 1)
            inputs = outputs
    want |= linear("fc", 1000, 512)
    assert len(want) == 122
    assert state(resnet18()) == list(want.items())


def test_resnet50_has_the_state_of_torchvision():
    want = normalized("conv1", "bn1", 64, 3, 7, 7)
    inputs = 64
    for stage, (planes, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        for number in range(blocks):
            block = f"layer{stage}.{number}"
            want |= normalized(f"{block}.conv1", f"{block}.bn1", planes, inputs, 1, 1)
            want |= normalized(f"{block}.conv2", f"{block}.bn2", planes, planes, 3, 3)
            want |= normalized(f"{block}.conv3", f"{block}.bn3", 4 * planes, planes, 1, 1)
            if number == 0:
                want |= normalized(f"{block}.downsample.0", f"{block}.downsample.1", 4 * planes, inputs, 1, 1)
            inputs = 4 * planes
    want |= linear("fc", 1000, 2048)
    assert len(want) == 320
    assert state(resnet50()) == list(want.items())


def test_vgg11_bn_has_the_state_of_torchvision():
    want, inputs = {}, 3
    for number, outputs in ((0, 64), (4, 128), (8, 256), (11, 256), (15, 512), (18, 512), (22, 512), (25, 512)):
        names = f"features.{number}", f"features.{number + 1}"
        entries = list(normalized(*names, outputs, inputs, 3, 3).items())
        want |= dict([entries[0], (f"{names[0]}.bias", (outputs,)), *entries[1:]])
        inputs = outputs
    want |= linear("classifier.0", 4096, 25088) | linear("classifier.3", 4096, 4096)
    want |= linear("classifier.6", 1000, 4096)
    assert len(want) == 62
    assert state(vgg11_bn()) == list(want.items())


def test_mobilenet_v2_has_the_state_of_torchvision():
    want = normalized("features.0.0", "features.0.1", 32, 3, 3, 3)
    want |= normalized("features.1.conv.0.0", "features.1.conv.0.1", 32, 1, 3, 3)
    want |= normalized("features.1.conv.1", "features.1.conv.2", 16, 32, 1, 1)
    widths = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320]
    for number, (inputs, outputs) in enumerate(pairwise(widths), 2):
        block, hidden = f"features.{number}.conv", 6 * inputs
        want |= normalized(f"{block}.0.0", f"{block}.0.1", hidden, inputs, 1, 1)
        want |= normalized(f"{block}.1.0", f"{block}.1.1", hidden, 1, 3, 3)
        want |= normalized(f"{block}.2", f"{block}.3", outputs, hidden, 1, 1)
    want |= normalized("features.18.0", "features.18.1", 1280, 320, 1, 1)
    want |= linear("classifier.1", 1000, 1280)
    assert len(want) == 314
    assert state(mobilenet_v2()) == list(want.items())


def test_state_of_unet_is_that_of_its_common_form():
    names = {re.sub(r"\d+", "#", name) for name, _ in state(models(gpudl, "unet").UNet(3, 2, width=2))}
    convolutions = {"inc.double_conv", "down#.maxpool_conv.#.double_conv", "up#.conv.double_conv"}
    entries = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    want = {f"{prefix}.#.{entry}" for prefix in convolutions for entry in entries}
    assert names == want | {f"{name}.{entry}" for name in ("up#.up", "outc.conv") for entry in ("weight", "bias")}


def test_state_of_dcgan_is_that_of_pytorchs_example():
    for model, convolutions, normalizations in (
        (models(gpudl, "dcgan").Generator(), (0, 3, 6, 9, 12), (1, 4, 7, 10)),
        (models(gpudl, "dcgan").Discriminator(), (0, 2, 5, 8, 11), (3, 6, 9)),
    ):
        found = [name for name, _ in model.named_parameters() if "weight" in name]
        assert found == [f"main.{n}.weight" for n in sorted((*convolutions, *normalizations))]
