"""DCGAN: images from noise, by two convolutional networks that train each other. Radford, Metz & Chintala 2015.

Adversarial training: Goodfellow et al. 2014, arXiv:1406.2661.
"""

from __future__ import annotations

from gpudl import Tensor, nn

__all__ = ["Discriminator", "Generator"]


class Generator(nn.Module):
    """Transposed convolutions from noise to an image of 64 x 64 in [-1, 1].

    Names, and those of the arguments, are those of PyTorch's example. Weights of convolutions are drawn from
    N(0, 0.02**2), those of normalizations from N(1, 0.02**2).

    Args:
        nz: length of the noise.
        ngf: channels of the last hidden layer; those before have 2, 4 and 8 times as many.
        nc: channels of the images.
    Shape: (n, nz, 1, 1) to (n, nc, 64, 64).
    Parameters: 3,576,704.
    Source: Radford, Metz & Chintala 2015, arXiv:1511.06434.
    """

    def __init__(self, nz: int = 100, ngf: int = 64, nc: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ConvTranspose2d(nz, ngf * 8, kernel_size=4, bias=False)]
        for inputs, outputs in ((ngf * 8, ngf * 4), (ngf * 4, ngf * 2), (ngf * 2, ngf), (ngf, nc)):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(True)]
            layers.append(nn.ConvTranspose2d(inputs, outputs, kernel_size=4, stride=2, padding=1, bias=False))
        self.main = nn.Sequential(*layers, nn.Tanh())
        self.apply(_init_weights)

    def forward(self, input: Tensor) -> Tensor:
        input = self.main(input)
        return input


class Discriminator(nn.Module):
    """Convolutions from an image of 64 x 64 to one number: the logit of its being real.

    PyTorch's example gives the probability; the logit goes with BCEWithLogitsLoss, which loses no digits to it.
    Names and initial weights are as for Generator.

    Args:
        nc: channels of the images.
        ndf: channels of the first hidden layer; those behind have 2, 4 and 8 times as many.
    Shape: (n, nc, 64, 64) to (n,).
    Parameters: 2,765,568.
    Source: Radford, Metz & Chintala 2015, arXiv:1511.06434.
    """

    def __init__(self, nc: int = 3, ndf: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(nc, ndf, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        for inputs in (ndf, ndf * 2, ndf * 4):
            convolution = nn.Conv2d(inputs, inputs * 2, kernel_size=4, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(inputs * 2), nn.LeakyReLU(0.2, inplace=True)]
        self.main = nn.Sequential(*layers, nn.Conv2d(ndf * 8, 1, kernel_size=4, bias=False))
        self.apply(_init_weights)

    def forward(self, input: Tensor) -> Tensor:
        input = self.main(input).flatten()
        return input


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d) and module.weight is not None:
        nn.init.normal_(module.weight, 1.0, 0.02)
