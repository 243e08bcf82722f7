"""Hooks around forward, of one module and of all, and on registration: the same program on gpudl and on PyTorch."""

import copy
import pickle

import pytest
from programs import both, everywhere, listed, scaled

import gpudl
from gpudl import nn

torch = pytest.importorskip("torch")


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
