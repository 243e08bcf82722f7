"""Ctrl-C waits for a block to end, and only there."""

from __future__ import annotations

import signal
import threading

import pytest

from gpudl.train.interrupt import uninterrupted


@pytest.fixture
def handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("handler")
def test_interrupt_waits_for_the_end_of_the_block() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt):
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            steps.append("inside")
        steps.append("after")
    assert steps == ["inside"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("handler")
def test_without_an_interrupt_nothing_happens() -> None:
    with uninterrupted():
        pass
    with pytest.raises(ValueError, match="inside"), uninterrupted():
        raise ValueError("inside")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("handler")
def test_handler_of_the_program_stays() -> None:
    seen = []
    signal.signal(signal.SIGINT, lambda *arguments: seen.append(1))
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
        assert seen == [1]


def test_threads_may_use_it() -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]
