"""Hooks around the backward of modules: the same program on gpudl and on PyTorch."""

import itertools
import warnings
from collections import namedtuple

import numpy as np
import pytest
from programs import both, listed, scaled

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")

Pair = namedtuple("Pair", "first second")


def two(lib):
    """Several inputs and outputs, some of them no tensors or without gradients."""

    class Two(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = lib.nn.Parameter(lib.tensor([2.0, 3.0]))

        def forward(self, x, number, index, y=None, named=False, *, extra=None):
            first = x * self.weight * number
            second = first * first + (0 if y is None else y) + (0 if extra is None else extra)
            both = (first, "text", second, index)
            return Pair(first, second) if named else both

    return Two()


def backward_hooks(net, log, **returns):
    net.register_full_backward_pre_hook(lambda m, go: log.append(("pre", listed(go))) or returns.get("pre"))
    net.register_full_backward_hook(lambda m, gi, go: log.append(("in", listed(gi), listed(go))) or returns.get("hook"))


# Where only y wants a gradient and the first output is used, which does not depend on it, PyTorch calls the hook too.
@pytest.mark.parametrize(
    ("used", "wanted"),
    [
        (used, wanted)
        for used in ("both", "first", "second")
        for wanted in itertools.product([True, False], repeat=2)
        if (used, wanted) != ("first", (False, True))
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_backward_hooks_see_the_gradients_of_torch(wanted, used, named):
    def program(lib, log):
        net = two(lib)
        backward_hooks(net, log)
        x, y = (lib.tensor([1.0, v], requires_grad=w) for v, w in zip((2.0, -1.0), wanted))
        extra = lib.tensor([1.0, 1.0], requires_grad=True)
        output = net(x, 3.0, lib.tensor([1, 2]), y, named, extra=extra)
        assert isinstance(output, Pair if named else tuple)
        tensors = [each for each in output if hasattr(each, "sum") and each.requires_grad]
        picked = tensors if used == "both" else [tensors[0 if used == "first" else -1]]
        sum(each.sum() for each in picked).backward()
        log.append([[0, 0] if each.grad is None else listed(each.grad) for each in (x, y, extra, net.weight)])

    assert len(both(program)) == 3


def test_backward_hooks_replace_gradients():
    def program(lib, log):
        net = two(lib)
        changed = (lib.tensor([1.0, 2.0]), None, lib.tensor([5.0, 5.0]), None)
        given = (lib.tensor([7.0, 8.0]), None, None, None)
        backward_hooks(net, log, pre=changed, hook=given)
        net.register_full_backward_hook(lambda m, gi, go: log.append(("second", listed(gi))), prepend=True)
        net.register_full_backward_hook(lambda m, gi, go: log.append(("third", listed(gi))))
        x, y = lib.tensor([1.0, 2.0], requires_grad=True), lib.tensor([0.0, 1.0], requires_grad=True)
        output = net(x, 3.0, None, y)
        (output[0].sum() + output[2].sum()).backward()
        log.append([listed(each.grad) for each in (x, y, net.weight)])

    assert both(program)[-1][:2] == [[7, 8], None]


def test_a_backward_hook_may_give_a_gradient_where_there_was_none():
    def program(lib, log):
        class First(lib.nn.Module):
            def forward(self, x, y):
                return x * 2

        net = First()
        net.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[1] + 5))
        x, y = (lib.ones(2, requires_grad=True) for _ in range(2))
        net(x, y).sum().backward()
        log.append([listed(each.grad) for each in (x, y)])

    assert both(program) == [[[2, 2], [5, 5]]]


def test_an_input_without_gradient_stays_without():
    class First(nn.Module):
        def forward(self, x, y):
            return x * 2

    net, seen = First(), []
    net.register_full_backward_hook(lambda m, gi, go: seen.append(listed(gi)))
    x, y = (gpudl.ones(2, requires_grad=True) for _ in range(2))
    net(x, y).sum().backward()
    assert seen == [[[2, 2], [0, 0]]]
    assert y.grad is None


def test_backward_hooks_work_through_a_network_and_again():
    def program(lib, log):
        net = lib.nn.Sequential(lib.nn.Linear(2, 2, bias=False), lib.nn.Sigmoid(), lib.nn.Linear(2, 1, bias=False))
        with lib.no_grad():
            for number, p in enumerate(net.parameters()):
                p.fill_(number + 0.5)
        for name, module in net.named_modules():
            module.register_full_backward_hook(
                lambda m, gi, go, name=name: log.append((name, np.round(listed(gi)[0] or [], 5).tolist()))
            )
        x = lib.ones(1, 2, requires_grad=True)
        loss = net(x).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        log.append(np.round(listed(x.grad), 5).tolist())

    log = both(program)
    assert [name for name, _ in log[:-1]] == ["2", "1", "0", ""] * 2


def test_backward_hooks_in_a_second_derivative():
    def program(lib, log):
        class Cube(lib.nn.Module):
            def forward(self, x):
                return x * x * x

        net = Cube()
        backward_hooks(net, log)
        x = lib.tensor([2.0], requires_grad=True)
        (gradient,) = lib.autograd.grad(net(x).sum(), [x], create_graph=True)
        gradient.sum().backward()
        log.append(listed(x.grad))

    log = both(program)
    assert log[0] == ("pre", [[1]])
    assert log[-1] == [12]


def test_hooks_do_nothing_without_gradients():
    def program(lib, log):
        net = lib.nn.Linear(2, 2)
        backward_hooks(net, log)
        with lib.no_grad():
            net(lib.ones(1, 2, requires_grad=True))
        net.requires_grad_(False)
        net(lib.ones(1, 2))
        with lib.inference_mode():
            net(lib.ones(1, 2))

    assert both(program) == []


@pytest.mark.parametrize(
    ("hook", "match"),
    [
        (lambda m, gi, go: (gi[0], gi[0]), "2 gradients for grad_input, expected 1"),
        (lambda m, gi, go: (gi[0].sum(),), r"gradient of shape \(\), expected \(2,\)"),
    ],
)
def test_what_a_backward_hook_returns_is_checked(hook, match):
    for lib in (gpudl, torch):
        net = lib.nn.Tanh()
        net.register_full_backward_hook(hook)
        loss = net(lib.ones(2, requires_grad=True)).sum()
        with pytest.raises(RuntimeError, match=match if lib is gpudl else None):
            loss.backward()


def test_a_pre_hook_in_backward_must_return_as_many():
    for lib in (gpudl, torch):
        net = lib.nn.Tanh()
        net.register_full_backward_pre_hook(lambda m, go: (go[0], go[0]))
        loss = net(lib.ones(2, requires_grad=True)).sum()
        with pytest.raises(RuntimeError, match="number of grad_output|2 gradients for grad_output, expected 1"):
            loss.backward()


def test_a_hook_may_not_invent_gradients_of_inputs_that_want_none():
    for lib in (gpudl, torch):
        net = lib.nn.Linear(2, 2)
        net.register_full_backward_hook(lambda m, gi, go: (go[0],))
        loss = net(lib.ones(2)).sum()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Full backward hook is firing")
            with pytest.raises(RuntimeError):
                loss.backward()


def test_a_lone_tensor_stands_for_the_only_gradient():
    net = nn.Tanh()
    net.register_full_backward_hook(lambda m, gi, go: gi[0] * 2)
    x = gpudl.zeros(3, requires_grad=True)
    net(x).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_changing_an_input_in_place_is_refused_with_backward_hooks():
    for lib in (gpudl, torch):
        net = lib.nn.ReLU(inplace=True)
        net.register_full_backward_hook(lambda *_: None)
        x = lib.tensor([1.0, -1.0], requires_grad=True)
        with pytest.raises(RuntimeError, match="in ?place"):
            net(x * 1)
        assert listed(net(lib.tensor([1.0, -1.0]))) == [1, 0]


def test_changing_an_output_in_place_keeps_gradients_right():
    net, seen = scaled(gpudl), []
    net.register_full_backward_hook(lambda m, gi, go: seen.append(listed((gi, go))))
    x = gpudl.tensor([1.0, 2.0], requires_grad=True)
    y = net(x, 2)
    y.add_(3).mul_(3)
    y.sum().backward()
    assert x.grad.tolist() == [6, 6]
    assert seen == [[[[6, 6], None], [[3, 3]]]]


def test_backward_hooks_on_a_device(device):
    net, seen = nn.Linear(2, 1, device=device), []
    net.register_full_backward_hook(lambda m, gi, go: seen.extend([*gi, *go]))
    x = gpudl.ones(3, 2, device=device, requires_grad=True)
    net(x).sum().backward()
    assert [each.device for each in seen] == [device, device]
    assert np.allclose(seen[0].cpu().numpy(), x.grad.cpu().numpy())
    assert not any(each.requires_grad for each in seen)
