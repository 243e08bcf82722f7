"""Errors are compared with PyTorch's on every device, so indices are looked at on all of them."""

import pytest

from gpudl.backend.debug import debug


@pytest.fixture(autouse=True, scope="module")  # of the session, it would also hold for tests that come later
def debug_mode():
    with debug(at_once=True):
        yield
