"""no_grad, enable_grad, set_grad_enabled, inference_mode: as contexts, as decorators, per thread."""

import threading

import pytest

import gpudl
from gpudl.autograd import is_inference_mode_enabled


def x():
    return gpudl.tensor([1.0, 2.0], requires_grad=True)


def test_contexts_nest_and_restore():
    assert gpudl.is_grad_enabled()
    with gpudl.no_grad():
        assert not gpudl.is_grad_enabled() and not (x() * 2).requires_grad
        with gpudl.enable_grad():
            assert (x() * 2).requires_grad
        assert not gpudl.is_grad_enabled()
    assert gpudl.is_grad_enabled()


def test_an_exception_restores_too():
    with pytest.raises(KeyError), gpudl.no_grad():
        raise KeyError
    assert gpudl.is_grad_enabled()


def test_one_instance_can_be_entered_again():
    context = gpudl.no_grad()
    with context:
        with context:
            assert not gpudl.is_grad_enabled()
        assert not gpudl.is_grad_enabled()
    assert gpudl.is_grad_enabled()


@pytest.mark.parametrize("decorate", [gpudl.no_grad, gpudl.no_grad(), gpudl.inference_mode, gpudl.inference_mode()])
def test_decorators(decorate):
    @decorate
    def f(value):
        "Text."
        return value * 2

    assert not f(x()).requires_grad and f.__doc__ == "Text." and gpudl.is_grad_enabled()


def test_set_grad_enabled_acts_at_once_and_as_a_context():
    with gpudl.set_grad_enabled(False):
        assert not gpudl.is_grad_enabled()
    assert gpudl.is_grad_enabled()
    gpudl.set_grad_enabled(False)
    assert not gpudl.is_grad_enabled()
    gpudl.set_grad_enabled(True)
    assert gpudl.is_grad_enabled()

    @gpudl.set_grad_enabled(False)
    def f():
        return gpudl.is_grad_enabled()

    assert gpudl.is_grad_enabled() and f() is False


def test_each_thread_has_its_own_mode():
    seen = []
    with gpudl.no_grad():
        thread = threading.Thread(target=lambda: seen.append(gpudl.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_inference_tensors_cannot_enter_a_graph_later():
    with gpudl.inference_mode():
        assert is_inference_mode_enabled() and not gpudl.is_grad_enabled()
        y = x() * 2
        y.add_(1)
        with gpudl.enable_grad():
            assert not (x() * 2).requires_grad
    assert y.is_inference() and not y.requires_grad
    assert not x().is_inference()
    with pytest.raises(RuntimeError, match=r"inference.*clone"):
        x() * y
    with pytest.raises(RuntimeError, match=r"inference.*clone"):
        y.add_(1)
    with pytest.raises(RuntimeError, match=r"inference.*clone"):
        y.requires_grad_()
    (x() + y).sum().backward()  # nothing is saved, so nothing can go wrong
    (x() * y.clone()).sum().backward()


def test_inference_mode_can_be_off():
    with gpudl.inference_mode(False):
        assert gpudl.is_grad_enabled() and not (x() * 2).is_inference()
    with gpudl.inference_mode(), gpudl.inference_mode(False):
        assert not is_inference_mode_enabled()
