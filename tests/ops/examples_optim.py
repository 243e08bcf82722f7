"""Arguments to try the kernels of gpudl.optim on; see test_kernels.py. A step is far smaller than the parameter it
changes: half floats lose it."""

from itertools import product

import numpy as np
from cases import FLOATS


def stepped(states, *settings):
    """Examples of a step: parameter, gradient, and state arrays that are >= 0 (None: left out), then the numbers.

    Args:
        states: for each state array True or False; or several such rows.
        settings: the numbers of each case.
    """
    rows = states if states and isinstance(states[0], tuple) else [states]

    def examples(make):
        for numbers, row in product(settings, rows):
            for shape in ((6,), (3, 5), (1100,)):
                arrays = [make(shape), make(shape), *(make(shape, 0.1, 2) if wanted else None for wanted in row)]
                yield (*arrays, *numbers)

    return examples


def sgd_step(arrays):
    for shape in ((5,), (3, 4), (3, 7001)):
        for settings in ((0.1, 0.0, 0.0, 0.0, False), (0.1, 0.0, 0.0, 0.01, False)):
            yield [arrays(shape), arrays(shape), None, *settings]
        for settings in ((0.1, 0.9, 0.0, 0.0, False), (0.1, 0.9, 0.3, 0.01, False), (0.1, 0.9, 0.0, 0.01, True)):
            yield [arrays(shape), arrays(shape), arrays(shape), *settings]


def adam_step(arrays):
    for shape in ((5,), (3, 4), (3, 7001)):
        for decay, decoupled, amsgrad, step in ((0.0, False, False, 1), (0.1, False, False, 7), (0.1, True, True, 100)):
            highest = arrays(shape, 0.5, 2) if amsgrad else None
            state = [arrays(shape), arrays(shape), arrays(shape), arrays(shape, 0.5, 2), highest]
            yield [*state, step, 0.01, 0.9, 0.999, 1e-8, decay, decoupled]


def adafactor_step(make):
    for numbers in ((1, 0.1, -0.8, 1e-3, 1e-3, 1.0, 0), (7, 0.1, -0.3, 1e-2, 0.5, 2.5, 0.1)):
        factors = (make((3, 1), 0.1, 2), make((1, 4), 0.1, 2), None)
        yield (make((3, 4)), make((3, 4)), *factors, *numbers)
        yield (make((5,)), make((5,)), None, None, make((5,), 0.1, 2), *numbers)
        for lead, rows, columns in (((3, 2), 3, 3), ((2,), 5, 40), ((), 200, 9), ((2,), 2, 1040)):
            factors = (make((*lead, rows, 1), 0.1, 2), make((*lead, 1, columns), 0.1, 2), None)
            yield (make((*lead, rows, columns)), make((*lead, rows, columns)), *factors, *numbers)


def rmsprop_step(make):
    for shape in ((6,), (3, 5), (1100,)):
        for centered, momentum, decay in ((False, 0.0, 0.1), (True, 0.0, 0.0), (True, 0.9, 0.1), (False, 0.5, 0.0)):
            center = make(shape, 0.1, 0.5) if centered else None
            m = make(shape) if momentum else None
            yield (make(shape), make(shape), make(shape, 1, 2), center, m, 0.1, 0.9, 1e-3, momentum, decay)


def clip_by_norm(make):
    for shape in ((6,), (3, 5), (1100,)):
        for total in (0.0, 0.5, 100.0, float("inf"), float("nan")):
            yield (make(shape), np.full((), total, make(()).dtype), 1.5)


def lamb_step(make):
    cuts = [((6,), (6,)), ((3, 5), (15,)), ((1100,), (3, 0, 1000, 1, 96)), ((20011,), (9000, 11, 11000))]
    for shape, sizes in cuts:
        for numbers in ((1, 0.1, 0.9, 0.99, 1e-3, 0), (5, 0.1, 0.5, 0.9, 1e-3, 0.1)):
            yield (make(shape), make(shape), make(shape, 0.1, 2), make(shape, 0.1, 2), sizes, *numbers)


def muon_momentum(make):
    for shape in ((2, 3), (3, 5), (20, 55)):
        for nesterov in (True, False):
            yield (make(shape), make(shape), 0.9, nesterov)


def orthogonalize(make):
    for shape in ((2, 3), (5, 3), (4, 4), (1, 6), (40, 9)):
        for steps in (0, 1, 3):
            yield (make(shape), (1.5, -0.5, 0.1), steps, 1e-7)
    yield (make((3, 4)), (1.5, -0.5, 0.1), 1, 1e3)


def muon_step(make):
    for shape in ((2, 3), (3, 5), (20, 55)):
        yield (make(shape), make(shape), 0.1, 0.9)


def unscale(make):
    for shape in ((6,), (3, 5), (1100,), ()):
        for bad in (None, float("inf"), float("nan")):
            x = np.array(make(shape))
            if bad is not None:
                x[...] = np.where(np.arange(x.size).reshape(x.shape) == x.size // 2, bad, x)
            wide = np.float64 if x.dtype == np.float64 else np.float32
            yield (x, np.full((), 65536, wide), np.zeros(1, np.int32))


def update_scale(make):
    for scale, steps, found in ((8, 0, 0), (8, 2, 0), (8, 5, 0), (8, 2, 1)):
        flags = np.array([0, found, 0], np.int32)
        yield (np.full((), scale, np.float32), np.full((), steps, np.int32), flags, 2.0, 0.5, 3)


EXAMPLES = {
    "unscale_": unscale,
    "update_scale_": update_scale,
    "clip_by_norm_": clip_by_norm,
    "sgd_step_": sgd_step,
    "adam_step_": adam_step,
    "adamax_step_": stepped((True, True), (0.1, 0.9, 0.99, 1e-3, 0), (0.1, 0.9, 0.5, 1e-3, 0.1)),
    "nadam_step_": stepped(
        (True, True), (0.1, 0.2, 0.3, 0.0, 0.9, 0.99, 1e-3, 0.1), (0.1, 0.2, 0.3, 0.01, 0.9, 0.99, 1e-3, 0.0)
    ),
    "radam_step_": stepped(
        (True, True), (0.1, True, 0.0, 0.9, 0.99, 1e-3, 0.1), (0.1, False, 0.1, 0.9, 0.99, 1e-3, 0.0)
    ),
    "adagrad_step_": stepped((True,), (0.1, 1e-3, 0), (0.1, 1e-3, 0.1)),
    "adadelta_step_": stepped((True, True), (0.5, 0.9, 1e-3, 0), (1.0, 0.5, 1e-3, 0.1)),
    "rmsprop_step_": rmsprop_step,
    "rprop_step_": stepped((True, True), (0.5, 1.2, 1e-3, 50)),
    "asgd_step_": stepped((True,), (0.1, 1, 0.01, 0), (0.1, 0.5, 0.01, 0.1)),
    "lion_step_": stepped((True,), (0.1, 0.9, 0.99, 0), (0.1, 0.5, 0.9, 0.1)),
    "lamb_step_": lamb_step,
    "adafactor_step_": adafactor_step,
    "muon_momentum_": muon_momentum,
    "muon_step_": muon_step,
    "orthogonalize_forward": orthogonalize,
}
DTYPES = {**dict.fromkeys(EXAMPLES, FLOATS[1:]), "update_scale_": ("float32",)}
