"""The digits are learned on the sim device as on the CPU: one seed, the same weights and order, and nothing leaves the
device during a step."""

import numpy as np
import pytest

import gpudl
from gpudl import nn, optim, sim
from gpudl.data import DataLoader, Digits
from tests.tolerances import tolerance

pytestmark = pytest.mark.skipif(sim.why_unavailable() is not None, reason=str(sim.why_unavailable()))
pytest.importorskip("sklearn", reason="the digits come with scikit-learn")

STEPS = 20


class Run:
    """20 steps of training on one device, and what they left."""

    def __init__(self, place):
        sim.install()
        gpudl.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 10)).to(place)
        self.initial = [parameter.detach().cpu().numpy().copy() for parameter in model.parameters()]
        optimizer, criterion = optim.AdamW(model.parameters(), lr=0.002, weight_decay=0.4), nn.CrossEntropyLoss()
        self.order, losses, self.launches = [], [], []
        for images, labels in DataLoader(Digits(train=True), batch_size=32, shuffle=True):
            self.order.append(labels.numpy().copy())
            images, labels = images.to(place), labels.to(place)
            with gpudl.strict(), sim.counting() as counted:
                loss = criterion(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            self.launches.append(counted)
            if len(losses) == STEPS:
                break
        self.losses = [loss.item() for loss in losses]
        self.final = [parameter.detach().cpu().numpy().copy() for parameter in model.parameters()]


@pytest.fixture(scope="module")
def runs():
    return Run("cpu"), Run("sim")


def test_initial_weights_and_order_are_bit_equal(runs):
    on_cpu, on_sim = runs
    for mine, theirs in zip([*on_cpu.initial, *on_cpu.order], [*on_sim.initial, *on_sim.order]):
        assert mine.tobytes() == theirs.tobytes()


def test_losses_agree(runs):
    on_cpu, on_sim = runs
    relative, absolute = tolerance("float32")
    # Rounding of one step moves the next; 20 steps stay within ten times what one operation may differ by.
    np.testing.assert_allclose(on_sim.losses, on_cpu.losses, 10 * relative, 10 * absolute)
    assert on_cpu.losses[-1] < 0.8 * on_cpu.losses[0]


def test_nothing_is_transferred_or_waited_for_in_a_step(runs):
    _, on_sim = runs
    for counted in on_sim.launches:
        assert counted.host_to_device == counted.device_to_host == counted.synchronizations == 0, counted


def test_a_step_is_launched_alike_every_time(runs):
    _, on_sim = runs
    assert len({counted.launches for counted in on_sim.launches[2:]}) == 1


def test_an_optimizer_step_is_one_launch():
    model = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 10)).to("sim")
    optimizer = optim.AdamW(model.parameters())
    for number in range(3):
        optimizer.zero_grad()
        model(gpudl.ones(4, 64, device="sim")).sum().backward()
        with sim.counting() as counted:
            optimizer.step()
        assert number == 0 or counted.launches == 1, counted


def test_cross_entropy_is_one_launch_forward():
    x = gpudl.tensor(np.random.default_rng(0).standard_normal((32, 10), dtype="float32")).to("sim")
    target = gpudl.tensor([3] * 32).to("sim")
    for grad in (False, True):
        x.requires_grad_(grad)
        nn.functional.cross_entropy(x, target)
        with sim.counting() as counted:
            nn.functional.cross_entropy(x, target)
        assert counted.launches == 1, counted


@pytest.mark.parametrize(
    "leave",
    [
        lambda x: x.sum().item(),
        lambda x: float(x.sum()),
        lambda x: bool(x.sum() > 0),
        lambda x: x.tolist(),
        lambda x: repr(x),
        lambda x: gpudl.nonzero(x),
        lambda x: x[x > 0],
        lambda x: gpudl.unique(x),
    ],
    ids=["item", "float", "bool", "tolist", "repr", "nonzero", "mask", "unique"],
)
def test_strict_mode_names_the_line_that_leaves_the_device(leave):
    x = gpudl.ones(3, device="sim")
    leave(x)
    with gpudl.strict(), pytest.raises(gpudl.StrictError, match="test_training_on_sim.py:") as caught:
        leave(x)
    assert caught.value.lineno == leave.__code__.co_firstlineno


def test_what_is_asked_for_by_name_stays_allowed_in_strict_mode():
    with gpudl.strict():
        x = gpudl.tensor([1.0, 2.0], device="sim")
        assert (x * 2).cpu().numpy().tolist() == [2, 4]
        gpudl.synchronize("sim")
        with gpudl.strict(False):
            assert x.sum().item() == 3
        with pytest.raises(gpudl.StrictError):
            x.sum().item()
    assert x.sum().item() == 3
