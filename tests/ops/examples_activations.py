"""Arguments to try the kernels of activations and error functions on; see test_kernels.py."""

import math

SHAPES = ((), (1,), (5,), (3, 4), (0, 3), (3, 20001))


def calls(*settings, low=-4.0, high=4.0):
    """A forward's arguments: an array of each shape with each of the settings."""

    def examples(arrays):
        for shape in SHAPES:
            for setting in settings or ((),):
                yield [arrays(shape, low, high), *setting]

    return examples


def backwards(*settings, low=-4.0, high=4.0):
    """A backward's arguments: dy before what the forward had."""

    def examples(arrays):
        for shape in SHAPES:
            for setting in settings or ((),):
                yield [arrays(shape), arrays(shape, low, high), *setting]

    return examples


SLOPES = (
    ((5,), (1,)), ((3, 4), (1, 4)), ((3, 4), (3, 4)), ((2, 3, 5), (1, 3, 1)), ((2, 3, 5), (2, 1, 5)), ((), ()),
    ((0, 4), (1, 4)), ((2, 3, 64), (1, 3, 1)), ((2, 3, 37), (1, 3, 1)), ((1300, 5), (1, 5)), ((700, 2, 3), (1, 2, 1)),
    ((40007,), (1,)), ((3, 2, 140, 90), (1, 2, 1, 1)),
)  # fmt: skip


def prelu_forward(arrays):
    for shape, slopes in SLOPES:
        yield [arrays(shape), arrays(slopes, 0, 1)]


def prelu_backward(arrays):
    for shape, slopes in SLOPES:
        dy = arrays(shape, 0, 0.1) if len(shape) else arrays(shape)
        yield [dy, arrays(shape), arrays(slopes, 0, 1), (math.prod(slopes),)]
        yield [dy, arrays(shape), arrays(slopes, 0, 1), None]


GATED = (
    ((4,), 0), ((3, 4), 1), ((6, 5), 0), ((2, 8, 3), 1), ((0, 4), 1), ((4, 0), 0), ((3, 64), 1), ((2, 90002), 1),
    ((2049, 32), 1),
)  # fmt: skip


def gated(with_gradient, *settings):
    """Halves of an array, and then two of them."""

    def examples(arrays):
        for shape, dim in GATED:
            half = [length // 2 if place == dim else length for place, length in enumerate(shape)]
            yield [*([arrays(tuple(half))] if with_gradient else []), arrays(shape, -4, 4), None, dim, *settings]
        for shape in SHAPES:
            yield [*([arrays(shape)] if with_gradient else []), arrays(shape, -4, 4), arrays(shape), 0, *settings]

    return examples


def gelu_backward(arrays):
    for by_tanh in (False, True):
        for shape in SHAPES:
            yield [arrays(shape), arrays(shape, -4, 4), None, by_tanh]
            yield [arrays(shape), arrays(shape, -4, 4), arrays(shape), by_tanh]


def glu(with_gradient):
    def examples(arrays):
        for shape, dim in (
            ((4,), 0),
            ((3, 4), 1),
            ((6, 5), 0),
            ((2, 8, 3), 1),
            ((0, 4), 1),
            ((4, 0), 0),
            ((2, 90002), 1),
        ):
            half = [length // 2 if place == dim else length for place, length in enumerate(shape)]
            yield [*([arrays(tuple(half))] if with_gradient else []), arrays(shape, -4, 4), dim]
        yield [*([arrays((30001, 2))] if with_gradient else []), arrays((30001, 4), -4, 4), 1]

    return examples


ELU = ((1.0, 1.0, 1.0), (1.7, 1.05, 1.0), (2.0, 1.0, 0.5))
SOFTPLUS = ((1.0, 20.0), (2.5, 11.0))  # above all examples: at the threshold there is a step

EXAMPLES = {
    "erf_forward": calls(),
    "erf_backward": backwards(),
    "erfc_forward": calls(),
    "erfc_backward": backwards(),
    "erfinv_forward": calls(low=-0.99, high=0.99),
    "erfinv_backward": backwards(low=-1.5, high=1.5),
    "gelu_forward": calls((False, True), (True, True), (False, False), (True, False)),
    "gelu_backward": gelu_backward,
    "glu_forward": glu(False),
    "glu_backward": glu(True),
    "elu_forward": calls(*ELU),
    "elu_backward": backwards(*ELU),
    "hardtanh_forward": calls((-1.0, 1.0), (0.0, 6.0)),
    "hardtanh_backward": backwards((-1.0, 1.0), (0.0, 6.0)),
    "hardsigmoid_forward": calls(),
    "hardsigmoid_backward": backwards(),
    "hardswish_forward": calls(),
    "hardswish_backward": backwards(),
    "threshold_forward": calls((0.5, -1.0)),
    "threshold_backward": backwards((0.5,)),
    "hardshrink_forward": calls((0.5,)),
    "hardshrink_backward": backwards((0.5,)),
    "softshrink_forward": calls((0.5,)),
    "softshrink_backward": backwards((0.5,)),
    "prelu_forward": prelu_forward,
    "prelu_backward": prelu_backward,
    "swiglu_forward": gated(False),
    "swiglu_backward": gated(True),
    "geglu_forward": gated(False, True),
    "geglu_backward": gated(True, False),
    "reglu_forward": gated(False),
    "reglu_backward": gated(True),
    "leaky_relu_forward": calls((0.01,), (-0.5,), (2.0,)),
    "leaky_relu_backward": backwards((0.01,), (-0.5,)),
    "sigmoid_forward": calls(low=-30, high=30),
    "sigmoid_backward": backwards(low=0, high=1),
    "tanh_forward": calls(),
    "tanh_backward": backwards(low=-1, high=1),
    "exp_forward": calls(),
    "exp_backward": backwards(low=0),
    "log_forward": calls(low=0.1),
    "log_backward": backwards(low=0.5),
    "sqrt_forward": calls(low=0),
    "sqrt_backward": backwards(low=0.5),
    "rsqrt_forward": calls(low=0.1),
    "rsqrt_backward": backwards(low=0.5, high=2),
    "silu_forward": calls(),
    "silu_backward": backwards(),
    "mish_forward": calls(),
    "mish_backward": backwards(),
    "softplus_forward": calls(*SOFTPLUS),
    "softplus_backward": backwards(*SOFTPLUS),
    "logsigmoid_forward": calls(),
    "logsigmoid_backward": backwards(),
    "softsign_forward": calls(),
    "softsign_backward": backwards(),
    "tanhshrink_forward": calls(),
    "tanhshrink_backward": backwards(),
}
