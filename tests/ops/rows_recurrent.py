"""Rows of the recurrent operations."""

from cases import row

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
degenerate = {
    "degenerate": "empty and 0-d parameters fit nothing; torch computes with some of them",
    "special": "sums with nan and inf are taken in another order; large inputs are tried in test_recurrent.py",
}
unlike = dict.fromkeys(GATES, degenerate) | {
    "rnn": {
        **degenerate,
        "integers": "torch has a few of these for integers; ours are for floating point, as the others",
    }
}


def shapes(op, features, hidden, bias, directions, layers, projected=0):
    """The shapes of the parameters of all layers."""
    found = []
    for layer in range(layers):
        rows, outputs = GATES[op] * hidden, projected or hidden
        for _ in range(directions):
            found += [(rows, outputs * directions if layer else features), (rows, outputs)]
            found += [(rows,), (rows,)] if bias else []
            found += [(projected, hidden)] if projected else []
    return found


def layers(op, bias=True, layers=1, bidirectional=False, batch_first=False, projected=0, name=None, note=""):
    """A stack of layers with 3 features, a state of 2, 2 sequences of 4 steps."""
    directions = 2 if bidirectional else 1
    states = [(layers * directions, 2, width) for width in ([projected or 2, 2] if op == "lstm" else [2])]
    parameters = shapes(op, 3, 2, bias, directions, layers, projected)
    settings = (bias, layers, 0.0, True, bidirectional, batch_first)

    def call(lib, x, *tensors):
        hx = tensors[: len(states)] if op == "lstm" else tensors[0]
        find = lib
        for part in (name or op).split("."):
            find = getattr(find, part)
        return find(x, hx, list(tensors[len(states) :]), *settings)

    def twin(lib, x, hx, *tensors):
        return lib.rnn_tanh(x, hx, list(tensors), *settings)

    row(
        name or op,
        (2, 4, 3) if batch_first else (4, 2, 3),
        *states,
        *parameters,
        call=call,
        twin=twin if name == "nn.functional.rnn" else None,
        note=f"{bias}{layers}{bidirectional}{batch_first}{projected}{note}",
        unlike=unlike[op],
        slack=4.0,
    )


for op, name in (("lstm", None), ("gru", None), ("rnn", "rnn_tanh"), ("rnn", "rnn_relu"), ("rnn", "nn.functional.rnn")):
    layers(op, name=name)
    layers(op, name=name, bias=False, batch_first=True)
    layers(op, name=name, layers=2, bidirectional=True)
layers("lstm", projected=1)
layers("lstm", projected=1, layers=2, bidirectional=True, bias=False)

for op, name in (("lstm", "lstm_cell"), ("gru", "gru_cell"), ("rnn", "rnn_tanh_cell"), ("rnn", "rnn_relu_cell")):
    for bias in (True, False):
        count = 2 if op == "lstm" else 1

        def call(lib, x, *tensors, name=name, count=count):
            return getattr(lib, name)(x, tensors[:count] if count == 2 else tensors[0], *tensors[count:])

        parameters = shapes(op, 3, 2, bias, 1, 1)
        row(name, (2, 3), *[(2, 2)] * count, *parameters, call=call, note=str(bias), unlike=unlike[op], slack=4.0)
