"""Hooks around forward and backward, of one module and of all: the same program on gpudl and on PyTorch."""

import copy
import itertools
import pickle
import warnings
from collections import namedtuple

import numpy as np
import pytest

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")

Pair = namedtuple("Pair", "first second")


def listed(value):
    """Tensors and what holds them as lists, to compare."""
    if isinstance(value, (tuple, list)):
        return [listed(each) for each in value]
    if isinstance(value, dict):
        return {key: listed(each) for key, each in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def both(program):
    """What a program logs, in both libraries; the same."""
    logs = []
    for lib in (gpudl, torch):
        log = []
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Full backward hook is firing")  # which is what it is to do
            program(lib, log)
        logs.append(log)
    assert logs[0] == logs[1]
    return logs[0]


def everywhere(lib):
    """Where the hooks of all modules are registered."""
    return lib.nn if lib is gpudl else torch.nn.modules.module


def scaled(lib):
    class Scaled(lib.nn.Module):
        def forward(self, x, factor=1, *, shift=0):
            return x * factor + shift

    return Scaled()


def noting(log, name):
    return lambda *seen: log.append((name, listed(seen[1:])))


def test_forward_hooks_run_in_order_and_with_keywords():
    def program(lib, log):
        net = scaled(lib)
        net.register_forward_pre_hook(noting(log, "pre 1"))
        net.register_forward_pre_hook(noting(log, "pre 2"), prepend=True)
        net.register_forward_pre_hook(noting(log, "pre 3"), with_kwargs=True)
        net.register_forward_pre_hook(noting(log, "pre 4"), prepend=True, with_kwargs=True)
        net.register_forward_hook(noting(log, "post 1"))
        net.register_forward_hook(noting(log, "post 2"), prepend=True, with_kwargs=True)
        net.register_forward_hook(noting(log, "post 3"), with_kwargs=True, always_call=True)
        log.append(listed(net(lib.ones(1), 2, shift=3)))
        log.append(listed(net(lib.ones(1), factor=2)))

    names = [each[0] for each in both(program) if len(each) > 1]
    assert names == ["pre 4", "pre 2", "pre 1", "pre 3", "post 2", "post 1", "post 3"] * 2


def test_hooks_with_keywords_replace_both():
    def program(lib, log):
        net = scaled(lib)
        net.register_forward_pre_hook(lambda m, args, kwargs: ((*args, 5), {"shift": 1}), with_kwargs=True)
        net.register_forward_pre_hook(lambda m, args: (args[0] + 1, *args[1:]))
        net.register_forward_hook(lambda m, args, kwargs, y: y + kwargs["shift"] * 100, with_kwargs=True)
        log.append(listed(net(lib.ones(1), shift=7)))

    assert both(program) == [[111]]


@pytest.mark.parametrize("returned", [5, (5,), (1, {}, 3)])
def test_a_pre_hook_with_keywords_must_return_both(returned):
    def program(lib, log):
        net = scaled(lib)
        net.register_forward_pre_hook(lambda m, args, kwargs: returned, with_kwargs=True)
        with pytest.raises(RuntimeError, match="forward pre-hook"):
            net(lib.ones(1))

    both(program)


@pytest.mark.parametrize("way", ["removal", "context"])
def test_handles_remove_their_own_hook_only(way):
    def program(lib, log):
        net = lib.nn.Identity()
        hook = noting(log, "same")
        handles = [net.register_forward_hook(hook, with_kwargs=flag) for flag in (False, True, False)]
        if way == "removal":
            handles[1].remove()
            handles[1].remove()
            net(1)
        else:
            with handles[1]:
                net(1)
            net(2)
        for handle in handles:
            handle.remove()
        net(3)

    assert len(both(program)) == (2 if way == "removal" else 5)


def test_a_module_without_hooks_is_as_if_it_never_had_any():
    net = nn.Identity()
    handles = [
        net.register_forward_hook(print, with_kwargs=True, always_call=True),
        net.register_forward_pre_hook(print),
        net.register_full_backward_hook(print),
        net.register_full_backward_pre_hook(print),
    ]
    assert net._hooks
    for handle in handles:
        handle.remove()
    assert not net._hooks


def test_hooks_of_all_modules_come_first_and_go_again():
    def program(lib, log):
        net, where = lib.nn.Sequential(lib.nn.Identity()), everywhere(lib)
        kind = lambda m: type(m).__name__  # noqa: E731
        net.register_forward_pre_hook(lambda m, args: log.append(("own pre", kind(m))), prepend=True)
        net.register_forward_hook(lambda m, args, y: log.append(("own", kind(m))), prepend=True)
        net.register_full_backward_hook(lambda m, gi, go: log.append(("own backward", kind(m))), prepend=True)
        net.register_full_backward_pre_hook(lambda m, go: log.append(("own backward pre", kind(m))), prepend=True)
        handles = [
            where.register_module_forward_pre_hook(lambda m, args: log.append(("pre", kind(m)))),
            where.register_module_forward_hook(lambda m, args, y: log.append(("post", kind(m)))),
            where.register_module_forward_hook(
                lambda m, args, kwargs, y: log.append(("post with", kind(m), listed(kwargs))), with_kwargs=True
            ),
            where.register_module_full_backward_pre_hook(lambda m, go: log.append(("backward pre", kind(m)))),
            where.register_module_full_backward_hook(lambda m, gi, go: log.append(("backward", kind(m)))),
        ]
        try:
            net(lib.ones(1, requires_grad=True)).sum().backward()
        finally:
            for handle in handles:
                handle.remove()
        log.append("removed")
        net(lib.ones(1, requires_grad=True)).sum().backward()

    log = both(program)
    assert log[:2] == [("pre", "Sequential"), ("own pre", "Sequential")]
    assert len(log[log.index("removed") :]) == 5


def test_hooks_may_be_registered_and_removed_while_hooks_run():
    def program(lib, log):
        net = lib.nn.Identity()

        def once(m, args):
            log.append("once")
            handle.remove()
            m.register_forward_hook(noting(log, "later"))

        handle = net.register_forward_pre_hook(once)
        net.register_forward_pre_hook(noting(log, "second"))
        net(1)
        net(2)

    assert both(program) == ["once", ("second", [[1]]), ("later", [[1], 1]), ("second", [[2]]), ("later", [[2], 2])]


@pytest.mark.parametrize("failing", ["nothing", "pre", "forward", "post"])
def test_hooks_that_are_always_called(failing):
    def program(lib, log):
        class Net(lib.nn.Module):
            def forward(self, x):
                if failing == "forward":
                    raise OSError("forward")
                return x + 1

        def fail(name):
            def hook(*_):
                log.append(name)
                if failing == name:
                    raise OSError(name)

            return hook

        net = Net()
        net.register_forward_pre_hook(fail("pre"))
        net.register_forward_hook(noting(log, "first"), always_call=True)
        net.register_forward_hook(fail("post"))
        net.register_forward_hook(lambda *_: 7, always_call=True)
        net.register_forward_hook(noting(log, "with"), always_call=True, with_kwargs=True)
        net.register_forward_hook(noting(log, "not always"))
        where = everywhere(lib)
        with where.register_module_forward_hook(noting(log, "global"), always_call=True):
            try:
                log.append(listed(net(lib.ones(1))))
            except OSError as error:
                log.append(str(error))

    assert sum(each[0] == "first" for each in both(program) if isinstance(each, tuple)) == 1


def test_what_an_always_called_hook_raises_after_an_error_is_a_warning():
    for lib in (gpudl, torch):
        net = lib.nn.Linear(1, 1)

        def bad(*_):
            raise OSError("second")

        net.register_forward_hook(bad, always_call=True)
        with pytest.warns(UserWarning, match="second"), pytest.raises(RuntimeError):
            net(lib.ones(2, 3))


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


def counting(module, args, y):
    module.calls = getattr(module, "calls", 0) + 1


@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_have_the_hooks_and_are_free_of_the_original(again):
    net = nn.Identity()
    handle = net.register_forward_hook(counting)
    other = again(net)
    other.register_forward_hook(counting)
    handle.remove()
    other(1)
    net(1)
    assert other.calls == 2
    assert not hasattr(net, "calls")


def test_hooks_on_registration_see_and_replace():
    def program(lib, log):
        where = everywhere(lib)
        kinds = ("parameter", "buffer", "module")
        handles = [
            getattr(where, f"register_module_{kind}_registration_hook")(
                lambda m, name, value, kind=kind: log.append((kind, type(m).__name__, name, type(value).__name__))
            )
            for kind in kinds
        ]
        replacement = lib.nn.Identity()
        handles.append(
            where.register_module_module_registration_hook(
                lambda m, name, value: replacement if isinstance(value, lib.nn.Tanh) else None
            )
        )
        try:
            net = lib.nn.Sequential(lib.nn.Linear(1, 2), lib.nn.Tanh())
            net.extra = lib.nn.Tanh()
            net.register_buffer("table", lib.ones(1))
            net.table = lib.zeros(1)
        finally:
            for handle in handles:
                handle.remove()
        net.more = lib.nn.Tanh()
        log.append([type(each).__name__ for each in net.children()])

    assert both(program)[-1] == ["Linear", "Identity", "Tanh"]
