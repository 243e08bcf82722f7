"""Sequence models on a device other than the host, and copies of them: what they give is what they give on the CPU."""

import copy
import pickle

import pytest
from sequence_twins import spread, tokens
from tolerances import assert_close
from twin_models import array

import gpudl
from gpudl import models
from tests.backend.loopback import registered

SMALL = {"vocab_size": 11, "max_seq_len": 8, "num_layers": 2, "num_heads": 2, "embed_dim": 8}
CASES = {
    "GPT": (lambda: models.GPT(**SMALL), tokens(2, 7)),
    "GPT rotary": (lambda: models.GPT(**SMALL, rotary=True, num_kv_heads=1, tie_weights=False), tokens(2, 7)),
    "VisionTransformer": (lambda: models.VisionTransformer(8, 4, 1, 2, 8, 12, num_classes=5), array(2, 3, 8, 8)),
    "LSTMLanguageModel": (lambda: models.LSTMLanguageModel(11, 5, 6, dropout=0.0), tokens(2, 7)),
    "LSTMClassifier": (lambda: models.LSTMClassifier(3, 5, 4, bidirectional=True), array(2, 6, 3)),
}


def made(name):
    """A model, and its input."""
    gpudl.manual_seed(0)
    make, x = CASES[name]
    return spread(gpudl, make()), x


def outcome(model, x, device="cpu"):
    """Logits, and the gradients of all parameters."""
    y = model(gpudl.tensor(x, device=device))
    y = y[0] if isinstance(y, tuple) else y
    (y * y).sum().backward()
    return [value.detach().cpu().numpy() for value in (y, *(parameter.grad for parameter in model.parameters()))]


@pytest.mark.parametrize("name", CASES)
def test_models_are_the_same_on_another_device(name):
    want = outcome(*made(name))
    with registered():
        model, x = made(name)
        got = outcome(model.to("loopback"), x, "loopback")
    for number, (own, expected) in enumerate(zip(got, want, strict=True)):
        scale = max(1, abs(expected).max())
        assert_close(own / scale, expected / scale, f"{name}: {number}", slack=10)


@pytest.mark.parametrize("settings", [{}, {"top_k": 3, "top_p": 0.8}, {"temperature": 0}], ids=str)
@pytest.mark.parametrize("name", ["GPT", "GPT rotary"])
def test_generation_is_the_same_on_another_device(name, settings):
    model, x = made(name)

    def drawn(device):
        generator = gpudl.Generator().manual_seed(1)
        return model.to(device).generate(gpudl.tensor(x[:, :3], device=device), 9, generator=generator, **settings)

    want = drawn("cpu")
    with registered():
        got = drawn("loopback")
        assert got.device == gpudl.device("loopback")
        assert got.tolist() == want.tolist()


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_generation_in_other_dtypes(dtype):
    for name in ("GPT", "GPT rotary"):
        model, x = made(name)
        got = model.to(dtype).generate(gpudl.tensor(x), 5, top_k=4, generator=gpudl.Generator().manual_seed(1))
        assert got.shape == (2, 12) and got.dtype == gpudl.int64


@pytest.mark.parametrize("name", CASES)
def test_copies_are_models_of_their_own(name):
    model, x = made(name)
    want = outcome(model, x)[0]
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert (outcome(other, x)[0] == want).all()
        assert len(list(other.parameters())) == len(list(model.parameters()))
        with gpudl.no_grad():
            for parameter in other.parameters():
                parameter.zero_()
    assert (outcome(model, x)[0] == want).all()
