"""Arguments to try the kernels of recurrent layers on; see test_kernels.py."""

from examples_norms import forward

FLOATS = ("float32", "float64")  # half floats are computed in float32; see gpudl.ops.time_steps
COUNTS = ((3,), (2, 2, 2), (4, 3, 3, 1), (40,) * 5)
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def weights(arrays, op, features, hidden, outputs, bias):
    rows = GATES[op] * hidden
    return [
        arrays((rows, features)),
        arrays((rows, outputs)),
        *(arrays((rows,)) if bias else None for _ in range(2)),
    ]


def settings(op):
    """Batch sizes, direction, bias, and what an op takes besides."""
    for number, counts in enumerate(COUNTS):
        for reverse in (False, True):
            for extra in {"lstm": (False, True), "gru": (None,), "rnn": ("tanh", "relu")}[op]:
                yield counts, reverse, number != 1, extra


def lstm_forward(arrays):
    for counts, reverse, bias, projected in settings("lstm"):
        outputs = 2 if projected else 5
        states = arrays((counts[0], outputs)), arrays((counts[0], 5))
        w_hr = arrays((2, 5)) if projected else None
        given = weights(arrays, "lstm", 3, 5, outputs, bias)
        yield [arrays((sum(counts), 3)), *states, *given, w_hr, counts, reverse]


def lstm_backward(arrays):
    for args in lstm_forward(arrays):
        y, h, c, gates, tanh_c, _, before_c = forward("lstm", args)
        w_hh, w_hr, order = args[4], args[7], args[8:]
        yield [*(arrays(each.shape) for each in (y, h, c)), w_hh, w_hr, gates, tanh_c, before_c, *order]


def gru_forward(arrays):
    for counts, reverse, bias, _ in settings("gru"):
        given = weights(arrays, "gru", 3, 5, 5, bias)
        yield [arrays((sum(counts), 3)), arrays((counts[0], 5)), *given, counts, reverse]


def gru_backward(arrays):
    for args in gru_forward(arrays):
        y, h, gates, of_n, before_h = forward("gru", args)
        yield [arrays(y.shape), arrays(h.shape), args[3], gates, of_n, before_h, *args[6:]]


def rnn_forward(arrays):
    for counts, reverse, bias, nonlinearity in settings("rnn"):
        # A wide state of a rectifier would grow without end.
        given = [each if each is None else each / 4 for each in weights(arrays, "rnn", 3, 5, 5, bias)]
        yield [arrays((sum(counts), 3)), arrays((counts[0], 5)), *given, nonlinearity, counts, reverse]


def rnn_backward(arrays):
    for args in rnn_forward(arrays):
        y, h, _ = forward("rnn", args)
        yield [arrays(y.shape), arrays(h.shape), args[3], y, *args[6:]]


EXAMPLES = {
    "lstm_forward": lstm_forward,
    "lstm_backward": lstm_backward,
    "gru_forward": gru_forward,
    "gru_backward": gru_backward,
    "rnn_forward": rnn_forward,
    "rnn_backward": rnn_backward,
}
DTYPES = dict.fromkeys(EXAMPLES, FLOATS)
