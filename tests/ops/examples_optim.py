"""Arguments to try the kernels of gpudl.optim on; see test_kernels.py. A step is far smaller than the parameter it
changes: half floats lose it."""

from itertools import product

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
            arrays = [make((6,)), make((6,)), *(make((6,), 0.1, 2) if wanted else None for wanted in row)]
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


EXAMPLES = {
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
    "rmsprop_step_": stepped(
        [(True, False, False), (True, False, True)], (0.1, 0.9, 1e-3, 0.9, 0.0), (0.1, 0.5, 0.1, 0.5, 0.1)
    ),
    "rprop_step_": stepped((True, True), (0.5, 1.2, 1e-3, 50)),
    "asgd_step_": stepped((True,), (0.1, 1, 0.01, 0), (0.1, 0.5, 0.01, 0.1)),
    "lion_step_": stepped((True,), (0.1, 0.9, 0.99, 0), (0.1, 0.5, 0.9, 0.1)),
    "lamb_step_": stepped((True, True), (1, 0.1, 0.9, 0.99, 1e-3, 0), (5, 0.1, 0.5, 0.9, 1e-3, 0.1)),
    "adafactor_step_": adafactor_step,
}
DTYPES = dict.fromkeys(EXAMPLES, FLOATS[1:])
