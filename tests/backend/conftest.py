"""What the tests of the cuda backend share."""

import pytest

from tests.backend.emulated import cuda_like


@pytest.fixture
def place(request):
    """A GPU with --device cuda, else the emulated device."""
    return cuda_like(request.config)
