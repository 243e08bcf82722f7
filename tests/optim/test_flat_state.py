"""The state of parameters that lie end to end: its numbers, and where its memory begins."""

import numpy as np
import pytest
from beside_torch import host, torch
from small_nets import assert_same, backward, calls_of, is_flat, net, train
from tolerances import assert_close

import gpudl
from gpudl import nn, optim
from gpudl.backend.flat_memory import LINE
from gpudl.optim.pieces import PIECE
from gpudl.optim.stretch import Scalar


def test_scalars_of_a_run_are_those_of_each_parameter():
    class Fading(optim.Optimizer):
        def buffers(self, group, shape):
            return {"factor": Scalar(1.0), "total": 2.0}

        def update(self, p, dp, state, step, group):
            state["factor"] *= 0.5
            state["total"] += dp
            p -= float(state["factor"]) * dp

    class Whole(Fading):
        elementwise = False

    class Uncounted(Fading):
        counts = False

    results = []
    for kind in (Fading, Whole, Uncounted):
        model = net(gpudl)
        optimizer = kind(model.parameters(), {"lr": 0.1})
        sizes = calls_of(optimizer)
        for step in range(4):
            optimizer.zero_grad()
            backward(gpudl, model, step)
            if step == 2:
                model[2].bias.grad = None
            optimizer.step()
        assert len(sizes) == (23 if kind is Whole else 1 + 1 + 2 + 3)
        factors = [optimizer.state[p]["factor"].item() for p in model.parameters()]
        assert factors == [0.0625, 0.0625, 0.0625, 0.125, 0.0625, 0.0625]
        assert ("step" in optimizer.state[model[0].weight]) is kind.counts
        results.append([host(p) for p in model.parameters()])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other))


@pytest.mark.parametrize(("name", "number"), [("ASGD", "mu"), ("ASGD", "eta"), ("NAdam", "mu_product")])
def test_numbers_that_differ_split_a_run_though_the_steps_are_the_same(name, number):
    results = []
    for lib in (gpudl, torch):
        model = net(lib)
        optimizer = getattr(lib.optim, name)(model.parameters(), lr=0.05)
        train(lib, model, optimizer, steps=2)
        optimizer.state[model[2].weight][number].fill_(0.5)
        train(lib, model, optimizer, 2, 1)
        results.append((model, [kept.get("ax", kept[number]) for kept in optimizer.state.values()]))
    assert_same(results[0][0], results[1][0])
    for mine, theirs in zip(results[0][1], results[1][1], strict=True):
        assert_close(host(mine), host(theirs), number, 20)


def test_flat_memory_begins_at_a_cache_line():
    given = [nn.Parameter(gpudl.ones(100_000)), nn.Parameter(gpudl.ones(3))]
    optimizer = optim.Adam(given)
    sum(p.sum() for p in given).backward()
    optimizer.step()
    kept = optimizer.state[given[0]]
    for x in (given[0], given[0].grad, kept["exp_avg"], kept["exp_avg_sq"]):
        assert x.array.ctypes.data % LINE == 0
    assert is_flat(given)


def test_every_piece_of_a_run_starts_from_the_same_numbers():
    found = []
    for lib in (gpudl, torch):
        p = lib.nn.Parameter(lib.ones(2 * PIECE + 3))
        optimizer = lib.optim.NAdam([p], lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            (p**2).sum().backward()
            optimizer.step()
        found.append((p, optimizer.state[p]["mu_product"]))
    for mine, theirs in zip(*found, strict=True):
        assert_close(host(mine), host(theirs), "NAdam", 20)
