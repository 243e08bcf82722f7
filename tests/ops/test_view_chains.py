"""Random programs of views, views of views, shapes changed in place and writes through any of them, against PyTorch."""

import random

import numpy as np
import pytest
from oracle import gradients, host, ours, theirs, torch
from tolerances import assert_close

import gpudl

PROGRAMS = 80


def view_step(rng, shape):
    """A random view of a tensor of this shape: a function of the library and the tensor."""
    ndim = len(shape)
    dim = rng.randrange(ndim) if ndim else 0
    other = rng.randrange(ndim) if ndim else 0
    start = rng.randrange(shape[dim]) if ndim else 0
    length = rng.randint(1, shape[dim] - start) if ndim else 0
    steps = [lambda lib, x: x.unsqueeze(dim), lambda lib, x: x.squeeze(), lambda lib, x: x.reshape(-1)]
    if ndim:
        steps += [
            lambda lib, x: x.select(dim, start),
            lambda lib, x: x.narrow(dim, start, length),
            lambda lib, x: x.transpose(dim, other),
            lambda lib, x: x.movedim(dim, other),
            lambda lib, x: x.unfold(dim, length, length),
            lambda lib, x: x[start:] if ndim == 1 else x[..., ::2],
            lambda lib, x: x.flip(dim),
            lambda lib, x: x.unflatten(dim, (1, -1)),
            lambda lib, x: x.flatten(min(dim, other), max(dim, other)),
            lambda lib, x: x.detach().clone().copy_(x),
            lambda lib, x: x.transpose_(dim, other),
            lambda lib, x: x.unsqueeze_(dim),
        ]
    if ndim > 1:
        offset = rng.randint(1 - shape[0], shape[1] - 1)
        steps += [lambda lib, x: x.diagonal(offset), lambda lib, x: x.mT]
    return rng.choice(steps)


def program(seed, lib, x, w):
    """The tensors that a random program makes of two leaves, and a number computed from all of them."""
    rng = random.Random(seed)
    tensors = [x * 1]
    for _ in range(10):
        source = rng.choice(tensors)
        if rng.random() < 0.35:
            weight = w[rng.randrange(4)]
            rng.choice(
                [
                    lambda t, v: t.mul_(v),
                    lambda t, v: t.add_(v),
                    lambda t, v: t.fill_(v),
                    lambda t, v: t.copy_(v * 2),
                    lambda t, v: t.zero_(),
                ]
            )(source, weight)
        else:
            tensors.append(view_step(rng, tuple(source.shape))(lib, source))
    return tensors, sum((t * t * (i + 1)).sum() for i, t in enumerate(tensors))


@pytest.mark.parametrize("part", range(4))
def test_random_programs_of_views_and_writes(part, device):
    for seed in range(part * PROGRAMS, (part + 1) * PROGRAMS):
        values = [np.random.default_rng(seed).uniform(0.5, 1.5, size) for size in ((3, 4, 2), (4,))]
        mine, other = [ours(v, device, True) for v in values], [theirs(v, True) for v in values]
        tensors, got = program(seed, gpudl, *mine)
        twins, want = program(seed, torch, *other)
        for number, (tensor, twin) in enumerate(zip(tensors, twins)):
            assert_close(host(tensor), host(twin), f"program {seed}, tensor {number}")
        assert want.requires_grad or not got.requires_grad
        if not got.requires_grad:
            continue
        one = [ours(np.array(1.0), device)], [theirs(np.array(1.0))]
        results = gradients(gpudl, [got], mine, one[0]), gradients(torch, [want], other, one[1])
        for dx, twin in zip(*results):
            assert_close(host(dx), host(twin), f"program {seed}: gradient")
