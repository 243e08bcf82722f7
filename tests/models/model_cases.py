"""Small models with inputs: name -> (file, maker from the file, shapes of the inputs).

Where batch normalization takes the mean over few values, gradients through it are small differences of large numbers;
so images are large enough to leave several pixels in the last layers. Dropout is off, since masks differ.
"""

from twin_models import array, models

DILATED = {"groups": 2, "width_per_group": 8, "replace_stride_with_dilation": [False, True, True]}

CASES = {
    "MLP": ("mlp", lambda m: m.MLP(7, [5, 4, 3]), (6, 7)),
    "MLP, normalized": (
        "mlp",
        lambda m: m.MLP(7, [5, 3], norm_layer=m.nn.BatchNorm1d, activation_layer=m.nn.ELU, inplace=True, bias=False),
        (6, 7),
    ),
    "LeNet5": ("lenet", lambda m: m.LeNet5(), (2, 1, 28, 28)),
    "LeNet5, as in the paper": ("lenet", lambda m: m.LeNet5(3, in_channels=2, padding=0), (2, 2, 32, 32)),
    "resnet8": ("resnet", lambda m: m.resnet8(width=4), (2, 3, 16, 16)),
    "resnet20": ("resnet", lambda m: m.resnet20(num_classes=3, in_channels=1, width=2), (4, 1, 17, 16)),
    "resnet18": ("resnet", lambda m: m.ResNet(m.BasicBlock, [1, 1, 1, 2], num_classes=5), (3, 3, 48, 48)),
    "resnet50": ("resnet", lambda m: m.ResNet(m.Bottleneck, [2, 1, 1, 1], num_classes=5), (2, 3, 64, 48)),
    "dilated ResNeXt": ("resnet", lambda m: m.ResNet(m.Bottleneck, [1, 1, 1, 2], 5, **DILATED), (2, 3, 32, 32)),
    "VGG": (
        "vgg",
        lambda m: m.VGG(m.vgg_features([4, "M", 8]), 5, dropout=0.0, channels=8, hidden_features=6),
        (2, 3, 18, 16),
    ),
    "VGG, normalized": (
        "vgg",
        lambda m: m.VGG(m.vgg_features([4, "M", 8], True, 2), 5, False, 0.0, channels=8, hidden_features=6),
        (2, 2, 18, 16),
    ),
    "mobilenet_v2": (
        "mobilenet",
        lambda m: m.MobileNetV2(5, 0.25, [[1, 16, 1, 1], [6, 24, 2, 2], [3, 24, 1, 1]], dropout=0.0),
        (2, 3, 32, 32),
    ),
    "UNet": ("unet", lambda m: m.UNet(3, 2, width=2), (2, 3, 36, 50)),
    "UNet, bilinear": ("unet", lambda m: m.UNet(3, 2, True, width=2), (2, 3, 33, 49)),
    "Autoencoder": ("autoencoder", lambda m: m.Autoencoder((9, 7, 3)), (4, 9)),
    "VAE": ("autoencoder", lambda m: m.VAE(9, 7, 3), (4, 9), (4, 3)),
    "Generator": ("dcgan", lambda m: m.Generator(5, 2, 3), (3, 5, 1, 1)),
    "Discriminator": ("dcgan", lambda m: m.Discriminator(3, 2), (3, 3, 64, 64)),
}


def make(name, lib):
    """A model in a library."""
    file, maker, *_ = CASES[name]
    return maker(models(lib, file))


def inputs(name, dtype="float32"):
    """Its inputs, as arrays."""
    return [array(*shape, dtype=dtype, seed=seed) for seed, shape in enumerate(CASES[name][2:])]


def call(model, given):
    """Its output; the first where there are several."""
    output = model(*given)
    return output[0] if isinstance(output, tuple) else output
