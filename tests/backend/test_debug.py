"""Debug mode on a device: an index out of range is noted without waiting, and raised once a step, with its place."""

import re
import sys

import numpy as np
import pytest
from on_gpu import gpu, launched  # noqa: F401

import gpudl
from gpudl import nn, optim, sim
from gpudl.nn import functional as F


def line():
    """Of the caller, as it stands in messages."""
    return f"{__file__}:{sys._getframe(1).f_lineno}: "


def table(place):
    """A table of 5 rows and indices, the second and third of which are out of range."""
    return gpudl.ones(5, 3, device=place), gpudl.tensor([1, 7, 9], device=place)


READS = {
    "item": lambda x: x.sum().item(),
    "cpu": lambda x: x.cpu(),
    "numpy": lambda x: np.asarray(x.cpu()),
    "print": lambda x: str(x),
    "if": lambda x: bool(x.sum() > 0),
    "synchronize": lambda x: gpudl.synchronize(x.device),
    "report": lambda x: gpudl.debug.report(),
}


@pytest.mark.parametrize("name", READS)
def test_it_is_raised_where_the_host_waits_anyway(gpu, name):  # noqa: F811
    weight, index = table(gpu)
    with gpudl.debug():
        here, _ = line(), F.embedding(index, weight)
        with pytest.raises(IndexError) as raised:
            READS[name](weight)
        assert str(raised.value) == here + "embedding: index 7 is out of range for dimension 0 of length 5"
        READS[name](weight)  # once


def test_it_is_raised_when_the_block_is_left(gpu):  # noqa: F811
    weight, index = table(gpu)
    with pytest.raises(IndexError, match="embedding: index 7"), gpudl.debug():
        F.embedding(index, weight)
    with gpudl.debug():
        F.embedding(index[:1], weight)


def test_it_is_raised_by_the_step_before_anything_changes(gpu):  # noqa: F811
    gpudl.manual_seed(0)
    model = nn.Linear(4, 3).to(gpu)
    optimizer = optim.AdamW(model.parameters(), lr=0.1)
    x, target = gpudl.ones(2, 4, device=gpu), gpudl.tensor([0, 3], device=gpu)
    before = [p.detach().cpu().numpy() for p in model.parameters()]
    with gpudl.debug():
        here, loss = line(), F.cross_entropy(model(x), target)
        loss.backward()
        with pytest.raises(IndexError) as raised:
            optimizer.step()
        assert str(raised.value) == here + "cross_entropy: target 3 is out of range for 3 classes, counted from 0"
        for p, old in zip(model.parameters(), before):
            assert (p.detach().cpu().numpy() == old).all()
        optimizer.zero_grad()
        F.cross_entropy(model(x), target.clamp(0, 2)).backward()
        optimizer.step()
    assert not any((p.detach().cpu().numpy() == old).all() for p, old in zip(model.parameters(), before))


def test_the_first_operation_is_named(gpu):  # noqa: F811
    weight, index = table(gpu)
    with gpudl.debug():
        F.embedding(index[:1], weight)
        here, _ = line(), gpudl.gather(weight, 1, gpudl.tensor([[0, -4, 5]], device=gpu))
        F.embedding(index, weight)
        with pytest.raises(IndexError, match=re.escape(here) + r"gather: index -4 is out of range for dimension 1"):
            gpudl.debug.report()
        gpudl.debug.report()


def test_at_once_it_is_raised_by_the_operation(gpu):  # noqa: F811
    weight, index = table(gpu)
    with gpudl.debug(at_once=True), pytest.raises(IndexError, match="embedding: index 7"):
        F.embedding(index, weight)


def test_another_error_is_not_hidden(gpu):  # noqa: F811
    weight, index = table(gpu)
    with pytest.raises(ZeroDivisionError), gpudl.debug():
        F.embedding(index, weight)
        1 / 0  # noqa: B018
    assert weight.sum().item() == 15
    with gpudl.debug():
        F.embedding(index[:1], weight)


def test_nobody_waits(gpu):  # noqa: F811
    weight, index = table(gpu)
    plain = launched(gpu, F.embedding, index[:1], weight)
    with gpudl.debug():
        assert launched(gpu, F.embedding, index[:1], weight) == plain + 1
        with gpudl.strict(), sim.counting() as counted:
            F.embedding(index[:1], weight)
        assert counted.device_to_host == counted.host_to_device == counted.synchronizations == 0
        with gpudl.debug(False):
            assert launched(gpu, F.embedding, index, weight) == plain


@pytest.mark.parametrize("loss", ["cross_entropy", "nll_loss"])
def test_what_is_ignored_is_right(gpu, loss):  # noqa: F811
    x = gpudl.zeros(3, 4, device=gpu)
    with gpudl.debug():
        getattr(F, loss)(x, gpudl.tensor([0, -100, 3], device=gpu)).item()
        getattr(F, loss)(x, gpudl.tensor([0, 9, 3], device=gpu), ignore_index=9).item()
        getattr(F, loss)(x, gpudl.tensor([0, -100, -1], device=gpu))
        with pytest.raises(IndexError, match=f"{loss}: target -1 is out of range for 4 classes"):
            gpudl.debug.report()


def test_indices_of_any_order_and_of_none(gpu):  # noqa: F811
    grid = gpudl.tensor([[0, 1, 2], [3, 4, 9], [5, 6, 7]], device=gpu)
    x = gpudl.ones(9, device=gpu)
    with gpudl.debug():
        for index in (grid[:0], grid[:1].t(), grid[:, :2].t(), grid[::2]):
            gpudl.take(x, index).cpu()
        gpudl.take(x, grid.t())
        with pytest.raises(IndexError, match="take: index 9 is out of range"):
            gpudl.debug.report()


def test_max_unpool(gpu):  # noqa: F811
    x = gpudl.ones(1, 1, 2, device=gpu)
    with gpudl.debug():
        F.max_unpool1d(x, gpudl.tensor([[[0, 4]]], device=gpu), 2)
        with pytest.raises(RuntimeError, match=r"max_unpool1d: index 4 is out of range for an output of \(4,\)"):
            gpudl.debug.report()


def test_on_the_cpu_it_is_raised_at_once():
    weight, index = table("cpu")
    for on in (True, False):
        with gpudl.debug(on), pytest.raises(IndexError, match=r"embedding: index 7 is out of range"):
            F.embedding(index, weight)
