"""Arguments to try the kernels of losses of elements, and of NLL, on; see test_kernels.py."""

import numpy as np

from gpudl.backend.arrays import quiet
from gpudl.backend.kernel import KERNELS
from gpudl.ops.class_rows import Kept

REDUCTIONS = ("none", "sum", "mean")
SHAPES = ((5,), (3, 40), (17, 1031))  # elements alone, packs, and blocks that meet


def forward(low, high, settings, thirds=None):
    """Examples of a forward: reductions, shapes, weights and settings, all of them but not each with each."""

    def examples(arrays):
        number = 0
        for reduction in REDUCTIONS:
            for shape in SHAPES:
                number += 1
                w = (None, arrays(shape, 0.5, 2), arrays(shape[-1:], 0.5, 2))[number % 3]
                x, t = arrays(shape, low, high), arrays(shape, low, high)
                t = t + 0 if number % 2 else np.flip(t)
                v = [] if thirds is None else [thirds(arrays, shape, number)]
                yield [x, np.ascontiguousarray(t), *v, w, reduction, *settings[number % len(settings)]]

    return examples


def backward(of_forward, count):
    """The same of a backward, whose gradients of `count` arrays are wanted, the last ones not always."""

    def examples(arrays):
        for number, args in enumerate(of_forward(arrays)):
            at = next(i for i, arg in enumerate(args) if type(arg) is str)
            dy = arrays(args[0].shape if args[at] == "none" else ())
            yield [dy, *args[:at], (True, *(number % 2 == 0,) * (count - 1)), *args[at:]]

    return examples


def pos_weights(arrays, shape, number):
    return (None, arrays(shape[-1:], 0.5, 2), arrays((), 0.5, 2))[number // 3 % 3]


def variances(arrays, shape, number):
    return arrays(shape, 0.1, 2)


FORWARDS = {
    "mse_loss": (forward(-2, 2, [()]), 2),
    "l1_loss": (forward(-2, 2, [()]), 2),
    "smooth_l1_loss": (forward(-2, 2, [(0.7,), (1.5,)]), 2),
    "huber_loss": (forward(-2, 2, [(0.7,), (1.5,)]), 2),
    "binary_cross_entropy": (forward(0.05, 0.95, [()]), 2),
    "binary_cross_entropy_with_logits": (forward(-6, 6, [()], pos_weights), 2),
    "kl_div": (forward(0.1, 2, [(False,), (True,)]), 2),
    "poisson_nll_loss": (forward(0.1, 1.3, [(None, False), (1e-3, True), (None, True)]), 2),
    "gaussian_nll_loss": (forward(-2, 2, [(1e-6, False), (0.5, True)], variances), 3),
}


def nll_loss_forward(arrays):
    rng = np.random.default_rng(0)
    number = 0
    for reduction in REDUCTIONS:
        for rows, classes, places in ((5, 4, 1), (3, 5, 7), (2600, 3, 1), (2, 1, 5)):
            number += 1
            weight = arrays((classes,), 0.5, 2) if number % 2 else None
            labels = rng.integers(0, classes, (rows, places))
            labels.flat[::3] = -100
            yield [arrays((rows, classes, places)), labels, weight, -100, reduction]


def nll_loss_backward(arrays):
    for x, target, weight, ignore_index, reduction in nll_loss_forward(arrays):
        with quiet():
            loss, divisor = KERNELS["nll_loss_forward"].reference(x, target, weight, ignore_index, reduction)
        yield [arrays(np.shape(loss)), target, weight, Kept(divisor), x.shape, ignore_index, reduction]


EXAMPLES = {"nll_loss_forward": nll_loss_forward, "nll_loss_backward": nll_loss_backward}
for name, (examples, count) in FORWARDS.items():
    EXAMPLES[f"{name}_forward"], EXAMPLES[f"{name}_backward"] = examples, backward(examples, count)
