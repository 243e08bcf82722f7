"""Arguments to try the kernels of attention on; see test_kernels.py."""

import numpy as np
from examples_norms import forward

from gpudl.ops.attention_checks import Settings
from gpudl.random import stream

SHAPES = (
    # outer, group, queries, keys, features, features of values
    (2, 1, 3, 5, 4, 6),
    (3, 2, 5, 4, 3, 3),
    (1, 1, 80, 70, 16, 9),
)


def attention_forward(arrays):
    for number, (outer, group, queries, keys, features, wide) in enumerate(SHAPES):
        qkv = arrays((outer, group, queries, features)), arrays((outer, keys, features)), arrays((outer, keys, wide))
        plain, causal = Settings(0.5, False), Settings(0.5, True)
        drops = 0.25, stream("attention example", number, seed=1)
        seen = np.resize([True, False, True, True, True, False, True], (queries, keys))
        seen[0] = False
        place = np.arange(outer) % 2
        yield [*qkv, None, None, plain]
        yield [*qkv, None, None, Settings(0.5, number % 2 == 1, *drops)]
        yield [*qkv, arrays((2, group, queries, 1)), place, Settings(0.5, False, *drops)]
        if number == 2:
            yield [*qkv, arrays((1, 1, 1, 1)), None, plain]
            continue
        yield [*qkv, None, None, causal]
        yield [*qkv, seen[None, None], None, plain]
        yield [*qkv, arrays((outer, group, queries, keys)), None, plain]
        yield [*qkv, arrays((2, 1, 1, keys)), place, plain]


def attention_backward(arrays):
    for args in attention_forward(arrays):
        y, lse = forward("scaled_dot_product_attention", args)
        for_mask = args[3] is not None and args[3].dtype.kind == "f"
        yield [arrays(y.shape), *args, y, lse, for_mask]


EXAMPLES = {
    "scaled_dot_product_attention_forward": attention_forward,
    "scaled_dot_product_attention_backward": attention_backward,
}
