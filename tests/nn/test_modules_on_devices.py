"""Modules and their optimizers move between devices, are copied, pickled, saved and loaded, and stay what they were."""

import copy
import io
import pickle

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim
from gpudl.nn.utils import parametrizations, rnn


class Net(nn.Module):
    """Parameters, one of them in two places, buffers and a parametrization."""

    def __init__(self, parametrized=True):
        super().__init__()
        self.first = nn.Linear(4, 6, bias=False)  # normalization would take a bias away again
        self.norm = nn.BatchNorm1d(6)
        self.second = nn.Linear(6, 4)
        if parametrized:
            parametrizations.weight_norm(self.second)
        self.last = nn.Linear(4, 6, bias=False)
        self.last.weight = self.first.weight
        self.register_buffer("scale", gpudl.full((1,), 2.0))

    def forward(self, x):
        return self.last(self.second(self.norm(self.first(x)).tanh())) * self.scale


def net(device="cpu", **settings):
    gpudl.manual_seed(0)
    return Net(**settings).to(device)


def rows(device="cpu", seed=0):
    return gpudl.tensor(np.random.default_rng(seed).standard_normal((5, 4), dtype="float32"), device=device)


def trained(model, optimizer, device, seeds=range(3)):
    for seed in seeds:
        optimizer.zero_grad()
        (model(rows(device, seed)) ** 2).mean().backward()
        optimizer.step()
    return model


def adam(model):
    return optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)


def values(state):
    return {name: value.detach().cpu().numpy().copy() for name, value in state.items()}


def assert_equal(got, want):
    assert list(got) == list(want)
    for name, value in want.items():
        assert got[name].dtype == value.dtype and got[name].tobytes() == value.tobytes(), name


def are_on(model, device):
    return all(x.device == device for x in (*model.parameters(), *model.buffers()))


def test_a_module_moves_there_and_back(device):
    model = net()
    before, parameters = values(model.state_dict()), list(model.parameters())
    (model(rows()) ** 2).mean().backward()
    gradients = [p.grad.numpy().copy() for p in parameters]
    before = values(model.state_dict())
    assert model.to(device) is model and are_on(model, device)
    assert all(p is q for p, q in zip(model.parameters(), parameters))
    assert all(p.grad.device == device for p in parameters)
    assert model.last.weight is model.first.weight
    assert_equal(values(model.state_dict()), before)
    assert are_on(model.cpu(), gpudl.device("cpu"))
    assert_equal(values(model.state_dict()), before)
    assert all((p.grad.numpy() == g).all() for p, g in zip(parameters, gradients))


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
@pytest.mark.parametrize("stepped", [False, True])
def test_copies_are_equal_and_apart(device, how, stepped):
    model = net(device, parametrized=how == "deepcopy")  # what is parametrized cannot be pickled, as in PyTorch
    optimizer = adam(model)
    if stepped:
        trained(model, optimizer, device)
    before = values(model.state_dict())
    both = {"model": model, "optimizer": optimizer}
    other = copy.deepcopy(both) if how == "deepcopy" else pickle.loads(pickle.dumps(both))
    assert are_on(other["model"], device) and other["model"].last.weight is other["model"].first.weight
    assert_equal(values(other["model"].state_dict()), before)
    trained(other["model"], other["optimizer"], device, range(3, 6))
    assert_equal(values(model.state_dict()), before)
    assert (other["model"].first.weight != model.first.weight).any()
    trained(model, optimizer, device, range(3, 6))
    assert_equal(values(other["model"].state_dict()), values(model.state_dict()))


@pytest.mark.parametrize("to_cpu", [False, True])
def test_training_goes_on_from_a_saved_state(device, to_cpu):
    """The state is taken up by a model on either device, and the steps are those of one that was never saved."""
    model = net(device)
    optimizer = adam(model)
    trained(model, optimizer, device)
    file = io.BytesIO(pickle.dumps({"model": model.state_dict(), "optimizer": optimizer.state_dict()}))
    saved = pickle.load(file)
    place = gpudl.device("cpu") if to_cpu else device
    other = net(place)
    with gpudl.no_grad():
        for parameter in other.parameters():
            parameter.fill_(0.5)
    fresh = adam(other)
    other.load_state_dict(saved["model"])
    fresh.load_state_dict(saved["optimizer"])
    assert are_on(other, place)
    assert all(
        tensor.device == (place if name != "step" else gpudl.device("cpu"))
        for kept in fresh.state.values()
        for name, tensor in kept.items()
    )
    assert_equal(values(other.state_dict()), values(model.state_dict()))
    trained(other, fresh, place, range(3, 6))
    trained(model, optimizer, device, range(3, 6))
    got, want = values(other.state_dict()), values(model.state_dict())
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, 1e-5, 1e-6, err_msg=name)


def test_weights_of_the_cpu_load_into_a_module_elsewhere_and_back(device):
    here, there = trained(net(), adam(net()), "cpu"), net(device)
    there.load_state_dict(here.state_dict())
    assert are_on(there, device)
    assert_equal(values(there.state_dict()), values(here.state_dict()))
    back = net()
    back.load_state_dict(there.state_dict())
    assert are_on(back, gpudl.device("cpu"))
    assert_equal(values(back.state_dict()), values(here.state_dict()))


def test_hooks_see_tensors_of_the_device(device):
    model, seen = net(device), []
    model.first.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model.first.register_forward_hook(lambda module, args, output: seen.append(output))
    model.norm.register_full_backward_hook(lambda module, dx, dy: seen.extend((*dx, *dy)))
    model.first.weight.register_hook(lambda gradient: seen.append(gradient))
    (model(rows(device)) ** 2).mean().backward()
    assert len(seen) >= 5 and all(x.device == device for x in seen)


@pytest.mark.parametrize("lengths", [[5, 3, 2], [3, 5, 2]], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_packed_sequences_stay_on_the_device(device, kind, lengths):
    """Lengths are the host's. The order of sequences that were not sorted is the device's, and is read to pad them."""
    in_order = lengths[0] == 5

    def run(place, strict):
        gpudl.manual_seed(0)
        layer = getattr(nn, kind)(4, 3, 2, batch_first=True, bidirectional=True).to(place)
        x = gpudl.stack([rows(place, seed) for seed in range(3)]).requires_grad_()
        for strictly in (False, strict):
            layer.zero_grad()
            x.grad = None
            with gpudl.strict(strictly):
                packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=in_order)
                packed = layer(packed)[0]
                with gpudl.strict(strictly and in_order):
                    y, found = rnn.pad_packed_sequence(packed, batch_first=True)
                (y * y).sum().backward()
        assert y.device == x.grad.device == gpudl.device(place) and found.tolist() == lengths
        return [t.detach().cpu().numpy() for t in (y, x.grad, *(p.grad for p in layer.parameters()))]

    for got, want in zip(run(device, True), run("cpu", False), strict=True):
        np.testing.assert_allclose(got, want, 1e-5, 1e-5)


def test_generation_with_a_cache_and_masks_of_the_device(device):
    gpudl.manual_seed(0)
    attention = nn.CausalSelfAttention(8, 2).to(device).eval()
    x = gpudl.stack([rows(device, seed) for seed in range(2)]).repeat(1, 1, 2)
    with gpudl.no_grad():
        whole = attention(x)
        for strictly in (False, True):
            cache = attention.make_cache(2, 5)
            with gpudl.strict(strictly):
                steps = gpudl.cat([attention(x[:, t : t + 1], cache=cache) for t in range(5)], 1)
    np.testing.assert_allclose(steps.cpu().numpy(), whole.cpu().numpy(), 1e-5, 1e-6)
