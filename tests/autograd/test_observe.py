"""Observers of operations leave no trace, whichever of two threads ends first."""

import threading

import gpudl
from gpudl.autograd import Primitive
from gpudl.autograd.observe import observing


def test_observers_of_two_threads_see_their_own_and_leave_apply_as_it_was():
    before, seen = vars(Primitive)["apply"], {"first": [], "second": []}
    first_is_in, second_is_in, first_is_out = threading.Event(), threading.Event(), threading.Event()

    def second():
        first_is_in.wait(10)
        with observing(lambda operation, args, run: seen["second"].append(operation.name()) or run()):
            second_is_in.set()
            gpudl.ones(2).exp()
            first_is_out.wait(10)

    other = threading.Thread(target=second)
    other.start()
    with observing(lambda operation, args, run: seen["first"].append(operation.name()) or run()):
        first_is_in.set()
        second_is_in.wait(0.2)
        gpudl.ones(2).sin()
    first_is_out.set()
    other.join(10)
    assert not other.is_alive() and vars(Primitive)["apply"] is before
    assert ("Exp" in seen["first"], "Exp" in seen["second"]) == (False, True)
    assert ("Sin" in seen["first"], "Sin" in seen["second"]) == (True, False)
