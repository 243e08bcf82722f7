"""Models give the outputs, gradients and buffers of their PyTorch twins, and start from weights of one distribution."""

import copy
import inspect
import math
import pickle

import pytest
from model_cases import CASES, call, inputs, make
from twin_models import array, compare, models, torch, twins

import gpudl
from gpudl import nn, optim
from gpudl.models import CifarResNet, InvertedResidual, MobileNetV2, ResNet, resnet

WIDE = ("resnet18", "resnet50", "dilated ResNeXt")  # with the widths of ImageNet's


# In float64. In float32 a ReLU whose input is a rounding error away from 0 lets a gradient pass in one library and not
# in the other, which batch normalization carries to every weight.
@pytest.mark.parametrize("name", CASES)
def test_model_is_its_twin(device, name):
    compare(lambda lib: make(name, lib), *inputs(name, "float64"), device=device, dtype="float64", slack=4)


@pytest.mark.parametrize("name", ["MLP", "LeNet5", "resnet8", "mobilenet_v2", "VGG", "VAE", "Discriminator"])
def test_model_is_its_twin_in_single_precision(device, name):
    compare(lambda lib: make(name, lib), *inputs(name), device=device, slack=10)


@pytest.mark.parametrize("name", CASES)
def test_training_lowers_the_loss(device, name):
    if device.type == "sim" and name in WIDE:
        pytest.skip("takes up to a minute there, where the gradients of this model are compared with its twin's")
    gpudl.manual_seed(0)
    model = make(name, gpudl).to(device)
    given = [gpudl.tensor(x, device=device) for x in inputs(name)]
    target = gpudl.tensor(array(*call(model, given).shape, seed=9), device=device).tanh()
    optimizer, losses = optim.Adam(model.parameters(), lr=0.001), []
    for _ in range(8):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(call(model, given), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.992 * losses[0], losses


@pytest.mark.parametrize("name", CASES)
def test_initial_weights_are_spread_as_those_of_the_twin(name):
    """Constant ones are equal; means and deviations of the others lie within 5 standard errors of each other."""
    gpudl.manual_seed(1)
    torch.manual_seed(1)
    mine, theirs = (dict(make(name, lib).named_parameters()) for lib in (gpudl, torch))
    assert list(mine) == list(theirs)
    for key, value in mine.items():
        got, want = value.detach().numpy().astype("float64"), theirs[key].detach().numpy().astype("float64")
        if want.std() == 0:
            assert (got == want.flat[0]).all(), key
        elif want.size >= 30:
            # The deviation of a standard deviation is at most 1 / sqrt(2 n) of it, for the normal distribution.
            error = 5 * want.std() * math.sqrt(2 / want.size)
            assert abs(got.mean() - want.mean()) < error, key
            assert abs(got.std() - want.std()) < error, key


@pytest.mark.parametrize("name", CASES)
def test_copies_are_models_of_their_own(name):
    model = make(name, gpudl).eval()
    given = [gpudl.tensor(x) for x in inputs(name)]
    want = call(model, given)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert gpudl.equal(call(other, given), want)
        with gpudl.no_grad():
            for parameter in other.parameters():
                parameter.zero_()
    assert gpudl.equal(call(model, given), want)


def test_residual_blocks_can_start_as_the_identity():
    gpudl.manual_seed(0)
    for network, last in (
        (resnet.resnet8(width=4, zero_init_residual=True), "bn2"),
        (ResNet(resnet.BasicBlock, [1, 1, 1, 1], zero_init_residual=True), "bn2"),
        (ResNet(resnet.Bottleneck, [1, 1, 1, 1], zero_init_residual=True), "bn3"),
    ):
        weights = {name: value for name, value in network.named_parameters() if ".bn" in name and "weight" in name}
        zero = {name for name, value in weights.items() if not value.detach().numpy().any()}
        assert zero
        assert zero == {name for name in weights if f".{last}." in name}
    block = resnet.resnet8(width=4, zero_init_residual=True).layer1[0]
    x = gpudl.rand(2, 4, 6, 6)
    assert gpudl.equal(block(x), x)


def test_residual_blocks_may_be_without_normalization():
    network = CifarResNet(1, width=4, zero_init_residual=True, norm_layer=lambda n: nn.BatchNorm2d(n, affine=False))
    assert network(gpudl.ones(2, 3, 8, 8)).shape == (2, 10)


def test_shortcut_of_a_small_resnet_pads_both_sides_of_the_channels():
    shortcut = resnet.resnet8(width=2).layer2[0].downsample
    x = gpudl.arange(2.0 * 9).reshape(1, 2, 3, 3)
    assert shortcut(x).tolist() == [[[[0, 0], [0, 0]], [[0, 2], [6, 8]], [[9, 11], [15, 17]], [[0, 0], [0, 0]]]]


def test_dilation_replaces_stride():
    network = ResNet(resnet.Bottleneck, [1, 2, 2, 2], replace_stride_with_dilation=[False, True, True])
    dilations = [(block.conv2.dilation[0], block.conv2.stride[0]) for block in (*network.layer3, *network.layer4)]
    assert dilations == [(1, 1), (2, 1), (2, 1), (4, 1)]
    assert network.layer2[0].conv2.stride == (2, 2)


def test_vae_draws_its_noise():
    gpudl.manual_seed(0)
    model, x = models(gpudl, "autoencoder").VAE(4, 3, 500), gpudl.rand(200, 4)
    codes = []
    model.decoder.register_forward_pre_hook(lambda _, args: codes.append(args[0]))
    _, mean, log_variance = model(x)
    noise = ((codes[0] - mean) / (log_variance / 2).exp()).detach().numpy()
    assert abs(noise.mean()) < 5 / math.sqrt(noise.size)
    assert abs(noise.var() - 1) < 5 * math.sqrt(2 / noise.size)


def test_loss_of_the_vae_is_the_bound():
    """Against PyTorch's distributions."""
    mine, theirs = twins(lambda lib: models(lib, "autoencoder").VAE(6, 5, 2))
    arrays = inputs("VAE")[0][:, :6].clip(0, 1), inputs("VAE")[1][:, :2]
    x, noise = map(torch.tensor, arrays)
    logits, mean, log_variance = theirs(x, noise)
    code = torch.distributions.Normal(mean, (log_variance / 2).exp())
    divergence = torch.distributions.kl_divergence(code, torch.distributions.Normal(0, 1)).sum(1)
    likelihood = torch.distributions.Bernoulli(logits=logits, validate_args=False).log_prob(x).sum(1)
    given = gpudl.tensor(arrays[0])
    outputs = mine(given, gpudl.tensor(arrays[1]))
    for beta in (1.0, 4.0):
        got = models(gpudl, "autoencoder").vae_loss(outputs[0], given, *outputs[1:], beta=beta)
        assert got.item() == pytest.approx((beta * divergence - likelihood).mean().item(), rel=1e-5)
    without = models(gpudl, "autoencoder").vae_loss(outputs[0], given, *outputs[1:])
    assert without.item() == pytest.approx((divergence - likelihood).mean().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "shape", "path"),
    [
        ("MLP", (2, 9), "0"),
        ("LeNet5", (2, 3, 28, 28), "conv1"),
        ("LeNet5", (2, 1, 32, 32), "fc1"),
        ("resnet8", (2, 4, 16, 16), "conv1"),
        ("resnet18", (2, 1, 32, 32), "conv1"),
        ("VGG", (2, 1, 16, 16), "features.0"),
        ("mobilenet_v2", (2, 1, 32, 32), "features.0.0"),
        ("UNet", (2, 1, 32, 32), "inc.double_conv.0"),
        ("UNet", (2, 3, 8, 8), "down4.maxpool_conv.0"),
        ("Autoencoder", (2, 5), "encoder.0"),
        ("VAE", (2, 5), "encoder.0"),
        ("Generator", (2, 6, 1, 1), "main.0"),
        ("Discriminator", (2, 1, 64, 64), "main.0"),
    ],
)
def test_input_of_another_shape_is_refused_by_a_layer_that_is_named(name, shape, path):
    with pytest.raises((gpudl.ShapeError, RuntimeError)) as caught:
        make(name, gpudl)(gpudl.ones(shape))
    assert f"{path}," in str(caught.value) or f"{path}:" in str(caught.value)


def test_error_deep_inside_names_its_layer():
    network = make("resnet8", gpudl)
    network.layer2[0].conv1 = nn.Conv2d(5, 8, 3)
    with pytest.raises((gpudl.ShapeError, RuntimeError), match=r"layer2\.0\.conv1"):
        network(gpudl.ones(2, 3, 16, 16))


@pytest.mark.parametrize(
    ("construct", "message"),
    [
        (lambda: models(gpudl, "mlp").MLP(3, []), "at least one layer"),
        (lambda: models(gpudl, "autoencoder").Autoencoder([3]), "of the input and of the code"),
        (lambda: resnet.BasicBlock(4, 4, groups=2), "must be 1, 64 and 1, got 2, 64 and 1"),
        (
            lambda: ResNet(resnet.BasicBlock, [1, 1, 1, 1], replace_stride_with_dilation=[False, True, False]),
            "got 1, 64",
        ),
        (lambda: ResNet(resnet.BasicBlock, [1, 1, 1]), "layers must be 4 numbers"),
        (lambda: ResNet(resnet.BasicBlock, [1] * 4, replace_stride_with_dilation=[True]), "3 bools or None"),
        (lambda: CifarResNet(1, width=3), "must be even"),
        (lambda: InvertedResidual(4, 4, 3, 6), "stride must be 1 or 2, got 3"),
        (lambda: MobileNetV2(inverted_residual_setting=[]), "rows of 4 numbers"),
        (lambda: MobileNetV2(inverted_residual_setting=[[1, 16, 1]]), "rows of 4 numbers"),
    ],
)
def test_settings_that_do_not_fit_are_refused(construct, message):
    with pytest.raises(ValueError, match=message):
        construct()


def test_every_model_is_exported_and_tested():
    classes = {name for name, value in vars(gpudl.models).items() if inspect.isclass(value)}
    blocks = {"BasicBlock", "Bottleneck", "InvertedResidual"}  # with the networks that are made of them
    elsewhere = {
        "ConvStemConfig",
        "GPT",
        "LSTMClassifier",
        "LSTMLanguageModel",
        "VisionTransformer",
    }  # in test_gpt, ...
    tested = {type(module).__name__ for name in CASES for module in make(name, gpudl).modules()}
    assert classes - blocks
    assert elsewhere < classes <= tested | elsewhere
