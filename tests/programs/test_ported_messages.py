"""A wrong input deep inside a model: the message has the layer's path, what was expected, and what it got."""

import pytest

import gpudl

nn = gpudl.nn
x = gpudl.ones


def deep(*layers):
    """A model whose layers stand as encoder.blocks.0, encoder.blocks.1, ..., and are called from above."""

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(layers)

        def forward(self, *given):
            for block in self.blocks:
                given = (block(*given),)
            return given[0]

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = Encoder()

        def forward(self, *given):
            return self.encoder(*given)

    return Model()


# The model, its input, the path after encoder.blocks, and what else the message must have.
CASES = {
    "linear": (deep(nn.Linear(3, 4), nn.Linear(5, 2)), x(2, 3), "1", ["(*, 5)", "(2, 4)"]),
    "conv": (deep(nn.Conv2d(3, 4, 3), nn.Conv2d(5, 2, 3)), x(2, 3, 8, 8), "1", ["5, *, *", "(2, 4, 6, 6)"]),
    "conv_transpose": (deep(nn.ConvTranspose2d(3, 4, 3)), x(2, 5, 2, 2), "0", ["3, *, *", "(2, 5, 2, 2)"]),
    "too_small": (deep(nn.Conv2d(3, 4, 3)), x(2, 3, 2, 2), "0", ["(3, 3)", "(2, 2)"]),
    "pool": (deep(nn.MaxPool2d(4)), x(1, 1, 2, 2), "0", ["(4, 4)", "(2, 2)"]),
    "batch_norm": (deep(nn.Linear(3, 4), nn.BatchNorm1d(5)), x(2, 3), "1", ["(n, 5)", "(2, 4)"]),
    "one_value": (deep(nn.BatchNorm1d(5)), x(1, 5), "0", ["(1, 5)", "one value"]),
    "group_norm": (deep(nn.GroupNorm(2, 4)), x(1, 6, 3), "0", ["(n, 4, *)", "(1, 6, 3)"]),
    "layer_norm": (deep(nn.LayerNorm(4)), x(1, 6, 3), "0", ["(..., 4)", "(1, 6, 3)"]),
    "lstm": (deep(nn.LSTM(4, 3)), x(5, 2, 6), "0", ["(*, 4)", "(5, 2, 6)"]),
    "cell": (deep(nn.GRUCell(4, 3)), x(2, 6), "0", ["(*, 4)", "(2, 6)"]),
    "transformer": (deep(nn.TransformerEncoderLayer(4, 2, 8)), x(2, 3, 5), "0.self_attn", ["(*, 4)", "(2, 3, 5)"]),
    "embedding": (deep(nn.Embedding(4, 3)), gpudl.tensor([5]), "0", ["index 5", "4"]),
    "embedding_of_floats": (deep(nn.Embedding(4, 3)), x(5), "0", ["int64", "float32"]),
    "prelu": (deep(nn.PReLU(3)), x(2, 4), "0", ["3 slopes", "(2, 4)"]),
    "shuffle": (deep(nn.PixelShuffle(2)), x(2, 7, 2, 2), "0", ["(2, 7, 2, 2)"]),
    "upsample": (deep(nn.Upsample(None, 2, "bilinear")), x(2, 7, 2), "0", ["4 dimensions", "(2, 7, 2)"]),
    "unflatten": (deep(nn.Flatten(), nn.Unflatten(1, (2, 3))), x(2, 7), "1", ["(2, 3)", "7"]),
    "dtypes": (deep(nn.Linear(3, 4)), x(2, 3).double(), "0", ["float64", "float32"]),
    "forgotten_flatten": (deep(nn.Conv2d(3, 4, 3), nn.Linear(16, 2)), x(2, 3, 4, 4), "1", ["(*, 16)", "(2, 4, 2, 2)"]),
    "tuple_of_lstm": (deep(nn.LSTM(3, 4), nn.Linear(4, 2)), x(2, 2, 3), "1", ["expected a Tensor, got tuple"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_input_deep_inside_is_named_with_its_layer(case):
    model, given, path, told = CASES[case]
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)) as caught:
        model(given)
    message = str(caught.value)
    assert message.startswith(f"encoder.blocks.{path}: ")
    for each in told:
        assert each in message
