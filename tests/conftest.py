"""What all tests share: the devices they run on, and how Hypothesis behaves."""

import pytest
from hypothesis import settings

import gpudl

# The same examples in every run, however slow the machine.
settings.register_profile("gpudl", derandomize=True, deadline=None, database=None, max_examples=100)
settings.load_profile("gpudl")


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        default="cpu",
        metavar="NAMES",
        help="devices for the tests that take the `device` fixture, separated by commas; default cpu",
    )


def pytest_generate_tests(metafunc):
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", metafunc.config.getoption("--device").split(","), indirect=True, scope="session")


@pytest.fixture(scope="session")
def device(request):
    """The device under test; a test that makes its tensors there runs once for each name in --device."""
    return gpudl.device(request.param)
