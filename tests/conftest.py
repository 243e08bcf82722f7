"""What all tests share: the devices they run on, and how Hypothesis behaves."""

from hypothesis import settings

pytest_plugins = ["gpudl.testing.plugin"]

# The same examples in every run, however slow the machine.
settings.register_profile("gpudl", derandomize=True, deadline=None, database=None, max_examples=100)
settings.load_profile("gpudl")
