"""What a project that uses gpudl needs in its own tests: one suite for all devices, and its CUDA kernels checked.

    # conftest.py
    pytest_plugins = ["gpudl.testing.plugin"]

gives `pytest --device cpu,sim,cuda`, the fixture `device`, and the fixtures `check_kernel` and `check_devices`.
"""

from gpudl.testing.devices import check_devices
from gpudl.testing.kernels import check_kernel

__all__ = ["check_devices", "check_kernel"]
