"""Multi-head attention beside PyTorch's, with all kinds of masks."""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
from tolerances import assert_close
from twins import array, compare, torch

import gpudl
from gpudl import nn

L, S, N, E, H = 3, 5, 2, 8, 2
BOOL_MASK = np.triu(np.ones((L, S), bool), 2)
BOOL_PADDING = np.array([[False] * 4 + [True], [False, False, True, False, True]])
FLOAT_MASK, FLOAT_PADDING = array(L, S, seed=4), array(N, S, seed=5)
EACH_HEAD = np.random.default_rng(2).random((N * H, L, S)) < 0.3
EACH_HEAD[:, :, 0] = False


def inputs(batch_first=False, batched=True, kdim=E, vdim=E, dtype="float32", batch=N):
    lead = [(batch, length) if batch_first else (length, batch) for length in (L, S, S)]
    shapes = lead if batched else [(L,), (S,), (S,)]
    pairs = enumerate(zip(shapes, (E, kdim, vdim)))
    return [array(*shape, features, dtype=dtype, seed=seed) for seed, (shape, features) in pairs]


MASKS = {
    "none": {},
    "bool": {"attn_mask": BOOL_MASK},
    "float": {"attn_mask": FLOAT_MASK},
    "each_head": {"attn_mask": EACH_HEAD},
    "each_head_float": {"attn_mask": array(N * H, L, S, seed=3)},
    "padding": {"key_padding_mask": BOOL_PADDING},
    "padding_float": {"key_padding_mask": FLOAT_PADDING},
    "both": {"attn_mask": BOOL_MASK, "key_padding_mask": BOOL_PADDING},
    "both_each_head": {"attn_mask": EACH_HEAD, "key_padding_mask": BOOL_PADDING},
    "both_float": {"attn_mask": FLOAT_MASK, "key_padding_mask": FLOAT_PADDING},
}
SETTINGS = {
    "plain": {},
    "batch_first": {"batch_first": True},
    "no_bias": {"bias": False},
    "bias_kv": {"add_bias_kv": True},
    "zero_attn": {"add_zero_attn": True},
    "all_added": {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    "kdim": {"kdim": 6, "vdim": 7},
    "kdim_no_bias": {"kdim": 6, "bias": False, "add_bias_kv": True},
    "vdim": {"vdim": 3, "batch_first": True, "add_zero_attn": True},
}


def attention(**settings):
    return lambda lib: lib.nn.MultiheadAttention(E, H, **settings)


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_and_masks(device, name, mask, weights):
    settings = SETTINGS[name]
    x = inputs(settings.get("batch_first"), kdim=settings.get("kdim", E), vdim=settings.get("vdim", E))
    compare(attention(**settings), *x, device=device, calls=1, need_weights=weights, slack=4, **MASKS[mask])


@pytest.mark.parametrize("name", SETTINGS)
def test_float64_and_weights_of_each_head(device, name):
    settings = SETTINGS[name]
    sizes = {"kdim": settings.get("kdim", E), "vdim": settings.get("vdim", E)}
    x = inputs(settings.get("batch_first"), **sizes, dtype="float64")
    mask = array(L, S, seed=4, dtype="float64")
    settings = {"device": device, "dtype": "float64", "calls": 1, "attn_mask": mask, "average_attn_weights": False}
    compare(attention(**SETTINGS[name]), *x, **settings)


ONE_SAMPLE = {
    "none": {},
    "bool": {"attn_mask": BOOL_MASK},
    "each_head": {"attn_mask": EACH_HEAD[:H]},
    "padding": {"key_padding_mask": BOOL_PADDING[1]},
    "both_float": {"attn_mask": FLOAT_MASK, "key_padding_mask": FLOAT_PADDING[0]},
}


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("mask", ONE_SAMPLE)
@pytest.mark.parametrize("batch_first", [True, False])
def test_one_sample(device, batch_first, mask, weights):
    x = inputs(batched=False)
    compare(attention(batch_first=batch_first), *x, device=device, calls=1, need_weights=weights, **ONE_SAMPLE[mask])
    compare(attention(), *x, device=device, calls=1, average_attn_weights=False, **ONE_SAMPLE[mask])


def itself(attend, memory):
    """Self-attention, or attention to one memory: a module that gives the same tensor twice or thrice."""

    class Itself(type(attend)):
        def forward(self, x, y, **named):
            return super().forward(x, y, y, **named) if memory else super().forward(x, x, x, **named)

    attend.__class__ = Itself
    return attend


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("name", ["plain", "batch_first", "no_bias", "all_added"])
def test_the_same_tensor_twice_or_thrice(device, name, memory, weights):
    def make(lib):
        return itself(attention(**SETTINGS[name])(lib), memory)

    x, y, _ = inputs(SETTINGS[name].get("batch_first"))
    compare(make, x, y, device=device, calls=1, need_weights=weights, slack=4)


@pytest.mark.parametrize("weights", [True, False])
def test_causal_hint(device, weights):
    """The hint changes nothing, with further keys or masks neither."""
    x = inputs()
    mask = np.triu(np.ones((L, S), bool), 1)
    for named in ({}, {"key_padding_mask": BOOL_PADDING}):
        named.update(attn_mask=mask, need_weights=weights)
        compare(attention(), *x, device=device, calls=1, is_causal=True, **named)
    layer = nn.MultiheadAttention(E, H, add_bias_kv=True, add_zero_attn=True, device=device)
    given = [gpudl.tensor(each, device=device) for each in x]
    named = {"attn_mask": gpudl.tensor(mask, device=device), "need_weights": weights}
    hinted, plain = layer(*given, is_causal=True, **named)[0], layer(*given, **named)[0]
    assert_close(hinted.detach().cpu().numpy(), plain.detach().cpu().numpy(), "with the hint")
    with pytest.raises(RuntimeError, match="attn_mask"):
        layer(*given, is_causal=True)


@pytest.mark.parametrize("mask", [np.ones((L, S), bool), np.full((L, S), -np.inf, "float32")], ids=["bool", "float"])
def test_a_query_that_sees_nothing_gives_nan_with_weights_and_else_zeros(device, mask):
    x = inputs()
    mask[0, 1] = 0
    compare(attention(), *x, device=device, modes=("eval",), calls=1, attn_mask=mask)
    compare(attention(), *x, device=device, modes=("eval",), calls=1, attn_mask=mask, need_weights=False)


@pytest.mark.parametrize("batch_first", [True, False])
def test_no_samples(device, batch_first):
    x = inputs(batch_first, batch=0)
    compare(attention(batch_first=batch_first), *x, device=device, calls=1)
    compare(attention(batch_first=batch_first), *x, device=device, calls=1, need_weights=False)


@pytest.mark.parametrize("weights", [True, False])
def test_float16(device, weights):
    x = inputs(dtype="float16")
    compare(attention(), *x, device=device, dtype="float16", calls=1, need_weights=weights, slack=4)


def test_inputs_that_are_not_contiguous(device):
    x = inputs()
    layer = nn.MultiheadAttention(E, H, device=device)
    plain = layer(*(gpudl.tensor(each, device=device) for each in x))
    strided = layer(*(gpudl.tensor(each.T.copy(), device=device).permute(2, 1, 0) for each in x))
    for one, two in zip(plain, strided):
        assert_close(two.detach().cpu().numpy(), one.detach().cpu().numpy(), "strided")


@pytest.mark.filterwarnings("ignore:Support for mismatched")  # torch's
def test_masks_of_different_kinds_may_be_mixed(device):
    for attn_mask, padding in ((FLOAT_MASK, BOOL_PADDING), (BOOL_MASK, FLOAT_PADDING)):
        compare(attention(), *inputs(), device=device, calls=1, attn_mask=attn_mask, key_padding_mask=padding)


def test_masks_get_gradients(device):
    for weights, masks in itertools.product((True, False), (MASKS["both_float"], MASKS["each_head_float"])):
        compare(attention(), *inputs(), device=device, calls=1, need_weights=weights, slack=4, **masks)


def functional(lib, given, **named):
    return lib.nn.functional.multi_head_attention_forward(*given[:3], E, H, *given[3:5], None, None, False, 0.0,
                                                          *given[5:7], **named)  # fmt: skip


def functional_arguments(lib):
    shapes = [(L, N, E), (S, N, E), (S, N, E), (3 * E, E), (3 * E,), (E, E), (E,)]
    return [lib.tensor(array(*shape, seed=seed)) for seed, shape in enumerate(shapes)]


@pytest.mark.parametrize("weights", [True, False])
def test_static_keys_and_values(weights):
    outputs = []
    for lib in (gpudl, torch):
        static = [lib.tensor(array(N * H, 7, E // H, seed=seed)) for seed in (20, 21)]
        given = functional_arguments(lib)
        outputs.append(functional(lib, given, static_k=static[0], static_v=static[1], need_weights=weights))
    for got, want in zip(*outputs):
        if weights or want is not None:
            assert_close(got.numpy(), want.numpy(), "static", slack=4)
        else:
            assert got is None


def test_dropout_falls_on_the_weights(device):
    """Those that come back are what was used: 0 with the probability of dropout, else divided by the rest of it."""
    gpudl.manual_seed(0)
    layer = nn.MultiheadAttention(8, 2, dropout=0.25, batch_first=True, device=device)
    x = gpudl.randn(4, 50, 8, device=device)
    _, dropped = layer(x, x, x, average_attn_weights=False)
    _, whole = layer.eval()(x, x, x, average_attn_weights=False)
    dropped, whole = dropped.detach().cpu().numpy(), whole.detach().cpu().numpy()
    kept = dropped > 0
    assert abs(kept.mean() - 0.75) < 4 * math.sqrt(0.25 * 0.75 / kept.size)
    assert_close(dropped[kept], whole[kept] / np.float32(0.75), "kept weights")
    layer.train()
    y, none = layer(x, x, x, need_weights=False)
    assert none is None
    means = np.mean([layer(x, x, x, need_weights=False)[0].detach().cpu().numpy() for _ in range(200)], 0)
    want = layer.eval()(x, x, x, need_weights=False)[0].detach().cpu().numpy()
    assert not np.allclose(y.detach().cpu().numpy(), want)
    assert abs(means - want).max() < 0.1


@pytest.mark.parametrize("settings", [{}, {"kdim": 300, "vdim": 90}], ids=str)
def test_initial_values_are_spread_as_those_of_torch(settings):
    gpudl.manual_seed(1)
    torch.manual_seed(1)
    mine, theirs = (lib.nn.MultiheadAttention(120, 4, add_bias_kv=True, **settings) for lib in (gpudl, torch))
    wanted = dict(theirs.named_parameters())
    for name, parameter in mine.named_parameters():
        values, other = parameter.detach().numpy(), wanted[name].detach().numpy()
        assert values.std() == pytest.approx(other.std(), rel=0.25 if "bias_" in name else 0.02), name
        assert abs(values).max() == pytest.approx(abs(other).max(), rel=0.5 if "bias_" in name else 0.02), name
        if "bias_" in name:  # no uniform distribution reaches as far
            assert abs(values).max() > 2 * values.std(), name


def test_copies_and_pickles_are_the_same_layer():
    layer = nn.MultiheadAttention(E, H, kdim=3, add_bias_kv=True)
    x = [gpudl.tensor(each) for each in inputs(kdim=3)]
    want = layer(*x)[0].tolist()
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other(*x)[0].tolist() == want
    fresh = nn.MultiheadAttention(E, H, kdim=3, add_bias_kv=True)
    fresh.load_state_dict(layer.state_dict())
    assert fresh(*x)[0].tolist() == want


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((8, 3), AssertionError, "num_heads must divide embed_dim"),
        ((0, 1), ValueError, "embed_dim must be >= 1, got 0"),
        ((4, 0), ValueError, "num_heads must be >= 1, got 0"),
        ((4, -2), ValueError, "num_heads must be >= 1, got -2"),
    ],
)
def test_errors_of_construction(arguments, error, message):
    with pytest.raises(error):
        torch.nn.MultiheadAttention(*arguments)
    with pytest.raises(error, match=message):
        nn.MultiheadAttention(*arguments)


@pytest.mark.parametrize(
    ("shapes", "masks", "message"),
    [
        (((3, 2, 4), (5, 2, 8), (5, 2, 8)), {}, r"expected a query \(\*, 8\), got \(3, 2, 4\)"),
        (((3, 2, 8), (5, 2, 8), (4, 2, 8)), {}, "same length"),
        (((3, 2, 8), (5, 2, 4), (5, 2, 4)), {}, "with 8 features"),
        (((3, 2, 8), (5, 3, 8), (5, 3, 8)), {}, "number of samples"),
        (((3, 2, 8), (5, 8), (5, 8)), {}, "3 dimensions"),
        (((8,), (8,), (8,)), {}, "3 dimensions"),
        (((3, 2, 8), (5, 2, 8), (5, 2, 8)), {"attn_mask": (5, 3)}, r"attn_mask \(3, 5\) or \(4, 3, 5\), got \(5, 3\)"),
        (((3, 2, 8), (5, 2, 8), (5, 2, 8)), {"attn_mask": (2, 3, 5)}, r"or \(4, 3, 5\), got \(2, 3, 5\)"),
        (((3, 2, 8), (5, 2, 8), (5, 2, 8)), {"attn_mask": (5,)}, r"got \(5,\)"),
        (((3, 2, 8), (5, 2, 8), (5, 2, 8)), {"key_padding_mask": (5, 2)}, r"key_padding_mask \(2, 5\), got \(5, 2\)"),
        (((3, 8), (5, 8), (5, 8)), {"key_padding_mask": (1, 5)}, r"key_padding_mask \(5,\), got \(1, 5\)"),
        (((3, 8), (5, 8), (5, 8)), {"attn_mask": (4, 3, 5)}, r"got \(4, 3, 5\)"),
    ],
)
def test_errors_name_the_layer_and_the_shapes(shapes, masks, message):
    outer = {}
    for lib in (torch, gpudl):
        given = [lib.ones(*shape) for shape in shapes]
        named = {name: lib.zeros(*shape, dtype=lib.bool) for name, shape in masks.items()}
        with pytest.raises((AssertionError, RuntimeError)) as outer[lib]:
            lib.nn.MultiheadAttention(8, 2)(*given, **named)
    assert issubclass(outer[gpudl].type, outer[torch].type)
    assert outer[gpudl].match(message) and outer[gpudl].match("MultiheadAttention")


def test_masks_of_other_dtypes_are_errors():
    x = [gpudl.tensor(each) for each in inputs()]
    layer = nn.MultiheadAttention(E, H)
    with pytest.raises(AssertionError, match="attn_mask must be bool or floating, got int64"):
        layer(*x, attn_mask=gpudl.zeros(L, S, dtype="int64"))
    with pytest.raises(RuntimeError, match="attn_mask must be bool, float32 or float32 as the query, got float64"):
        layer(*x, attn_mask=gpudl.zeros(L, S, dtype="float64"))


def test_errors_of_the_function():
    given = functional_arguments(gpudl)
    static = gpudl.zeros(N * H, 7, E // H)
    for message, change in (
        ("in_proj_weight is None", lambda: functional(gpudl, [*given[:3], None, *given[4:]])),
        ("needs q_proj_weight", lambda: functional(gpudl, given, use_separate_proj_weight=True)),
        (r"in_proj_weight \(24, 8\), got \(23, 8\)", lambda: functional(gpudl, [*given[:3], given[3][1:], *given[4:]])),
        (r"static_k \(4, \*, 4\), got \(2, 7, 4\)", lambda: functional(gpudl, given, static_k=static[:2])),
        ("differ in number, 7 and 5", lambda: functional(gpudl, given, static_k=static)),
    ):
        with pytest.raises(AssertionError, match=message):
            change()
