"""Small trainings with a GradScaler, in both libraries."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

SETTINGS = {"init_scale": 8.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 3}


def host(tensor):
    return tensor.detach().cpu().numpy()


def net(lib, device, dtype="float32"):
    """Parameters (3, 4) and (5,), and a loss whose gradients are those that are given."""
    shapes = [(3, 4), (5,)]
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    return [lib.nn.Parameter(lib.tensor(each, device=device)) for each in values]


def loss_with(lib, parameters, seed, bad=None):
    """A loss linear in the parameters: its gradients are random numbers, one of which may be `bad`."""
    rng = np.random.default_rng(seed)
    loss = 0
    for number, p in enumerate(parameters):
        gradient = rng.normal(size=tuple(p.shape)).astype(str(p.dtype).removeprefix("torch."))
        if bad is not None and number == 1:
            gradient[3] = bad
        loss = loss + (p * lib.tensor(gradient, device=p.device)).sum()
    return loss


def run(lib, scaler, optimizer, parameters, plan, unscales=False, clip=None):
    """Steps with bad gradients where the plan says; gives the scale after each."""
    scales = []
    for seed, bad in enumerate(plan):
        optimizer.zero_grad()
        scaler.scale(loss_with(lib, parameters, seed, bad)).backward()
        if unscales:
            scaler.unscale_(optimizer)
            lib.nn.utils.clip_grad_norm_(parameters, clip)
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    return scales


PLAN = [None, None, None, float("inf"), None, float("nan"), float("-inf"), None, None, None, None]
