"""How many kernels a block of a network starts on a GPU: its own, and those of the libraries that multiply matrices."""

import pytest
from on_gpu import gpu  # noqa: F401

import gpudl
from gpudl import models, nn, optim, sim

BLOCK = 14


def started(place, function):
    """Kernels, products and copies of a call, when all is compiled and all memory is had."""
    if place.type != "sim":
        pytest.skip(f"{place} does not count the kernels that it starts")
    function()
    with sim.counting() as counted:
        function()
    assert counted.host_to_device == counted.device_to_host == counted.synchronizations == 0, counted
    return counted.launches + counted.library_calls + counted.device_to_device


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
def test_an_encoder_block_forward(gpu, norm_first, training):  # noqa: F811
    settings = {"dropout": 0.1, "activation": "gelu", "batch_first": True, "norm_first": norm_first}
    layer = nn.TransformerEncoderLayer(16, 4, 32, **settings).to(gpu).train(training)
    x = gpudl.randn(2, 8, 16, device=gpu, requires_grad=training)
    assert started(gpu, lambda: layer(x)) <= BLOCK


@pytest.mark.parametrize("training", [True, False])
def test_a_block_of_gpt_forward(gpu, training):  # noqa: F811
    settings = {"vocab_size": 65, "max_seq_len": 8, "num_layers": 1, "num_heads": 4, "embed_dim": 16, "dropout": 0.1}
    block = models.GPT(**settings).to(gpu).train(training).blocks[0]
    x = gpudl.randn(2, 8, 16, device=gpu, requires_grad=training)
    assert started(gpu, lambda: block(x)) <= BLOCK


def test_a_convolution_with_normalization_and_relu_forward(gpu):  # noqa: F811
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()).to(gpu)
    x = gpudl.randn(2, 3, 8, 8, device=gpu)
    assert started(gpu, lambda: layers(x)) <= 5


def test_a_training_step_of_two_linear_layers(gpu):  # noqa: F811
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).to(gpu)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    x, target = gpudl.randn(4, 6, device=gpu), gpudl.tensor([0, 2, 1, 0], device=gpu)

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), target).backward()
        optimizer.step()

    step()
    assert started(gpu, step) == 12
