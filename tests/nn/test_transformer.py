"""The Transformer and its parts beside PyTorch's: all kinds of masks, both orders of normalization, both modes."""

import copy
import math
import pickle

import numpy as np
import pytest
from tolerances import assert_close
from twins import array, compare, torch, twins

import gpudl
from gpudl import nn

S, T, N, E, H = 5, 4, 2, 8, 2

# torch says that it does without its nested tensors.
pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")


def causal(length):
    return np.triu(np.full((length, length), -np.inf, "float32"), 1)


def padding(length):
    """The last key of the first sample, the second and the last of the other."""
    hidden = np.zeros((N, length), bool)
    hidden[:, -1] = hidden[1, 1] = True
    return hidden


def heads(queries, keys):
    hidden = np.random.default_rng(3).random((N * H, queries, keys)) < 0.3
    hidden[:, :, 0] = False
    return hidden


def sequence(length, batch_first=False, seed=0, dtype="float32", batch=N):
    return array(*((batch, length) if batch_first else (length, batch)), E, dtype=dtype, seed=seed)


SETTINGS = {
    "plain": {},
    "norm_first": {"norm_first": True},
    "batch_first": {"batch_first": True},
    "both_first": {"norm_first": True, "batch_first": True, "activation": "gelu"},
    "no_bias": {"bias": False, "activation": "gelu"},
    "no_bias_first": {"bias": False, "norm_first": True},
    "eps": {"layer_norm_eps": 0.1, "batch_first": True},
}
ENCODER_MASKS = {
    "none": {},
    "causal": {"src_mask": causal(S)},
    "hinted": {"src_mask": causal(S), "is_causal": True},
    "bool": {"src_mask": causal(S) < 0},
    "each_head": {"src_mask": heads(S, S)},
    "float": {"src_mask": array(S, S, seed=5)},
    "padding": {"src_key_padding_mask": padding(S)},
    "both": {"src_mask": causal(S) < 0, "src_key_padding_mask": padding(S)},
    "both_float": {"src_mask": causal(S), "src_key_padding_mask": array(N, S, seed=6)},
}
DECODER_MASKS = {
    "none": {},
    "causal": {"tgt_mask": causal(T)},
    "hinted": {"tgt_mask": causal(T), "tgt_is_causal": True},
    "bool": {"tgt_mask": causal(T) < 0, "memory_mask": heads(T, S)[0]},
    "each_head": {"tgt_mask": heads(T, T), "memory_mask": heads(T, S)},
    "float": {"tgt_mask": array(T, T, seed=5), "memory_mask": array(T, S, seed=6)},
    "padding": {"tgt_key_padding_mask": padding(T), "memory_key_padding_mask": padding(S)},
    "all": {
        "tgt_mask": causal(T) < 0,
        "memory_mask": heads(T, S),
        "tgt_key_padding_mask": padding(T),
        "memory_key_padding_mask": padding(S),
    },
}


def layer(lib, kind, **settings):
    return getattr(lib.nn, f"Transformer{kind}Layer")(E, H, 12, 0.0, **settings)


def small(lib, **settings):
    return lib.nn.Transformer(E, H, 2, 1, 12, 0.0, **settings)


@pytest.mark.parametrize("mask", ENCODER_MASKS)
@pytest.mark.parametrize("name", SETTINGS)
def test_encoder_layer(device, name, mask):
    x = sequence(S, SETTINGS[name].get("batch_first"))
    make = {"device": device, "calls": 1, "slack": 8, **ENCODER_MASKS[mask]}
    compare(lambda lib: layer(lib, "Encoder", **SETTINGS[name]), x, **make)


@pytest.mark.parametrize("mask", DECODER_MASKS)
@pytest.mark.parametrize("name", SETTINGS)
def test_decoder_layer(device, name, mask):
    x, memory = (sequence(length, SETTINGS[name].get("batch_first"), seed=length) for length in (T, S))
    make = {"device": device, "calls": 1, "slack": 8, **DECODER_MASKS[mask]}
    compare(lambda lib: layer(lib, "Decoder", **SETTINGS[name]), x, memory, **make)


@pytest.mark.parametrize("mask", ENCODER_MASKS)
@pytest.mark.parametrize("norm", [True, False])
def test_encoder(device, norm, mask):
    named = {name.removeprefix("src_") if name == "src_mask" else name: m for name, m in ENCODER_MASKS[mask].items()}

    def make(lib):
        return lib.nn.TransformerEncoder(layer(lib, "Encoder"), 3, lib.nn.LayerNorm(E) if norm else None)

    # A causal mask that torch finds to be one has no gradient there.
    given = {**named, "mask": named["mask"] < 0} if mask in ("causal", "hinted") else named
    compare(make, sequence(S), device=device, calls=1, slack=10, **given)


@pytest.mark.parametrize("mask", DECODER_MASKS)
@pytest.mark.parametrize("norm", [True, False])
def test_decoder(device, norm, mask):
    named = DECODER_MASKS[mask]

    def make(lib):
        return lib.nn.TransformerDecoder(layer(lib, "Decoder"), 2, lib.nn.LayerNorm(E) if norm else None)

    given = {**named, "tgt_mask": named["tgt_mask"] < 0} if mask in ("causal", "hinted") else named
    compare(make, sequence(T), sequence(S, seed=1), device=device, calls=1, slack=10, **given)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("name", SETTINGS)
def test_transformer(device, name, masked, dtype):
    src, tgt = (sequence(length, SETTINGS[name].get("batch_first"), length, dtype) for length in (S, T))
    masks = {**DECODER_MASKS["all"], "src_mask": heads(S, S), "src_key_padding_mask": padding(S)} if masked else {}
    settings = {"device": device, "dtype": dtype, "calls": 1, "slack": 15}
    compare(lambda lib: small(lib, **SETTINGS[name]), src, tgt, **settings, **masks)


@pytest.mark.parametrize("batch_first", [True, False])
def test_one_sample_and_none(device, batch_first):
    for src, tgt in (
        (array(S, E), array(T, E, seed=1)),
        (sequence(S, batch_first, batch=0), sequence(T, batch_first, batch=0)),
    ):
        compare(lambda lib: small(lib, batch_first=batch_first), src, tgt, device=device, calls=1, slack=10)
    masks = {"src_key_padding_mask": padding(S)[1], "tgt_mask": causal(T) < 0, "memory_mask": heads(T, S)[:H]}
    compare(lambda lib: small(lib), array(S, E), array(T, E, seed=1), device=device, calls=1, slack=10, **masks)


@pytest.mark.parametrize("mask", [mask for mask in ENCODER_MASKS if "float" not in mask])
@pytest.mark.parametrize("norm_first", [True, False])
def test_torch_takes_its_fast_path_to_the_same_numbers(device, norm_first, mask):
    """In evaluation and without gradients. What it gives for padded places, 0, is of no use and not compared.

    Nor are floating masks: there it hides every key whose mask is not 0.
    """
    mine, theirs = (
        each.eval() for each in twins(lambda lib: small(lib, norm_first=norm_first, batch_first=True).encoder, device)
    )
    x, hidden = sequence(S, True), ENCODER_MASKS[mask].get("src_key_padding_mask", np.zeros((N, S), bool))
    names = {"src_mask": "mask"}
    results = []
    for module, lib, where in ((mine, gpudl, {"device": device}), (theirs, torch, {})):
        named = {
            names.get(name, name): lib.tensor(value, **where) if isinstance(value, np.ndarray) else value
            for name, value in ENCODER_MASKS[mask].items()
        }
        with lib.no_grad():
            results.append(module(lib.tensor(x, **where), **named).cpu().numpy())
    assert_close(*(result[~hidden] for result in results), "seen places", slack=10)


@pytest.mark.parametrize("activation", ["relu", "gelu", "module", "function"])
def test_activations(device, activation):
    def make(lib):
        given = {"module": lib.nn.Tanh(), "function": lib.tanh}.get(activation, activation)
        return lib.nn.TransformerEncoder(layer(lib, "Encoder", activation=given), 2)

    compare(make, sequence(S), device=device, calls=1, slack=10)


def test_custom_stacks():
    class Last(nn.Module):
        def forward(self, *args, **named):
            return args[-1]

    first = nn.Transformer(E, H, 1, 1, 12, custom_encoder=Last(), custom_decoder=Last())
    src, tgt = (gpudl.tensor(sequence(length)) for length in (S, T))
    assert first(src, tgt) is src
    assert not list(first.parameters())


def test_layers_are_copies_that_start_alike():
    first = layer(gpudl, "Encoder")
    stack = nn.TransformerEncoder(first, 3, nn.LayerNorm(E))
    states = [each.state_dict() for each in (first, *stack.layers)]
    for state in states[1:]:
        assert all(gpudl.equal(state[name], value) for name, value in states[0].items())
    assert len({id(parameter) for each in (first, *stack.layers) for parameter in each.parameters()}) == 4 * len(
        states[0]
    )
    stack.layers[0].linear1.bias.data.fill_(3)
    assert stack.layers[1].linear1.bias.tolist() != stack.layers[0].linear1.bias.tolist()


def test_no_layers_leave_the_norm():
    x = gpudl.tensor(sequence(S))
    assert nn.TransformerEncoder(layer(gpudl, "Encoder"), 0)(x) is x


def test_the_causal_mask(device):
    make = nn.Transformer.generate_square_subsequent_mask
    for size in (0, 1, 4):
        got, want = make(size, device=device), torch.nn.Transformer.generate_square_subsequent_mask(size)
        assert got.device is device
        assert_close(got.cpu().numpy(), want.numpy(), "mask")
    assert make(2, dtype="float64").tolist() == [[0, -math.inf], [0, 0]]
    assert make(2, dtype="float64").dtype == gpudl.float64


def test_dropout_is_everywhere_in_training_and_nowhere_else():
    gpudl.manual_seed(0)
    model = nn.Transformer(E, H, 1, 1, 12, dropout=0.4)
    dropouts = [name for name, module in model.named_modules() if isinstance(module, nn.Dropout)]
    assert len(dropouts) == 3 + 4
    assert {module.p for module in model.modules() if isinstance(module, nn.Dropout)} == {0.4}
    assert {module.dropout for module in model.modules() if isinstance(module, nn.MultiheadAttention)} == {0.4}
    src, tgt = (gpudl.tensor(sequence(length)) for length in (S, T))
    assert not gpudl.equal(model(src, tgt), model(src, tgt))
    model.eval()
    assert gpudl.equal(model(src, tgt), model(src, tgt))


@pytest.mark.parametrize(
    ("kind", "number", "silent"),
    [
        ("Encoder", 1, "self_attn.out_proj"),
        ("Encoder", 2, "linear2"),
        ("Decoder", 1, "self_attn.out_proj"),
        ("Decoder", 2, "multihead_attn.out_proj"),
        ("Decoder", 3, "linear2"),
    ],
)
def test_each_dropout_falls_on_its_block(kind, number, silent):
    """With p = 1 at one place and 0 elsewhere, the layer is one without that block."""
    one = layer(gpudl, kind, norm_first=True)
    x, memory = (gpudl.tensor(sequence(length, seed=length)) for length in (T, S))
    given = (x, memory) if kind == "Decoder" else (x,)
    getattr(one, f"dropout{number}").p = 1.0
    got = one(*given)
    for name, parameter in one.named_parameters():
        if name.startswith(silent):
            parameter.data.zero_()
    assert_close(one.eval()(*given).detach().numpy(), got.detach().numpy(), "without the block")


@pytest.mark.parametrize("settings", [{}, {"bias": False}], ids=str)
def test_initial_values_are_spread_as_those_of_torch(settings):
    gpudl.manual_seed(2)
    torch.manual_seed(2)
    mine, theirs = (lib.nn.Transformer(64, 4, 1, 1, 256, **settings) for lib in (gpudl, torch))
    wanted = dict(theirs.named_parameters())
    for name, parameter in mine.named_parameters():
        values, other = parameter.detach().numpy(), wanted[name].detach().numpy()
        if values.ndim > 1:
            assert values.std() == pytest.approx(other.std(), rel=0.03), name
            assert abs(values).max() == pytest.approx(abs(other).max(), rel=0.01), name
        elif "linear" not in name:
            assert np.array_equal(values, other), name
        else:
            assert abs(values).max() == pytest.approx(abs(other).max(), rel=0.15), name


def test_copies_pickles_and_states():
    model = small(gpudl, norm_first=True, activation="gelu")
    src, tgt = (gpudl.tensor(sequence(length)) for length in (S, T))
    want = model(src, tgt).tolist()
    fresh = small(gpudl, norm_first=True, activation="gelu")
    fresh.load_state_dict(model.state_dict())
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), fresh):
        assert other(src, tgt).tolist() == want


def test_a_subclass_may_change_a_block():
    class Louder(nn.TransformerEncoderLayer):
        def _ff_block(self, x):
            return 2 * super()._ff_block(x)

    class LouderInTorch(torch.nn.TransformerEncoderLayer):
        def _ff_block(self, x):
            return 2 * super()._ff_block(x)

    mine, theirs = Louder(E, H, 12, 0.0), LouderInTorch(E, H, 12, 0.0)
    mine.load_state_dict(theirs.state_dict())
    x = sequence(S)
    got, want = mine(gpudl.tensor(x)), theirs(torch.tensor(x))
    assert_close(got.detach().numpy(), want.detach().numpy(), "output", slack=5)


def test_errors():
    for lib in (gpudl, torch):
        with pytest.raises(RuntimeError, match="activation should be relu/gelu, not tanh"):
            layer(lib, "Decoder", activation="tanh")
        with pytest.raises(AssertionError):
            lib.nn.Transformer(8, 3)
    model = small(gpudl)
    for shapes, message in (
        (((5, 2, 7), (4, 2, 8)), r"expected \(\*, 8\) of src and tgt, got \(5, 2, 7\)"),
        (((5, 2, 8), (4, 2, 7)), r"expected \(\*, 8\) of src and tgt"),
        (((5, 2, 8), (4, 3, 8)), r"differ in the number of samples: \(5, 2, 8\) and \(4, 3, 8\)"),
    ):
        for lib, what in ((gpudl, message), (torch, "must be equal")):
            with pytest.raises(RuntimeError, match=what):
                small(lib)(*(lib.ones(*shape) for shape in shapes))
    src, tgt = gpudl.ones(5, 2, 8), gpudl.ones(4, 2, 8)
    with pytest.raises(AssertionError, match=r"attn_mask \(5, 5\) or \(4, 5, 5\), got \(4, 4\)") as caught:
        model(src, tgt, src_mask=gpudl.zeros(4, 4))
    assert caught.match(r"encoder\.(layers\.0\.)?self_attn")
    with pytest.raises(TypeError, match="num_layers must be an int"):
        nn.TransformerEncoder(layer(gpudl, "Encoder"), 2.0)
