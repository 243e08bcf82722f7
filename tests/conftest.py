"""What all tests share: the devices they run on, how Hypothesis behaves, and PyTorch's seed."""

import contextlib

from hypothesis import settings

pytest_plugins = ["gpudl.testing.plugin"]

# The same examples in every run, however slow the machine.
settings.register_profile("gpudl", derandomize=True, deadline=None, database=None, max_examples=100)
settings.load_profile("gpudl")

# torch.manual_seed notes a traceback for every kind of device that is not there: half of the time of PyTorch's samples.
with contextlib.suppress(ImportError):
    import torch

    for kind in (torch.cuda, torch.xpu, torch.mtia):
        if not kind.is_available():
            kind.manual_seed_all = lambda seed: None
