"""Networks, and training steps of them: forward with the loss, backward, the optimizer's step, the whole at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gpudl.bench.case import Case, Make, Parts, Shape
from gpudl.bench.training import Adversaries, Training
from gpudl.bench.twin import gpt, models


class Net(NamedTuple):
    """A network to train.

    Attributes:
        build: makes its training of a maker of tensors and the sizes, of which the first is the batch's.
        sizes: of what is measured.
        small: of what shows that it runs, with the same launches.
    """

    build: Callable[..., Training | Adversaries]
    sizes: tuple[Shape, ...]
    small: tuple[Shape, ...]


def _images(build: Callable[[Any, tuple[Shape, ...]], Any], classes: int = 10) -> Callable[..., Training]:
    """A network of pictures, or rows, and classes."""

    def made(make: Make, batch: Shape, *sizes: Shape) -> Training:
        inputs, target = make(*batch, grad=False), make.ints(batch[0], high=classes)
        return Training(make, build(make.lib, sizes), inputs, target)

    return made


def _tiny(name: str, classes: int) -> Callable[..., Training]:
    return _images(lambda lib, sizes: getattr(models(lib, "tiny_nets", "gpudl.bench"), name)(), classes)


def _autoencoder(make: Make, batch: Shape) -> Training:
    model, inputs = models(make.lib, "tiny_nets", "gpudl.bench").autoencoder(), make(*batch, grad=False)
    return Training(make, model, inputs, inputs, make.lib.nn.functional.mse_loss)


def _language(build: Callable[[Any, Shape, int], Any]) -> Callable[..., Training]:
    """A network of tokens, which tells the next of each; the first of its sizes is the vocabulary."""

    def made(make: Make, batch: Shape, sizes: Shape) -> Training:
        inputs = make.ints(*batch, high=sizes[0])
        target = make.ints(*batch, high=sizes[0]).flatten()
        return Training(make, build(make.lib, sizes, batch[1]), inputs, target)

    return made


def _lstm(lib: Any, sizes: Shape, length: int) -> Any:
    return models(lib, "lstm_lm").LSTMLanguageModel(*sizes, dropout=0.0)


def _gpt(lib: Any, sizes: Shape, length: int) -> Any:
    vocabulary, layers, heads, width = sizes
    return gpt(lib, vocabulary, layers, heads, width, length)


def _dcgan(make: Make, batch: Shape, width: Shape) -> Adversaries:
    file = models(make.lib, "dcgan")
    noise, real = make(batch[0], 100, 1, 1, grad=False), make(*batch, grad=False)
    return Adversaries(make, file.Generator(ngf=width[0]), file.Discriminator(ndf=width[0]), noise, real)


NETS = {
    "MLP": Net(
        _images(lambda lib, sizes: models(lib, "mlp").MLP(sizes[0][0], sizes[1])),
        ((128, 784), (784,), (512, 256, 10)), ((4, 16), (16,), (8, 8, 10)),
    ),
    "LeNet-5": Net(
        _images(lambda lib, sizes: models(lib, "lenet").LeNet5()), ((64, 1, 28, 28),), ((2, 1, 28, 28),)
    ),
    "ResNet-8": Net(_tiny("resnet8", 10), ((32, 3, 32, 32),), ((2, 3, 8, 8),)),
    "ResNet-18": Net(
        _images(lambda lib, sizes: models(lib, "resnet").resnet18(num_classes=10)),
        ((32, 3, 32, 32),), ((2, 3, 32, 32),),
    ),
    "DS-CNN": Net(_tiny("ds_cnn", 12), ((32, 1, 49, 10),), ((2, 1, 49, 10),)),
    "MobileNetV1 0.25": Net(_tiny("mobilenet", 2), ((8, 3, 96, 96),), ((2, 3, 32, 32),)),
    "autoencoder": Net(_autoencoder, ((128, 640),), ((4, 640),)),
    "LSTM language model": Net(
        _language(_lstm), ((16, 35), (1000, 128, 256)), ((2, 4), (20, 8, 8))
    ),
    "GPT": Net(_language(_gpt), ((8, 128), (65, 4, 4, 128)), ((2, 8), (16, 1, 2, 16))),
    "DCGAN": Net(_dcgan, ((8, 3, 64, 64), (32,)), ((2, 3, 64, 64), (2,))),
}  # fmt: skip
"""By name. ResNet-8, DS-CNN, MobileNetV1 0.25 and the autoencoder are those of MLPerf Tiny."""


def _parts(net: Net) -> Callable[..., Parts]:
    return lambda make, *sizes: net.build(make, *sizes).parts()


CASES = [Case("nets", "nets", name, _parts(net), net.sizes, net.small) for name, net in NETS.items()]
