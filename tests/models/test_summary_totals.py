"""Totals of the models' summaries against torchinfo's of their PyTorch twins."""

from __future__ import annotations

import pytest
from model_cases import CASES, make

import gpudl

# total_params, total_mult_adds, total_output_bytes and total_param_bytes of
#     torchinfo.summary(make(name, torch), input_size=[tuple(shape) for shape in CASES[name][2:]], verbose=0)
# with torchinfo 1.8.0, which is not needed again for this test.
OF_TORCHINFO = {
    "MLP": (79, 474, 576, 316),
    "MLP, normalized": (60, 360, 624, 240),
    "LeNet5": (61706, 846076, 104288, 246824),
    "LeNet5, as in the paper": (61261, 1080086, 104176, 245044),
    "resnet8": (5006, 424516, 147616, 20024),
    "resnet20": (4393, 736924, 415840, 17572),
    "resnet18": (9628997, 198347151, 4141176, 38515988),
    "resnet50": (8096581, 217410826, 12484688, 32386324),
    "dilated ResNeXt": (4026757, 135394442, 6766672, 16107028),
    "VGG": (2843, 112006, 27920, 11372),
    "VGG, normalized": (2831, 91318, 55568, 11324),
    "mobilenet_v2": (23133, 2041482, 3653712, 92532),
    "UNet": (30754, 2977120, 1024512, 123016),
    "UNet, bilinear": (17184, 2042688, 772896, 68736),
    "Autoencoder": (194, 776, 832, 776),
    "VAE": (218, 872, 928, 872),
    "Generator": (4124, 2420916, 479232, 16496),
    "Discriminator": (3096, 590760, 135192, 12384),
}
# torchinfo has each weight of a transposed convolution at each place of the output, which is as often as it is used
# only with stride 1.
TRANSPOSED = ("UNet", "Generator")


@pytest.mark.parametrize("name", CASES)
def test_totals_equal_torchinfo(name):
    shapes = [tuple(shape) for shape in CASES[name][2:]]
    found = make(name, gpudl).summary(input_size=shapes, verbose=0)
    params, mult_adds, outputs, bytes_of_params = OF_TORCHINFO[name]
    assert (found.total_params, found.total_output_bytes, found.total_param_bytes) == (params, outputs, bytes_of_params)
    if name in TRANSPOSED:
        assert found.total_mult_adds < mult_adds
    else:
        assert found.total_mult_adds == mult_adds
