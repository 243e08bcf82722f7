"""Arguments to try the kernels of matrix products on; see test_kernels.py. Batches: test_cublas.py."""

import numpy as np

SHAPES = (
    ((3, 4), (4, 5)),
    ((1, 4), (4, 1)),
    ((4,), (4,)),
    ((4,), (4, 3)),
    ((3, 4), (4,)),
    ((0, 4), (4, 3)),
    ((3, 0), (0, 2)),
    ((33, 65), (65, 17)),
)


def products(arrays):
    for x, y in SHAPES:
        yield [arrays(x), arrays(y), None, 1.0, 0.0]
        yield [arrays(x), arrays(y), None, -0.5, 0.0]
        out = arrays(np.matmul(np.empty(x), np.empty(y)).shape)
        for alpha, beta in ((1.0, 1.0), (0.5, 0.0), (2.0, -0.5)):
            yield [arrays(x), arrays(y), out, alpha, beta]


LAYERS = ((1, 1, 1), (5, 3, 4), (33, 65, 17), (0, 4, 3), (3, 0, 2), (4, 3, 0))


def with_bias(arrays):
    for count, inner, columns in LAYERS:
        yield [arrays((count, columns)), arrays((count, inner)), arrays((columns, inner)), arrays((columns,))]
    yield [arrays((3, 5, 8)), arrays((3, 5, 16)), arrays((8, 16)), arrays((8,))]


def layer_gradients(arrays):
    for count, inner, columns in LAYERS:
        for given in (False, True):
            home = [arrays((columns, inner)), arrays((columns,))] if given else [None, None]
            yield [arrays((count, columns)), arrays((count, inner)), *home]


EXAMPLES = {"product_": products, "biased_product_": with_bias, "weight_and_bias_gradients_": layer_gradients}
