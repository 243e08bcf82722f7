"""Arguments to try the kernels of rotary embedding on; see test_kernels.py."""

SHAPES = (((2, 3, 5, 8), (5, 4)), ((4, 7), (4, 2)), ((2, 4, 6), (2, 1, 3)), ((3, 2), (1,)), ((0, 3, 4), (3, 2)))


def forward(arrays):
    for interleaved in (False, True):
        for shape, tables in SHAPES:
            yield [arrays(shape), arrays(tables), arrays(tables), interleaved]


def backward(arrays):
    for interleaved in (False, True):
        for shape, tables in SHAPES:
            yield [arrays(shape), None, arrays(tables), arrays(tables), interleaved]
            yield [arrays(shape), arrays(shape), arrays(tables), arrays(tables), interleaved]


EXAMPLES = {"rotary_embedding_forward": forward, "rotary_embedding_backward": backward}
