"""The language model and the classifier of LSTMs are their own sources' twins in PyTorch."""

import warnings

import numpy as np
import pytest
from sequence_twins import tokens
from tolerances import assert_close
from twin_models import array, compare, models, torch

import gpudl
from gpudl import nn
from gpudl.models import LSTMClassifier, LSTMLanguageModel


def language_model(lib, **settings):
    return models(lib, "lstm_lm").LSTMLanguageModel(11, **{"embedding_dim": 5, "hidden_size": 6, **settings})


def classifier(lib, **settings):
    return models(lib, "lstm_classifier").LSTMClassifier(3, 5, 4, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.0},
        {"dropout": 0.0, "num_layers": 1},
        {"dropout": 0.0, "embedding_dim": 6, "tie_weights": True},
        {"dropout": 0.0, "batch_first": False},
    ],
    ids=str,
)
def test_language_model_is_its_pytorch_twin(settings, device):
    def make(lib):
        return language_model(lib, **settings)

    compare(make, tokens(3, 7), device=device, slack=4)
    batch, layers = 3 if settings.get("batch_first", True) else 7, settings.get("num_layers", 2)
    hidden = tuple(array(layers, batch, 6, dtype="float64", seed=seed) for seed in (1, 2))
    compare(make, tokens(3, 7), hidden, device=device, dtype="float64", slack=4)


def torch_lstm(model):
    """A PyTorch LSTM with a model's weights, and what takes a layer's weights to PyTorch."""

    def weights(layer):
        return {name: torch.tensor(value.cpu().numpy()) for name, value in layer.state_dict().items()}

    own = model.lstm
    made = torch.nn.LSTM(
        own.input_size,
        own.hidden_size,
        own.num_layers,
        batch_first=own.batch_first,
        bidirectional=own.bidirectional,
    )
    made.load_state_dict(weights(own))
    return made, weights


def test_language_model_is_an_lstm_between_two_tables(device):
    """By another road than its own source."""
    model = language_model(gpudl, dropout=0.0).to(device)
    nn.init.normal_(model.decoder.bias)
    lstm, weights = torch_lstm(model)
    x, hidden = tokens(3, 7), tuple(array(2, 3, 6, seed=seed) for seed in (1, 2))
    y, last = lstm(weights(model.embedding)["weight"][torch.tensor(x)], tuple(map(torch.tensor, hidden)))
    decoder = weights(model.decoder)
    want = [y @ decoder["weight"].T + decoder["bias"], *last]
    logits, end = model(gpudl.tensor(x, device=device), tuple(gpudl.tensor(each, device=device) for each in hidden))
    for got, expected in zip((logits, *end), want):
        assert_close(got.detach().cpu().numpy(), expected.detach().numpy(), "logits and state")


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_classifier_reads_where_each_direction_ends(bidirectional, num_layers, batch_first, device):
    """By another road than its own source: from the outputs, the second direction's end being the first step."""
    model = classifier(gpudl, bidirectional=bidirectional, num_layers=num_layers, batch_first=batch_first).to(device)
    lstm, weights = torch_lstm(model)
    x, lengths, want = array(6, 4, 3), [3, 6, 1, 4], []
    for number, length in enumerate(lengths):
        one = torch.tensor(x[:length, number : number + 1])
        y, _ = lstm(one.transpose(0, 1) if batch_first else one)
        y = y.reshape(length, -1)
        last = torch.cat([y[-1, :5], y[0, 5:]])
        want.append(weights(model.linear)["weight"] @ last + weights(model.linear)["bias"])
    given = gpudl.tensor(x.swapaxes(0, 1).copy() if batch_first else x, device=device)
    got = model(given, lengths)
    assert_close(got.detach().cpu().numpy(), torch.stack(want).detach().numpy(), "logits")


def test_language_model_drops_embeddings_and_what_the_decoder_reads():
    model = language_model(gpudl, num_layers=1, dropout=1.0)
    nn.init.normal_(model.decoder.bias)
    dropped = []
    model.dropout.register_forward_hook(lambda module, args, output: dropped.append(output.shape))
    y, _ = model(gpudl.tensor(tokens(2, 3)))
    assert dropped == [(2, 3, 5), (2, 3, 6)]
    assert gpudl.equal(y, model.decoder.bias.expand(2, 3, 11))


def test_the_state_carries_on(device):
    model = language_model(gpudl).to(device).eval()
    x = gpudl.tensor(tokens(2, 9), device=device)
    whole, end = model(x)
    first, hidden = model(x[:, :4], model.init_hidden(2))
    second, last = model(x[:, 4:], hidden)
    assert_close(gpudl.cat([first, second], 1).detach().cpu().numpy(), whole.detach().cpu().numpy(), "logits")
    for got, want in zip(last, end):
        assert_close(got.detach().cpu().numpy(), want.detach().cpu().numpy(), "state")


def test_the_first_state_is_zeros(device):
    model = language_model(gpudl, num_layers=3).to(device)
    states = model.init_hidden(4)
    assert isinstance(states, tuple) and len(states) == 2
    for state in states:
        assert state.shape == (3, 4, 6) and not state.any() and state.device == device
    assert model.double().init_hidden(1)[0].dtype == gpudl.float64


def test_gradients_stop_where_the_state_was_cut_off():
    model = language_model(gpudl, dropout=0.0)
    x = gpudl.tensor([[1, 2], [3, 4]])
    _, hidden = model(x[:, :1])
    y, _ = model(x[:, 1:], tuple(state.detach() for state in hidden))
    y.sum().backward()
    touched = np.flatnonzero(model.embedding.weight.grad.numpy().any(1))
    assert touched.tolist() == [2, 4]


def test_language_model_starts_with_small_weights():
    model = LSTMLanguageModel(100, 40, 40)
    for weight in (model.embedding.weight, model.decoder.weight):
        values = weight.detach().numpy()
        assert 0.099 < values.max() <= 0.1 and -0.1 <= values.min() < -0.099 and abs(values.mean()) < 0.01
    assert not model.decoder.bias.any()
    bound = 40**-0.5
    assert all(0.98 * bound < abs(p.detach().numpy()).max() <= bound for p in model.lstm.parameters() if p.ndim > 1)
    tied = LSTMLanguageModel(100, 40, 40, tie_weights=True)
    assert tied.decoder.weight is tied.embedding.weight
    before = tied.decoder.weight.detach().clone()
    tied.reset_parameters()
    assert not gpudl.equal(tied.decoder.weight, before)


def test_dropout_acts_in_training_only(device):
    x = gpudl.tensor(tokens(2, 6), device=device)
    sequences = gpudl.tensor(array(2, 6, 3), device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an LSTM of one layer warns of a dropout of its own
        made = [language_model(gpudl, num_layers=n) for n in (1, 2)]
        given = [(model, lambda model: model(x)[0]) for model in made]
        given += [(classifier(gpudl, num_layers=n, dropout=0.5), lambda model: model(sequences)) for n in (1, 2)]
    for model, run in given:
        model.to(device)
        assert not gpudl.equal(run(model), run(model))
        model.eval()
        assert gpudl.equal(run(model), run(model))
        assert model.lstm.dropout == (0.5 if model.lstm.num_layers > 1 else 0)


def test_language_model_checks_its_sizes():
    with pytest.raises(ValueError, match="tie_weights needs embedding_dim == hidden_size, got 5 and 6"):
        LSTMLanguageModel(11, 5, 6, tie_weights=True)
    with pytest.raises(IndexError):
        LSTMLanguageModel(11, 5, 6)(gpudl.tensor([[11]]))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("batch_first", [False, True])
def test_classifier_is_its_pytorch_twin(bidirectional, num_layers, batch_first, device):
    def make(lib):
        return classifier(lib, bidirectional=bidirectional, num_layers=num_layers, batch_first=batch_first)

    compare(make, array(4, 4, 3), device=device, slack=4)
    compare(make, array(4, 4, 3, dtype="float64"), [2, 4, 1, 3], device=device, dtype="float64", slack=4)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_classifier_reads_each_sequence_to_its_own_end(bidirectional, device):
    """Padded with numbers that are not read, packed, or one by one."""
    mine = classifier(gpudl, bidirectional=bidirectional).to(device)
    parts = [gpudl.tensor(array(length, 3, seed=length), device=device) for length in (2, 5, 1)]
    padded = nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=99.0)
    packed = nn.utils.rnn.pack_sequence(parts, enforce_sorted=False)
    alone = gpudl.cat([mine(part.unsqueeze(0)) for part in parts]).detach().cpu().numpy()
    for y in (mine(padded, gpudl.tensor([2, 5, 1])), mine(padded, [2, 5, 1]), mine(packed)):
        assert_close(y.detach().cpu().numpy(), alone, "logits")


def test_classifier_has_a_layer_for_both_directions():
    assert LSTMClassifier(3, 5, 4).linear.in_features == 5
    assert LSTMClassifier(3, 5, 4, bidirectional=True).linear.in_features == 10
