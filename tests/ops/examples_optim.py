"""Arguments to try the kernels of gpudl.optim on; see test_kernels.py. A step is far smaller than the parameter it
changes: half floats lose it."""

from cases import FLOATS


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


EXAMPLES = {"sgd_step_": sgd_step, "adam_step_": adam_step}
DTYPES = {"sgd_step_": FLOATS[1:], "adam_step_": FLOATS[1:]}
