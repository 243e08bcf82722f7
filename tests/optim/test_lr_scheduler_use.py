"""Schedules as they are used: rates changed by hand, subclasses, functions that are saved, and clear errors."""

import pytest
from test_lr_scheduler import halves, optimizer

import gpudl


def test_a_rate_changed_by_hand_is_gone_on_from():
    opt = optimizer(gpudl, rates=(1.0,))
    schedule = gpudl.optim.lr_scheduler.ExponentialLR(opt, 0.5)
    opt.step()
    schedule.step()
    opt.param_groups[0]["lr"] = 8.0
    schedule.step()
    assert schedule.get_last_lr() == [4.0]


def test_a_rate_that_is_a_tensor_is_written_in_place(device):
    rate = gpudl.tensor(1.0, device=device)
    opt = gpudl.optim.SGD([gpudl.nn.Parameter(gpudl.zeros(2, device=device))], lr=rate)
    schedule = gpudl.optim.lr_scheduler.ExponentialLR(opt, 0.5)
    opt.step()
    before = schedule.get_last_lr()[0]
    schedule.step()
    assert opt.param_groups[0]["lr"] is rate
    assert (rate.item(), before.item(), schedule.get_last_lr()[0].item()) == (0.5, 1.0, 0.5)


def test_a_subclass_may_give_get_lr():
    class Square(gpudl.optim.lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base / (1 + self.last_epoch) ** 2 for base in self.base_lrs]

    opt = optimizer(gpudl, rates=(1.0,))
    schedule = Square(opt)
    opt.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.25]


class Halver:
    """A function with a state of its own."""

    def __init__(self, base):
        self.base = base

    def __call__(self, epoch):
        return self.base**epoch


def test_functions_with_attributes_are_saved_and_plain_ones_are_not():
    opt = optimizer(gpudl)
    schedule = gpudl.optim.lr_scheduler.LambdaLR(opt, [Halver(0.5), halves])
    state = schedule.state_dict()
    assert state["lr_lambdas"] == [{"base": 0.5}, None]
    other = gpudl.optim.lr_scheduler.LambdaLR(optimizer(gpudl), [Halver(0.9), halves])
    other.load_state_dict(state)
    assert other.lr_lambdas[0].base == 0.5


def test_a_step_before_the_optimizers_warns():
    schedule = gpudl.optim.lr_scheduler.StepLR(optimizer(gpudl), 3)
    with pytest.warns(UserWarning, match="before optimizer.step"):
        schedule.step()


ERRORS = {
    "no Optimizer": (TypeError, "Optimizer", lambda s, o: s.StepLR(3, 1)),
    "resume": (KeyError, "initial_lr", lambda s, o: s.StepLR(o, 1, last_epoch=4)),
    "StepLR": (ValueError, "step_size", lambda s, o: s.StepLR(o, 0)),
    "ConstantLR": (ValueError, "factor", lambda s, o: s.ConstantLR(o, 1.5)),
    "LinearLR start": (ValueError, "start_factor", lambda s, o: s.LinearLR(o, 0)),
    "LinearLR end": (ValueError, "end_factor", lambda s, o: s.LinearLR(o, end_factor=2)),
    "LinearLR total": (ValueError, "total_iters", lambda s, o: s.LinearLR(o, total_iters=0)),
    "PolynomialLR": (ValueError, "total_iters", lambda s, o: s.PolynomialLR(o, 0)),
    "Cosine": (ValueError, "T_max", lambda s, o: s.CosineAnnealingLR(o, 0)),
    "restarts": (ValueError, "T_0", lambda s, o: s.CosineAnnealingWarmRestarts(o, 1.5)),
    "T_mult": (ValueError, "T_mult", lambda s, o: s.CosineAnnealingWarmRestarts(o, 1, 0)),
    "lambdas": (ValueError, "each of the 2", lambda s, o: s.LambdaLR(o, [halves])),
    "no function": (TypeError, "function", lambda s, o: s.LambdaLR(o, 0.5)),
    "Cyclic mode": (ValueError, "mode", lambda s, o: s.CyclicLR(o, 0.1, 1, mode="wave")),
    "Cyclic scale_mode": (ValueError, "scale_mode", lambda s, o: s.CyclicLR(o, 0.1, 1, scale_mode="wave")),
    "Cyclic steps": (ValueError, "step sizes", lambda s, o: s.CyclicLR(o, 0.1, 1, step_size_up=0)),
    "Cyclic lists": (ValueError, "max_lr", lambda s, o: s.CyclicLR(o, 0.1, [1])),
    "OneCycle no steps": (ValueError, "total_steps", lambda s, o: s.OneCycleLR(o, 0.1)),
    "OneCycle steps": (ValueError, "total_steps", lambda s, o: s.OneCycleLR(o, 0.1, total_steps=0)),
    "OneCycle epochs": (ValueError, "epochs", lambda s, o: s.OneCycleLR(o, 0.1, epochs=0, steps_per_epoch=3)),
    "OneCycle pct": (ValueError, "pct_start", lambda s, o: s.OneCycleLR(o, 0.1, 9, pct_start=1.5)),
    "OneCycle strategy": (ValueError, "anneal_strategy", lambda s, o: s.OneCycleLR(o, 0.1, 9, anneal_strategy="x")),
    "plateau factor": (ValueError, "factor", lambda s, o: s.ReduceLROnPlateau(o, factor=1.0)),
    "plateau mode": (ValueError, "mode", lambda s, o: s.ReduceLROnPlateau(o, "best")),
    "plateau threshold": (ValueError, "threshold_mode", lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="x")),
    "plateau min_lr": (ValueError, "min_lr", lambda s, o: s.ReduceLROnPlateau(o, min_lr=[0.1])),
    "Sequential empty": (ValueError, "at least one", lambda s, o: s.SequentialLR(o, [], [])),
    "Sequential milestones": (ValueError, "a milestone", lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [3])),
    "Sequential no schedule": (TypeError, "number 0", lambda s, o: s.SequentialLR(o, [3], [])),
    "Sequential plateau": (ValueError, "metric", lambda s, o: s.SequentialLR(o, [s.ReduceLROnPlateau(o)], [])),
    "Chained others": (
        ValueError,
        "another optimizer",
        lambda s, o: s.ChainedScheduler([s.StepLR(o, 1), s.StepLR(optimizer(gpudl), 1)]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_what_is_wrong(name):
    kind, match, make = ERRORS[name]
    with pytest.raises(kind, match=match):
        make(gpudl.optim.lr_scheduler, optimizer(gpudl, momentum=0.9))


def test_cycling_needs_a_momentum():
    class Plain(gpudl.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1})

    with pytest.raises(ValueError, match="neither momentum nor betas"):
        gpudl.optim.lr_scheduler.CyclicLR(Plain([gpudl.nn.Parameter(gpudl.zeros(2))]), 0.1, 1)


def test_one_cycle_ends():
    opt = optimizer(gpudl, momentum=0.9)
    schedule = gpudl.optim.lr_scheduler.OneCycleLR(opt, 0.1, total_steps=3)
    opt.step()
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="schedule of 3 steps"):
        schedule.step()


def test_plateau_with_groups_added_later():
    opt = optimizer(gpudl)
    schedules = [gpudl.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=0, min_lr=low) for low in (0.01, [0.1, 0.1])]
    opt.add_param_group({"params": [gpudl.nn.Parameter(gpudl.zeros(1))], "lr": 1.0})
    for _ in range(2):
        schedules[0].step(1.0)
    assert schedules[0].get_last_lr() == pytest.approx([0.05, 0.01, 0.1])
    schedules[1].step(1.0)
    with pytest.raises(RuntimeError, match="min_lrs"):
        schedules[1].step(1.0)
