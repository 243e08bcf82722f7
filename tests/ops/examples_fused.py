"""Arguments to try the kernels on that take several steps in one: bias, activation, dropout, what is added."""

import numpy as np

from gpudl.ops.random_bits import Drop

ACTS = ("relu", "tanh", "sigmoid", "silu", "gelu", "gelu_tanh")
SMALL = ((1,), (5,), (3, 4), (2, 3, 5), (0, 3), (3, 0), (9, 37))
LARGE = ((1030, 8), (7, 8200), (300, 33))
KEY, INDEX = (5, 2**64 - 1), (0, 2**63, 7)


def tables():
    for shape in SMALL:
        for act in ACTS:
            yield shape, act
    for number, shape in enumerate(LARGE):
        for act in ACTS[number % 2 :: 2]:
            yield shape, act


def bias_act_forward(arrays):
    for shape, act in tables():
        yield [arrays(shape, -4, 4), arrays(shape[-1:]), act, "gelu" in act]
    yield [arrays((3, 4), -4, 4), arrays((4,)), "gelu", False]


def bias_act_backward(arrays):
    for shape, act in tables():
        dy, b = arrays(shape, -0.1, 0.1), arrays(shape[-1:])
        if act in ("relu", "tanh", "sigmoid"):
            yield [dy, arrays(shape, -1, 1), None, None, act]
        else:
            yield [dy, arrays(shape, -4, 4), b, None, act]
    for shape in ((9, 37), (1030, 8)):
        dy, b = arrays(shape, -0.1, 0.1), arrays(shape[-1:])
        yield [dy, arrays(shape, -4, 4), b, arrays(shape), "gelu"]


def add_bias_(arrays):
    for shape in (*SMALL, *LARGE):
        yield [arrays(shape), arrays(shape[-1:])]


def drops():
    """Shapes and what is dropped of them."""
    for shape in ((), (1,), (7,), (8,), (3, 0), (0, 3), (5, 37), (6, 16), (70, 1100)):
        yield shape, Drop(KEY, INDEX, 0.3, 1 / 0.7)
    yield (3, 40), Drop(KEY, INDEX, 1.0, 0.0)
    yield (3, 40), Drop(KEY, INDEX, 0.5, 0.75, 1, -0.5, 0.25)
    for shape, span in (((9, 5), 5), ((2, 5, 4, 4), 16), ((3, 1100), 1100), ((11, 3), 33)):
        yield shape, Drop(KEY, INDEX, 0.4, 1 / 0.6, span)
        yield shape, Drop(KEY, INDEX, 0.4, 0.75, span, -0.5, 0.25)


def dropout_forward(arrays):
    for shape, drop in drops():
        yield [arrays(shape), None, None, drop]
    for shape in ((1, 1), (3, 4), (2, 3, 5), (9, 16), (70, 1100), (0, 3)):
        for drop in (None, Drop(KEY, INDEX, 0.3, 1 / 0.7)):
            yield [arrays(shape), arrays(shape[-1:]), None, drop]
            yield [arrays(shape), arrays(shape[-1:]), arrays(shape), drop]
            yield [arrays(shape), None, arrays(shape), drop]


def dropout_backward(arrays):
    for shape, drop in drops():
        size = int(np.prod(shape)) // drop.span
        bits = np.resize([0xA5, 0x13, 0xFF, 0x70], -(-size // 8)).astype("uint8")
        yield [arrays(shape, -0.1, 0.1), bits, drop, False]
        if drop.span == 1 and shape:
            yield [arrays(shape, -0.1, 0.1), bits, drop, True]
    yield [arrays((1030, 9), -0.1, 0.1), np.resize(np.arange(251), 1159).astype("uint8"), drops_of(0.3), True]
    yield [arrays((530, 16), -0.1, 0.1), np.resize(np.arange(251), 1060).astype("uint8"), drops_of(0.3), True]


def drops_of(p):
    return Drop(KEY, INDEX, p, 1 / (1 - p))


def random_fill_(arrays):
    laws = {
        "uniform": (-0.5, 3.0), "normal": (1.0, 2.0), "log_normal": (0.0, 0.5), "exponential": (1.5,),
        "cauchy": (0.5, 0.25), "geometric": (0.3,), "integers": (-5, 90), "coin": (0.3, False),
    }  # fmt: skip
    for law, numbers in laws.items():
        for shape, position in (((), 0), ((3, 7), 0), ((2050,), 5)):
            yield [np.zeros_like(arrays(shape)), KEY, INDEX, position, law, numbers]


EXAMPLES = {
    "bias_act_forward": bias_act_forward,
    "bias_act_backward": bias_act_backward,
    "add_bias_": add_bias_,
    "dropout_forward": dropout_forward,
    "dropout_backward": dropout_backward,
    "random_fill_": random_fill_,
}

# Of float32, whose numbers are made of half words, float64 is no more exact form; test_random_fill.py compares bits.
DTYPES = {"random_fill_": ("float64",)}
