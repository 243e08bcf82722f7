"""What the tests of the driver stand-in share: the driver, a stream, a handle of cuBLAS."""

import pytest
from native_driver import Driver


@pytest.fixture(scope="module")
def cuda():
    """A driver with one device."""
    return Driver()


@pytest.fixture(scope="module")
def pair():
    """A driver with two devices."""
    return Driver(2)


@pytest.fixture
def two(pair):
    yield pair
    pair.call("cudaSetDevice", 0)


@pytest.fixture
def stream(cuda):
    stream = cuda.stream()
    yield stream
    cuda.call("cudaStreamDestroy", stream)


@pytest.fixture
def handle(cuda):
    handle = cuda.made("cublasCreate_v2")
    yield handle
    cuda.call("cublasDestroy_v2", handle)
