"""What all tests share: the devices they run on, how Hypothesis behaves, and the seeds."""

import importlib.util

import pytest
from hypothesis import settings

import gpudl

pytest_plugins = ["gpudl.testing.plugin"]

# The same examples in every run, however slow the machine.
settings.register_profile("gpudl", derandomize=True, deadline=None, database=None, max_examples=100)
settings.load_profile("gpudl")

LIBRARIES = [gpudl]
if importlib.util.find_spec("torch") is not None:
    import torch

    LIBRARIES.append(torch)
    # torch.manual_seed notes a traceback for every kind of device that is not there: half of the time of its samples.
    for kind in (torch.cuda, torch.xpu, torch.mtia):
        if not kind.is_available():
            kind.manual_seed_all = lambda seed: None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """A test draws the same numbers in every run, whatever ran before it."""
    for library in LIBRARIES:
        library.manual_seed(0)
