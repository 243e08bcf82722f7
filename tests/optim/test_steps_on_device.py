"""On a CUDA device a step of an elementwise optimizer is one launch, however many parameters it has, and clipping
gradients by their norm one for what is scaled; they do what the CPU does, half floats in float32 inside."""

import numpy as np
import pytest
from on_gpu import gpu, launched  # noqa: F401
from tolerances import tolerance

import gpudl
from gpudl import nn, optim
from gpudl.backend.device import to_host

# name -> settings that use all state that there is
STEPS = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    "Adam": {"weight_decay": 0.1, "amsgrad": True},
    "AdamW": {},
    "Adamax": {"weight_decay": 0.1},
    "NAdam": {"weight_decay": 0.1, "decoupled_weight_decay": True},
    "RAdam": {"weight_decay": 0.1},
    "Adagrad": {"weight_decay": 0.1},
    "Adadelta": {"weight_decay": 0.1},
    "RMSprop": {"momentum": 0.9, "centered": True, "weight_decay": 0.1},
    "Rprop": {},
    "ASGD": {"weight_decay": 0.1},
    "Lion": {"weight_decay": 0.1},
    "LAMB": {"weight_decay": 0.1},
}
LAUNCHES = {"LAMB": 2}  # the lengths of all parameters come first
SHAPES = ((7, 33), (5,), (64, 9))


def parameters(place, dtype):
    rng = np.random.default_rng(0)
    made = []
    for shape in SHAPES:
        values, gradient = rng.standard_normal((2, *shape))
        gradient += np.copysign(0.5, gradient)  # its square, as Adam's state has it in float16, is not 0
        p = nn.Parameter(gpudl.tensor(values, dtype=dtype).to(place))
        p.grad = gpudl.tensor(gradient, dtype=dtype).to(place)
        made.append(p)
    return made


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_one_launch(gpu, name):  # noqa: F811
    given = parameters(gpu, gpudl.float32)
    optimizer = getattr(optim, name)(given, lr=0.01, **STEPS[name])
    optimizer.zero_grad()
    sum((p * p).sum() for p in given).backward()  # into gradients that lie end to end
    optimizer.step()
    assert launched(gpu, optimizer.step) == LAUNCHES.get(name, 1)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", STEPS)
def test_steps_are_those_of_the_cpu(gpu, name, dtype):  # noqa: F811
    outcomes = []
    # NumPy's arithmetic rounds half floats at each operation, and loses the eps that is added to their roots.
    for place, kind in ((gpu, dtype), (gpudl.device("cpu"), "float32" if "16" in dtype else dtype)):
        given = parameters(place, getattr(gpudl, kind))
        optimizer = getattr(optim, name)(given, lr=0.01, **STEPS[name])
        for _ in range(3):
            optimizer.step()
        outcomes.append([to_host(p.detach().array).astype("float64") for p in given])
    relative, absolute = (10 * bound for bound in tolerance(dtype))
    for got, want in zip(*outcomes):
        np.testing.assert_allclose(got, want, relative, absolute)


def test_a_parameter_in_another_order_of_memory_takes_its_step(gpu):  # noqa: F811
    for name in ("SGD", "Adam", "LAMB"):
        found = []
        for place in (gpu, gpudl.device("cpu")):
            values = np.arange(12, dtype="float32").reshape(3, 4) / 12
            p = nn.Parameter(gpudl.tensor(values).to(place).t())
            keep = p.data  # seen from elsewhere, so that it cannot be moved
            p.grad = gpudl.ones_like(p)
            optimizer = getattr(optim, name)([p], lr=0.1, **STEPS[name])
            optimizer.step()
            found.append(to_host(keep.array))
        np.testing.assert_allclose(*found, rtol=1e-6)


@pytest.mark.parametrize("total", [0.5, 2.0, float("inf"), float("nan")])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gradients_are_clipped_by_one_launch(gpu, dtype, total):  # noqa: F811
    results = []
    for place in (gpu, gpudl.device("cpu")):
        given = parameters(place, getattr(gpudl, dtype))
        norm = gpudl.tensor(total, dtype=getattr(gpudl, dtype)).to(place)
        nn.utils.clip_grads_with_norm_(given, 1.0, norm)
        results.append([to_host(p.grad.array).astype("float64") for p in given])
    for got, want in zip(*results):
        np.testing.assert_allclose(got, want, *tolerance(dtype))


def test_clipping_what_lies_end_to_end_is_one_launch(gpu):  # noqa: F811
    given = parameters(gpu, gpudl.float32)
    optimizer = optim.SGD(given, lr=0.01)
    optimizer.zero_grad()
    sum((p * p).sum() for p in given).backward()
    norm = gpudl.tensor(100.0).to(gpu)
    assert launched(gpu, lambda: nn.utils.clip_grads_with_norm_(given, 1.0, norm)) == 1


@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_launches_little_but_its_products(gpu, nesterov):  # noqa: F811
    p = nn.Parameter(gpudl.ones(7, 33, device=gpu))
    p.grad = gpudl.ones(7, 33, device=gpu)
    optimizer = optim.Muon([p], ns_steps=5, nesterov=nesterov)
    # The momentum, the squared length in two, the division by it, the change. Products and copies are no launches.
    assert launched(gpu, optimizer.step) == 1 + 2 + 1 + 1
