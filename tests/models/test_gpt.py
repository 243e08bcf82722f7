"""GPT gives the outputs and gradients of a twin of PyTorch's parts, and generates what it would without its cache."""

import math
import pickle

import numpy as np
import pytest
from sequence_twins import TwinGPT, spread, tokens
from tolerances import assert_close
from twin_models import compare

import gpudl
from gpudl import nn
from gpudl.models import GPT, gpt2, gpt2_large, gpt2_medium, gpt2_xl, sample_tokens
from gpudl.nn.fill import skipping

SMALL = {"vocab_size": 11, "max_seq_len": 12, "num_layers": 2, "num_heads": 4, "embed_dim": 16}
KINDS = [
    {},
    {"tie_weights": False},
    {"bias": False},
    {"rotary": True},
    {"num_kv_heads": 2},
    {"num_kv_heads": 1, "rotary": True, "bias": False, "tie_weights": False},
]


def name_of(settings):
    return "-".join(f"{name}={value}" for name, value in settings.items()) or "default"


def small(device="cpu", **settings):
    """A model that is far from uniform."""
    gpudl.manual_seed(0)
    return spread(gpudl, GPT(**SMALL, **settings)).to(device)


@pytest.mark.parametrize("settings", KINDS, ids=name_of)
def test_gpt_is_its_pytorch_twin(settings, device):
    def make(lib):
        return spread(lib, (GPT if lib is gpudl else TwinGPT)(**SMALL, **settings), 0.2)

    compare(make, tokens(3, 12), device=device, slack=8, named=False)
    compare(make, tokens(2, 5).astype("int32"), device=device, slack=8, named=False)
    if "rotary" not in settings:  # whose tables are float32
        compare(make, tokens(3, 12), device=device, dtype="float64", slack=8, named=False)


def test_features_are_what_the_head_reads(device):
    """And linear_cross_entropy, which never holds all logits, trains them as cross_entropy does."""
    model = small(device)
    x = gpudl.tensor(tokens(2, 6), device=device)
    assert gpudl.equal(model.head(model.features(x)), model(x))
    targets = gpudl.tensor(tokens(2, 6, seed=1), device=device)
    rows = model.features(x).flatten(0, 1)
    got = nn.functional.linear_cross_entropy(rows, model.head.weight, targets.flatten())
    want = nn.functional.cross_entropy(model(x).flatten(0, 1), targets.flatten())
    assert_close(got.detach().cpu().numpy(), want.detach().cpu().numpy(), "loss")


def test_tied_weights_are_one_parameter():
    model = GPT(**SMALL)
    assert model.head.weight is model.token_embedding.weight
    assert len(list(model.parameters())) == len(model.state_dict()) - 1
    assert pickle.loads(pickle.dumps(model)).head.weight.shape == (11, 16)
    apart = GPT(**SMALL, tie_weights=False)
    assert apart.head.weight is not apart.token_embedding.weight


def test_initial_weights_are_those_of_gpt2():
    model = GPT(60, 50, num_layers=8, num_heads=4, embed_dim=64)
    for name, parameter in model.named_parameters():
        values = parameter.detach().numpy()
        if name.endswith("bias"):
            assert not values.any(), name
        elif parameter.ndim == 1:
            assert (values == 1).all(), name
        else:
            std = 0.02 / math.sqrt(16) if name.endswith(("out_proj.weight", "linear2.weight")) else 0.02
            std = 0.01 if name == "position_embedding.weight" else std
            # 6 standard errors of a standard deviation and of a mean
            assert abs(values.std() / std - 1) < 6 / math.sqrt(2 * values.size), name
            assert abs(values.mean()) < 6 * std / math.sqrt(values.size), name
    again = model.head.weight.detach().clone()
    model.reset_parameters()
    assert not gpudl.equal(again, model.head.weight)


@pytest.fixture
def unfilled():
    """Weights are allocated but never written, which takes neither time nor memory."""
    with skipping():
        yield


@pytest.mark.parametrize(
    ("make", "count"),
    [(gpt2, 124_439_808), (gpt2_medium, 354_823_168), (gpt2_large, 774_030_080), (gpt2_xl, 1_557_611_200)],
)
def test_gpt2_has_as_many_parameters_as_published(make, count, unfilled):
    model = make()
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert model.head.weight.shape == (50257, model.token_embedding.embedding_dim)
    assert model.blocks[0].dropout.p == 0.1


def test_gpt2_takes_the_other_settings(unfilled):
    model = gpt2(vocab_size=5, max_seq_len=7, dropout=0.0, num_kv_heads=3)
    assert (model.token_embedding.num_embeddings, model.max_seq_len, model.num_layers) == (5, 7, 12)
    assert model.blocks[0].attention.num_kv_heads == 3


def test_dropout_acts_in_training_only(device):
    model = small(device, dropout=0.5)
    x = gpudl.tensor(tokens(2, 6), device=device)
    assert not gpudl.equal(model(x), model(x))
    model.eval()
    assert gpudl.equal(model(x), model(x))
    assert {module.p for module in model.modules() if isinstance(module, nn.Dropout)} == {0.5}
    assert model.blocks[0].attention.dropout == 0.5
    model.dropout.train()  # that of the embeddings alone
    assert not gpudl.equal(model(x), model(x))


def test_gpt_does_not_see_the_future(device):
    model = small(device)
    first = tokens(1, 9)
    second = first.copy()
    second[:, 5:] = (second[:, 5:] + 1) % 11
    y, z = (model(gpudl.tensor(x, device=device)) for x in (first, second))
    assert gpudl.equal(y[:, :5], z[:, :5])
    assert not gpudl.allclose(y[:, 5:], z[:, 5:])


@pytest.mark.parametrize("settings", KINDS, ids=name_of)
def test_caches_give_the_logits_of_the_whole_sequence(settings, device):
    model = small(device, **settings)
    x = gpudl.tensor(tokens(2, 9), device=device)
    caches = model.make_caches(2)
    with gpudl.no_grad():
        parts = gpudl.cat([model(x[:, start:stop], caches) for start, stop in ((0, 4), (4, 5), (5, 9))], 1)
    assert caches[0].length == 9
    assert_close(parts.cpu().numpy(), model(x).detach().cpu().numpy(), "logits", slack=20)


@pytest.mark.parametrize(
    "arguments",
    [
        {"vocab_size": 0}, {"max_seq_len": 0}, {"num_layers": 0}, {"num_heads": 0}, {"embed_dim": 0},
        {"num_heads": 3}, {"num_kv_heads": 3}, {"embed_dim": 12, "rotary": True},
    ],
    ids=name_of,
)  # fmt: skip
def test_gpt_checks_its_settings(arguments):
    with pytest.raises(gpudl.ShapeError):
        GPT(**{**SMALL, **arguments})


def test_gpt_says_what_tokens_it_takes():
    model = GPT(**SMALL)
    with pytest.raises(gpudl.ShapeError, match=r"expected at most 12 tokens, got 13"):
        model(gpudl.tensor(tokens(1, 13)))
    with pytest.raises(gpudl.ShapeError, match=r"expected tokens \(N, L\), got \(4,\)"):
        model(gpudl.tensor(tokens(4)))
    with pytest.raises(IndexError):
        model(gpudl.tensor([[11]]))
    caches = model.make_caches(1)
    with gpudl.no_grad():
        model(gpudl.tensor(tokens(1, 10)), caches)
        with pytest.raises(gpudl.ShapeError, match=r"at most 12 tokens, got 3 after 10 in the caches"):
            model(gpudl.tensor(tokens(1, 3)), caches)


def test_gpt_says_what_it_is():
    assert repr(GPT(**SMALL, num_kv_heads=2, rotary=True, dropout=0.1)) == (
        "GPT(\n"
        "  (token_embedding): Embedding(11, 16)\n"
        "  (dropout): Dropout(p=0.1, inplace=False)\n"
        "  (blocks): ModuleList(\n"
        "    (0-1): 2 x GPTBlock(\n"
        "      (norm1): LayerNorm((16,), eps=1e-05, elementwise_affine=True, bias=True)\n"
        "      (attention): CausalSelfAttention(\n"
        "        16, 4, num_kv_heads=2, dropout=0.1\n"
        "        (qkv_proj): Linear(in_features=16, out_features=32, bias=True)\n"
        "        (out_proj): Linear(in_features=16, out_features=16, bias=True)\n"
        "        (rotary): RotaryEmbedding(4, base=10000.0, max_seq_len=12)\n"
        "      )\n"
        "      (norm2): LayerNorm((16,), eps=1e-05, elementwise_affine=True, bias=True)\n"
        "      (linear1): Linear(in_features=16, out_features=64, bias=True)\n"
        "      (activation): GELU(approximate='tanh')\n"
        "      (linear2): Linear(in_features=64, out_features=16, bias=True)\n"
        "      (dropout): Dropout(p=0.1, inplace=False)\n"
        "    )\n"
        "  )\n"
        "  (norm): LayerNorm((16,), eps=1e-05, elementwise_affine=True, bias=True)\n"
        "  (head): Linear(in_features=16, out_features=11, bias=False)\n"
        ")"
    )


def generated_without_cache(model, x, steps, temperature, generator):
    """Tokens that are each drawn after the last max_seq_len before it, all computed anew."""
    for _ in range(steps):
        with gpudl.no_grad():
            logits = model(x[:, -model.max_seq_len :])[:, -1]
        x = gpudl.cat([x, sample_tokens(logits, temperature, generator=generator).unsqueeze(1)], 1)
    return x


@pytest.mark.parametrize("settings", KINDS, ids=name_of)
@pytest.mark.parametrize("length", [1, 5, 12, 20])
def test_generation_with_the_cache_is_generation_without(settings, length, device):
    """Also past the end of the context of 12, and after a prompt that is longer than it."""
    model = small(device, **settings).eval()
    prompt = gpudl.tensor(tokens(3, length), device=device)
    for temperature in (0, 1.5):
        one, other = (gpudl.Generator().manual_seed(4) for _ in range(2))
        got = model.generate(prompt, 16, temperature, generator=one)
        assert gpudl.equal(got, generated_without_cache(model, prompt, 16, temperature, other))
        assert gpudl.equal(got[:, :length], prompt)
    assert len(np.unique(got[:, length:].cpu().numpy())) > 2, "the model always says the same"


def test_one_seed_generates_the_same_tokens(device):
    model = small(device)
    prompt = gpudl.tensor(tokens(2, 4), device=device)

    def drawn(seed, **settings):
        return model.generate(prompt, 30, 2.0, generator=gpudl.Generator().manual_seed(seed), **settings)

    assert gpudl.equal(drawn(1), drawn(1))
    assert not gpudl.equal(drawn(1), drawn(2))
    assert gpudl.equal(drawn(1, top_k=4, top_p=0.9), drawn(1, top_k=4, top_p=0.9))
    results = []
    for _ in range(2):
        gpudl.manual_seed(3)
        results.append(model.generate(prompt, 30))
    assert gpudl.equal(*results)


def test_the_likeliest_of_one_is_greedy(device):
    model = small(device)
    prompt = gpudl.tensor(tokens(2, 4), device=device)
    greedy = model.generate(prompt, 20, temperature=0)
    assert gpudl.equal(model.generate(prompt, 20, top_k=1), greedy)
    assert gpudl.equal(model.generate(prompt, 20, top_p=1e-6), greedy)
    assert gpudl.equal(model.generate(prompt, 20, temperature=1e-4), greedy)


def test_generation_is_in_evaluation_mode_and_leaves_no_trace(device):
    model = small(device, dropout=0.5)
    model.blocks[1].eval()
    modes = [module.training for module in model.modules()]
    prompt = gpudl.tensor(tokens(2, 4), device=device)
    got = model.generate(prompt, 5, temperature=0)
    assert [module.training for module in model.modules()] == modes
    assert not got.requires_grad
    with pytest.raises(ValueError, match="temperature"):
        model.generate(prompt, 5, temperature=-1)
    assert [module.training for module in model.modules()] == modes
    assert gpudl.equal(got, model.eval().generate(prompt, 5, temperature=0))


def test_generation_takes_prompts_of_int32_and_no_steps(device):
    model = small(device)
    prompt = gpudl.tensor(tokens(2, 4).astype("int32"), device=device)
    assert gpudl.equal(model.generate(prompt, 0), prompt)
    assert model.generate(prompt, 3).dtype == gpudl.int32


def test_generation_says_what_it_takes():
    model = GPT(**SMALL)
    for shape in ((4,), (2, 0)):
        with pytest.raises(gpudl.ShapeError, match=r"GPT.generate: expected prompts \(N, L\) with L >= 1"):
            model.generate(gpudl.tensor(tokens(*shape)), 3)
    with pytest.raises(gpudl.ShapeError, match="max_new_tokens must be >= 0"):
        model.generate(gpudl.tensor(tokens(2, 3)), -1)
